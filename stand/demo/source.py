"""The source of the demo: a MariaDB beside the lake, whose flights come in by a job, hour by hour.

It starts the database, gives the local AWS a cluster of tasks, the image and the secret, and ends with all of it.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import boto3

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/sources"
sys.path[:0] = [str(ROOT / "tests/readers"), str(ROOT / "images")]
os.environ.setdefault("MIZUUMI_DATABASES", subprocess.run([ROOT / "stand/databases.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
from source import Source  # noqa: E402

HOUR = datetime.timedelta(hours=1)


def show(*command: str, given: str | None = None) -> None:
    print("$", *command, flush=True)
    subprocess.run(command, check=True, input=given, text=True)


def tell(path: str, content: object) -> None:
    """Tells the local endpoint, which no AWS could be told."""
    body = json.dumps(content).encode()
    request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/_localaws/{path}", body, {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def prepare(source: Source) -> tuple[str, str]:
    """The cluster, the image and the secret; answers the connection, which is told where the database is, and the job."""
    tell("ecs", {"speed": 60})
    program = ["env", f"PYTHONPATH={ROOT / 'images'}", sys.executable, "-m", "mizuumi_source", "mysql"]
    tell("ecs/images", [{"image": "registry.example/sources/mysql*", "command": program}])
    boto3.client("ecs").create_cluster(clusterName="lake")
    boto3.client("logs").create_log_group(logGroupName="/mizuumi/ingest")
    secret = json.dumps({"username": source.server.user, "password": source.server.password})
    boto3.client("secretsmanager").create_secret(Name="team-a/flights-db", SecretString=secret)
    here = f'host: 127.0.0.1\n    port: "{source.server.port}"\n    tls: "off"'
    connection = (EXAMPLES / "15-database.yaml").read_text().replace("host: flights.db.example", here)
    job = (EXAMPLES / "20-hourly.yaml").read_text()
    # All columns, so that each can be compared.
    return connection, "\n".join(line for line in job.split("\n") if "columns: " not in line)


def main() -> None:
    source = Source()
    connection, job = prepare(source)
    show("kubectl", "apply", "--filename", str((EXAMPLES / "10-flights.yaml").relative_to(ROOT)))
    show("kubectl", "apply", "--filename", "-", given=connection)
    show("kubectl", "apply", "--filename", "-", given=job)
    show("kubectl", "wait", "--for=condition=Ready", "dtbl/flights-raw", "srcc/flights-db", "ijob/flights-hourly", "--timeout=60s")
    now = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    for hours in (2, 1, 0):
        session = now - hours * HOUR
        rows = source.hour((session - HOUR).isoformat())
        print(f"  {rows} flights of an hour have come into the database", flush=True)
        show("mizuumi", "run", "flights-hourly", "--at", session.isoformat(), "--wait", "--timeout", "3m")
    show("kubectl", "get", "dtbl/flights-raw", "srcc/flights-db")
    same = source.compare("nyc", "flights_raw")
    print(f"  rows in the source {same['source']}, in the lake {same['lake']}; missing {same['missing']}, too many {same['surplus']};", end=" ")
    print(f"miles in the source {same['distances'][0]}, in the lake {same['distances'][1]}", flush=True)
    source.server.remove()
    if same["missing"] or same["surplus"] or same["source"] != same["lake"]:
        sys.exit("  the lake is not as the source")


main()
