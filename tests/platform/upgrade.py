"""An upgrade from an earlier version under load, as the book tells it: the definitions first, then the chart. Nothing is lost, made twice or
left half done.

    python upgrade.py FOLDER     a worktree of the earlier version, with its binary as FOLDER/mizuumi; on a stand, as for install.py
"""

import os
import pathlib
import sys
import tempfile
import threading
import time

import boto3

from charts import CHARTS, must, values_file
from cluster import Api, Kubelet, quick_clusters, until
from install import manifest, table, values

ACCOUNT = "881188118811"
TEAM, OWN, HELM = "team-a", "mizuumi-team-a", "helm4"
PLURALS = {"DataTable": "datatables", "EmrCluster": "emrclusters", "IngestJob": "ingestjobs", "IngestRun": "ingestruns"}
GROUPS = [{"name": "master", "role": "Master", "instanceType": "m6g.xlarge"}, {"name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 1}]
SESSION = "2026-11-01T00:00:00Z"
# What the load makes before the upgrade, and after it.
BEFORE, AFTER = 40, 40


class Upgrade:
    def __init__(self, earlier, folder):
        self.earlier, self.api = earlier, Api()
        client = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": "us-east-1", "aws_access_key_id": ACCOUNT, "aws_secret_access_key": "x"}
        self.glue, self.s3 = boto3.client("glue", **client), boto3.client("s3", **client)
        self.emr = boto3.client("emr", **client)
        programs = {"mizuumi:earlier": str(earlier / "mizuumi")}
        variables = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x"}
        self.kubelet = Kubelet(self.api, folder, "app.kubernetes.io/part-of=mizuumi", variables, programs)
        self.made, self.stop, self.failed = [], threading.Event(), None

    def create(self, kind, name, spec):
        self.api.must("POST", f"/apis/mizuumi.dev/v1alpha1/namespaces/{TEAM}/{PLURALS[kind]}", manifest(kind, name, spec))

    def all(self, kind):
        return self.api.must("GET", f"/apis/mizuumi.dev/v1alpha1/namespaces/{TEAM}/{PLURALS[kind]}")["items"]

    def helm(self, what, charts, image):
        """The definitions and the chart of a version, as a platform engineer brings them."""
        crds = ["upgrade", "--install", "mizuumi-crds", charts / "mizuumi-crds", "--namespace", "mizuumi-system"]
        must(HELM, *crds, "--create-namespace", "--take-ownership", "--wait")
        with values_file(values(TEAM, image=image)) as file:
            must(HELM, what, "mizuumi", charts / "mizuumi", "--namespace", OWN, "--values", file.name, "--wait", "--timeout", "90s")

    def load(self):
        """A table, and every now and then a run that is published into one, until it is told to stop."""
        try:
            while not self.stop.is_set():
                number = len(self.made)
                name = f"load-{number:03}"
                self.create("DataTable", name, table(name, "team_a", f"s3://lake/{TEAM}/{name}/")["spec"])
                if number % 4 == 0:
                    self.bring(number)
                self.made.append(name)
                time.sleep(0.1)
        except Exception as error:  # noqa: BLE001 - told by whoever waits for the load
            self.failed = error

    def bring(self, number):
        """Data, and the run that says so."""
        run = f"run-{number:03}"
        for key in (f"day=2026-11-{number // 4 % 28 + 1:02}/part-0.parquet", "_SUCCESS"):
            self.s3.put_object(Bucket="lake", Key=f"{TEAM}/delays/runs/{run}/{key}", Body=b"x")
        self.create("IngestRun", run, {"table": "delays", "sessionTime": SESSION, "revision": number, "engine": "External"})

    def until_made(self, number):
        def look():
            if self.failed:
                raise SystemExit(f"upgrade: the load is refused: {self.failed}")
            assert len(self.made) >= number, f"{len(self.made)} tables"

        until(f"the load has made {number} tables", look, 120)

    def prepare(self):
        """What the earlier version keeps: tables, a cluster that works, a job, runs that are done and one that is under way."""
        self.s3.create_bucket(Bucket="lake")
        self.glue.create_database(DatabaseInput={"Name": "team_a"})
        for name in (OWN, TEAM):
            self.api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        quick_clusters(ACCOUNT)
        self.helm("install", self.earlier / "charts", {"tag": "earlier"})
        rules = {"allowedNamespaces": [TEAM], "defaults": {"releaseLabel": "emr-7.5.0", "idleTimeout": "1h", "instanceGroups": GROUPS}}
        self.api.ask("DELETE", "/apis/mizuumi.dev/v1alpha1/emrclusterclasses/upgrade")
        self.api.must("POST", "/apis/mizuumi.dev/v1alpha1/emrclusterclasses", manifest("EmrClusterClass", "upgrade", rules))
        published = {"partitionKeys": [{"name": "day", "type": "date"}], "partitions": {"mode": "Published"}}
        self.create("DataTable", "delays", table("delays", "team_a", f"s3://lake/{TEAM}/delays/", **published)["spec"])
        self.create("DataTable", "marts", table("marts", "team_a", f"s3://lake/{TEAM}/marts/", **published)["spec"])
        self.create("EmrCluster", "shared", {"className": "upgrade", "lifecycle": "WhenNeeded"})
        self.create("IngestJob", "nightly", {"schedule": {"cron": "* * * * *"}, "run": {"table": "delays", "engine": "External"}})
        step = {"cluster": "shared", "step": {"name": "slow", "command": ["slow"]}}
        self.create("IngestRun", "by-step", {"table": "marts", "sessionTime": SESSION, "engine": "EmrStep", "emrStep": step})

        def works():
            run = next(run for run in self.all("IngestRun") if run["metadata"]["name"] == "by-step")
            attempt = run.get("status", {}).get("attempt", {})
            assert attempt.get("externalId"), f"{run.get('status')}"

        until("a step of the cluster works", works, 120)

    def settled(self, kind, condition, but=()):
        """Once all of a kind say so."""

        def look():
            for item in self.all(kind):
                name = item["metadata"]["name"]
                said = {one["type"]: one for one in item.get("status", {}).get("conditions", [])}
                assert name in but or said.get(condition, {}).get("status") == "True", f"{name}: {said.get(condition)}"

        until(f"all of {kind} are {condition}", look, 120)

    def seen(self):
        """What AWS has: which table is whose, since when, and which clusters and steps."""
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName="team_a")
        tables = {one["Name"]: (one["Parameters"]["mizuumi.owner"], one["CreateTime"]) for page in pages for one in page["TableList"]}
        clusters = [cluster["Id"] for cluster in self.emr.list_clusters()["Clusters"]]
        steps = [step["Name"] for cluster in clusters for step in self.emr.list_steps(ClusterId=cluster)["Steps"]]
        return tables, clusters, steps

    def run(self):
        self.prepare()
        loading = threading.Thread(target=self.load)
        loading.start()
        try:
            self.until_made(BEFORE)
            tables, clusters, steps = self.seen()
            begun = time.monotonic()
            self.helm("upgrade", CHARTS, {"tag": "present"})
            took = time.monotonic() - begun
            upgraded = len(self.made)
            self.until_made(upgraded + AFTER)
        finally:
            self.stop.set()
            loading.join()
        self.until_made(0)
        self.settled("DataTable", "Ready")
        external = [run["metadata"]["name"] for run in self.all("IngestRun") if run["metadata"].get("labels", {}).get("mizuumi.dev/job")]
        self.settled("IngestRun", "Succeeded", but=("by-step", *external))
        now = self.seen()
        for name, seen in tables.items():
            assert now[0].get(name) == seen, f"table {name}: {seen} before the upgrade, {now[0].get(name)} after"
        assert now[1] == clusters, f"clusters: {clusters} before, {now[1]} after"
        assert now[2] == steps, f"steps: {steps} before, {now[2]} after"
        names = sorted(now[0])
        assert names == sorted([*(name.replace("-", "_") for name in self.made), "delays", "marts"]), names
        pods = [pod for pod in self.kubelet.pods.values() if pod.codes is not None and pod.image == "mizuumi:earlier"]
        assert [pod.codes for pod in pods] == [[0]], "the earlier version ended in order"
        print(
            f"upgrade: {len(self.made)} tables, {upgraded - BEFORE} of them made during the {took:.0f} s of the upgrade; "
            f"{len(clusters)} cluster, {len(steps)} step: all as they were, nothing twice"
        )

    def clean(self):
        self.kubelet.stop()


def main(earlier):
    with tempfile.TemporaryDirectory() as folder:
        upgrade = Upgrade(pathlib.Path(earlier).resolve(), pathlib.Path(folder))
        try:
            upgrade.run()
        except AssertionError as error:
            logs = "\n".join(pod.log()[-4000:] for pod in upgrade.kubelet.pods.values())
            raise SystemExit(f"upgrade: {error}\nthe pods said:\n{logs}\nthe kubelet: {upgrade.kubelet.failed}") from error
        finally:
            upgrade.clean()


main(sys.argv[1])
