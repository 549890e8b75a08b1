"""The contract knows of no tool: dlt keeps to it in ten lines, and so does a shell."""

import os
import re
import stat
import subprocess
import unittest

from . import runs, servers, test_files

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


# What `aws s3 cp` does, with folders for buckets.
AWS = """#!/bin/sh
[ "$1 $2 $3" = "s3 cp --quiet" ] || exit 2
place=$BUCKETS/${5#s3://}
mkdir -p "${place%/*}"
if [ "$4" = - ]; then cat > "$place"; else cp "$4" "$place"; fi
"""


class Shell(unittest.TestCase):
    def test_the_ten_lines_of_the_book_run(self):
        with open(runs.IMAGES + "/../docs/src/images.md", encoding="utf-8") as book:
            script = re.search("```sh\n(.*?)```", book.read(), re.S)[1]
        folder = runs.folder()
        aws = os.path.join(folder, "aws")
        with open(aws, "w", encoding="utf-8") as program:
            program.write(AWS)
        os.chmod(aws, stat.S_IRWXU)
        for secret, code in (("key-of-the-web", 0), ("wrong", 69)):
            told = runs.environment(f"s3://lake/{code}/", {"url": test_files.web() + "/secret"}, secret)
            told |= {"PATH": f"{folder}:{os.environ['PATH']}", "BUCKETS": folder}
            done = subprocess.run(["sh", "-c", script], env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
            self.assertEqual(done.returncode, code, done.stdout)
            self.assertNotIn(secret, done.stdout)
        answer = runs.ended(0, "", f"{folder}lake/0/")
        with open(f"{answer.output}flights.csv", "rb") as data:
            self.assertEqual(data.read(), test_files.CSV.encode())
        self.assertEqual(answer.result["partitions"][0]["bytes"], len(test_files.CSV.encode()))
        self.assertFalse(os.path.exists(f"{folder}lake/69"))
