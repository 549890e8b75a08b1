"""Files: what a web server answers, and objects of S3, of this account and another."""

import functools
import gzip
import http.server
import io
import json
import logging
import threading
import unittest
from base64 import b64encode
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
from moto.server import ThreadedMotoServer

from . import runs

CSV = 'id,name,fee\n1,"a ""b""\nc",1.50\n2,湖 \U0001f600,\n3,"",-0.01\n'
TYPES = {"types": "id bigint, fee decimal(10,2)"}


class Web(http.server.BaseHTTPRequestHandler):
    """A server of one test's making; each path behaves in its own way."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        body = CSV.encode()
        if path == "/secret" and self.headers.get("Authorization") not in ("Bearer key-of-the-web", "Basic " + b64encode(b"me:key-of-the-web").decode()):
            return self.send_error(401)
        if path in ("/404", "/403", "/429", "/503", "/400"):
            return self.send_error(int(path[1:]))
        if path.endswith(".gz"):
            body = gzip.compress(body)
        body = {"/empty": b"", "/header": b"id,name,fee\n", "/ragged": body + b"4,x\n", "/broken": body + b"4,caf\xe9,1\n", "/text": body + b"4,x,much\n"}.get(path, body)
        if path == "/latin1":
            body = "id,name,fee\n4,café,1\n".encode("latin1")
        if path == "/not.gz":
            body = CSV.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (1000 if path.startswith("/cut") else 0)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if path == "/cut.csv.gz" else body)


@functools.cache
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


@functools.cache
def s3():
    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def aws(account="111122223333"):
    return {"AWS_ENDPOINT_URL": s3(), "AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}


def client(service):
    import boto3

    return boto3.client(service, endpoint_url=s3(), aws_access_key_id="111122223333", aws_secret_access_key="x", region_name="us-east-1")


def parquet(rows, **schema):
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(schema)) if schema else pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


class Http(unittest.TestCase):
    def get(self, path, secret=None, **options):
        return runs.run({"kind": "http", "url": web() + path, **options}, secret)

    def test_csv_comes_with_its_types_and_quotes(self):
        for path in ("/flights.csv", "/flights.csv.gz", "/%Y.csv"):
            answer = self.get(path, **TYPES)
            self.assertEqual(answer.code, 0, answer.log)
            rows = [
                {"id": 1, "name": 'a "b"\nc', "fee": Decimal("1.50")},
                {"id": 2, "name": "湖 \U0001f600", "fee": None},
                {"id": 3, "name": "", "fee": Decimal("-0.01")},
            ]
            self.assertEqual(answer.rows(), rows)
            self.assertEqual(answer.types(), {"id": "bigint", "name": "string", "fee": "decimal(10,2)"})
        self.assertEqual(self.get("/flights.csv").types(), {"id": "string", "name": "string", "fee": "string"})
        answer = self.get("/flights.csv", columns="fee,id", partition="day=%Y-%m-%d", window="1d")
        self.assertEqual(list(answer.types()), ["fee", "id"])
        self.assertEqual(answer.paths, ["day=2013-01-01/part-0.parquet"])
        self.assertEqual(self.get("/header").rows(), [])

    def test_a_secret_opens_what_is_closed_and_is_told_nowhere(self):
        for secret in ("key-of-the-web", '{"username": "me", "password": "key-of-the-web"}'):
            answer = self.get("/secret?page=key-of-the-page", secret)
            self.assertEqual(answer.code, 0, answer.log)
            self.assertNotIn("key-of", answer.log + json.dumps(answer.result))
        refused = self.get("/secret?page=key-of-the-page", "another-key")
        self.assertEqual(refused.code, 77, refused.log)
        self.assertNotIn("key", refused.log)

    def test_what_goes_wrong_is_told_apart(self):
        for path, code, words in [
            ("/404", 66, "answers 404"),
            ("/403", 77, "answers 403"),
            ("/429", 75, "answers 429"),
            ("/503", 69, "answers 503"),
            ("/400", 78, "answers 400"),
            ("/cut", 69, "cut half-way"),
            ("/cut.csv.gz", 69, "cut half-way"),
            ("/not.gz", 65, "is no gzip"),
            ("/empty", 65, "is empty"),
            ("/ragged", 65, "another number of columns"),
            ("/broken", 65, "text that is broken"),
            ("/text", 65, "a value that its type cannot hold"),
        ]:
            answer = self.get(path, **TYPES)
            self.assertEqual(answer.code, code, f"{path}: {answer.log}")
            self.assertIn(words, answer.log)
            self.assertIsNone(answer.result)
        self.assertEqual(self.get("/latin1", encoding="latin1").rows()[0]["name"], "café")
        self.assertEqual(self.get("/flights.csv", columns="id,gone").code, 66)
        down = runs.run({"kind": "http", "url": "http://127.0.0.1:9/flights.csv"})
        self.assertEqual(down.code, 69, down.log)


class S3(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        store = client("s3")
        store.create_bucket(Bucket="theirs")
        store.create_bucket(Bucket="lake")
        put = functools.partial(store.put_object, Bucket="theirs")
        put(Key="flights/2013/01/01/a.csv", Body=CSV.encode())
        put(Key="flights/2013/01/01/b.csv.gz", Body=gzip.compress(b"id,name,fee\n4,x,2\n"))
        put(Key="flights/2013/01/01/_SUCCESS", Body=b"")
        put(Key="flights/2013/01/01/_temporary/c.csv", Body=b"id\n9\n")
        put(Key="parquet/a.parquet", Body=parquet([{"id": 1, "n": 2**64 - 1}], id=pa.int64(), n=pa.uint64()))
        put(Key="parquet/b.parquet", Body=parquet([{"id": 2, "n": 0}], id=pa.int64(), n=pa.uint64()))
        put(Key="altered/a.parquet", Body=parquet([{"id": 1}]))
        put(Key="altered/b.parquet", Body=parquet([{"id": "1"}]))
        put(Key="torn/a.parquet", Body=parquet([{"id": 1}])[:-20])

    def get(self, place, output="s3://lake/out/", **options):
        options = {"kind": "s3", "url": f"s3://theirs/{place}", **options}
        return runs.run(options, output=output, more=aws())

    def rows(self, place):
        content = client("s3").get_object(Bucket="lake", Key=f"{place}part-0.parquet")["Body"].read()
        return pq.read_table(io.BytesIO(content)).to_pylist()

    def result(self, place):
        return json.loads(client("s3").get_object(Bucket="lake", Key=f"{place}_mizuumi/result.json")["Body"].read())

    def test_the_files_of_a_day_come_into_one_partition(self):
        answer = self.get("flights/%Y/%m/%d/", "s3://lake/csv/", window="1d", partition="day=%Y-%m-%d", **TYPES)
        self.assertEqual(answer.code, 0, answer.log)
        self.assertEqual([row["id"] for row in self.rows("csv/day=2013-01-01/")], [1, 2, 3, 4])
        said = self.result("csv/")["partitions"][0]
        size = client("s3").head_object(Bucket="lake", Key="csv/day=2013-01-01/part-0.parquet")["ContentLength"]
        self.assertEqual((said["rows"], said["bytes"]), (4, size))

    def test_parquet_is_compared_with_its_footers(self):
        answer = self.get("parquet/", "s3://lake/parquet/", format="parquet")
        self.assertEqual(answer.code, 0, answer.log)
        self.assertEqual(self.rows("parquet/"), [{"id": 1, "n": Decimal(2**64 - 1)}, {"id": 2, "n": Decimal(0)}])
        said = self.result("parquet/")["partitions"][0]
        self.assertEqual((said["rows"], said["source"]["rows"]), (2, 2))

    def test_a_role_of_another_account_is_taken(self):
        store = client("sts").assume_role(RoleArn="arn:aws:iam::444455556666:role/reader", RoleSessionName="test")["Credentials"]
        import boto3

        other = boto3.client("s3", endpoint_url=s3(), aws_access_key_id=store["AccessKeyId"], aws_secret_access_key=store["SecretAccessKey"], aws_session_token=store["SessionToken"], region_name="us-east-1")
        other.create_bucket(Bucket="others")
        other.put_object(Bucket="others", Key="parquet/a.parquet", Body=parquet([{"id": 7}]))
        answer = self.get("parquet/", "s3://lake/role/", format="parquet", role="arn:aws:iam::444455556666:role/reader", url="s3://others/parquet/")
        self.assertEqual(answer.code, 0, answer.log)
        self.assertEqual(self.rows("role/"), [{"id": 7}])
        self.assertEqual(self.get("parquet/", format="parquet", role="reader").code, 78)

    def test_what_goes_wrong_is_told_apart(self):
        for place, code, words, more in [
            ("nothing/", 66, "there is nothing", {}),
            ("altered/", 66, "other columns than the files before it", {"format": "parquet"}),
            ("torn/", 65, "is broken", {"format": "parquet"}),
            ("flights/2013/01/01/", 66, "no column 'gone'", {"columns": "gone"}),
            ("parquet/", 74, "cannot be written", {"format": "parquet", "output": "s3://no-such-bucket/x/"}),
        ]:
            answer = self.get(place, **{"output": "s3://lake/bad/", **more})
            self.assertEqual(answer.code, code, f"{place}: {answer.log}")
            self.assertIn(words, answer.log)
        self.assertNotIn("Contents", client("s3").list_objects_v2(Bucket="lake", Prefix="bad/_mizuumi"))


