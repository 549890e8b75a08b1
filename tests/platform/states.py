"""Each kind in each state that matters, on the real API server with the real controller, and what those who wait make of it: Argo CD,
Flux and kstatus. What they are asked about is kept in Argo CD's own layout, for its own tests.

    python states.py              on a stand, with helm3, mizuumi and verdicts in the PATH
    UPDATE=1 python states.py     writes the testdata of gitops/argocd anew
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import boto3
import yaml

from charts import ROOT, definitions, must
from cluster import Api, endpoint, quick_clusters, until

ACCOUNT = "771177117722"
NAMESPACE = "gitops"
CUSTOMIZATIONS = ROOT / "gitops" / "argocd" / "resource_customizations"
FLUX = ROOT / "gitops" / "flux" / "kustomization.yaml"
UPDATE = "UPDATE" in os.environ

# What each has to be: for Argo CD, and for kstatus and Flux.
DONE = ("Healthy", "Current")
GOING_ON = ("Progressing", "InProgress")
FAILED = ("Degraded", "Failed")
LEAVING = ("Progressing", "Terminating")

CONFIG = {
    "installation": "gitops",
    "aws": {"region": "us-east-1"},
    "kubernetes": {"namespaces": [NAMESPACE]},
    "allow": {"databases": ["gitops"], "s3Prefixes": ["s3://gitops/"]},
    "intervals": {"sweepSeconds": 1, "dataSeconds": 1, "retrySeconds": 1, "retryMaxSeconds": 1, "blockedSeconds": 1},
    "clusters": {"pollSeconds": 1, "verifySeconds": 2},
    "profiles": {
        "default": {
            "emr": {"serviceRole": "EMR_DefaultRole_V2", "instanceProfile": "EMR_EC2_DefaultRole", "subnets": ["subnet-0a1b2c3d"]},
            "jobs": {"serviceAccount": "ingest", "images": ["registry.example/sources/*"]},
        },
    },
}
PLURALS = {
    "Backfill": "backfills", "DataTable": "datatables", "EmrCluster": "emrclusters", "EmrClusterClass": "emrclusterclasses", "IngestJob": "ingestjobs",
    "IngestRun": "ingestruns", "QualityCheck": "qualitychecks", "SourceConnection": "sourceconnections",
}
COLUMNS = {"from": "Declared", "columns": [{"name": "id", "type": "bigint"}]}
GROUPS = [
    {"name": "master", "role": "Master", "instanceType": "m6g.xlarge"},
    {"name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 2},
]


def plain_table(name, **more):
    return {"database": "gitops", "location": f"s3://gitops/{name}/", "format": "parquet", "schema": COLUMNS, **more}


class States(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.api = Api()
        definitions()
        cls.api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        client = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": "us-east-1", "aws_access_key_id": ACCOUNT, "aws_secret_access_key": "x"}
        cls.glue, cls.s3 = boto3.client("glue", **client), boto3.client("s3", **client)
        cls.glue.create_database(DatabaseInput={"Name": "gitops"})
        cls.s3.create_bucket(Bucket="gitops")
        quick_clusters(ACCOUNT)
        cls.controller, cls.seen, cls.wrong, cls.said = None, {}, [], {}

    @classmethod
    def tearDownClass(cls):
        endpoint("faults", ACCOUNT, method="DELETE")
        if cls.controller:
            cls.stop()
        for kind in ("Backfill", "IngestRun", "IngestJob", "QualityCheck", "SourceConnection", "EmrCluster", "DataTable"):
            for found in cls.api.must("GET", cls.path(kind))["items"]:
                path = cls.path(kind, found["metadata"]["name"])
                cls.api.ask("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
                cls.api.ask("DELETE", path)
        cls.api.ask("DELETE", cls.path("EmrClusterClass", NAMESPACE))
        cls.api.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
        cls.folder.cleanup()

    @classmethod
    def start(cls):
        file = pathlib.Path(cls.folder.name) / "mizuumi.yaml"
        file.write_text(yaml.safe_dump(CONFIG))
        cls.log = open(pathlib.Path(cls.folder.name) / "log", "a+")
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x"}
        cls.controller = subprocess.Popen(["mizuumi", "controller", "--config", file, "--metrics-listen", "none"], env=environment, stderr=cls.log)

    @classmethod
    def stop(cls):
        cls.controller.terminate()
        cls.controller.wait()
        cls.controller = None

    @staticmethod
    def path(kind, name=None):
        inside = "" if kind == "EmrClusterClass" else f"/namespaces/{NAMESPACE}"
        return f"/apis/mizuumi.dev/v1alpha1{inside}/{PLURALS[kind]}" + (f"/{name}" if name else "")

    def create(self, kind, name, spec, **metadata):
        manifest = {"apiVersion": "mizuumi.dev/v1alpha1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
        self.said[kind, name] = manifest
        return self.api.must("POST", self.path(kind), manifest)

    def change(self, kind, name, spec):
        self.said[kind, name]["spec"].update(spec)
        return self.api.merge(self.path(kind, name), {"spec": spec})

    def get(self, kind, name):
        return self.api.must("GET", self.path(kind, name))

    def when(self, kind, name, seconds=60, **wanted):
        """The object once its conditions have these reasons."""

        def look():
            found = self.get(kind, name)
            status = found.get("status", {})
            reasons = {one["type"]: one["reason"] for one in status.get("conditions", [])}
            assert status.get("observedGeneration") == found["metadata"]["generation"], f"an older generation was seen: {status}"
            assert wanted.items() <= reasons.items(), f"{json.dumps(status.get('conditions'))}"
            return found

        return until(f"{kind}/{name}: {wanted}", look, seconds)

    def act(self, kind, name, action):
        """What an action of Argo CD does to one resource."""
        (done,) = json.loads(must("verdicts", "act", CUSTOMIZATIONS, action, given=json.dumps(self.get(kind, name))))
        return done

    def judged(self, state, found, wanted):
        """Compares what is made of an object with what has to be, and keeps it."""
        said = json.loads(must("verdicts", "objects", CUSTOMIZATIONS, FLUX, given=json.dumps(found)))
        argo, others = wanted
        kind = found["kind"]
        # Flux's own expressions do not know of deletions: it does not wait for what it deletes.
        flux = said["flux"] if others == "Terminating" else others
        have = (said["argo"]["status"], said["kstatus"], said["flux"])
        # A class has no status, and kstatus calls it current for that.
        if have != (argo, others, flux):
            self.wrong.append(f"{kind} {state}: Argo CD, kstatus and Flux say {have}, not {(argo, others, flux)}:\n{yaml.safe_dump(found.get('status'))}")
        self.seen.setdefault(kind, {})[state] = (found, said["argo"])

    def test_each_state_of_each_kind_is_what_it_is_to_all_who_wait(self):
        # Nobody has seen it.
        self.judged("new", self.create("DataTable", "orders", plain_table("orders", deletionPolicy="Delete")), GOING_ON)
        self.start()
        self.tables()
        self.clusters()
        self.jobs()
        self.backfills()
        self.checks()
        self.sources()
        self.differences()
        # The controller is away: what is changed is not what the status speaks of.
        self.stop()
        self.judged("changed", self.change("DataTable", "orders", {"description": "all of them"}), GOING_ON)
        self.assertEqual(self.wrong, [], "\n".join(self.wrong))
        if UPDATE:
            for kind, states in self.seen.items():
                keep(kind, states)
        kept = {kind: {file.stem for file in (CUSTOMIZATIONS / "mizuumi.dev" / kind / "testdata").glob("*.yaml")} for kind in self.seen}
        self.assertEqual(kept, {kind: set(states) for kind, states in self.seen.items()}, "refresh the testdata with UPDATE=1")
        self.assertEqual(set(self.seen), {folder.name for folder in (CUSTOMIZATIONS / "mizuumi.dev").iterdir()})

    def differences(self):
        """What git says and what is there differ in nothing, once everything has been worked on, and looked at again and again."""
        manifests = [manifest for (_, name), manifest in self.said.items() if name != "leaving"]
        # The order of keys is nobody's business, and a controller that wrote the spec would show.
        file = pathlib.Path(self.folder.name) / "git.yaml"
        file.write_text(yaml.safe_dump_all(manifests))
        must("kubectl", "diff", "--namespace", NAMESPACE, "--server-side", "--force-conflicts", "--filename", file)
        must("kubectl", "apply", "--namespace", NAMESPACE, "--filename", file)
        must("kubectl", "diff", "--namespace", NAMESPACE, "--filename", file)

    def tables(self):
        self.judged("ready", self.when("DataTable", "orders", Ready="InSync"), DONE)
        stale = {"sources": [{"type": "Reported"}], "maxAge": {"error": "1d"}}
        self.create("DataTable", "late", plain_table("late", freshness=stale), annotations={"mizuumi.dev/reported-data-time": "2020-01-01T00:00:00Z"})
        self.judged("stale", self.when("DataTable", "late", Ready="InSync", Fresh="Stale"), DONE)
        self.create("DataTable", "refused", {**plain_table("refused"), "location": "s3://somebody-elses/refused/"})
        self.judged("refused", self.when("DataTable", "refused", Stalled="NotAllowed"), FAILED)
        endpoint("faults", ACCOUNT, {"action": "unavailable", "operation": "CreateTable", "account": ACCOUNT})
        self.create("DataTable", "trying", plain_table("trying"))
        self.judged("trying", self.when("DataTable", "trying", Reconciling="OutcomeUnknown"), GOING_ON)
        endpoint("faults", ACCOUNT, method="DELETE")
        self.create("DataTable", "planned", plain_table("planned", managementPolicy="Plan"))
        self.judged("planned", self.when("DataTable", "planned", Ready="PlanPending"), GOING_ON)
        self.create("DataTable", "pausing", plain_table("pausing"))
        self.when("DataTable", "pausing", Ready="InSync")
        self.change("DataTable", "pausing", {"suspend": True})
        self.judged("suspended", self.when("DataTable", "pausing"), DONE)
        self.create("DataTable", "leaving", plain_table("leaving", deletionPolicy="Delete"))
        self.when("DataTable", "leaving", Ready="InSync")
        endpoint("faults", ACCOUNT, {"action": "denied", "operation": "DeleteTable", "account": ACCOUNT})
        self.api.must("DELETE", self.path("DataTable", "leaving"))
        self.judged("deleting", self.when("DataTable", "leaving", Stalled="Denied"), LEAVING)
        endpoint("faults", ACCOUNT, method="DELETE")

    def clusters(self):
        defaults = {"releaseLabel": "emr-7.5.0", "applications": ["Spark"], "idleTimeout": "7d", "instanceGroups": GROUPS}
        self.judged("there", self.create("EmrClusterClass", NAMESPACE, {"allowedNamespaces": [NAMESPACE], "defaults": defaults}), DONE)
        self.create("EmrCluster", "idle", {"className": NAMESPACE, "lifecycle": "WhenNeeded"})
        self.judged("stopped", self.when("EmrCluster", "idle", Ready="Stopped"), DONE)
        work = {"lifecycle": "Batch", "steps": [{"name": "quick", "command": ["date"]}]}
        self.create("EmrCluster", "classless", {"className": "nobody", **work})
        self.judged("refused", self.when("EmrCluster", "classless", Stalled="ClassNotFound"), FAILED)
        for name, step in (("batch", "quick"), ("bad", "broken")):
            self.create("EmrCluster", name, {"className": NAMESPACE, "lifecycle": "Batch", "steps": [{"name": step, "command": ["date"]}]})
        self.judged("starting", self.when("EmrCluster", "batch", Reconciling="Starting"), GOING_ON)
        self.judged("completed", self.when("EmrCluster", "batch", Ready="Completed"), DONE)
        self.judged("failed", self.when("EmrCluster", "bad", Stalled="ClusterFailed"), FAILED)

    def jobs(self):
        keys = {"partitionKeys": [{"name": "day", "type": "date"}], "partitions": {"mode": "Published"}}
        self.create("DataTable", "delays", plain_table("delays", **keys))
        self.when("DataTable", "delays", Ready="InSync")
        schedule = {"cron": "0 2 1 1 *", "timeZone": "Asia/Tokyo"}
        self.create("IngestJob", "delays", {"schedule": schedule, "run": {"table": "delays", "engine": "External"}})
        self.judged("scheduled", self.when("IngestJob", "delays", Ready="Scheduled"), DONE)
        self.create("IngestJob", "nowhere", {"schedule": schedule, "run": {"table": "nowhere", "engine": "External"}})
        self.judged("refused", self.when("IngestJob", "nowhere", Stalled="TableNotFound"), FAILED)
        self.create("IngestJob", "pausing", {"schedule": schedule, "run": {"table": "delays", "engine": "External"}, "suspend": True})
        self.judged("suspended", self.when("IngestJob", "pausing", Ready="Suspended"), DONE)
        session = "2026-11-01T00:00:00Z"
        step = {"cluster": "idle", "step": {"name": "quick", "command": ["date"]}}
        self.create("IngestRun", "waiting", {"table": "delays", "sessionTime": session, "engine": "EmrStep", "emrStep": step, "waitFor": [{"table": "gitops.late"}]})
        self.judged("waiting", self.when("IngestRun", "waiting", Ready="WaitingForUpstream"), DONE)
        self.create("IngestRun", "delays-r0", {"table": "delays", "sessionTime": session, "engine": "External"})
        running = self.when("IngestRun", "delays-r0", Ready="Running")
        self.judged("running", running, DONE)
        bucket, _, prefix = running["status"]["output"].removeprefix("s3://").partition("/")
        for name in ("day=2026-11-01/part-0.parquet", "_SUCCESS"):
            self.s3.put_object(Bucket=bucket, Key=prefix + name, Body=b"")
        self.judged("succeeded", self.when("IngestRun", "delays-r0", Succeeded="Published"), DONE)
        self.create("IngestRun", "delays-r1", {"table": "delays", "sessionTime": session, "revision": 1, "engine": "External"})
        self.when("IngestRun", "delays-r1", Ready="Running")
        self.change("IngestRun", "delays-r1", {"cancel": True})
        self.judged("failed", self.when("IngestRun", "delays-r1", Stalled="RunCancelled"), FAILED)
        # What Argo CD's actions do, the API server takes, and the controller carries out.
        made = self.act("IngestJob", "delays", "run-now")
        self.assertEqual(made["k8sOperation"], "create")
        run = self.api.must("POST", self.path("IngestRun"), made["unstructuredObj"])
        name = run["metadata"]["name"]
        self.assertEqual(run["metadata"]["ownerReferences"][0]["uid"], self.get("IngestJob", "delays")["metadata"]["uid"])
        self.when("IngestRun", name, Ready="Running")
        until("the job has its run", lambda: self.assertIn(name, self.get("IngestJob", "delays")["status"].get("active", [])))
        stopped = self.act("IngestRun", name, "cancel")
        self.assertEqual(stopped["k8sOperation"], "patch")
        self.api.merge(self.path("IngestRun", name), {"spec": stopped["unstructuredObj"]["spec"]})
        self.when("IngestRun", name, Stalled="RunCancelled")

    def backfills(self):
        day = {"job": "delays", "from": "2025-12-31T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
        self.create("Backfill", "day", day)
        self.judged("running", self.when("Backfill", "day", Succeeded="Running"), DONE)
        (run,) = self.get("Backfill", "day")["status"]["active"]
        self.api.merge(self.path("IngestRun", run), {"spec": {"cancel": True}})
        self.judged("failed", self.when("Backfill", "day", Stalled="SessionsFailed"), FAILED)
        self.create("Backfill", "nothing", {**day, "to": "2025-12-31T01:00:00Z"})
        self.judged("caught-up", self.when("Backfill", "nothing", Succeeded="CaughtUp"), DONE)
        self.create("Backfill", "pausing", {**day, "suspend": True})
        self.judged("suspended", self.when("Backfill", "pausing", Ready="Suspended"), DONE)
        self.create("Backfill", "jobless", {**day, "job": "nobody"})
        self.judged("refused", self.when("Backfill", "jobless", Stalled="JobNotFound"), FAILED)

    def checks(self):
        self.create("QualityCheck", "columns", {"table": "orders", "rules": 'Rules = [ ColumnExists "id" ]'})
        self.judged("passed", self.when("QualityCheck", "columns", QualityPassed="RulesPassed"), DONE)
        self.create("QualityCheck", "more-columns", {"table": "orders", "rules": 'Rules = [ ColumnExists "name" ]'})
        self.judged("rules-failed", self.when("QualityCheck", "more-columns", QualityPassed="RulesFailed"), DONE)
        self.create("QualityCheck", "nowhere", {"table": "nowhere", "rules": 'Rules = [ ColumnExists "id" ]'})
        self.judged("refused", self.when("QualityCheck", "nowhere", Stalled="TableNotFound"), FAILED)

    def sources(self):
        image = "mysql@sha256:" + 16 * "4f0c"
        self.create("SourceConnection", "orders", {"type": "mysql", "image": f"registry.example/sources/{image}"})
        self.judged("usable", self.when("SourceConnection", "orders", Ready="Usable", Reachable="NeverTried"), DONE)
        self.create("SourceConnection", "away", {"type": "mysql", "image": f"registry.example/sources/{image}"})
        self.when("SourceConnection", "away", Ready="Usable")
        # As a task of ECS leaves it that did not find its source.
        failed = {"number": 1, "wasLost": False, "endedAt": "2026-11-01T00:10:00Z", "worker": "task", "exitCode": 69, "message": "ended with exit code 69"}
        run = {"table": "delays", "sessionTime": "2026-11-02T00:00:00Z", "engine": "External", "external": {"outcome": "Failed"}}
        self.create("IngestRun", "away-r0", run, labels={"mizuumi.dev/source": "away"})
        self.when("IngestRun", "away-r0", Stalled="RunFailed")
        self.api.must("PATCH", self.path("IngestRun", "away-r0") + "/status", {"status": {"failedAttempts": [failed]}}, "application/merge-patch+json")
        # A source that is away fails no sync.
        self.judged("unreachable", self.when("SourceConnection", "away", Ready="Usable", Reachable="SourceUnavailable"), DONE)
        self.create("SourceConnection", "elsewhere", {"type": "mysql", "image": f"elsewhere.example/{image}"})
        self.judged("refused", self.when("SourceConnection", "elsewhere", Stalled="NotAllowed"), FAILED)

    def test_argo_cds_own_tests_pass(self):
        self.assertRegex(must("verdicts", "upstream", CUSTOMIZATIONS), "^8 kinds, [0-9]+ tests\n$")

    def test_kinds_with_the_same_conditions_have_the_same_script(self):
        scripts = {file.read_text() for file in CUSTOMIZATIONS.glob("*/*/health.lua") if file.parent.name != "EmrClusterClass"}
        self.assertEqual(len(scripts), 1)


def keep(kind, states):
    """Writes the objects and the tests of a kind in Argo CD's layout."""
    folder = CUSTOMIZATIONS / "mizuumi.dev" / kind
    tests = []
    for file in (folder / "testdata").glob("*.yaml"):
        file.unlink()
    for state, (found, said) in states.items():
        metadata = found["metadata"]
        metadata.pop("managedFields", None)
        metadata["uid"], metadata["resourceVersion"] = "00000000-0000-0000-0000-000000000000", "1"
        text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=10_000)
        (folder / "testdata" / f"{state}.yaml").write_text(text)
        tests.append({"healthStatus": said, "inputPath": f"testdata/{state}.yaml"})
    text = yaml.safe_dump({"tests": tests}, sort_keys=False, allow_unicode=True, width=10_000)
    (folder / "health_test.yaml").write_text(text)


if __name__ == "__main__":
    unittest.main(verbosity=1)
