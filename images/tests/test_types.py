"""Every type of each database up to its borders, with the type that it has in the lake: what docs/src/sources.md says."""

import datetime as dt
import math
import re
import struct
import unittest
from decimal import Decimal as D

from . import runs, servers

BOOK = runs.IMAGES + "/../docs/src/sources.md"
LEAST, MOST = -(2**63), 2**63 - 1

# Type of the source, type in the lake, and what goes in as the source's SQL and comes out in Python.
MYSQL = [
    ("tinyint", "tinyint", [("-128", -128), ("127", 127)]),
    ("tinyint(1)", "tinyint", [("0", 0), ("2", 2)]),
    ("tinyint unsigned", "smallint", [("255", 255)]),
    ("smallint", "smallint", [("-32768", -32768)]),
    ("smallint unsigned", "int", [("65535", 65535)]),
    ("mediumint", "int", [("-8388608", -8388608)]),
    ("mediumint unsigned", "int", [("16777215", 16777215)]),
    ("int", "int", [("-2147483648", -(2**31)), ("2147483647", 2**31 - 1)]),
    ("int unsigned", "bigint", [("4294967295", 2**32 - 1)]),
    ("int(8) unsigned zerofill", "bigint", [("42", 42)]),
    ("bigint", "bigint", [(str(LEAST), LEAST), (str(MOST), MOST)]),
    ("bigint unsigned", "decimal(20,0)", [("18446744073709551615", D(2**64 - 1))]),
    ("decimal(38,10)", "decimal(38,10)", [("-9999999999999999999999999999.9999999999", D("-9999999999999999999999999999.9999999999"))]),
    ("decimal(10,2)", "decimal(10,2)", [("0.10", D("0.10")), ("-0.01", D("-0.01"))]),
    ("decimal(65,30)", "string", [("9" * 35 + "." + "9" * 30, "9" * 35 + "." + "9" * 30)]),
    ("float", "float", [("0.1", struct.unpack("f", struct.pack("f", 0.1))[0]), ("16777217", 16777216.0), ("3.4028234e38", 3.4028234663852886e38)]),
    ("double", "double", [("0.1", 0.1), ("1.7976931348623157e308", 1.7976931348623157e308), ("5e-324", 5e-324)]),
    ("bit(1)", "boolean", [("b'1'", True), ("b'0'", False)]),
    ("bit(63)", "bigint", [(str(MOST), MOST)]),
    ("bit(64)", "decimal(20,0)", [("18446744073709551615", D(2**64 - 1))]),
    ("year", "smallint", [("1901", 1901), ("2155", 2155), ("0", 0)]),
    ("date", "date", [("'0001-01-01'", dt.date(1, 1, 1)), ("'1582-10-10'", dt.date(1582, 10, 10)), ("'9999-12-31'", dt.date(9999, 12, 31))]),
    ("datetime", "timestamp", [("'2026-03-29 02:30:00'", dt.datetime(2026, 3, 29, 2, 30))]),
    ("datetime(6)", "timestamp", [("'9999-12-31 23:59:59.999999'", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)), ("'0001-01-01'", dt.datetime(1, 1, 1))]),
    # The session of the test is nine hours ahead of UTC.
    ("timestamp(6)", "timestamp", [("'2013-01-01 09:00:00.000001'", dt.datetime(2013, 1, 1, 0, 0, 0, 1)), ("'2038-01-19 12:14:07.999999'", dt.datetime(2038, 1, 19, 3, 14, 7, 999999))]),
    ("time(6)", "string", [("'-838:59:59.999999'", "-838:59:59.999999"), ("'24:00:00'", "24:00:00.000000")]),
    ("char(4)", "string", [("'ab  '", "ab")]),
    ("varchar(200)", "string", [("''", ""), ("'\U0001f600 é 湖'", "\U0001f600 é 湖"), ("'a\"b,c\\r\\n\\td'", 'a"b,c\r\n\td'), ("'NULL'", "NULL"), ("'a\\0b'", "a\0b"), ("' x '", " x "), ("'\\\\'", "\\")]),
    ("varchar(20) character set latin1", "string", [("'\u20ac\u00e9'", "\u20ac\u00e9")]),
    ("varchar(20) character set sjis", "string", [("'湖ソ'", "湖ソ")]),
    ("longtext", "string", [("REPEAT('湖', 100000)", "湖" * 100000)]),
    ("enum('a','é,\"')", "string", [("'é,\"'", 'é,"')]),
    ("set('x','y')", "string", [("'x,y'", "x,y"), ("''", "")]),
    ("json", "string", [("'{\"a\": [1.10, \"\U0001f600\", null]}'", '{"a": [1.10, "\U0001f600", null]}')]),
    ("binary(3)", "binary", [("x'00'", b"\0\0\0")]),
    ("varbinary(300)", "binary", [("x'" + bytes(range(256)).hex() + "'", bytes(range(256))), ("''", b"")]),
    ("longblob", "binary", [("x'0d0a22'", b'\r\n"')]),
    ("point", "binary", [("POINT(1, -2)", struct.pack("<BIdd", 1, 1, 1.0, -2.0))]),
    ("uuid", "string", [("'123E4567-e89b-12d3-a456-426655440000'", "123e4567-e89b-12d3-a456-426655440000")]),
    ("inet6", "string", [("'::ffff:192.0.2.1'", "::ffff:192.0.2.1")]),
]

