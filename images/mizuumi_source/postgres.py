"""PostgreSQL."""

import contextlib
import re

import psycopg
from psycopg import sql

from .contract import Code, Failure
from .table import Table, pieces
from .types import DIGITS, Column

INTEGERS = {"int2": "smallint", "int4": "int", "int8": "bigint", "oid": "bigint"}
FLOATS = {"float4": "float", "float8": "double"}


class Postgres:
    """A connection, and the statements of a table."""

    def __init__(self, run):
        user, password = run.credentials()
        self.schema, self.table = run.option("schema", "public"), run.needed("table")
        self.name = f"{self.schema}.{self.table}"
        mode = {"on": "require", "verify": "verify-full", "off": "disable"}[run.one_of("tls", "on", "verify", "off")]
        ca = {"sslrootcert": run.option("ca", "system")} if mode == "verify-full" else {}
        with telling(self):
            self.connection = psycopg.connect(
                host=run.needed("host"),
                port=run.number("port", 5432),
                dbname=run.needed("database"),
                user=user,
                password=password,
                sslmode=mode,
                connect_timeout=10,
                client_encoding="UTF8",
                autocommit=True,
                # A connection that is dead is noticed.
                keepalives_idle=30,
                options="-c TimeZone=UTC -c DateStyle=ISO,YMD -c IntervalStyle=iso_8601 -c bytea_output=hex -c extra_float_digits=1",
                **ca,
            )
        self._columns = None

    def _ask(self, statement, *values):
        with telling(self):
            return self.connection.execute(statement, values or None).fetchall()

    def columns(self):
        if self._columns is None:
            said = self._ask(
                "SELECT a.attname, b.typname, b.typtype, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END"
                " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
                " JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END"
                " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
                self.schema,
                self.table,
            )
            if not said:
                raise Failure(Code.NO_INPUT, f"there is no table {self.name} in the database")
            self._columns = [column(*each) for each in said]
        return self._columns

    @contextlib.contextmanager
    def moment(self, is_one):
        """Within it everything is read as of one moment, if that is asked for."""
        if not is_one:
            yield
            return
        self._do("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
        self._do("COMMIT")

    def _do(self, statement):
        with telling(self):
            self.connection.execute(statement)

    def rows(self, columns, cursor, bounds, keeps_unfit):
        fields = [each.expression if keeps_unfit or not each.unfit else f"CASE WHEN {each.unfit} THEN NULL ELSE {each.expression} END" for each in columns]
        query = self._select(fields, cursor, bounds)
        # A database of this encoding promises nothing of its bytes, and the server would not say which column is broken.
        is_any = self.connection.info.parameter_status("server_encoding") == "SQL_ASCII"
        if is_any:
            self._do("SET client_encoding TO SQL_ASCII")
        with telling(self), self.connection.cursor() as one, one.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)) as copy:
            yield from pieces(copy)
        if is_any:
            self._do("SET client_encoding TO UTF8")

    def _select(self, fields, cursor, bounds, more=""):
        where = within(cursor, bounds)
        return sql.SQL("SELECT {} FROM {}{}{}").format(sql.SQL(", ".join(fields)), sql.Identifier(self.schema, self.table), where, sql.SQL(more))

    def sums(self, summed, left, cursor, bounds, partition):
        path = "''"
        if partition:
            path = f"to_char({cursor.quoted}, {literal(pattern(partition))})"
        fields = [f"sum(CASE WHEN NOT {each.unfit or 'false'} THEN {each.quoted} END)" for each in summed] + [f"count(*) FILTER (WHERE {each.unfit})" for each in left]
        return self._ask(self._select([f"{path} AS mizuumi_path", "count(*)", *fields], cursor, bounds, " GROUP BY mizuumi_path"))

    def greatest(self, cursor, bounds):
        greatest = f"max({cursor.quoted})" + (" AT TIME ZONE 'UTC'" if cursor.is_moment else "")
        return self._ask(self._select([f"({greatest})::text"], cursor, bounds))[0][0]

    def is_less(self, cursor, one, other):
        kind = sql.SQL("timestamp" if cursor.hive in ("timestamp", "date") else "numeric" if cursor.is_summed else "text")
        return self._ask(sql.SQL("SELECT {}::{} < {}::{}").format(sql.Literal(one), kind, sql.Literal(other), kind))[0][0]


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def pattern(partition):
    """What `to_char` calls the parts of a time; all else is quoted."""
    parts = re.split("(%[YmdH])", partition)
    names = {"%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH24"}
    return "".join(names.get(part) or ('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' if part else "") for part in parts)


