"""The lake of a run: the controller and kubectl on one side, Glue and S3 on the other."""

import json
import os
import pathlib
import subprocess
import time

import boto3

BUCKET, DATABASE, SHADOWS = "lake", "judge", "shadows"
CONFIG = """installation: judge
aws: {region: us-east-1}
allow: {databases: [judge], s3Prefixes: ["s3://lake/"], links: [{database: judge}]}
profiles:
  default:
    emr:
      serviceRole: EMR_DefaultRole_V2
      instanceProfile: EMR_EC2_DefaultRole
      subnets: [subnet-0a1b2c3d]
      logUri: s3://lake/logs/
clusters: {pollSeconds: 2}
shadows: {database: shadows}
intervals: {sweepSeconds: 5, dataSeconds: 2}
"""


class Lake:
    def __init__(self, folder):
        self.bin = pathlib.Path(os.environ["CARGO_TARGET_DIR"]) / "debug"
        self.s3, self.glue = boto3.client("s3"), boto3.client("glue")
        self.s3.create_bucket(Bucket=BUCKET)
        crds = subprocess.run([self.bin / "mizuumi", "crds"], check=True, capture_output=True, text=True).stdout
        self.kubectl("apply", "--server-side", "--filename=-", stdin=crds)
        self.kubectl("wait", "--for=condition=Established", "crd", "--all")
        config = folder / "mizuumi.yaml"
        config.write_text(CONFIG)
        self.log = (folder / "mizuumi.log").open("wb")
        command = [self.bin / "mizuumi", "controller", "--config", config, "--metrics-listen", "none"]
        self.controller = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def kubectl(self, *arguments, stdin=None):
        done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"judge: kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, kind, objects):
        """Objects by their names and specs, in one call."""
        items = [
            {"apiVersion": "mizuumi.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
            for name, spec in objects.items()
        ]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=text)

    def objects(self, kind):
        """All objects of a kind by name, each with its conditions by type."""
        items = json.loads(self.kubectl("get", kind, "--output=json"))["items"]
        for item in items:
            item["by_type"] = {c["type"]: c for c in item.get("status", {}).get("conditions", [])}
        return {item["metadata"]["name"]: item for item in items}

    def until(self, what, kind, holds, seconds=120):
        """The objects of a kind, once all of them hold."""
        end = time.monotonic() + seconds
        while True:
            objects = self.objects(kind)
            waiting = {name: item for name, item in objects.items() if not holds(item)}
            if objects and not waiting:
                return objects
            if time.monotonic() > end:
                said = [f"{name}: {item['by_type'].get('Ready', {}).get('message')}" for name, item in waiting.items()]
                raise SystemExit(f"judge: not {what} after {seconds} s:\n" + "\n".join(said))
            time.sleep(0.5)

    def settled(self):
        """Tables that are Ready for their newest spec, or wait for somebody's approval of it."""

        def holds(item):
            ready = item["by_type"].get("Ready", {})
            is_new = ready.get("observedGeneration") == item["metadata"]["generation"]
            return is_new and (ready["status"] == "True" or ready["reason"] == "ApprovalRequired")

        return self.until("settled", "datatables", holds)

    def succeeded(self, seconds=120):
        """Once all runs have succeeded, and their tables say so."""

        def holds(run):
            told = run["by_type"].get("Succeeded", {})
            if told.get("status") == "False":
                raise SystemExit(f"judge: {run['metadata']['name']}: {told['message']}")
            return told.get("status") == "True"

        self.until("Succeeded", "ingestruns", holds, seconds)
        self.settled()

    def put(self, key, body):
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def table(self, name):
        """Glue's table and its partitions."""
        table = self.glue.get_table(DatabaseName=DATABASE, Name=name)["Table"]
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=DATABASE, TableName=name)
        return table, [partition for page in pages for partition in page["Partitions"]]

    def stop(self):
        self.controller.terminate()
        self.controller.wait(30)
        self.log.close()