POSTGRES = [
    ("smallint", "smallint", [("-32768", -32768)]),
    ("integer", "int", [("-2147483648", -(2**31))]),
    ("bigint", "bigint", [(str(LEAST), LEAST), (str(MOST), MOST)]),
    ("boolean", "boolean", [("true", True), ("false", False)]),
    ("numeric(38,10)", "decimal(38,10)", [("-9999999999999999999999999999.9999999999", D("-9999999999999999999999999999.9999999999"))]),
    ("numeric(10,2)", "decimal(10,2)", [("0.10", D("0.10"))]),
    ("numeric", "string", [("'NaN'", "NaN"), ("1e-20", "0.00000000000000000001"), ("'Infinity'", "Infinity")]),
    ("numeric(60,20)", "string", [("1e39", "1" + "0" * 39 + "." + "0" * 20)]),
    ("numeric(5,-2)", "string", [("12345", "12300")]),
    ("real", "float", [("0.1", struct.unpack("f", struct.pack("f", 0.1))[0]), ("'NaN'", math.nan), ("'-Infinity'", -math.inf)]),
    ("double precision", "double", [("0.1", 0.1), ("5e-324", 5e-324), ("'NaN'", math.nan), ("'Infinity'", math.inf), ("'-0'", -0.0)]),
    ("date", "date", [("'0001-01-01'", dt.date(1, 1, 1)), ("'1582-10-10'", dt.date(1582, 10, 10)), ("'9999-12-31'", dt.date(9999, 12, 31))]),
    ("timestamp", "timestamp", [("'9999-12-31 23:59:59.999999'", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)), ("'2026-03-29 02:30:00'", dt.datetime(2026, 3, 29, 2, 30))]),
    ("timestamptz", "timestamp", [("'2013-01-01 09:00:00.000001+09'", dt.datetime(2013, 1, 1, 0, 0, 0, 1)), ("'2026-03-29 03:30:00 Europe/Berlin'", dt.datetime(2026, 3, 29, 1, 30))]),
    ("time", "string", [("'24:00:00'", "24:00:00")]),
    ("timetz", "string", [("'12:00:00+09'", "12:00:00+09")]),
    ("interval", "string", [("'1 year 2 days 03:00:00.5'", "P1Y2DT3H0.5S")]),
    ("text", "string", [("''", ""), ("'\U0001f600 é 湖'", "\U0001f600 é 湖"), ("E'a\"b,c\\r\\n\\td'", 'a"b,c\r\n\td'), ("'NULL'", "NULL"), ("E'\\\\.'", "\\."), ("' x '", " x "), ("repeat('湖', 100000)", "湖" * 100000)]),
    ("varchar(10)", "string", [("'é'", "é")]),
    ("char(5)", "string", [("'ab'", "ab")]),
    ("mood", "string", [("'é,\"'", 'é,"')]),
    ("json", "string", [("'{\"a\":  [1.10]}'", '{"a":  [1.10]}')]),
    ("jsonb", "string", [("'{\"b\":  1.10, \"a\": \"\U0001f600\"}'", '{"a": "\U0001f600", "b": 1.10}')]),
    ("bytea", "binary", [("'\\x" + bytes(range(256)).hex() + "'", bytes(range(256))), ("''", b"")]),
    ("uuid", "string", [("'123E4567-e89b-12d3-a456-426655440000'", "123e4567-e89b-12d3-a456-426655440000")]),
    ("inet", "string", [("'192.0.2.1'", "192.0.2.1/32")]),
    ("integer[]", "string", [("'{1,NULL}'", "{1,NULL}")]),
    ("money", "string", [("12.5", "$12.50")]),
    ("int4range", "string", [("'[1,3)'", "[1,3)")]),
    ("bit(3)", "string", [("B'101'", "101")]),
    ("cents", "decimal(12,2)", [("1.25", D("1.25"))]),
]


