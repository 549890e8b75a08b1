"""The contract knows of no tool: dlt keeps to it in ten lines."""

import unittest

from . import runs, servers

TABLE = (runs.IMAGES + "/dlt/table.py",)


class Dlt(unittest.TestCase):
    def test_a_table_comes_by_dlt(self):
        for kind, dialect in (("mysql", "mysql+pymysql"), ("postgres", "postgresql+psycopg")):
            server = servers.of_kind(kind)
            server.do("CREATE TABLE by_dlt (id int, name varchar(20), at timestamp NULL)", "INSERT INTO by_dlt VALUES (1, '湖', '2013-01-01 10:00:00'), (2, NULL, NULL)")
            options = runs.of(server, table="by_dlt", dialect=dialect)
            answer = runs.run(options, runs.credentials(server), program=TABLE)
            self.assertEqual(answer.code, 0, answer.log)
            self.assertEqual([(row["id"], row["name"]) for row in answer.rows()], [(1, "湖"), (2, None)])
            self.assertEqual(answer.result["rows"], 2)

    def test_its_mistakes_tell_no_secret(self):
        server = servers.of_kind("mysql")
        answer = runs.run(runs.of(server, table="nowhere", dialect="mysql+pymysql"), runs.credentials(server), program=TABLE)
        self.assertEqual(answer.code, 70, answer.log)
        self.assertNotIn(server.password, answer.log)
