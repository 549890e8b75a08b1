"""Runs one sequence of Glue and S3 calls against the local endpoint and against plain moto, and compares the answers.

Only calls that moto is known to answer as AWS does are here: where moto is wrong (paging, VersionId, folding of names,
batch limits) it is no judge, and the crate's own tests cite AWS instead. Exit code 1 on any difference.

    python conformance.py --binary target/debug/mizuumi-localaws
    python conformance.py --endpoint http://127.0.0.1:4566 --moto http://127.0.0.1:5000
"""

import argparse
import contextlib
import datetime
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"  # moto's default, so that both sides agree
REGION = "eu-west-1"

# Members that only one side has, or whose value is the side's own; what AWS says of them is tested in the crate.
OWN = {
    "CatalogId", "CreateTableDefaultPermissions", "CreatedBy", "IsRegisteredWithLakeFormation", "NextToken",
    "ResponseMetadata", "Retention", "UnprocessedKeys", "VersionId",
}
# Defaults that AWS fills into storage descriptors and moto does not.
DEFAULTS = {"Compressed": False, "NumberOfBuckets": 0, "SortColumns": [], "StoredAsSubDirectories": False}


def normal(value):
    """An answer without what may differ."""
    if isinstance(value, dict):
        return {
            name: normal(member)
            for name, member in sorted(value.items())
            if name not in OWN
            and not isinstance(member, datetime.datetime)
            and not (name in DEFAULTS and member == DEFAULTS[name])
            and not (name == "Errors" and not member)
        }
    if isinstance(value, (list, tuple)):
        return [normal(member) for member in value]
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return f"<{type(value).__name__}>"


def failed_items(answer, values):
    """The `Errors` of a batch, without their messages (AWS does not document them)."""
    return sorted((item[values], item["ErrorDetail"]["ErrorCode"]) for item in answer.get("Errors", []))


def by_values(answer):
    """Partitions in the order of their values: neither AWS nor moto promises one."""
    return sorted((normal(partition) for partition in answer["Partitions"]), key=lambda found: found["Values"])


