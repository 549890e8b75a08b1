"""A table of any database that SQLAlchemy knows, read by dlt: the contract in ten lines."""

from dlt.sources.sql_database import sql_table
from sqlalchemy import URL

from mizuumi_source.contract import main
from mizuumi_source.lake import Lake
from mizuumi_source.types import of_schema


def read(run):
    user, password = run.credentials()
    place = (run.needed("host"), run.number("port", 0), run.needed("database"))
    table = sql_table(URL.create(run.needed("dialect"), user, password, *place).render_as_string(False), table=run.needed("table"), backend="pyarrow")
    lake = None
    for rows in table:
        lake = lake or Lake(run, of_schema(rows.schema), lambda _: run.option("partition", ""))
        lake.write(rows.cast(lake.schema))
    return lake.close()


main(read)
