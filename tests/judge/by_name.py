"""Jobs that write to a table by name, as they always have: a step of EMR runs their SQL, into the table that its run gives it."""

import json
import urllib.request

import data
from engines import ENDPOINT
from lake import BUCKET, DATABASE, SHADOWS

ENGINES = ["Spark", "Trino"]
FORMATS = ["parquet", "orc", "text"]
SOURCE = "parquet-published"
# What every engine writes in every format.
COLUMNS = ["id", "n", "rate", "price", "ok", "what", "on_day", "at"]
CLUSTER = "sql"
# A minute of EMR is half a second here.
SPEED = 120

# For each engine, how its jobs write: dynamic partitions, and a table as a whole.
STATEMENTS = {
    ("Spark", True): (
        "SET hive.exec.dynamic.partition.mode=nonstrict;\n"
        "INSERT OVERWRITE TABLE ${{target}} PARTITION (day) SELECT {columns}, day FROM {source};"
    ),
    ("Spark", False): "INSERT OVERWRITE TABLE ${{target}} SELECT {columns} FROM {source};",
    ("Trino", True): "INSERT INTO ${{target}} SELECT {columns}, day FROM {source}",
    ("Trino", False): "INSERT INTO ${{target}} SELECT {columns} FROM {source}",
}


def run(judge):
    """Tables that jobs of both engines fill, and what both engines read of them."""
    lake = judge.lake
    make_cluster(lake)
    columns = {name: judge.columns[SOURCE][name] for name in COLUMNS}
    rows = {day: [{name: row[name] for name in COLUMNS} for row in of] for day, of in judge.expected[SOURCE].items()}
    names = {}
    for engine in ENGINES:
        for format_ in FORMATS:
            for by_day in (True, False):
                names[f"by-{engine}-{format_}-{'day' if by_day else 'whole'}".lower()] = (engine, format_, by_day)
    for name, (_, format_, by_day) in names.items():
        judge.tables[name] = (format_, "Published")
        judge.columns[name] = columns
        judge.expected[name] = rows if by_day else {None: [row for of in rows.values() for row in of]}
    tables = {
        name: {
            "database": DATABASE, "location": f"s3://{BUCKET}/{name}/", "format": format_,
            "schema": {"from": "Declared", "columns": data.schema(columns)},
            "partitionKeys": [{"name": "day", "type": "string"}] if by_day else [],
            "partitions": {"mode": "Published"},
        }
        for name, (_, format_, by_day) in names.items()
    }  # fmt: skip
    lake.apply("DataTable", tables)
    lake.settled()
    port = next(engine.port for engine in judge.engines if engine.name == "Trino")
    runs = {f"{name}-r0": work(lake, name, engine, by_day, port) for name, (engine, _, by_day) in names.items()}
    lake.apply("IngestRun", runs)
    lake.succeeded(600)
    judge.read("written by name", list(names))
    left = [table["Name"] for table in lake.glue.get_tables(DatabaseName=SHADOWS)["TableList"]]
    if left:
        raise SystemExit(f"judge: shadow tables are left: {', '.join(left)}")


def make_cluster(lake):
    lake.glue.create_database(DatabaseInput={"Name": SHADOWS})
    request = urllib.request.Request(
        f"{ENDPOINT}/_localaws/emr", json.dumps({"speed": SPEED}).encode(), {"content-type": "application/json"}
    )
    urllib.request.urlopen(request).close()
    groups = [
        {"name": "master", "role": "Master", "instanceType": "m6g.xlarge"},
        {"name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 1},
    ]
    defaults = {"releaseLabel": "emr-7.5.0", "applications": ["Spark"], "idleTimeout": "1h", "maxAge": "1d"}
    lake.apply("EmrClusterClass", {"judge": {"allowedNamespaces": ["*"], "defaults": {**defaults, "instanceGroups": groups}}})
    lake.apply("EmrCluster", {CLUSTER: {"className": "judge", "lifecycle": "WhenNeeded", "stepConcurrency": 2}})


def work(lake, name, engine, by_day, port):
    """A run of the job, whose file says nothing of runs."""
    source = f"{DATABASE}.{SOURCE.replace('-', '_')}"
    key = f"jobs/{name}.sql"
    lake.put(key, STATEMENTS[engine, by_day].format(columns=", ".join(COLUMNS), source=source).encode())
    file = f"s3://{BUCKET}/{key}"
    if engine == "Spark":
        step = {"name": name, "sparkSql": file, "args": ["-d", "target=${outputTable}"]}
    else:
        step = {"name": name, "command": ["trino-sql", "-f", file, "-d", "target=${outputTable}", "-d", f"trino={port}"]}
    return {
        "table": name, "sessionTime": "2026-11-03T00:00:00Z", "output": {"mode": "ShadowTable"},
        "engine": "EmrStep", "emrStep": {"cluster": CLUSTER, "step": step},
    }  # fmt: skip