def steps(glue, s3):
    """The sequence: a name, and a function whose result is compared."""
    columns = [{"Name": "id", "Type": "bigint", "Comment": "key"}, {"Name": "amount", "Type": "decimal(10,2)"}]
    keys = [{"Name": "year", "Type": "int"}, {"Name": "day", "Type": "date"}, {"Name": "city", "Type": "string"}]
    storage = {
        "Columns": columns,
        "Location": "s3://lake/orders/",
        "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
    }

    def table(name, **more):
        return {
            "Name": name, "Description": "d", "Owner": "o", "TableType": "EXTERNAL_TABLE", "PartitionKeys": keys,
            "StorageDescriptor": storage, "Parameters": {"classification": "parquet"}, **more,
        }

    def partition(year, day, city, **more):
        return {"Values": [str(year), day, city], "StorageDescriptor": storage, **more}

    orders = {"DatabaseName": "shop", "TableName": "orders"}

    # Databases.
    database = {"Name": "shop", "Description": "a", "LocationUri": "s3://lake/", "Parameters": {"k": "v"}}
    yield "create database", lambda: glue.create_database(DatabaseInput=database)
    yield "create database again", lambda: glue.create_database(DatabaseInput=database)
    yield "get database", lambda: glue.get_database(Name="shop")
    yield "get missing database", lambda: glue.get_database(Name="nosuch")
    yield "update database", lambda: glue.update_database(
        Name="shop", DatabaseInput={"Name": "shop", "Description": "b"})
    yield "get updated database", lambda: glue.get_database(Name="shop")
    yield "update missing database", lambda: glue.update_database(Name="nosuch", DatabaseInput={"Name": "nosuch"})
    yield "create second database", lambda: glue.create_database(DatabaseInput={"Name": "empty"})
    yield "get databases", lambda: sorted(found["Name"] for found in glue.get_databases()["DatabaseList"])
    yield "delete database", lambda: glue.delete_database(Name="empty")
    yield "delete missing database", lambda: glue.delete_database(Name="empty")

    # Tables.
    yield "create table", lambda: glue.create_table(DatabaseName="shop", TableInput=table("orders"))
    yield "create table again", lambda: glue.create_table(DatabaseName="shop", TableInput=table("orders"))
    yield "create table in missing database", lambda: glue.create_table(
        DatabaseName="nosuch", TableInput=table("orders"))
    yield "get table", lambda: glue.get_table(DatabaseName="shop", Name="orders")
    yield "get missing table", lambda: glue.get_table(DatabaseName="shop", Name="nosuch")
    yield "get table of missing database", lambda: glue.get_table(DatabaseName="nosuch", Name="orders")
    yield "create view", lambda: glue.create_table(DatabaseName="shop", TableInput={
        "Name": "orders_view", "TableType": "VIRTUAL_VIEW", "ViewOriginalText": "/* Presto View: e30= */",
        "ViewExpandedText": "/* Presto View */", "StorageDescriptor": {"Columns": columns}})
    yield "get view", lambda: glue.get_table(DatabaseName="shop", Name="orders_view")
    yield "get tables", lambda: glue.get_tables(DatabaseName="shop")
    yield "get tables by expression", lambda: glue.get_tables(DatabaseName="shop", Expression=".*_view")
    yield "get tables of missing database", lambda: glue.get_tables(DatabaseName="nosuch")
    yield "update table replaces", lambda: glue.update_table(
        DatabaseName="shop", TableInput={"Name": "orders", "PartitionKeys": keys, "StorageDescriptor": storage})
    yield "get replaced table", lambda: glue.get_table(DatabaseName="shop", Name="orders")
    yield "update missing table", lambda: glue.update_table(DatabaseName="shop", TableInput={"Name": "nosuch"})
    yield "count versions", lambda: len(glue.get_table_versions(**orders)["TableVersions"])
    yield "delete old version", lambda: glue.delete_table_version(
        **orders, VersionId=min(
            (found["VersionId"] for found in glue.get_table_versions(**orders)["TableVersions"]), key=int))
    yield "count versions left", lambda: len(glue.get_table_versions(**orders)["TableVersions"])
    yield "get missing version", lambda: glue.get_table_version(**orders, VersionId="77")
    yield "batch delete tables", lambda: failed_items(
        glue.batch_delete_table(DatabaseName="shop", TablesToDelete=["orders_view", "nosuch"]), "TableName")
    yield "get deleted table", lambda: glue.get_table(DatabaseName="shop", Name="orders_view")

    # Partitions.
    first = partition(2013, "2013-01-01", "Kyoto", Parameters={"rows": "1"})
    key = {"PartitionValues": first["Values"]}
    yield "create partition", lambda: glue.create_partition(**orders, PartitionInput=first)
    yield "create partition again", lambda: glue.create_partition(**orders, PartitionInput=first)
    yield "create partition of missing table", lambda: glue.create_partition(
        DatabaseName="shop", TableName="nosuch", PartitionInput=first)
    yield "get partition", lambda: glue.get_partition(**orders, **key)
    yield "get missing partition", lambda: glue.get_partition(
        **orders, PartitionValues=["1", "2013-01-01", "x"])
    some = [partition(2013, f"2013-01-{day:02}", city) for day in range(1, 11) for city in ("Kyoto", "Ōtsu")]
    yield "batch create with one that exists", lambda: failed_items(
        glue.batch_create_partition(**orders, PartitionInputList=some), "PartitionValues")
    yield "get partitions", lambda: by_values(glue.get_partitions(**orders))
    wanted = [{"Values": some[3]["Values"]}, {"Values": ["1", "2013-01-01", "x"]}]
    yield "batch get leaves out the missing", lambda: by_values(
        glue.batch_get_partition(**orders, PartitionsToGet=wanted))
    for expression in (
        "year = 2013", "year > 2013", "year >= 2013 AND day = '2013-01-03'", "day < '2013-01-03'",
        "day BETWEEN '2013-01-02' AND '2013-01-04'", "city = 'Kyoto'", "city <> 'Kyoto'",
        "city IN ('Kyoto', 'Nara')", "city NOT IN ('Kyoto', 'Nara')", "city LIKE 'Ky%'", "city NOT LIKE 'Ky%'",
        "city IS NOT NULL", "(day = '2013-01-01' OR day = '2013-01-02') AND city = 'Kyoto'",
        "day = '2013-01-01' OR day = '2013-01-02' AND city = 'Kyoto'", "nosuch = 1", "year = 'abc'", "year =",
    ):
        yield f"get partitions where {expression}", lambda expression=expression: [
            found["Values"] for found in by_values(glue.get_partitions(**orders, Expression=expression))]
    yield "update partition", lambda: glue.update_partition(
        **orders, PartitionValueList=first["Values"],
        PartitionInput=partition(2013, "2013-01-01", "Kyoto", Parameters={"rows": "2"}))
    yield "get updated partition", lambda: glue.get_partition(**orders, **key)
    yield "update missing partition", lambda: glue.update_partition(
        **orders, PartitionValueList=["1", "2013-01-01", "x"], PartitionInput=partition(1, "2013-01-01", "x"))
    entries = [
        {"PartitionValueList": item["Values"], "PartitionInput": {**item, "Parameters": {"rows": "3"}}}
        for item in (some[4], partition(1, "2013-01-01", "x"))
    ]
    yield "batch update partitions", lambda: failed_items(
        glue.batch_update_partition(**orders, Entries=entries), "PartitionValueList")
    yield "get batch-updated partition", lambda: glue.get_partition(**orders, PartitionValues=some[4]["Values"])
    yield "batch delete partitions", lambda: failed_items(
        glue.batch_delete_partition(**orders, PartitionsToDelete=wanted), "PartitionValues")
    yield "delete partition", lambda: glue.delete_partition(**orders, **key)
    yield "delete missing partition", lambda: glue.delete_partition(**orders, **key)
    yield "get partition indexes", lambda: glue.get_partition_indexes(**orders)

    # Tags.
    arn = f"arn:aws:glue:{REGION}:{ACCOUNT}:database/shop"
    yield "tag", lambda: glue.tag_resource(ResourceArn=arn, TagsToAdd={"a": "1", "b": "2"})
    yield "untag", lambda: glue.untag_resource(ResourceArn=arn, TagsToRemove=["a"])
    yield "get tags", lambda: glue.get_tags(ResourceArn=arn)

    # Deleting takes what is inside along.
    yield "delete table", lambda: glue.delete_table(DatabaseName="shop", Name="orders")
    yield "delete missing table", lambda: glue.delete_table(DatabaseName="shop", Name="orders")
    yield "create table anew", lambda: glue.create_table(DatabaseName="shop", TableInput=table("orders"))
    yield "a new table has no partitions", lambda: glue.get_partitions(**orders)
    yield "delete full database", lambda: glue.delete_database(Name="shop")
    yield "get table of deleted database", lambda: glue.get_table(DatabaseName="shop", Name="orders")

    # S3 through the endpoint: forwarding must change nothing.
    place = {"Bucket": "conformance-lake", "Key": "a b/ü+1.txt"}
    body = bytes(range(256)) * 4096
    yield "create bucket", lambda: s3.create_bucket(
        Bucket=place["Bucket"], CreateBucketConfiguration={"LocationConstraint": REGION})
    yield "put object", lambda: s3.put_object(**place, Body=body, Metadata={"k": "v"}, ContentType="text/x")
    yield "get object", lambda: s3.get_object(**place)["Body"].read() == body
    yield "get range", lambda: s3.get_object(**place, Range="bytes=10-19")["Body"].read().hex()
    yield "head object", lambda: s3.head_object(**place)
    yield "head missing object", lambda: s3.head_object(Bucket=place["Bucket"], Key="nosuch")
    yield "get missing object", lambda: s3.get_object(Bucket=place["Bucket"], Key="nosuch")
    yield "list objects", lambda: s3.list_objects_v2(Bucket=place["Bucket"], Prefix="a b/")
    yield "put if absent", lambda: s3.put_object(**place, Body=b"", IfNoneMatch="*")
    yield "delete objects", lambda: s3.delete_objects(
        Bucket=place["Bucket"], Delete={"Objects": [{"Key": place["Key"]}]})
    yield from lists(s3, place["Bucket"])
    yield "delete bucket", lambda: s3.delete_bucket(Bucket=place["Bucket"])


