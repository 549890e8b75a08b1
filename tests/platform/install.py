"""Two teams' installations in one cluster, by Helm 3 and Helm 4, with controllers that run under the charts' own accounts: they work,
neither reaches the other's objects or data, and an upgrade loses nothing.

    python install.py     on a stand (KUBECONFIG, AWS_ENDPOINT_URL), with helm3, helm4 and mizuumi in the PATH
"""

import json
import os
import pathlib
import re
import tempfile
import threading
import time
import unittest

import boto3
import yaml

from charts import CHARTS, CI, ROOT, definitions, documents, must, run, template, values_file
from cluster import Api, Kubelet, quick_clusters, until

ACCOUNT = "771177117711"
# Labels whose values come from closed sets, from the configuration, or from what the platform itself has made.
CLOSED = {"kind", "result", "lane", "service", "operation", "outcome", "account", "region", "profile", "database", "condition", "status", "le"}
# The one family with a series for each of something that teams make.
EACH = {"mizuumi_quality_score": {"namespace", "check"}}
# Which Helm installs which team: one each, so that both have waited for a real roll-out.
TEAMS = {"team-a": "helm3", "team-b": "helm4"}
KINDS = ("datatables", "emrclusters", "ingestjobs", "ingestruns", "qualitychecks", "sourceconnections")


def own(team):
    """The namespace of a team's controller."""
    return f"mizuumi-{team}"


def values(team, **more):
    """What the platform says of a team's installation."""
    name = team.replace("-", "_")
    return {
        "config": {
            "installation": team,
            "aws": {"region": "us-east-1", "endpointUrl": os.environ["AWS_ENDPOINT_URL"]},
            "allow": {"databases": [name, *more.pop("databases", [])], "s3Prefixes": [f"s3://lake/{team}/"]},
            "intervals": {"sweepSeconds": 1, "dataSeconds": 1, "blockedSeconds": 2},
            "deletions": {"holdAbove": 1000},
            "clusters": {"pollSeconds": 1, "verifySeconds": 1},
            "profiles": {"default": {
                "jobs": {"serviceAccount": "default", "images": ["registry.example/*"]},
                "emr": {"serviceRole": "EMR_DefaultRole_V2", "instanceProfile": "EMR_EC2_DefaultRole", "subnets": ["subnet-0a1b2c3d"]},
            }},
        },
        "watchNamespaces": [team],
        **more,
    }


