"""MySQL and MariaDB."""

import contextlib
import re

import pymysql
import pymysql.cursors

from .contract import Code, Failure
from .table import Table, pieces
from .types import DIGITS, Column

# What the server's error numbers mean.
CODES = {
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1698), Code.DENIED),
    **dict.fromkeys((1049, 1146, 1054, 1109), Code.NO_INPUT),
    **dict.fromkeys((1040, 1053, 1077, 1129, 1203, 1226, 2002, 2003, 2006, 2013, 2055), Code.UNAVAILABLE),
    2026: Code.CONFIG,
    **dict.fromkeys((1205, 1213, 1317, 1969, 3024, 1412), Code.PASSES),
}
INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
SIGNED = {8: "tinyint", 16: "smallint", 24: "int", 32: "int", 64: "bigint"}
UNSIGNED = {8: "smallint", 16: "int", 24: "int", 32: "bigint", 64: "decimal(20,0)"}
TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"}
BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
SHAPES = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}


class MySql:
    """A connection, and the statements of a table."""

    def __init__(self, run):
        user, password = run.credentials()
        self.schema, self.table = run.needed("database"), run.needed("table")
        self.name = f"{self.schema}.{self.table}"
        host, port = run.needed("host"), run.number("port", 3306)
        tls = run.one_of("tls", "on", "verify", "off")
        verified = {"ssl_ca": run.option("ca"), "ssl_verify_cert": True, "ssl_verify_identity": True}
        with telling(self):
            self.connection = pymysql.connect(
                host=host,
                port=port,
                user=user,
                password=password or "",
                database=self.schema,
                charset="utf8mb4",
                use_unicode=False,
                connect_timeout=10,
                read_timeout=run.number("timeout", 600),
                autocommit=True,
                # What comes is CSV of the server's own making.
                conv={},
                **(verified if tls == "verify" else {"ssl": {"check_hostname": False}} if tls == "on" else {"ssl_disabled": True}),
            )
        # A slow lake is no reason for the server to hang up.
        self._ask("SET time_zone = '+00:00', sql_mode = 'NO_ENGINE_SUBSTITUTION', net_write_timeout = 600")
        self._columns = None

    def _ask(self, statement, values=()):
        with telling(self), self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return [[field if field is None else field.decode() for field in row] for row in cursor.fetchall()]

    def columns(self):
        if self._columns is None:
            said = self._ask(
                "SELECT column_name, data_type, column_type, numeric_precision, numeric_scale FROM information_schema.columns"
                " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
                (self.schema, self.table),
            )
            if not said:
                raise Failure(Code.NO_INPUT, f"there is no table {self.name}, or none that user may read")
            self._columns = [column(*each) for each in said]
        return self._columns

    @contextlib.contextmanager
    def moment(self, is_one):
        """Within it everything is read as of one moment, if that is asked for."""
        if not is_one:
            yield
            return
        kept = self._ask("SELECT engine, table_type FROM information_schema.tables WHERE table_schema = %s AND table_name = %s", (self.schema, self.table))
        if not kept or kept[0][0] != "InnoDB":
            engine = kept[0][0] or kept[0][1] if kept else "nothing"
            raise Failure(Code.CONFIG, f"{self.name} is kept by {engine}, and only InnoDB can be read as of one moment; use `mode: full`")
        self._ask("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._ask("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield
        self._ask("COMMIT")

    def rows(self, columns, cursor, bounds, keeps_unfit):
        fields = [field if keeps_unfit or not each.unfit else f"IF({each.unfit}, NULL, {field})" for each in columns for field in [each.expression]]
        where, values = within(cursor, bounds)
        statement = f"SELECT CONCAT_WS(',', {', '.join(f'IFNULL({field}, {NOTHING})' for field in fields)}) FROM {self._quoted()}{where}"
        with telling(self):
            cursor = self.connection.cursor(pymysql.cursors.SSCursor)
            try:
                cursor.execute(statement, values)
                yield from pieces(self._lines(cursor))
            except BaseException:
                # Closing a cursor reads whatever is left, or from a connection that is no more.
                if cursor._result is not None:
                    cursor._result.unbuffered_active = False
                    cursor._result = None
                self.connection._force_close()
                raise
            cursor.close()

    def _lines(self, cursor):
        while rows := cursor.fetchmany(1000):
            for (row,) in rows:
                if row is None:
                    raise Failure(Code.DATA, f"a row of {self.name} is larger than the server's max_allowed_packet")
                yield row + b"\n"

    def sums(self, summed, left, cursor, bounds, partition):
        where, values = within(cursor, bounds)
        path = "''"
        if partition:
            path, values = f"DATE_FORMAT({cursor.quoted}, %s)", (partition, *values)
        fields = [f"SUM({each.expression})" for each in summed] + [f"SUM({each.unfit})" for each in left]
        return self._ask(f"SELECT {', '.join([f'{path} AS mizuumi_path', 'COUNT(*)', *fields])} FROM {self._quoted()}{where} GROUP BY mizuumi_path", values)

    def greatest(self, cursor, bounds):
        where, values = within(cursor, bounds)
        return self._ask(f"SELECT CONVERT(MAX({cursor.quoted}) USING utf8mb4) FROM {self._quoted()}{where}", values)[0][0]

    def is_less(self, cursor, one, other):
        kind = "DATETIME(6)" if cursor.hive in ("timestamp", "date") else "DECIMAL(65,0)" if cursor.is_summed else "CHAR"
        return self._ask(f"SELECT CAST(%s AS {kind}) < CAST(%s AS {kind})", (one, other))[0][0] == "1"

    def _quoted(self):
        return f"{identifier(self.schema)}.{identifier(self.table)}"


NOTHING = "''"


def identifier(name):
    # A percent sign is pymysql's own.
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def within(cursor, bounds):
    """The condition that a range is, and its values."""
    if cursor is None:
        return "", ()
    limits = [(sign, bound) for sign, bound in zip((">=", "<"), bounds) if bound is not None]
    if not limits:
        return "", ()
    return " WHERE " + " AND ".join(f"{cursor.quoted} {sign} %s" for sign, _ in limits), tuple(bound for _, bound in limits)


def text(value):
    """A text of the server as CSV has it."""
    return f"""CONCAT('"', REPLACE({value}, '"', '""'), '"')"""


def column(name, kind, whole, precision, scale):
    """A column of the server: its type in the lake, and how it is asked for."""
    quoted = identifier(name)
    number = f"({quoted} + 0)"
    if kind in INTEGERS:
        width = INTEGERS[kind]
        # The sum has no leading zeros, which ZEROFILL brings.
        return Column(name, (UNSIGNED if "unsigned" in whole else SIGNED)[width], number, quoted=quoted)
    if kind == "decimal":
        if int(precision) <= DIGITS:
            return Column(name, f"decimal({precision},{scale})", number, quoted=quoted)
        return Column(name, "string", quoted, quoted=quoted)
    if kind in ("float", "double"):
        # A float is shown with six digits, and a double with all that it has.
        return Column(name, kind, f"({quoted} * 1e0)", quoted=quoted)
    if kind == "bit":
        width = int(re.search(r"\d+", whole)[0])
        return Column(name, "boolean" if width == 1 else "bigint" if width < 64 else "decimal(20,0)", number, quoted=quoted)
    if kind == "year":
        return Column(name, "smallint", number, quoted=quoted)
    if kind in ("date", "datetime", "timestamp"):
        unfit = f"({quoted} IS NOT NULL AND (YEAR({quoted}) = 0 OR MONTH({quoted}) = 0 OR DAYOFMONTH({quoted}) = 0))"
        return Column(name, "date" if kind == "date" else "timestamp", quoted, unfit, quoted, kind == "timestamp")
    if kind in TEXTS:
        return Column(name, "string", text(f"CONVERT({quoted} USING utf8mb4)"), quoted=quoted)
    if kind in BYTES:
        return Column(name, "binary", text(f"HEX({quoted})"), quoted=quoted)
    if kind in SHAPES:
        return Column(name, "binary", text(f"HEX(ST_AsBinary({quoted}))"), quoted=quoted)
    # Times of up to 838 hours, addresses, UUIDs, and what comes in later versions.
    return Column(name, "string", text(f"CAST({quoted} AS CHAR)"), quoted=quoted)


@contextlib.contextmanager
def telling(source):
    """Tells the server's errors by what is to be done about them."""
    try:
        yield
    except pymysql.MySQLError as error:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        message = str(error.args[1]) if len(error.args) > 1 else type(error).__name__
        if number == 2026:
            message += "; where the network is to be trusted, say `tls: off`"
        raise Failure(CODES.get(number, Code.SOFTWARE), f"{source.name}: {message} (MySQL error {number})") from None


def read(run):
    return Table(run, MySql(run)).bring()