def lists(s3, bucket):
    """Lists by prefix, which the endpoint answers from keys in order, while keys come and go."""
    keys = ["a/1", "a/2", "a/b/1", "a/ü", "a0", "aa/1", "b/1"]

    def listed():
        asked = [
            {"Prefix": prefix, **more}
            for prefix in ("", "a", "a/", "a/b/", "b/1", "nosuch/")
            for more in ({}, {"Delimiter": "/"}, {"StartAfter": "a/2"}, {"MaxKeys": 2})
        ]
        return [
            {name: s3.list_objects_v2(Bucket=bucket, **one).get(name) for name in ("Contents", "CommonPrefixes")}
            for one in asked
        ]

    for key in [*reversed(keys), "a/2"]:
        yield f"put {key}", lambda key=key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    yield "list all", listed
    yield "delete a/2", lambda: s3.delete_object(Bucket=bucket, Key="a/2")
    yield "list without a/2", listed
    yield "versions from now on", lambda: s3.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield "mark a/1 as deleted", lambda: s3.delete_object(Bucket=bucket, Key="a/1")
    yield "list without a/1", listed
    yield "put a/1 again", lambda: s3.put_object(Bucket=bucket, Key="a/1", Body=b"again")
    yield "list with a/1", listed
    for key in keys:
        yield f"delete all versions of {key}", lambda key=key: [
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])["ResponseMetadata"]["HTTPStatusCode"]
            for kind in ("Versions", "DeleteMarkers")
            for version in s3.list_object_versions(Bucket=bucket, Prefix=key).get(kind, [])
            if version["Key"] == key
        ]
    yield "list nothing", listed


