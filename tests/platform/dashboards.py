"""The chart's dashboards as pictures: a controller works under some load while its metrics are scraped, Prometheus' own engine evaluates what each
panel asks for, and each panel is drawn. Fails if a panel has nothing to show that this load should show.

    python dashboards.py FOLDER     on a stand, with helm3, mizuumi and panels in the PATH
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import boto3
import yaml

import panels
from charts import CHARTS, definitions, must
from cluster import Api, endpoint, quick_clusters

ACCOUNT, NAMESPACE = "991199119911", "team-a"
PLURALS = {"DataTable": "datatables", "EmrCluster": "emrclusters", "IngestRun": "ingestruns", "QualityCheck": "qualitychecks"}
CONFIG = {
    "installation": "team-a",
    "aws": {"region": "us-east-1"},
    "kubernetes": {"namespaces": [NAMESPACE]},
    "allow": {"databases": ["shop", "web"], "s3Prefixes": ["s3://lake/"]},
    "intervals": {"sweepSeconds": 5, "dataSeconds": 2, "blockedSeconds": 5},
    "clusters": {"pollSeconds": 2, "verifySeconds": 2},
    "profiles": {"default": {"emr": {"serviceRole": "EMR_DefaultRole_V2", "instanceProfile": "EMR_EC2_DefaultRole", "subnets": ["subnet-0a1b2c3d"]}}},
}
COLUMNS = {"from": "Declared", "columns": [{"name": "id", "type": "bigint"}]}
GROUPS = [{"name": "master", "role": "Master", "instanceType": "m6g.xlarge"}, {"name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 1}]
SESSION = "2026-11-01T00:00:00Z"
# Seconds between two scrapes, and of all of them.
EVERY, LONG = 2, 150
# Panels that rightly show nothing but zeros: nobody waits for long, and every cluster has its resource.
ZEROS = {"Waiting", "How many wait", "Clusters of nobody"}


class Scene:
    """A namespace whose controller is scraped."""

    def __init__(self, folder):
        self.api = Api()
        client = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": "us-east-1", "aws_access_key_id": ACCOUNT, "aws_secret_access_key": "x"}
        self.glue, self.s3 = boto3.client("glue", **client), boto3.client("s3", **client)
        self.scrapes, self.stop = [], threading.Event()
        definitions()
        quick_clusters(ACCOUNT)
        self.api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for database in ("shop", "web"):
            self.glue.create_database(DatabaseInput={"Name": database})
        self.s3.create_bucket(Bucket="lake")
        defaults = {"releaseLabel": "emr-7.5.0", "idleTimeout": "1h", "instanceGroups": GROUPS}
        self.api.ask("POST", "/apis/mizuumi.dev/v1alpha1/emrclusterclasses", self.manifest("EmrClusterClass", "pictures", {"allowedNamespaces": [NAMESPACE], "defaults": defaults}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = folder / "mizuumi.yaml"
        config.write_text(yaml.safe_dump(CONFIG))
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x"}
        command = ["mizuumi", "controller", "--config", config, f"--metrics-listen=127.0.0.1:{self.port}"]
        self.log = (folder / "log").open("w")
        self.controller = subprocess.Popen(command, env=environment, stderr=self.log)

    @staticmethod
    def manifest(kind, name, spec, **metadata):
        return {"apiVersion": "mizuumi.dev/v1alpha1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}

    @staticmethod
    def path(kind, name=""):
        return f"/apis/mizuumi.dev/v1alpha1/namespaces/{NAMESPACE}/{PLURALS[kind]}/{name}".rstrip("/")

    def create(self, kind, name, spec, **metadata):
        self.api.must("POST", self.path(kind), self.manifest(kind, name, spec, **metadata))

    def table(self, name, database, metadata=None, **more):
        location = f"s3://lake/{name}/"
        self.create("DataTable", name, {"database": database, "location": location, "format": "parquet", "schema": COLUMNS, **more}, **(metadata or {}))

    def scrape(self):
        """As a ServiceMonitor of the chart has it done: the target's labels win."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        target = {"namespace": "mizuumi-team-a", "installation": CONFIG["installation"], "pod": "mizuumi-0"}
        while not self.stop.wait(EVERY):
            try:
                with opener.open(f"http://127.0.0.1:{self.port}/metrics", timeout=2) as answer:
                    self.scrapes.append({"at": int(time.time() * 1000), "text": answer.read().decode(), "labels": target})
            except OSError:
                continue

    def act(self):
        """A day in short: tables come, data is late, a check fails, AWS throttles and denies, a cluster works, tables go."""
        begun = time.monotonic()

        def at(second):
            time.sleep(max(0, begun + second - time.monotonic()))

        for number in range(24):
            self.table(f"orders-{number:02}", "shop" if number % 3 else "web", deletionPolicy="Delete")
            at(number / 2)
        published = {"partitionKeys": [{"name": "day", "type": "date"}], "partitions": {"mode": "Published"}}
        self.table("delays", "shop", **published)
        self.create("EmrCluster", "shared", {"className": "pictures", "lifecycle": "WhenNeeded"})
        self.create("IngestRun", "by-step", {"table": "delays", "sessionTime": SESSION, "engine": "EmrStep", "emrStep": {"cluster": "shared", "step": {"name": "quick", "command": ["quick"]}}})
        at(20)
        late = {"sources": [{"type": "Reported"}], "maxAge": {"error": "1d"}}
        for number in range(3):
            self.table(f"late-{number}", "web", {"annotations": {"mizuumi.dev/reported-data-time": "2020-01-01T00:00:00Z"}}, freshness=late)
        self.table("refused", "shop")
        self.api.merge(self.path("DataTable", "refused"), {"spec": {"location": "s3://somebody-elses/refused/"}})
        rules = {"whole": 'ColumnExists "id"', "half": 'ColumnExists "id", ColumnExists "nosuch"'}
        for name, rule in rules.items():
            self.create("QualityCheck", name, {"table": "orders-01", "rules": f"Rules = [ {rule} ]"})
        at(40)
        for number in range(40):
            self.bring(number)
            at(40 + number)
        throttled = {"action": "throttle", "operation": "GetTables", "account": ACCOUNT, "probability": 0.5}
        denied = {"action": "denied", "operation": "UpdateTable", "account": ACCOUNT}
        endpoint("faults", ACCOUNT, throttled)
        endpoint("faults", ACCOUNT, denied)
        for number in range(8):
            self.api.merge(self.path("DataTable", f"orders-{number:02}"), {"spec": {"description": "changed"}})
        at(105)
        endpoint("faults", ACCOUNT, method="DELETE")
        for number in range(12, 24):
            self.api.must("DELETE", self.path("DataTable", f"orders-{number:02}"))
        at(LONG)

    def bring(self, number):
        """Data of a day, and the run that publishes it."""
        run = f"run-{number:02}"
        for key in (f"day=2026-11-{number % 28 + 1:02}/part-0.parquet", "_SUCCESS"):
            self.s3.put_object(Bucket="lake", Key=f"delays/runs/{run}/{key}", Body=b"x")
        self.create("IngestRun", run, {"table": "delays", "sessionTime": SESSION, "revision": number + 1, "engine": "External"})

    def run(self):
        scraping = threading.Thread(target=self.scrape)
        scraping.start()
        try:
            self.act()
        finally:
            self.stop.set()
            scraping.join()
            self.controller.terminate()
            self.controller.wait()
        return self.scrapes


