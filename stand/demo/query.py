"""Reads tables through the Glue catalog and asks a question of them in SQL.

awswrangler finds location, columns, types and partitions in the catalog, as any other reader would; DuckDB answers.
"""

import awswrangler as wr
import duckdb

DATABASE = "nyc"

flights = wr.s3.read_parquet_table(database=DATABASE, table="flights")
airlines = wr.s3.read_parquet_table(database=DATABASE, table="airlines")
months = len(wr.catalog.get_partitions(database=DATABASE, table="flights"))
print(f"  {len(flights):,} flights in {months} months, by the catalog")

duckdb.sql("SET enable_progress_bar = false")
print(
    duckdb.sql(
        """
        SELECT a.name AS airline, count(*) AS flights, round(avg(f.dep_delay), 1) AS mean_delay_minutes
        FROM flights f JOIN airlines a USING (carrier)
        GROUP BY 1 ORDER BY flights DESC LIMIT 5
        """
    )
)