def client(service, url):
    """A client of boto3 that asks once."""
    return boto3.client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id=ACCOUNT, aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=60),
    )


def answers(sequence):
    """The name and normalised outcome of each step."""
    for name, step in sequence:
        try:
            yield name, normal(step())
        except ClientError as error:
            yield name, {"error": error.response["Error"]["Code"]}


def answering(url):
    """Whether something answers there."""
    with contextlib.suppress(OSError):
        with urllib.request.urlopen(url, timeout=5):
            return True
    return False


def wait(ready, process):
    """Waits until `ready` says so, as long as the process lives."""
    deadline = time.monotonic() + 60
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"did not start: {process.args}")
        time.sleep(0.1)


@contextlib.contextmanager
def running(command):
    """A process that is gone afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def both(arguments, *more):
    """The URLs of the endpoint and of moto, started here unless they were given; the endpoint with these arguments."""
    with contextlib.ExitStack() as stack:
        moto, endpoint = arguments.moto, arguments.endpoint
        if moto is None:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = str(free.getsockname()[1])
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
            process = stack.enter_context(running(command))
            moto = f"http://127.0.0.1:{port}"
            wait(lambda: answering(f"{moto}/moto-api/data.json"), process)
        if endpoint is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            ready = pathlib.Path(folder, "url")
            command = [arguments.binary, "serve", "--listen", "127.0.0.1:0", "--moto-python", sys.executable]
            process = stack.enter_context(running([*command, "--ready-file", str(ready), *more]))
            wait(ready.exists, process)
            endpoint = ready.read_text()
        yield endpoint, moto


def parser(about):
    """The command line: what to compare with what."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--binary", default="mizuumi-localaws", help="started when no --endpoint is given")
    parser.add_argument("--endpoint", help="URL of a running, empty local endpoint with moto behind it")
    parser.add_argument("--moto", help="URL of a running, empty moto server")
    return parser


def compare(endpoint, moto):
    """Compares the outcomes of two sequences, prints each difference and the sums; how many differ."""
    failed = passed = 0
    for (name, ours), (_, theirs) in zip(answers(endpoint), answers(moto), strict=True):
        if ours == theirs:
            passed += 1
            continue
        failed += 1
        print(f"FAILED {name}")
        print(f"  endpoint: {json.dumps(ours, ensure_ascii=False)}")
        print(f"  moto:     {json.dumps(theirs, ensure_ascii=False)}")
    print(f"{passed} passed, {failed} failed")
    return failed


def main():
    """Compares Glue and S3."""
    with both(parser(__doc__).parse_args()) as urls:
        return 1 if compare(*(steps(client("glue", url), client("s3", url)) for url in urls)) else 0


if __name__ == "__main__":
    sys.exit(main())
