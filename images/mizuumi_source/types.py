"""Types of Glue and Hive, and those of Arrow that are written for them."""

import re
from dataclasses import dataclass

import pyarrow as pa

from .contract import Code, Failure

PLAIN = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    # Both kinds of source: clocks on a wall, and moments, which are told in UTC. Athena, Hive and Spark know one type.
    "timestamp": pa.timestamp("us"),
}

# So many digits a decimal of Hive has at most.
DIGITS = 38


@dataclass(frozen=True)
class Column:
    """A column: its name, its type in the lake, and how the source is asked for it."""

    name: str
    hive: str
    # Its value as CSV, in the source's SQL.
    expression: str = ""
    # What holds, in the source's SQL, for values that the type cannot hold; they come as NULL where that is asked for.
    unfit: str | None = None
    # The column itself, in the source's SQL.
    quoted: str = ""
    # Whether its values are moments rather than what a clock on a wall shows.
    is_moment: bool = False

    @property
    def arrow(self):
        return arrow(self.hive)

    @property
    def is_summed(self):
        """Whether sums over it are exact, however they are made."""
        return self.hive in ("tinyint", "smallint", "int", "bigint") or self.hive.startswith("decimal")


def arrow(hive):
    """The type of Arrow for a type of Hive."""
    if hive in PLAIN:
        return PLAIN[hive]
    decimal = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", hive)
    if decimal and 0 < int(decimal[1]) <= DIGITS and int(decimal[2]) <= int(decimal[1]):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    raise Failure(Code.CONFIG, f"'{hive}' is no type: there are {', '.join(PLAIN)} and decimal(p,s) of up to {DIGITS} digits")


def hive(type_, name):
    """The type of Hive for what a file has."""
    if pa.types.is_timestamp(type_):
        return "timestamp"
    if pa.types.is_large_string(type_) or pa.types.is_dictionary(type_):
        return "string"
    if pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return "binary"
    if pa.types.is_decimal(type_) and type_.precision <= DIGITS and 0 <= type_.scale <= type_.precision:
        return f"decimal({type_.precision},{type_.scale})"
    # Hive has no unsigned numbers: the next larger type holds them.
    wider = {pa.uint8(): "smallint", pa.uint16(): "int", pa.uint32(): "bigint", pa.uint64(): "decimal(20,0)", pa.float16(): "float"}
    for known, of in wider.items():
        if type_ == known:
            return of
    for of, known in PLAIN.items():
        if type_ == known:
            return of
    raise Failure(Code.DATA, f"column '{name}' is of type {type_}, which these images do not bring")


def of_schema(schema):
    """The columns for a schema of Arrow."""
    return [Column(field.name, hive(field.type, field.name)) for field in schema]
