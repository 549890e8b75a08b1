"""Writes and reads a lake as its users do, with awswrangler and boto3: clients that know nothing of who keeps the catalog.

  lake.py write FORMAT ROOT DAY [more]    a partition `day=DAY` under ROOT, with every type family; with `more`, one column more
  lake.py insert DATABASE.TABLE DAY...    these partitions into a table by its name: where it says, registered in the catalog
  lake.py read FORMAT DATABASE TABLE      checks the catalog's types and every row, and prints how many there are
"""

import datetime
import decimal
import os
import sys

import awswrangler as wr
import pandas
import pyarrow

DAY = datetime.date(2026, 11, 1)
MOMENT = datetime.datetime(2026, 11, 1, 12, 30, 0, 123000)
COLUMNS = {
    "id": (pyarrow.int64(), [1, 2, None]),
    "small": (pyarrow.int16(), [1, -1, None]),
    "rate": (pyarrow.float64(), [1.5, -0.5, None]),
    "ratio": (pyarrow.float32(), [1.5, -0.5, None]),
    "ok": (pyarrow.bool_(), [True, False, None]),
    "what": (pyarrow.string(), ["湖", "", None]),
    "raw": (pyarrow.binary(), [b"\x00\xff", b"", None]),
    "on_day": (pyarrow.date32(), [DAY, datetime.date(1969, 12, 31), None]),
    "at": (pyarrow.timestamp("us"), [MOMENT, datetime.datetime(1969, 12, 31, 23, 59, 59), None]),
    "price": (pyarrow.decimal128(10, 2), [decimal.Decimal("1.50"), decimal.Decimal("-99999999.99"), None]),
    "tags": (pyarrow.list_(pyarrow.string()), [["a", "b"], [], None]),
    "place": (pyarrow.struct([("x", pyarrow.int32()), ("y", pyarrow.string())]), [{"x": 1, "y": "a"}] * 2 + [None]),
}
MORE = {"new": (pyarrow.string(), ["n", "m", None])}
TYPES = {
    "id": "bigint", "small": "smallint", "rate": "double", "ratio": "float", "ok": "boolean", "what": "string",
    "raw": "binary", "on_day": "date", "at": "timestamp", "price": "decimal(10,2)", "tags": "array<string>",
    "place": "struct<x:int,y:string>",
}  # fmt: skip


def table(columns):
    return pyarrow.table({name: pyarrow.array(values, type_) for name, (type_, values) in columns.items()})


def write(format_: str, root: str, day: str, more: bool) -> None:
    columns = COLUMNS | (MORE if more else {})
    frame = table(columns).to_pandas(types_mapper=pandas.ArrowDtype)
    path = f"{root}day={day}/part-0.{format_}"
    {"parquet": wr.s3.to_parquet, "orc": wr.s3.to_orc}[format_](frame, path, index=False)


def insert(name: str, days: list[str]) -> None:
    database, name = name.split(".")
    root = wr.catalog.get_table_location(database=database, table=name)
    for day in days:
        write("parquet", root, day, False)
    partitions = {f"{root}day={day}/": [day] for day in days}
    wr.catalog.add_parquet_partitions(
        database=database, table=name, partitions_values=partitions, columns_types=TYPES
    )


def read(format_: str, database: str, name: str) -> None:
    types = wr.catalog.get_table_types(database=database, table=name)
    partitions = wr.catalog.get_partitions(database=database, table=name)
    is_more = "new" in types
    expected = TYPES | ({"new": "string"} if is_more else {}) | {"day": types["day"]}
    assert types == expected, f"the catalog has other types: {types}"
    reader = {"parquet": wr.s3.read_parquet, "orc": wr.s3.read_orc}[format_]
    rows = 0
    for place in partitions:
        frame = reader(place, dtype_backend="pyarrow")
        have = pyarrow.Table.from_pandas(frame, preserve_index=False).to_pylist()
        has_more = "new" in frame.columns
        assert is_more or not has_more, "a file has a column that the table lacks"
        want = table(COLUMNS | (MORE if has_more else {})).to_pylist()
        assert have == want, f"{place}:\n{have}\nis not\n{want}"
        rows += len(have)
    # As one table, by what the catalog says of it.
    whole = {"parquet": wr.s3.read_parquet_table, "orc": wr.s3.read_orc_table}[format_]
    try:
        frame = whole(database=database, table=name, dtype_backend="pyarrow", validate_schema=False)
    except wr.exceptions.NoFilesFound:
        # Where runs publish, the table itself points to an empty directory, and this reader does not ask for partitions.
        frame = None
    if frame is not None:
        assert len(frame) == rows, f"{len(frame)} rows by the table, {rows} by its partitions"
        assert set(frame.columns) == set(types), sorted(frame.columns)
    print(f"{rows} rows of {len(types)} columns{'' if frame is not None else ', by partitions only'}")


match sys.argv[1:]:
    case ["write", format_, root, day, *more]:
        write(format_, root, day, more == ["more"])
    case ["insert", name, *days]:
        insert(name, days)
    case ["read", format_, database, name]:
        read(format_, database, name)
    case _:
        sys.exit(__doc__)

# Threads of Arrow that are still at work when the interpreter ends abort the process, now and then.
sys.stdout.flush()
os._exit(0)