def within(cursor, bounds):
    """The condition that a range is."""
    limits = [(sign, bound) for sign, bound in zip((">=", "<"), bounds) if bound is not None] if cursor else []
    if not limits:
        return sql.SQL("")
    both = [sql.SQL("{} {} {}").format(sql.SQL(cursor.quoted), sql.SQL(sign), sql.Literal(bound)) for sign, bound in limits]
    return sql.SQL(" WHERE ") + sql.SQL(" AND ").join(both)


def column(name, kind, category, modifier):
    """A column of the server: its type in the lake, and how it is asked for."""
    quoted = identifier(name)
    if kind in INTEGERS:
        return Column(name, INTEGERS[kind], quoted, quoted=quoted)
    if kind == "bool":
        return Column(name, "boolean", quoted, quoted=quoted)
    if kind in FLOATS:
        return Column(name, FLOATS[kind], quoted, quoted=quoted)
    if kind == "numeric" and modifier >= 0:
        precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
        # Scales below zero are written in eleven bits.
        if precision <= DIGITS and scale <= precision:
            return Column(name, f"decimal({precision},{scale})", quoted, f"({quoted} = 'NaN')", quoted)
    if kind == "bytea":
        return Column(name, "binary", f"encode({quoted}, 'hex')", quoted=quoted)
    far = f"({quoted} < '0001-01-01' OR {quoted} >= '10000-01-01')"
    if kind == "date":
        return Column(name, "date", quoted, far, quoted)
    if kind == "timestamp":
        return Column(name, "timestamp", quoted, far, quoted)
    if kind == "timestamptz":
        return Column(name, "timestamp", f"({quoted} AT TIME ZONE 'UTC')", far, quoted, is_moment=True)
    # Texts, JSON, enums, arrays, intervals, addresses, money, numbers without limits, and types of extensions.
    return Column(name, "string", f"({quoted})::text", quoted=quoted)


def code(error):
    """What an error means for another attempt."""
    state = error.sqlstate or ""
    if not state:
        # While it connects, the library has words only.
        said = str(error)
        if "authentication failed" in said or "no password supplied" in said or "no pg_hba.conf entry" in said or re.search('role ".*" does not exist', said):
            return Code.DENIED
        if re.search('database ".*" does not exist', said):
            return Code.NO_INPUT
        if "server does not support SSL" in said:
            return Code.CONFIG
        return Code.UNAVAILABLE
    if state.startswith("28") or state == "42501":
        return Code.DENIED
    if state in ("3D000", "3F000", "42P01", "42703"):
        return Code.NO_INPUT
    if state[:2] in ("08", "53", "57") and state != "57014":
        return Code.UNAVAILABLE
    if state[:2] in ("40", "55") or state == "57014":
        return Code.PASSES
    return Code.DATA if state[:2] == "22" else Code.SOFTWARE


@contextlib.contextmanager
def telling(source):
    """Tells the server's errors by what is to be done about them."""
    try:
        yield
    except psycopg.Error as error:
        # The first line says what; the rest may quote rows.
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Failure(code(error), f"{source.name}: {first}" + (f" (SQLSTATE {error.sqlstate})" if error.sqlstate else "")) from None


def read(run):
    return Table(run, Postgres(run)).bring()
