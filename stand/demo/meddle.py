"""Changes the flights table behind the controller's back, and watches how long that lasts."""

import sys
import time

import boto3

glue = boto3.client("glue")


def flights() -> dict:
    return glue.get_table(DatabaseName="nyc", Name="flights")["Table"]


def delay_type(table: dict) -> str:
    return next(c["Type"] for c in table["StorageDescriptor"]["Columns"] if c["Name"] == "dep_delay")


READ_ONLY = {
    "DatabaseName", "CreateTime", "UpdateTime", "CreatedBy", "CatalogId", "VersionId", "FederatedTable",
    "IsRegisteredWithLakeFormation", "IsMultiDialectView", "IsMaterializedView", "Status",
}  # fmt: skip

table = flights()
meddled = {key: value for key, value in table.items() if key not in READ_ONLY}
meddled["Description"] = "changed by hand"
meddled["Parameters"]["written_by"] = "somebody else"
for column in meddled["StorageDescriptor"]["Columns"]:
    if column["Name"] == "dep_delay":
        column["Type"] = "string"
glue.update_table(DatabaseName="nyc", TableInput=meddled)
started = time.monotonic()
print('  somebody set description: "changed by hand", dep_delay: string, and a parameter of their own', flush=True)
while delay_type(flights()) != "bigint":
    if time.monotonic() - started > 60:
        sys.exit("  the table was not put back within a minute")
    time.sleep(0.2)
kept = flights()["Parameters"].get("written_by")
print(f"  put back after {time.monotonic() - started:.0f} s; their own parameter is kept: written_by = {kept}")