def same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other) or math.isnan(one) and math.isnan(other)
    return type(one) is type(other) and one == other


class Types(unittest.TestCase):
    def check(self, server, types, before):
        columns = ", ".join(f"c{index} {type_}" for index, (type_, _, _) in enumerate(types))
        inserts = [
            f"INSERT INTO borders (id, c{index}) VALUES ({1000 * index + row}, {given})"
            for index, (_, _, values) in enumerate(types)
            for row, (given, _) in enumerate(values)
        ]
        server.do(*before, f"CREATE TABLE borders (id int, {columns})", "INSERT INTO borders (id) VALUES (-1)", *inserts)
        answer = runs.read(server, table="borders", mode="dump")
        rows = {row["id"]: row for row in answer.rows()}
        self.assertEqual(answer.result["rows"], len(inserts) + 1)
        self.assertEqual({value for name, value in rows[-1].items() if name != "id"}, {None})
        for index, (type_, hive, values) in enumerate(types):
            self.assertEqual(answer.types()[f"c{index}"], hive, type_)
            for row, (given, wanted) in enumerate(values):
                got = rows[1000 * index + row][f"c{index}"]
                self.assertTrue(same(got, wanted), f"{type_} {given[:80]}: {got!r:.80} is not {wanted!r:.80}")

    def test_mysql(self):
        self.check(servers.of_kind("mysql"), MYSQL, ["SET sql_mode = '', time_zone = '+09:00'"])

    def test_postgresql(self):
        before = ["CREATE TYPE mood AS ENUM ('a', 'é,\"')", "CREATE DOMAIN cents AS numeric(12,2)"]
        self.check(servers.of_kind("postgres"), POSTGRES, before)

    def test_the_book_has_each_of_these_types(self):
        with open(BOOK, encoding="utf-8") as file:
            book = file.read()
        for title, types in (("MySQL and MariaDB", MYSQL), ("PostgreSQL", POSTGRES)):
            table = re.search(rf"### {title}\n(.*?)\n### ", book, re.S)[1]
            for hive in {hive for _, hive, _ in types}:
                said = re.sub(r"decimal\((?!20,0).*\)", "decimal(p,s)", hive)
                self.assertIn(f"`{said}`", table, f"{title}: {hive}")

    def test_a_table_of_one_column_keeps_its_nulls_and_empty_texts(self):
        for kind in ("mysql", "postgres"):
            server = servers.of_kind(kind)
            server.do("CREATE TABLE single (v text)", "INSERT INTO single VALUES (NULL), (''), ('x'), (NULL)")
            answer = runs.read(server, table="single")
            values = [row["v"] for row in answer.rows(order=None)]
            self.assertEqual(sorted(values, key=repr), ["", "x", None, None], kind)

    def test_names_of_columns_need_no_care(self):
        names = ['a"b', "select", "x%s", "{y}", "sp ace", "湖", "it's", "back`tick"]
        for kind, quote in (("mysql", "`"), ("postgres", '"')):
            server = servers.of_kind(kind)
            quoted = [quote + name.replace(quote, 2 * quote) + quote for name in names]
            server.do(f"CREATE TABLE names (id int, {', '.join(f'{name} int' for name in quoted)})")
            server.do("INSERT INTO names VALUES (1, 1, 2, 3, 4, 5, 6, 7, 8)")
            for columns in (None, ",".join(["id", *names])):
                row = runs.read(server, table="names", columns=columns).rows()[0]
                self.assertEqual(list(row.values()), [1, 1, 2, 3, 4, 5, 6, 7, 8], kind)
