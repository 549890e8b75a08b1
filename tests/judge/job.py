"""What a job of SQL is to a step: a file of statements in S3, its variables, and the tables of Glue that it names."""

import argparse
import collections
import re

import boto3

Asked = collections.namedtuple("Asked", "statements variables")


def arguments():
    """The command line: statements with their variables filled in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-f", required=True, metavar="s3://BUCKET/KEY")
    parser.add_argument("-d", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    bucket, key = given.f.removeprefix("s3://").split("/", 1)
    text = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    variables = dict(pair.split("=", 1) for pair in given.d)
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    return Asked([statement.strip() for statement in text.split(";") if statement.strip()], variables)


class Glue:
    """The tables that statements name, with their partitions."""

    def __init__(self, statements):
        self.client = boto3.client("glue")
        databases = [database["Name"] for database in self.client.get_databases()["DatabaseList"]]
        names = re.findall(rf"\b({'|'.join(databases)})\.(\w+)", ";".join(statements))
        self.tables = [self.read(database, table) for database, table in sorted(set(names))]

    def read(self, database, table):
        definition = self.client.get_table(DatabaseName=database, Name=table)["Table"]
        pages = self.client.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
        return definition, [partition for page in pages for partition in page["Partitions"]]

    def register(self, table, known, partitions):
        """Makes those partitions that Glue does not have: where the engine says, with all that the table says of files."""
        known = [partition["Values"] for partition in known]
        for values, location in partitions:
            if values in known:
                continue
            storage = {**table["StorageDescriptor"], "Location": location.replace("s3a://", "s3://", 1)}
            self.client.create_partition(
                DatabaseName=table["DatabaseName"], TableName=table["Name"],
                PartitionInput={"Values": values, "StorageDescriptor": storage},
            )  # fmt: skip