def manifest(kind, name, spec):
    """A resource."""
    return {"apiVersion": "mizuumi.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def table(name, database, location, **more):
    """A DataTable with one column."""
    columns = {"from": "Declared", "columns": [{"name": "id", "type": "bigint"}]}
    return manifest("DataTable", name, {"database": database, "location": location, "format": "parquet", "schema": columns, **more})


class Installations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.api = Api()
        client = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": "us-east-1", "aws_access_key_id": ACCOUNT, "aws_secret_access_key": "x"}
        cls.glue = boto3.client("glue", **client)
        boto3.client("s3", **client).create_bucket(Bucket="lake")
        quick_clusters(ACCOUNT)
        definitions()
        variables = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x"}
        cls.kubelet = Kubelet(cls.api, pathlib.Path(cls.folder.name), "app.kubernetes.io/part-of=mizuumi", variables)
        cls.addClassCleanup(cls.kubelet.stop)
        for team, helm in TEAMS.items():
            # What the platform's own namespaces are like: nothing but restricted pods.
            enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
            for name, labels in ((own(team), enforced), (team, {})):
                cls.api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
            cls.glue.create_database(DatabaseInput={"Name": team.replace("-", "_")})
            cls.helm(helm, "install", team, values(team, replicas=2 if team == "team-b" else 1))
            cls.create(team, table("orders", team.replace("-", "_"), f"s3://lake/{team}/orders/"))
            cls.create(team, manifest("QualityCheck", "orders", {"table": "orders", "rules": 'Rules = [ ColumnExists "id" ]'}))
            cls.create(team, manifest("SourceConnection", "orders", {"type": "mysql", "image": "registry.example/mysql@sha256:" + 16 * "4f0c"}))
        published = {"partitionKeys": [{"name": "day", "type": "date"}], "partitions": {"mode": "Published"}}
        cls.create("team-b", table("delays", "team_b", "s3://lake/team-b/delays/", **published))
        # Of two pods the one that works dies, and does not say so; what the tests ask for is done all the same.
        cls.dead = until("a pod works", lambda: cls.leader("team-b"))
        cls.dead.processes[0].kill()
        # The next minute is a session: by the time that somebody looks, it may have come.
        cls.create("team-b", manifest("IngestJob", "delays", {"schedule": {"cron": "* * * * *"}, "run": {"table": "delays", "engine": "External"}}))

    @classmethod
    def tearDownClass(cls):
        cls.api.ask("DELETE", "/apis/mizuumi.dev/v1alpha1/emrclusterclasses/team-b")
        for team, helm in TEAMS.items():
            for kind in ("ingestjobs", "ingestruns", "emrclusters", "qualitychecks", "sourceconnections", "datatables"):
                cls.api.must("DELETE", f"/apis/mizuumi.dev/v1alpha1/namespaces/{team}/{kind}")
            until("all is let go", lambda team=team: cls.no_resources(team))
        # As long as the chart was there: a right that the chart forgets would show here.
        refused = [line for pod in cls.kubelet.pods.values() for line in pod.log().splitlines() if "forbidden" in line or "may not be" in line]
        assert not refused, "\n".join(refused)
        for team, helm in TEAMS.items():
            must(helm, "uninstall", "mizuumi", "--namespace", own(team), "--wait")
        until("the pods have ended", cls.no_pods)
        for team in TEAMS:
            for name in (team, own(team)):
                cls.api.ask("DELETE", f"/api/v1/namespaces/{name}")
        cls.folder.cleanup()

    @classmethod
    def no_resources(cls, team):
        for kind in KINDS:
            assert not cls.api.must("GET", f"/apis/mizuumi.dev/v1alpha1/namespaces/{team}/{kind}")["items"]

    @classmethod
    def no_pods(cls):
        assert not cls.api.must("GET", f"/api/v1/pods?labelSelector={cls.kubelet.label}")["items"]

    @classmethod
    def helm(cls, helm, what, team, of):
        """Installs or upgrades, and waits for the roll-out."""
        with values_file(of) as file:
            try:
                return must(helm, what, "mizuumi", CHARTS / "mizuumi", "--namespace", own(team), "--values", file.name, "--wait", "--timeout", "60s")
            except AssertionError as error:
                logs = "\n".join(pod.log() for pod in cls.kubelet.pods.values())
                raise AssertionError(f"{error}\nthe pods said:\n{logs}\nthe kubelet: {cls.kubelet.failed}") from error

    def path(self, namespace, name, kind="datatables"):
        return f"/apis/mizuumi.dev/v1alpha1/namespaces/{namespace}/{kind}/{name}"

    @classmethod
    def create(cls, namespace, what):
        cls.api.must("POST", f"/apis/mizuumi.dev/v1alpha1/namespaces/{namespace}/{what['kind'].lower()}s", what)

    def reason(self, namespace, name, reason):
        """Waits until a table is ready or not for that reason; answers what it says."""

        def look():
            conditions = self.api.must("GET", self.path(namespace, name)).get("status", {}).get("conditions", [])
            ready = next((one for one in conditions if one["type"] == "Ready"), {})
            assert ready.get("reason") == reason, f"{ready}"
            return ready["message"]

        return until(f"{namespace}/{name}: {reason}", look)

    def ended(self):
        """The pods that were told to end, and have."""
        found = [pod for pod in self.kubelet.pods.values() if pod.codes and f"/{own('team-a')}/" in pod.path]
        assert found
        return found

    def owner(self, database, name):
        return self.glue.get_table(DatabaseName=database, Name=name)["Table"]["Parameters"]["mizuumi.owner"]

    def test_each_team_has_its_tables(self):
        for team in TEAMS:
            database = team.replace("-", "_")
            self.reason(team, "orders", "InSync")
            self.assertTrue(self.owner(database, "orders").startswith(f"{team}/{team}/"), self.owner(database, "orders"))

    def test_each_kind_does_its_work_under_the_charts_account(self):
        """Whatever the controller makes, reads and deletes in Kubernetes."""
        columns = json.dumps({"type": "record", "name": "Refund", "fields": [{"name": "booking", "type": "long"}]})
        self.api.must("POST", "/api/v1/namespaces/team-b/configmaps", {"metadata": {"name": "schemas"}, "data": {"refund.avsc": columns}})
        avsc = {"from": "Avsc", "avscFrom": {"configMap": {"name": "schemas", "key": "refund.avsc"}}}
        self.create("team-b", table("refunds", "team_b", "s3://lake/team-b/refunds/", format="avro", schema=avsc))
        self.reason("team-b", "refunds", "InSync")
        # A Job of Kubernetes is made, and taken away when its run is called off.
        session = "2026-11-01T00:00:00Z"
        job = {"table": "delays", "sessionTime": session, "engine": "KubernetesJob", "kubernetesJob": {"image": "registry.example/work:1"}}
        self.create("team-b", manifest("IngestRun", "by-job", job))
        jobs = "/apis/batch/v1/namespaces/team-b/jobs"
        said = lambda name: json.dumps(self.api.must("GET", self.path("team-b", name, "ingestruns")).get("status"))  # noqa: E731
        until("the run has its Job", lambda: self.assertTrue(self.api.must("GET", jobs)["items"], said("by-job")))
        self.api.merge(self.path("team-b", "by-job", "ingestruns"), {"spec": {"cancel": True}})
        until("the Job is gone", lambda: self.assertFalse(self.api.must("GET", jobs)["items"]))
        # A run has a cluster of its own made, by a class that only the platform writes.
        groups = [{"name": "master", "role": "Master", "instanceType": "m6g.xlarge"}, {"name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 1}]
        rules = {"allowedNamespaces": ["team-b"], "defaults": {"releaseLabel": "emr-7.5.0", "idleTimeout": "1h", "instanceGroups": groups}}
        self.api.must("POST", "/apis/mizuumi.dev/v1alpha1/emrclusterclasses", manifest("EmrClusterClass", "team-b", rules))
        step = {"ownCluster": {"className": "team-b"}, "step": {"name": "work", "command": ["date"]}}
        self.create("team-b", manifest("IngestRun", "by-step", {"table": "delays", "sessionTime": session, "revision": 1, "engine": "EmrStep", "emrStep": step}))

        def started():
            clusters = self.api.must("GET", "/apis/mizuumi.dev/v1alpha1/namespaces/team-b/emrclusters")["items"]
            assert clusters and clusters[0].get("status", {}).get("clusterId"), f"{clusters}"

        until("the run's own cluster is started", started)
        runs = "/apis/mizuumi.dev/v1alpha1/namespaces/team-b/ingestruns?labelSelector=mizuumi.dev/job=delays"
        until("the job has made a run", lambda: self.assertTrue(self.api.must("GET", runs)["items"]), 90)
        events = self.api.must("GET", "/apis/events.k8s.io/v1/namespaces/team-b/events")["items"]
        self.assertTrue([event for event in events if event["regarding"].get("name") == "refunds"])

    def test_a_pod_that_waits_takes_over_from_one_that_died_or_ended(self):

        def another(than):
            leader = self.leader("team-b")
            assert leader.name != than.name, f"{leader.name} works"
            return leader

        second = until("another pod works", lambda: another(self.dead))
        self.api.must("DELETE", second.path)
        after = until("the third works, since the second gave its Lease back", lambda: another(second), 12)
        lease = self.api.must("GET", f"/apis/coordination.k8s.io/v1/namespaces/{own('team-b')}/leases/mizuumi")["spec"]
        self.assertTrue(lease["holderIdentity"].startswith(after.name), f"{lease}")
        self.assertGreaterEqual(lease["leaseTransitions"], 3)
        # The account reaches its own Lease and no other.
        account = self.api.as_account(own("team-b"), "mizuumi")
        self.assertEqual(account.ask("GET", f"/apis/coordination.k8s.io/v1/namespaces/{own('team-b')}/leases")[0], 403)
        self.assertEqual(account.ask("GET", f"/apis/coordination.k8s.io/v1/namespaces/{own('team-a')}/leases/mizuumi")[0], 403)

    def test_helm_test_passes(self):
        for team, helm in TEAMS.items():
            said = must(helm, "test", "mizuumi", "--namespace", own(team), "--timeout", "60s")
            self.assertIn("Succeeded", said)

    @classmethod
    def leader(cls, team):
        """The team's pod that works."""
        pods = [pod for pod in cls.kubelet.pods.values() if f"/{own(team)}/" in pod.path and pod.is_ready]
        leaders = [pod for pod in pods if "\nmizuumi_leader 1\n" in (pod.ask("/metrics") or "")]
        assert len(leaders) == 1, f"{len(leaders)} of {len(pods)} pods work"
        return leaders[0]

    def metrics(self, team):
        """What the team's controller tells, once it has done all there is to do: the type of each family, the series with their labels."""

        def look():
            text = self.leader(team).ask("/metrics")
            for late in ("mizuumi_quality_score{", "mizuumi_sweep_last_success_timestamp_seconds{", "mizuumi_aws_requests_total{"):
                assert late in text, text
            return text

        text = until("the controller has told all", look)
        families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        series = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
        return families, [(name.split("{")[0], dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', name))) for name in series]

    def test_metrics_have_names_as_prometheus_wants_and_labels_of_closed_sets(self):
        families, series = self.metrics("team-a")
        for name, kind in families.items():
            self.assertRegex(name, "^mizuumi_[a-z]+(_[a-z]+)*$")
            self.assertNotRegex(name, "_(total|count|sum|bucket|info|age|latency|ms|millis|milliseconds|minutes|kb|mb)$", "a suffix or a unit that is none")
            if kind == "histogram":
                self.assertRegex(name, "_(seconds|bytes)$", "a histogram in a base unit")
            if "time" in name.split("_") or "timestamp" in name:
                self.assertRegex(name, "_seconds$")
        suffixes = {"counter": ["_total", "_created"], "histogram": ["_bucket", "_count", "_sum", "_created"], "gauge": [""], "unknown": [""], "info": ["_info"]}
        known = {name + suffix: name for name, kind in families.items() for suffix in suffixes[kind]}
        for name, labels in series:
            self.assertIn(name, known)
            self.assertLessEqual(set(labels) - EACH.get(known[name], set()), CLOSED, name)

    def test_a_thousand_resources_are_no_more_series_than_one(self):
        """As many as there is time for here: if a resource's name were a label, one would show."""
        self.create("team-b", table("first", "team_b", "s3://lake/team-b/first/"))
        self.reason("team-b", "first", "InSync")
        before = {(name, tuple(labels.items())) for name, labels in self.metrics("team-b")[1]}
        for number in range(20):
            self.create("team-b", table(f"more-{number}", "team_b", f"s3://lake/team-b/more-{number}/"))
        for number in range(20):
            self.reason("team-b", f"more-{number}", "InSync")
        more = {(name, tuple(labels.items())) for name, labels in self.metrics("team-b")[1]} - before
        self.assertFalse([labels for _, labels in more if "more" in str(labels)], "a resource's name is no label")
        # Lanes and outcomes that had not come up before may have by now.
        self.assertLess(len(more), 200)

    def test_alerts_and_dashboards_ask_for_what_a_controller_tells(self):
        [rule] = documents(template("helm4", "mizuumi", "--values", CI / "everything.yaml", "--show-only", "templates/prometheusrule.yaml"))
        asked = {entry["alert"]: entry["expr"] for entry in rule["spec"]["groups"][0]["rules"]}
        for file in (CHARTS / "mizuumi" / "files" / "dashboards").glob("*.json"):
            for panel in json.loads(file.read_text())["panels"]:
                for target in panel["targets"]:
                    asked[f"{file.stem}: {panel['title']}"] = target["expr"].replace("$__rate_interval", "5m")
        named = json.loads(must("promql", given=json.dumps(list(asked.values()))))
        families, _ = self.metrics("team-a")
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
        told = {name + suffix for name, kind in families.items() for suffix in suffixes[kind]} | {"up"}
        for place, names in zip(asked, named):
            self.assertTrue(names, place)
            self.assertLessEqual(set(names), told, place)
        page = (ROOT / "docs" / "src" / "reference-metrics.md").read_text()
        self.assertEqual({name for name in told - {"up"} if not re.search("_(bucket|count|sum)$", name) and name not in page}, set(), "the book has every metric")

    def test_the_account_of_one_team_reaches_nothing_of_the_other(self):
        account = self.api.as_account(own("team-a"), "mizuumi")
        for kind in KINDS:
            self.assertEqual(account.ask("GET", f"/apis/mizuumi.dev/v1alpha1/namespaces/team-a/{kind}")[0], 200, kind)
            for method, path, body in (
                ("GET", f"/apis/mizuumi.dev/v1alpha1/namespaces/team-b/{kind}", None),
                ("GET", f"/apis/mizuumi.dev/v1alpha1/{kind}", None),
                ("PATCH", self.path("team-b", "orders", kind), {"metadata": {"finalizers": []}}),
                ("PATCH", self.path("team-b", "orders", kind) + "/status", {"status": {"observedGeneration": 1}}),
            ):
                code, answer = account.ask(method, path, body, "application/merge-patch+json")
                self.assertEqual(code, 403, f"{method} {path}: {answer}")
        for path in (
            "/api/v1/namespaces/team-a/secrets", "/api/v1/namespaces/mizuumi-team-a/secrets", "/api/v1/namespaces/team-b/configmaps",
            "/api/v1/namespaces/mizuumi-team-a/configmaps", "/api/v1/namespaces/mizuumi-team-b/configmaps", "/api/v1/namespaces/team-a/pods", "/api/v1/nodes",
        ):
            self.assertEqual(account.ask("GET", path)[0], 403, path)
        classes = "/apis/mizuumi.dev/v1alpha1/emrclusterclasses"
        self.assertEqual(account.ask("GET", classes)[0], 200)
        self.assertEqual(account.ask("POST", classes, manifest("EmrClusterClass", "wide", {"allowedNamespaces": ["*"]}))[0], 403)

    def test_a_controller_that_is_told_to_watch_the_others_namespace_ends(self):
        folder = pathlib.Path(self.folder.name)
        kubeconfig = self.api.as_account(own("team-a"), "mizuumi").kubeconfig(folder / "stolen")
        config = values("team-a")["config"]
        config["kubernetes"] = {"namespaces": ["team-a", "team-b"]}
        file = folder / "stolen.yaml"
        file.write_text(yaml.safe_dump(config))
        code, _, said = run("mizuumi", "controller", "--config", file, "--metrics-listen", "none", KUBECONFIG=kubeconfig, AWS_ACCESS_KEY_ID=ACCOUNT)
        self.assertEqual(code, 1, said)
        self.assertIn("forbidden", said)
        self.assertIn("team-b", said)

    def test_a_team_cannot_name_the_others_database_or_prefix(self):
        for name, theirs in {
            "their-database": table("their-database", "team_b", "s3://lake/team-a/x/"),
            "their-prefix": table("their-prefix", "team_a", "s3://lake/team-b/orders/"),
        }.items():
            self.create("team-a", theirs)
            said = self.reason("team-a", name, "NotAllowed")
            self.assertNotIn("s3://lake/team-b/orders/part", said)
        names = [one["Name"] for database in ("team_a", "team_b") for one in self.glue.get_tables(DatabaseName=database)["TableList"]]
        self.assertNotIn("their_database", names)
        self.assertNotIn("their_prefix", names)

    def test_a_namespace_has_one_installation(self):
        for helm in ("helm3", "helm4"):
            with self.subTest(helm), values_file(values("team-b", watchNamespaces=["team-a"])) as file:
                code, out, said = run(helm, "install", "another", CHARTS / "mizuumi", "--namespace", own("team-b"), "--values", file.name)
                self.assertNotEqual(code, 0, out)
                self.assertIn('Role "mizuumi" in namespace "team-a" exists and cannot be imported', said)

    def test_by_mistake_allowed_the_others_database_its_tables_are_still_not_theirs_and_an_upgrade_loses_nothing(self):
        """The configuration changes by an upgrade, while tables come: the new controller is ready before the old one ends."""
        self.create("team-b", table("ledger", "team_b", "s3://lake/team-b/ledger/"))
        self.reason("team-b", "ledger", "InSync")
        before = self.glue.get_table(DatabaseName="team_b", Name="ledger")["Table"]
        stop, made = threading.Event(), []

        def load():
            while not stop.is_set():
                name = f"load-{len(made)}"
                self.create("team-a", table(name, "team_a", f"s3://lake/team-a/{name}/"))
                made.append(name)
                time.sleep(0.05)

        loading = threading.Thread(target=load)
        loading.start()
        try:
            self.helm("helm3", "upgrade", "team-a", values("team-a", databases=["team_b"]))
        finally:
            stop.set()
            loading.join()
        ended = until("the old controller has ended", self.ended)
        self.assertEqual([pod.codes for pod in ended], [[0]], "in order")
        for name in made:
            self.reason("team-a", name, "InSync")
        tables = [one["Name"] for page in self.glue.get_paginator("get_tables").paginate(DatabaseName="team_a") for one in page["TableList"]]
        self.assertEqual(len(tables), len(set(tables)))
        self.create("team-a", table("ledger", "team_b", "s3://lake/team-a/ledger/"))
        self.reason("team-a", "ledger", "OwnedByAnother")
        self.assertEqual(self.glue.get_table(DatabaseName="team_b", Name="ledger")["Table"], before)


if __name__ == "__main__":
    unittest.main(verbosity=1)
