"""Runs of the images as a task has them: a process with an environment, files and an exit code that come of it."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

import pyarrow.parquet as pq

IMAGES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SESSION = "2013-01-02T00:00:00Z"
# Goes with this process.
PLACE = tempfile.TemporaryDirectory(prefix="mizuumi-outputs-")


def folder():
    """A new folder, for what a run leaves."""
    return tempfile.mkdtemp(dir=PLACE.name) + "/"


@dataclass
class Ended:
    """What came of a run."""

    code: int
    log: str
    output: str
    result: dict | None = None
    paths: list = field(default_factory=list)

    def rows(self, order="id"):
        """All rows, as a reader of the table sees them."""
        tables = [pq.read_table(os.path.join(self.output, path), partitioning=None) for path in self.paths]
        rows = [row for table in tables for row in table.to_pylist()]
        return sorted(rows, key=lambda row: row[order]) if order else rows

    def types(self):
        return {column["name"]: column["type"] for column in self.result["schema"]}


def environment(output, options, secret=None, session=SESSION):
    """What a task of this source is told, and nothing else."""
    told = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": IMAGES,
        "MIZUUMI_OUTPUT": output,
        "MIZUUMI_SESSION_TIME": session,
        "MIZUUMI_RUN": "t-1-r0",
        "MIZUUMI_ATTEMPT": "1",
    }
    told |= {f"MIZUUMI_SOURCE_{name.upper()}": str(value) for name, value in options.items() if value is not None}
    if secret is not None:
        told["MIZUUMI_SOURCE_SECRET"] = secret
    return told


def of(server, **options):
    """The options of a connection to one of the servers of the tests."""
    database = "flights" if server.kind == "mysql" else "postgres"
    return {"kind": server.kind, "host": "127.0.0.1", "port": server.port, "database": database, "tls": "off", **options}


def credentials(server):
    return json.dumps({"username": server.user, "password": server.password})


def run(options, secret=None, output=None, session=SESSION, more=None, program=("-m", "mizuumi_source")):
    """Runs an image to its end."""
    output = output or folder()
    told = environment(output, options, secret, session) | (more or {})
    done = subprocess.run([sys.executable, *program], env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    return ended(done.returncode, done.stdout, output)


def ended(code, log, output):
    answer = Ended(code, log, output)
    said = os.path.join(output, "_mizuumi/result.json")
    if os.path.exists(said):
        with open(said, encoding="utf-8") as file:
            answer.result = json.load(file)
        answer.paths = [os.path.join(part["path"], "part-0.parquet") for part in answer.result["partitions"]]
    return answer


def read(server, **options):
    """Runs the image of a server's kind, which has to end well."""
    answer = run(of(server, **options), credentials(server))
    assert answer.code == 0, f"{answer.code}: {answer.log}"
    return answer


