"""Rows of every type family, and writers of every format that know nothing of Mizuumi."""

import base64
import datetime
import decimal
import io
import json

import fastavro
import pyarrow
import pyarrow.orc
import pyarrow.parquet

PLACE = pyarrow.struct([("x", pyarrow.int32()), ("y", pyarrow.string())])
# Column: Hive type, Arrow type, Avro type, values. The third row is all null but for its id.
COLUMNS = {
    "id": ("bigint", pyarrow.int64(), "long", [1, 2, 3]),
    "tiny": ("tinyint", pyarrow.int8(), "int", [1, -128, None]),
    "small": ("smallint", pyarrow.int16(), "int", [1, -32768, None]),
    "n": ("int", pyarrow.int32(), "int", [1, -2147483648, None]),
    "ratio": ("float", pyarrow.float32(), "float", [1.5, -0.25, None]),
    "rate": ("double", pyarrow.float64(), "double", [1.5, -0.25, None]),
    "price": ("decimal(10,2)", pyarrow.decimal128(10, 2),
              {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
              [decimal.Decimal("1.50"), decimal.Decimal("-99999999.99"), None]),
    "ok": ("boolean", pyarrow.bool_(), "boolean", [True, False, None]),
    "what": ("string", pyarrow.string(), "string", ["湖", "two words", None]),
    "raw": ("binary", pyarrow.binary(), "bytes", [b"\x00\xff", b"abc", None]),
    "on_day": ("date", pyarrow.date32(), {"type": "int", "logicalType": "date"},
               [datetime.date(2026, 11, 1), datetime.date(1969, 12, 31), None]),
    "at": ("timestamp", pyarrow.timestamp("us"), {"type": "long", "logicalType": "timestamp-millis"},
           [datetime.datetime(2026, 11, 1, 12, 30, 0, 123000), datetime.datetime(1999, 12, 31, 23, 59, 59), None]),
    "tags": ("array<string>", pyarrow.list_(pyarrow.string()), {"type": "array", "items": ["null", "string"]},
             [["a", "b"], ["c"], None]),
    "tally": ("map<string,int>", pyarrow.map_(pyarrow.string(), pyarrow.int32()),
              {"type": "map", "values": ["null", "int"]}, [{"a": 1}, {"b": 2}, None]),
    "place": ("struct<x:int,y:string>", PLACE,
              {"type": "record", "name": "place", "fields": [{"name": "x", "type": ["null", "int"]},
                                                             {"name": "y", "type": ["null", "string"]}]},
              [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}, None]),
}  # fmt: skip
# What an evolution does: one column more, and types that become wider.
EXTRA = {"extra": ("string", pyarrow.string(), "string", ["n", "m", None])}
WIDER = {
    "small": ("int", pyarrow.int32(), "int", [1, -70000, None]),
    "price": ("decimal(12,2)", pyarrow.decimal128(12, 2),
              {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
              [decimal.Decimal("1.50"), decimal.Decimal("-9999999999.99"), None]),
}  # fmt: skip


def schema(columns):
    """The columns as a DataTable declares them."""
    return [{"name": name, "type": column[0]} for name, column in columns.items()]


def rows(columns, shift=0):
    """The rows; `shift` moves the ids, so that data of two writers can be told apart."""
    values = {name: column[3] for name, column in columns.items()}
    values["id"] = [id_ + shift for id_ in values["id"]]
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def write(format_, columns, shift=0):
    """A data file's bytes."""
    return WRITERS[format_](columns, rows(columns, shift))


def _arrow(columns, all_rows):
    def cells(name):
        return [list(v.items()) if name == "tally" and v else v for v in (row[name] for row in all_rows)]

    return pyarrow.table({name: pyarrow.array(cells(name), column[1]) for name, column in columns.items()})


def _parquet(columns, all_rows):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(_arrow(columns, all_rows), sink)
    return sink.getvalue()


def _orc(columns, all_rows):
    sink = io.BytesIO()
    pyarrow.orc.write_table(_arrow(columns, all_rows), sink)
    return sink.getvalue()


def _avro(columns, all_rows):
    fields = [{"name": name, "type": ["null", column[2]], "default": None} for name, column in columns.items()]
    # Without a zone, as Hive's timestamp has none; the library would take the machine's.
    utc = [{k: v.replace(tzinfo=datetime.UTC) if isinstance(v, datetime.datetime) else v for k, v in row.items()}
           for row in all_rows]  # fmt: skip
    sink = io.BytesIO()
    fastavro.writer(sink, {"type": "record", "name": "row", "fields": fields}, utc)
    return sink.getvalue()


def _plain(value):
    """A value as text has it in all of Hive's serdes."""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _lazy(value):
    """A value as LazySimpleSerDe has it: \\N is null, items are set apart by ^B and keys by ^C."""
    match value:
        case None:
            return r"\N"
        case list():
            return "\x02".join(value)
        case {"x": x, "y": y}:
            return f"{x}\x02{y}"
        case dict():
            return "\x02".join(f"{key}\x03{item}" for key, item in value.items())
    return _plain(value)


def _delimited(delimiter):
    return lambda _, all_rows: "".join(delimiter.join(map(_lazy, row.values())) + "\n" for row in all_rows).encode()


def _json(_, all_rows):
    def cell(value):
        if isinstance(value, decimal.Decimal):
            return float(value)
        return value if isinstance(value, (bool, int, float, list, dict, type(None))) else _plain(value)

    lines = [json.dumps({k: cell(v) for k, v in row.items()}, ensure_ascii=False) for row in all_rows]
    return ("\n".join(lines) + "\n").encode()


WRITERS = {
    "parquet": _parquet, "orc": _orc, "avro": _avro, "csv": _delimited(","), "json": _json, "text": _delimited("\x01"),
}  # fmt: skip
