"""What goes wrong with a source: the exit code says whether another attempt makes sense, the last line what to do, and no secret is told."""

import contextlib
import datetime as dt
import os
import socket
import tempfile
import threading
import unittest

from . import runs, servers

# What the tests do in both databases, in the words of each.
KINDS = ("mysql", "postgres")
HOUR = {"mode": "incremental", "cursor": "at", "window": "1h", "partition": "day=%Y-%m-%d/hour=%H"}


def hours(server, table, rows):
    """A table of rows with a time each."""
    server.do(f"CREATE TABLE {table} (id int, at timestamp NULL, n bigint)")
    values = ", ".join(f"({identity}, '{at}', {n})" for identity, at, n in rows)
    if values:
        server.do(f"INSERT INTO {table} VALUES {values}")


class Gate:
    """A server on 127.0.0.1 that hands bytes on to a database, until so many have come back."""

    def __init__(self, port, lets, then):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._to, self._lets, self._then = port, lets, then
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        client, _ = self.listener.accept()
        database = socket.create_connection(("127.0.0.1", self._to))
        threading.Thread(target=self._hand_on, args=(client, database), daemon=True).start()
        left = self._lets
        while content := database.recv(65536):
            left -= len(content)
            if left < 0:
                self._then()
                if self._then is not nothing:
                    left = 1 << 40
                else:
                    break
            client.sendall(content)
        for one in (client, database, self.listener):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @staticmethod
    def _hand_on(client, database):
        with contextlib.suppress(OSError):
            while content := client.recv(65536):
                database.sendall(content)


def nothing():
    """Only hangs up."""