def evaluated(scrapes, dashboards):
    """The series of each target of each panel, by the dashboard's name and the panel's place in it."""
    start, end = scrapes[0]["at"], scrapes[-1]["at"]
    asked = [
        (name, index, target, panels.expression(target["expr"], CONFIG["installation"], f"{4 * EVERY}s"))
        for name, dashboard in dashboards.items()
        for index, panel in enumerate(dashboard["panels"])
        for target in panel["targets"]
    ]
    queries = [{"expression": expression, "start": start, "end": end, "step": EVERY * 1000} for *_, expression in asked]
    answers = json.loads(must("panels", given=json.dumps({"scrapes": scrapes, "queries": queries})))
    found = {}
    for (name, index, target, _), series in zip(asked, answers, strict=True):
        found.setdefault((name, index), []).append((target, series))
    return found


def main(folder):
    files = sorted((CHARTS / "mizuumi" / "files" / "dashboards").glob("*.json"))
    dashboards = {file.stem: json.loads(file.read_text()) for file in files}
    with tempfile.TemporaryDirectory() as temporary:
        scrapes = Scene(pathlib.Path(temporary)).run()
    found = evaluated(scrapes, dashboards)
    wrong = []
    for name, dashboard in dashboards.items():
        wrong += [f"{name}: {why}" for why in panels.overlaps(dashboard)]
        for index, panel in enumerate(dashboard["panels"]):
            shown = [point[1] for _, series in found[name, index] for one in series for point in one["points"] if point[1] is not None]
            if not shown or (not any(shown) and panel["title"] not in ZEROS):
                wrong.append(f"{name}: '{panel['title']}' shows {'only zeros' if shown else 'nothing'}")
        picture = folder / f"dashboard-{name}.svg"
        targets = {index: found[name, index] for index in range(len(dashboard["panels"]))}
        picture.write_text(panels.picture(dashboard, targets, (scrapes[0]["at"], scrapes[-1]["at"])))
        print(f"{picture}: {len(dashboard['panels'])} panels, {picture.stat().st_size / 1000:.0f} kB")
    if wrong:
        raise SystemExit("\n".join(wrong))


main(pathlib.Path(sys.argv[1]))
