"""A job that somebody else runs: the mean delay of each airline and month, written where its run says.

  job.py RUN         writes the data of a run, and `_SUCCESS` last
  job.py RUN bad     the same with a mistake: hours for minutes
  job.py             what a reader of the catalog sees
"""

import subprocess
import sys

import awswrangler as wr
import boto3
import duckdb
import pandas

DATABASE = "nyc"


def delays(factor: float):
    flights = wr.s3.read_parquet_table(database=DATABASE, table="flights")  # noqa: F841 (DuckDB reads it)
    return duckdb.sql(
        f"""
        SELECT strftime(make_date(year::int, month::int, 1), '%Y-%m') AS month, carrier,
               count(*) AS flights, avg(dep_delay) * {factor} AS mean_delay
        FROM flights GROUP BY 1, 2 ORDER BY 1, 2
        """
    ).df()


def output(run: str) -> str:
    """The run's directory. Its producer may also know it by its rule: <location>/runs/<run>/."""
    shown = ["kubectl", "get", "irun", run, "--output=jsonpath={.status.output}"]
    return subprocess.run(shown, check=True, capture_output=True, text=True).stdout


def write(run: str, factor: float) -> None:
    directory = output(run)
    rows = delays(factor)
    for month, part in rows.groupby("month"):
        wr.s3.to_parquet(part.drop(columns=["month"]), f"{directory}month={month}/part-0.parquet", index=False)
    bucket, prefix = directory.removeprefix("s3://").split("/", 1)
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}_SUCCESS", Body=b"")
    print(f"  {directory}  {rows.month.nunique()} months, {len(rows)} rows, _SUCCESS", flush=True)


def read() -> None:
    """As Athena, Hive and Spark do: the catalog says where each partition is."""
    places = wr.catalog.get_partitions(database=DATABASE, table="delays")
    rows = pandas.concat([wr.s3.read_parquet(place) for place in places])
    mean = (rows.mean_delay * rows.flights).sum() / rows.flights.sum()
    print(f"  a reader sees {len(rows)} rows, mean delay {mean:.1f} minutes", flush=True)


if len(sys.argv) == 1:
    read()
else:
    write(sys.argv[1], 1 / 60 if sys.argv[2:] == ["bad"] else 1)
