"""Uploads the steps of the demo's EMR clusters, or shows what it has left: routes.py upload | routes.py show CLUSTER."""

import gzip
import pathlib
import sys

import awswrangler as wr
import boto3
import duckdb

BUCKET = "lake"
LOGS = "logs/emr/"
HERE = pathlib.Path(__file__).parent


def upload() -> None:
    for name in ["busiest.py", "busiest_spark.py"]:
        boto3.client("s3").upload_file(str(HERE / name), BUCKET, f"jobs/{name}")
        print(f"  s3://{BUCKET}/jobs/{name}")


def show(cluster: str) -> None:
    logs = boto3.resource("s3").Bucket(BUCKET).objects.filter(Prefix=f"{LOGS}{cluster}/steps/")
    for log in logs:
        if log.key.endswith("/stdout.gz"):
            print(f"  s3://{BUCKET}/{log.key}: {gzip.decompress(log.get()['Body'].read()).decode().strip()}")
    routes = wr.s3.read_parquet(f"s3://{BUCKET}/nyc/busiest/")  # noqa: F841 (DuckDB reads it)
    duckdb.sql("SET enable_progress_bar = false")
    print(duckdb.sql("SELECT origin, dest, sum(flights) AS flights FROM routes GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5"))


if sys.argv[1:] == ["upload"]:
    upload()
else:
    show(sys.argv[2])
