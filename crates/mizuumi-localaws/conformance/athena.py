"""Has boto3 and awswrangler use Athena of the local endpoint, against what AWS documents.

moto's Athena runs no SQL and is no judge; pandas says what the rows are. Exit code 1 if anything is not as it should be.

    python athena.py --binary target/debug/mizuumi-localaws
"""

import os
import sys
import time

import awswrangler
import boto3
import pandas
from botocore.exceptions import ClientError

import conformance

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
RESULTS = "s3://athena-lake/results/"


def refusal(call, **arguments):
    """The code and the message of a refused call."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return None, ""


def wait(athena, id):
    """A query that has ended."""
    while True:
        found = athena.get_query_execution(QueryExecutionId=id)["QueryExecution"]
        if found["Status"]["State"] in ENDED:
            return found
        time.sleep(0.05)


def checks(url):
    """Each thing that has to be so, and whether it is."""
    s3, glue, athena = (conformance.client(service, url) for service in ("s3", "glue", "athena"))
    s3.create_bucket(Bucket="athena-lake", CreateBucketConfiguration={"LocationConstraint": conformance.REGION})
    glue.create_database(DatabaseInput={"Name": "flights"})
    athena.create_work_group(Name="small", Configuration={
        "EnforceWorkGroupConfiguration": True, "BytesScannedCutoffPerQuery": 10_000_000,
        "ResultConfiguration": {"OutputLocation": RESULTS}})
    session = boto3.Session(conformance.ACCOUNT, "x", region_name=conformance.REGION)
    rows = pandas.DataFrame({"n": range(10), "text": list("abcdefghi") + [None], "day": ["1"] * 6 + ["2"] * 4})
    awswrangler.s3.to_parquet(rows, "s3://athena-lake/t/", dataset=True, partition_cols=["day"], database="flights",
                              table="t", boto3_session=session)
    read = awswrangler.athena.read_sql_query("SELECT n, text FROM t WHERE day = '2' ORDER BY n", "flights",
                                             ctas_approach=False, workgroup="small", boto3_session=session)
    yield "awswrangler reads what it wrote", read["n"].tolist() == [6, 7, 8, 9] and read["text"].isna().sum() == 1

    def start(sql, token, **more):
        return athena.start_query_execution(QueryString=sql, ClientRequestToken=token.ljust(32, "x"), WorkGroup="small",
                                            QueryExecutionContext={"Database": "flights"}, **more)["QueryExecutionId"]

    sql = "SELECT n, text, n / 4.0 AS part FROM t WHERE n > ? ORDER BY n"
    id = start(sql, "one", ExecutionParameters=["6"])
    yield "a token that comes again is the same query", start(sql, "one", ExecutionParameters=["6"]) == id
    code, message = refusal(start, sql=sql, token="one", ExecutionParameters=["7"])
    yield "with other parameters it is refused", (code, "Idempotent" in message) == ("InvalidRequestException", True)
    done = wait(athena, id)
    yield "a query succeeds", done["Status"]["State"] == "SUCCEEDED"
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=id, PaginationConfig={"PageSize": 2})
    found = [[value.get("VarCharValue") for value in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    yield "the first row has the names, NULL has no value", (
        found[0] == ["n", "text", "part"] and found[1][:2] == ["7", "h"] and found[3][1] is None and len(found) == 4)
    bucket, key = done["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").split("/", 1)
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    yield "the result lies in the output location", text.splitlines()[0] == '"n","text","part"'

    files = s3.list_objects_v2(Bucket="athena-lake", Prefix="t/")["Contents"]
    sizes = {file["Key"].split("/")[1]: file["Size"] for file in files}
    scanned = lambda sql, token: wait(athena, start(sql, token))["Statistics"]["DataScannedInBytes"]
    yield "only partitions that are asked for are scanned", scanned("SELECT count(*) FROM t WHERE day = '1'", "p") == sizes["day=1"]
    yield "without a condition all are", scanned("SELECT count(*) FROM t", "q") == sum(sizes.values())

    for sql, state, part in [
        ("SELECT x FROM t", "FAILED", "COLUMN_NOT_FOUND"),
        ("SELECT 1 FROM nowhere", "FAILED", "TABLE_NOT_FOUND"),
        ("SELECT no_such_function(n) FROM t", "FAILED", "FUNCTION_NOT_FOUND"),
    ]:
        status = wait(athena, start(sql, part))["Status"]
        yield f"{sql} fails", status["State"] == state and part in status["StateChangeReason"] and (
            status["AthenaError"]["ErrorCategory"] == 2)
    yield "what is no SQL is refused at once", refusal(start, sql="SELEC 1", token="s")[0] == "InvalidRequestException"
    code, _ = refusal(athena.get_query_results, QueryExecutionId=start("SELECT x FROM t", "COLUMN_NOT_FOUND"))
    yield "a failed query has no results", code == "InvalidRequestException"
    yield "an unknown query is refused", "was not found" in refusal(athena.get_query_execution, QueryExecutionId="a" * 36)[1]

    s3.put_object(Bucket="athena-lake", Key="t/day=1/large", Body=b"x" * 11_000_000)
    status = wait(athena, start("SELECT count(*) FROM t", "large"))["Status"]
    yield "a query that scans too much is cancelled", (
        status["State"] == "CANCELLED" and "Bytes scanned limit was exceeded" in status["StateChangeReason"])

    id = start("SELECT count(*) FROM t a, t b WHERE a.day = '2' AND b.day = '2'", "stopped")
    athena.stop_query_execution(QueryExecutionId=id)
    yield "a query is stopped, if it has not ended", wait(athena, id)["Status"]["State"] in ENDED
    ids = athena.list_query_executions(WorkGroup="small")["QueryExecutionIds"]
    batch = athena.batch_get_query_execution(QueryExecutionIds=[*ids[:2], "b" * 36])
    yield "the newest is listed first, and several are read at once", (
        ids[0] == id and len(batch["QueryExecutions"]) == 2 and len(batch["UnprocessedQueryExecutionIds"]) == 1)


def main():
    """Says what is not as it should be."""
    arguments = conformance.parser(__doc__).parse_args()
    passed, failed = 0, 0
    with conformance.both(arguments) as (url, _):
        os.environ["AWS_ENDPOINT_URL"] = url
        for name, so in checks(url):
            passed, failed = passed + bool(so), failed + (not so)
            if not so:
                print(f"FAILED {name}")
    print(f"{passed} things about Athena are as they should be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
