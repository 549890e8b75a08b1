#!/usr/bin/env python3
"""A step of an EMR cluster: the airlines of the month before a day, read through the catalog, written as Parquet where the run says.

  carriers.py 2026-11-01 s3://lake/nyc/carriers/runs/…/

The demo uploads it; EMR's script runner fetches and runs it.
"""

import datetime
import sys

import awswrangler as wr
import duckdb

day, output = datetime.date.fromisoformat(sys.argv[1]), sys.argv[2]
last = day - datetime.timedelta(days=1)
flights = wr.s3.read_parquet_table(
    database="nyc",
    table="flights",
    columns=["carrier", "dep_delay"],
    partition_filter=lambda keys: (int(keys["year"]), int(keys["month"])) == (last.year, last.month),
)
carriers = duckdb.sql("SELECT carrier, count(*) AS flights, avg(dep_delay) AS mean_delay FROM flights GROUP BY 1").df()
# Two files, so that half of a month could be seen if it were not published whole.
half = len(carriers) // 2
for number, rows in enumerate([carriers[:half], carriers[half:]]):
    wr.s3.to_parquet(rows, f"{output}month={last:%Y-%m}/part-{number}.parquet", index=False)
print(f"{len(flights):,} flights of {last:%Y-%m} read, {len(carriers)} airlines written to {output}")