class BadInput(unittest.TestCase):
    def refused(self, answer, code, *words, server=None):
        self.assertEqual(answer.code, code, answer.log)
        self.assertIsNone(answer.result)
        last = answer.log.strip().splitlines()[-1]
        for word in words:
            self.assertIn(word, last)
        self.assertNotIn("Traceback", answer.log)
        if server:
            self.assertNotIn(server.password, answer.log)

    def test_a_source_that_is_down_is_tried_again(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            options = runs.of(server, table="t") | {"port": servers.free_port()}
            self.refused(runs.run(options, runs.credentials(server)), 69, server=server)

    def test_a_wrong_password_is_not(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            answer = runs.run(runs.of(server, table="t"), '{"username": "reader", "password": "wrong-and-secret"}')
            self.refused(answer, 77)
            self.assertNotIn("wrong-and-secret", answer.log)

    def test_a_table_that_is_missing_or_altered_is_told(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            self.refused(runs.run(runs.of(server, table="nowhere"), runs.credentials(server)), 66, "there is no table", "nowhere")
            database = runs.of(server, table="t") | {"database": "nowhere"}
            self.refused(runs.run(database, runs.credentials(server)), 66, "nowhere")
            hours(server, "altered", [(1, "2013-01-01 10:00:00", 1)])
            self.assertEqual(runs.read(server, table="altered", columns="id,n").result["rows"], 1)
            server.do("ALTER TABLE altered RENAME COLUMN n TO m")
            self.refused(runs.run(runs.of(server, table="altered", columns="id,n"), runs.credentials(server)), 66, "no column 'n' (any more): it has id, at, m")
            self.refused(runs.run(runs.of(server, table="altered", mode="incremental", cursor="n"), runs.credentials(server)), 66, "which is its cursor")

    def test_a_table_that_may_not_be_read_is_told(self):
        mysql, postgres = (servers.of_kind(kind) for kind in KINDS)
        mysql.do("CREATE TABLE closed (id int)", "CREATE USER 'guest'@'127.0.0.1' IDENTIFIED BY 'guest-secret'", "GRANT SELECT (id) ON flights.closed TO 'guest'@'127.0.0.1'")
        mysql.do("ALTER TABLE closed ADD COLUMN more int", "CREATE TABLE hidden (id int)")
        guest = '{"username": "guest", "password": "guest-secret"}'
        self.refused(runs.run(runs.of(mysql, table="hidden"), guest), 66, "or none that user may read")
        postgres.do("CREATE TABLE closed (id int)", "CREATE USER guest PASSWORD 'guest-secret'")
        self.refused(runs.run(runs.of(postgres, table="closed"), guest), 77, "permission denied")

    def test_a_connection_that_is_cut_half_way_leaves_no_result(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            rows = "SELECT seq, REPEAT('x', 900) FROM seq_1_to_30000" if kind == "mysql" else "SELECT i, repeat('x', 900) FROM generate_series(1, 30000) i"
            server.do("CREATE TABLE large (id int, t text)", f"INSERT INTO large {rows}")
            gate = Gate(server.port, 20 << 20, nothing)
            self.refused(runs.run(runs.of(server, table="large") | {"port": gate.port}, runs.credentials(server)), 69, server=server)

    def test_a_source_that_changes_meanwhile_is_told_and_a_dump_is_of_one_moment(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            rows = "SELECT seq, 1, REPEAT('x', 900) FROM seq_1_to_30000" if kind == "mysql" else "SELECT i, 1, repeat('x', 900) FROM generate_series(1, 30000) i"
            server.do("CREATE TABLE moving (id int, n bigint, t text)", f"INSERT INTO moving {rows}")
            changes = ("DELETE FROM moving WHERE id <= 100", "UPDATE moving SET n = 7 WHERE id = 200", "INSERT INTO moving VALUES (99999, 5, 'new')")
            for mode in ("full", "dump"):
                gate = Gate(server.port, 8 << 20, lambda: server.do(*changes))
                answer = runs.run(runs.of(server, table="moving", mode=mode) | {"port": gate.port}, runs.credentials(server))
                if mode == "full":
                    self.refused(answer, 75, "29901 rows in the source by now, and 30000 were read", "`mode: dump`")
                    server.do("DELETE FROM moving WHERE id = 99999", "UPDATE moving SET n = 1")
                else:
                    self.assertEqual(answer.code, 0, answer.log)
                    whole = answer.result["partitions"][0]
                    self.assertEqual((whole["rows"], whole["sums"]["n"]), (29900, "29900"))
                    self.assertEqual(whole["source"], {"rows": whole["rows"], "sums": whole["sums"]})

    def test_sums_find_what_rows_do_not(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            rows = "SELECT seq, 1, REPEAT('x', 900) FROM seq_1_to_30000" if kind == "mysql" else "SELECT i, 1, repeat('x', 900) FROM generate_series(1, 30000) i"
            server.do("CREATE TABLE updated (id int, n bigint, t text)", f"INSERT INTO updated {rows}")
            for compare, code in (("sums", 75), ("rows", 0), ("none", 0)):
                gate = Gate(server.port, 8 << 20, lambda: server.do("UPDATE updated SET n = n + 1"))
                answer = runs.run(runs.of(server, table="updated", compare=compare) | {"port": gate.port}, runs.credentials(server))
                self.assertEqual(answer.code, code, answer.log)

    def test_only_what_knows_snapshots_is_dumped(self):
        server = servers.of_kind("mysql")
        server.do("CREATE TABLE old (id int) ENGINE=MyISAM", "INSERT INTO old VALUES (1)")
        self.refused(runs.run(runs.of(server, table="old", mode="dump"), runs.credentials(server)), 78, "kept by MyISAM", "`mode: full`")
        self.assertEqual(runs.read(server, table="old").result["rows"], 1)

    def test_a_cursor_that_goes_backwards_brings_nothing(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            hours(server, "back", [(1, "2013-01-01 10:30:00", 1), (2, "2013-01-01 23:30:00", 2)])
            options = dict(HOUR, table="back")
            answer = runs.read(server, **options, before="2013-01-01T23:30:00Z")
            self.assertEqual(answer.result["cursor"], {"column": "at", "from": "2013-01-01T23:00:00Z", "to": "2013-01-02T00:00:00Z", "last": "2013-01-01T23:30:00Z"})
            server.do("DELETE FROM back WHERE id = 2")
            answer = runs.run(runs.of(server, **options, before="2013-01-01T23:30:00Z"), runs.credentials(server))
            self.refused(answer, 65, "went backwards: the source comes to 2013-01-01 10:30:00", "Was it put back?")
            numbers = {"table": "back", "mode": "incremental", "cursor": "id", "before": "2"}
            self.refused(runs.run(runs.of(server, **numbers), runs.credentials(server)), 65, "went backwards: the source comes to 1, and 2 was read before")
            turned = {"table": "back", "mode": "incremental", "cursor": "id", "from": "10", "to": "9"}
            self.refused(runs.run(runs.of(server, **turned), runs.credentials(server)), 65, "goes backwards: from 10 to 9")

    def test_a_range_that_cuts_a_partition_is_refused(self):
        server = servers.of_kind("mysql")
        hours(server, "cut", [(1, "2013-01-01 10:30:00", 1)])
        options = runs.of(server, **dict(HOUR, table="cut", window="90m"))
        self.refused(runs.run(options, runs.credentials(server)), 78, "within 'day=2013-01-01/hour=22/'", "would take the place of the whole partition")

    def test_an_hour_without_rows_is_a_partition_without_rows(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            hours(server, "empty", [(1, "2013-01-01 10:30:00", 1)])
            answer = runs.read(server, **dict(HOUR, table="empty"))
            said = [(part["path"], part["rows"], part["source"]["rows"]) for part in answer.result["partitions"]]
            self.assertEqual(said, [("day=2013-01-01/hour=23/", 0, 0)])
            self.assertEqual(answer.rows(), [])

    def test_hours_of_a_zone_are_those_of_its_clocks(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            type_ = "datetime" if kind == "mysql" else "timestamp"
            server.do(f"CREATE TABLE tokyo (id int, at {type_})", "INSERT INTO tokyo VALUES (1, '2013-01-02 08:59:59'), (2, '2013-01-02 09:00:00'), (3, '2013-01-02 07:59:59')")
            answer = runs.read(server, **dict(HOUR, table="tokyo", timezone="Asia/Tokyo"))
            self.assertEqual([part["path"] for part in answer.result["partitions"]], ["day=2013-01-02/hour=08/"])
            self.assertEqual([row["id"] for row in answer.rows()], [1])
            self.assertEqual(answer.result["cursor"]["last"], "2013-01-01T23:59:59Z")

    def test_values_that_do_not_fit_are_refused_or_counted(self):
        mysql, postgres = (servers.of_kind(kind) for kind in KINDS)
        mysql.do("SET sql_mode = ''", "CREATE TABLE unfit (id int, d date, at datetime)", "INSERT INTO unfit VALUES (1, '0000-00-00', '2013-00-01'), (2, '2013-01-01', '2013-01-01')")
        postgres.do("CREATE TABLE unfit (id int, d date, at timestamptz, n numeric(5,2))", "INSERT INTO unfit VALUES (1, '0044-03-15 BC', 'infinity', 'NaN'), (2, '2013-01-01', '2013-01-01+00', 1)")
        for server, counted in ((mysql, {"d": 1, "at": 1}), (postgres, {"d": 1, "at": 1, "n": 1})):
            for name in counted:
                answer = runs.run(runs.of(server, table="unfit", columns=f"id,{name}"), runs.credentials(server))
                self.refused(answer, 65, f"column '{name}'", "cannot hold", "`unfit: null`")
            answer = runs.read(server, table="unfit", unfit="null")
            self.assertEqual(answer.result["unfit"], counted)
            first, second = answer.rows()
            self.assertEqual(set(first.values()), {1, None})
            self.assertEqual(second["d"], dt.date(2013, 1, 1))

    def test_text_that_is_broken_is_told_and_nothing_is_replaced(self):
        server = servers.PostgreSql(encoding="SQL_ASCII")
        try:
            server.do("CREATE TABLE broken (id int, name text)", "INSERT INTO broken VALUES (1, E'fine'), (2, E'caf\\xe9')")
            self.refused(runs.run(runs.of(server, table="broken"), runs.credentials(server)), 65, "column 'name'", "it is no UTF-8")
            self.assertEqual(runs.read(server, table="broken", columns="id").result["rows"], 2)
        finally:
            server.remove()

    def test_a_full_disk_is_told_as_such(self):
        server = servers.of_kind("mysql")
        hours(server, "full_disk", [(1, "2013-01-01 10:30:00", 1)])
        output = runs.folder()
        os.symlink("/dev/full", output + "part-0.parquet")
        answer = runs.run(runs.of(server, table="full_disk"), runs.credentials(server), output)
        self.refused(answer, 74, "cannot be written", "No space left on device")

    def test_what_an_image_is_not_told_it_asks_for(self):
        server = servers.of_kind("mysql")
        self.refused(runs.run(runs.of(server), runs.credentials(server)), 78, "option 'table' is missing")
        self.refused(runs.run(runs.of(server, table="t", mode="some"), runs.credentials(server)), 78, "one of full, incremental, dump")
        self.refused(runs.run(runs.of(server, table="t") | {"kind": "oracle"}, runs.credentials(server)), 64, "there are mysql, postgres, s3, http")
        self.refused(runs.run(runs.of(server, table="t") | {"tls": "on"}, runs.credentials(server)), 78, "SSL is required", "`tls: off`")
        self.refused(runs.run(runs.of(servers.of_kind("postgres"), table="t") | {"tls": "on"}, runs.credentials(servers.of_kind("postgres"))), 78, "does not support SSL")

    def test_a_secret_is_in_no_argument_log_or_result_and_nothing_inherits_it(self):
        for kind in KINDS:
            server = servers.of_kind(kind)
            rows = "SELECT seq, REPEAT('x', 900) FROM seq_1_to_30000" if kind == "mysql" else "SELECT i, repeat('x', 900) FROM generate_series(1, 30000) i"
            server.do("CREATE TABLE watched (id int, t text)", f"INSERT INTO watched {rows}")
            with tempfile.NamedTemporaryFile("w", suffix=".json") as mounted:
                mounted.write(runs.credentials(server))
                mounted.flush()
                output = runs.folder()
                seen = []

                def look(seen=seen):
                    for pid in filter(str.isdigit, os.listdir("/proc")):
                        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as arguments:
                            seen.append(arguments.read())

                # Half-way, the process is looked at from outside.
                gate = Gate(server.port, 4 << 20, look)
                options = runs.of(server, table="watched") | {"port": gate.port, "secret_file": mounted.name}
                answer = runs.run(options, output=output)
            self.assertEqual(answer.code, 0, answer.log)
            self.assertTrue(any(b"mizuumi_source" in arguments for arguments in seen))
            self.assertFalse(any(server.password.encode() in arguments for arguments in seen))
            self.assertNotIn(server.password, answer.log)
            for folder, _, files in os.walk(output):
                for name in files:
                    with open(os.path.join(folder, name), "rb") as file:
                        self.assertNotIn(server.password.encode(), file.read(), name)

    def test_even_a_mistake_of_the_image_tells_no_secret(self):
        program = """
import os
from mizuumi_source.contract import main
def read(run):
    assert "MIZUUMI_SOURCE_SECRET" not in os.environ
    raise KeyError("no route for " + run.credentials()[1])
main(read)
"""
        for secret in ('{"username": "u", "password": "very-secret"}', "very-secret"):
            answer = runs.run({}, secret, program=("-c", program))
            self.refused(answer, 70, "KeyError: 'no route for ***'")
