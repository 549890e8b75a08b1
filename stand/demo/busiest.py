#!/usr/bin/env python3
"""A step of an EMR cluster: the busiest routes of each month, read through the catalog, written into the lake as Parquet.

  busiest.py s3://lake/nyc/busiest/

The demo uploads it; EMR's script runner fetches and runs it. It knows nothing of where it runs: clients of AWS find
their endpoint, region and credentials in the environment.
"""

import sys

import awswrangler as wr
import duckdb

target = sys.argv[1]
flights = wr.s3.read_parquet_table(database="nyc", table="flights", columns=["origin", "dest", "distance"])
routes = duckdb.sql(
    """
    WITH routes AS (
        SELECT year::int AS year, month::int AS month, origin, dest, count(*) AS flights, sum(distance) AS miles
        FROM flights GROUP BY 1, 2, 3, 4
    )
    SELECT * FROM routes
    QUALIFY row_number() OVER (PARTITION BY year, month ORDER BY flights DESC, dest) <= 10
    """
).df()
wr.s3.to_parquet(routes, f"{target}part-0.parquet", index=False)
print(f"{len(flights):,} flights read, {len(routes)} rows written to {target}")
