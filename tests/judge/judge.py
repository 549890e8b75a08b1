"""Has Trino and Spark read what Mizuumi makes: every format, way of partitions, type family and moment.

Fails if an engine cannot read, or reads differently, what `Compatible` did not warn that engine about.
"""

import collections
import datetime
import json
import pathlib
import sys
import time

import by_name
import data
import engines
from lake import BUCKET, DATABASE, Lake

FORMATS = ["parquet", "orc", "avro", "csv", "json", "text"]
MODES = ["none", "Declared", "Discovered", "Projected", "Published"]
DAYS = ["2026-11-01", "2026-11-02"]
# Who stands for whom in the lint's words.
AS = {"Trino": "Athena", "Spark": "Spark"}
Verdict = collections.namedtuple("Verdict", "format mode moment engine reads what warned reason")


def partitions(mode):
    """A table's partitions as the spec says them."""
    match mode:
        case "none":
            return {}
        case "Declared":
            how = {"declared": [{"values": [day]} for day in DAYS]}
        case "Discovered":
            how = {"marker": "_SUCCESS"}
        case "Projected":
            dates = {"name": "day", "type": "Date", "format": "yyyy-MM-dd", "range": {"from": DAYS[0], "to": DAYS[1]}}
            how = {"projection": {"columns": [dates]}}
        case _:
            how = {}
    return {"partitionKeys": [{"name": "day", "type": "string"}], "partitions": {"mode": mode, **how}}


def columns(format_, mode):
    """A table's columns. One of JSON with a binary column is not read by Spark at all: only one has it."""
    spoils = {"raw"} if format_ == "json" and mode != "none" else set()
    return {name: type_ for name, type_ in dict(data.COLUMNS).items() if name not in spoils}


def plain(value):
    """A value of whichever client, so that equal ones are equal."""
    match value:
        case bytearray():
            return bytes(value)
        case tuple():
            return tuple(plain(item) for item in value)
        case list():
            return [plain(item) for item in value]
        case {"x": x, "y": y}:
            return (x, y)
    return value


class Judge:
    def __init__(self, lake, all_engines):
        self.lake, self.engines, self.verdicts = lake, all_engines, []
        self.tables = {f"{format_}-{mode.lower()}": (format_, mode) for format_ in FORMATS for mode in MODES}
        self.columns = {name: columns(*table) for name, table in self.tables.items()}
        # What is there: for each day the rows, whatever columns they were written with.
        self.expected = {name: {} for name in self.tables}

    def published(self):
        return [name for name, (_, mode) in self.tables.items() if mode == "Published"]

    def apply(self):
        specs = {}
        for name, (format_, mode) in self.tables.items():
            specs[name] = {
                "database": DATABASE, "databasePolicy": "Create", "location": f"s3://{BUCKET}/{name}/",
                "format": format_, "schema": {"from": "Declared", "columns": data.schema(self.columns[name])},
                **partitions(mode),
            }  # fmt: skip
        self.lake.apply("DataTable", specs)
        return self.lake.settled()

    def bring(self, name, day, shift, run=None):
        """Writes a day's data with the columns that the table has now."""
        format_, mode = self.tables[name]
        part = "" if mode == "none" else f"day={day}/"
        root = f"{name}/runs/{run}/" if run else f"{name}/"
        self.lake.put(f"{root}{part}part-{day}.{format_}", data.write(format_, self.columns[name], shift))
        self.lake.put(f"{root}{'' if run else part}_SUCCESS", b"")
        return data.rows(self.columns[name], shift)

    def read(self, moment, names=None):
        """All engines read all of these tables."""
        statuses = self.lake.objects("datatables")
        for name in names or self.tables:
            format_, mode = self.tables[name]
            compatible = statuses[name]["by_type"].get("Compatible", {})
            table, glue_partitions = self.lake.table(name.replace("-", "_"))
            for engine in self.engines:
                failure = self.compare(engine, name, table, glue_partitions)
                warned = compatible.get("status") == "False" and AS[engine.name] in compatible["message"]
                reason = compatible["reason"] if warned else ""
                verdict = "reads" if not failure else failure[0]
                self.verdicts.append(
                    Verdict(format_, mode, moment, engine.name, verdict, failure and failure[1], warned, reason)
                )
        print(f"judge: {moment}: done", flush=True)

    def compare(self, engine, name, table, glue_partitions):
        """None, or what goes wrong: the whole row first, and only then column by column."""
        try:
            engine.define(table, glue_partitions)
        except Exception as error:  # noqa: BLE001 (whatever an engine throws is its verdict)
            return "cannot", first_line(error)
        columns = list(self.columns[name])
        keys = [key["Name"] for key in table.get("PartitionKeys", [])]
        wrong, whole = {}, self.differs(engine, name, table["Name"], columns + keys)
        if not whole:
            return None
        for column in [*columns[1:], *keys]:
            if why := self.differs(engine, name, table["Name"], ["id", column]):
                wrong.setdefault(why, []).append(column)
        if not wrong:
            wrong[whole] = ["all columns together"]
        all_fail = all(why[0] == "cannot" for why in wrong)
        everything = [*columns[1:], *keys]
        text = "; ".join(
            f"{'every column' if names == everything else ', '.join(names)}: {why[1]}" for why, names in wrong.items()
        )
        return ("cannot" if all_fail else "reads differently"), text

    def differs(self, engine, name, table, columns):
        days = self.expected[name]
        want = [[row.get(c, day if c == "day" else None) for c in columns] for day, rows in days.items() for row in rows]
        try:
            have = engine.read(DATABASE, table, columns)
        except Exception as error:  # noqa: BLE001
            return "cannot", first_line(error)
        want, have = (sorted(([plain(v) for v in row] for row in rows), key=repr) for rows in (want, have))
        if len(have) != len(want):
            return "differs", f"{len(have)} rows for {len(want)}"
        for one, other in zip(have, want, strict=True):
            for got, wanted in zip(one, other, strict=True):
                if got != wanted:
                    return "differs", f"{got!r} for {wanted!r}"
        return None


def first_line(error):
    if isinstance(error, KeyError):
        # The client stumbled over an answer; what Trino meant by it is not known here.
        return f"the client found no {error} in the answer"
    text = getattr(error, "message", None) or getattr(error, "java_exception", None) or str(error)
    lines = str(text).strip().splitlines() or [type(error).__name__]
    # Spark says the failed task first, and what it failed of after that.
    causes = [line for line in lines if line.startswith("Caused by: ")]
    return (causes[-1] if causes else lines[0])[:160]


def run(judge):
    lake = judge.lake
    published = judge.published()
    others = [name for name in judge.tables if name not in published]
    for name in others:
        judge.expected[name][DAYS[0]] = judge.bring(name, DAYS[0], 0)
    judge.apply()
    wait_for_partitions(lake, judge, 1)
    publication(judge, published, "r1", 1)
    judge.read("at first")
    others_by_name(judge)

    evolve(judge)
    for name in others:
        judge.expected[name][DAYS[1]] = judge.bring(name, DAYS[1], 50)
    wait_for_partitions(lake, judge, 2)
    judge.read("evolved, old and new data")

    before = {name: dict(judge.expected[name]) for name in published}
    publication(judge, published, "r2", 2)
    judge.read("after a second publication", published)
    back = {f"{name}-back": {"table": name, "engine": "Rollback", "rollback": {"run": f"{name}-r2"}} for name in published}
    lake.apply("IngestRun", back)
    lake.succeeded()
    judge.expected.update(before)
    judge.read("after its rollback", published)
    by_name.run(judge)


# What has no data of its own, and the table whose data it shows.
BY_NAME = {"view": "parquet-published", "link": "orc-none"}


def others_by_name(judge):
    """A view and a resource link, which only Trino reads: Spark has no Glue to ask, only copies of definitions."""
    lake, of = judge.lake, {name: table.replace("-", "_") for name, table in BY_NAME.items()}
    shown = {**judge.columns[BY_NAME["view"]], "day": ("string",)}
    names = ", ".join(f'"{column}"' for column in shown)
    lake.apply("DataTable", {
        "view": {
            # Trino reads views as their owner does, Athena as whoever asks.
            "database": DATABASE, "engines": ["Athena"], "owner": "judge",
            "view": {"sql": f'SELECT {names} FROM {DATABASE}.{of["view"]}'},
            "schema": {"from": "Declared", "columns": data.schema(shown)},
        },
        "link": {"database": DATABASE, "linkTo": {"database": DATABASE, "table": of["link"]}},
    })  # fmt: skip
    lake.settled()
    trino = next(engine for engine in judge.engines if engine.name == "Trino")
    for name, table in BY_NAME.items():
        judge.columns[name] = shown if name == "view" else judge.columns[table]
        judge.expected[name] = judge.expected[table]
        definition, glue_partitions = lake.table(name)
        failure = judge.compare(trino, name, definition, glue_partitions)
        reads, what = failure or ("reads", None)
        judge.verdicts.append(Verdict(name, "none", "at first", trino.name, reads, what, False, ""))
    lake.kubectl("delete", "datatables", *BY_NAME)
    for name in BY_NAME:
        del judge.columns[name], judge.expected[name]
    print("judge: a view and a link: done", flush=True)


def publication(judge, names, run_name, session):
    """A run of each table: what readers see before it is announced and after."""
    brought = {}
    for name in names:
        run = f"{name}-{run_name}"
        brought[name] = {day: judge.bring(name, day, session * 100 + i * 10, run) for i, day in enumerate(DAYS)}
    judge.read(f"before publication {session}", names)
    at = f"2026-11-0{session}T00:00:00Z"
    runs = {f"{name}-{run_name}": {"table": name, "sessionTime": at, "engine": "External"} for name in names}
    judge.lake.apply("IngestRun", runs)
    judge.lake.succeeded()
    judge.expected.update(brought)


def wait_for_partitions(lake, judge, number):
    """Until what is discovered is registered."""

    def holds(item):
        name = item["metadata"]["name"]
        return judge.tables[name][1] != "Discovered" or (
            item.get("status", {}).get("partitions", {}).get("registered") == number
        )

    at = datetime.datetime.now(datetime.UTC).isoformat()
    lake.kubectl("annotate", "datatables", "--all", "--overwrite", f"mizuumi.dev/requested-at={at}")
    lake.until(f"{number} partitions registered", "datatables", holds)
    lake.settled()


def evolve(judge):
    """One column more, then wider types one by one: what waits for an approval is taken back and told."""
    changes = [data.EXTRA, *({column: wider} for column, wider in data.WIDER.items())]
    for change in changes:
        before = {name: dict(columns) for name, columns in judge.columns.items()}
        for columns in judge.columns.values():
            columns.update(change)
        waiting = [
            name for name, item in judge.apply().items() if item["by_type"]["Ready"]["reason"] == "ApprovalRequired"
        ]
        for name in waiting:
            judge.columns[name] = before[name]
        if waiting:
            judge.apply()
            print(f"judge: {next(iter(change))} waits for approval, and is taken back: {', '.join(waiting)}", flush=True)


def result(verdicts):
    """The table in Markdown, aligned: what is the same in several ways of partitions and at several moments is one row."""
    counts = collections.Counter((v.format, v.mode, v.engine) for v in verdicts)
    moments = collections.defaultdict(list)
    for v in verdicts:
        said = v.reason or ("" if v.reads == "reads" else "no warning")
        moments[v.format, v.mode, v.engine, v.reads, said, v.what or ""].append(v.moment)
    rows = collections.defaultdict(list)
    for (format_, mode, *outcome), at in moments.items():
        when = "always" if len(at) == counts[format_, mode, outcome[0]] else "; ".join(at)
        rows[format_, *outcome, when].append(mode)

    def order(row):
        (format_, engine, *_), modes = row
        return [*FORMATS, *BY_NAME].index(format_), engine, min(map(MODES.index, modes))

    lines = [["format", "engine", "partitions", "verdict", "Compatible", "at", "what"]]
    for (format_, engine, reads, said, what, when), modes in sorted(rows.items(), key=order):
        which = "all" if len(modes) == len(MODES) or format_ in BY_NAME else ", ".join(sorted(modes, key=MODES.index))
        lines.append([format_, engine, which, reads, said, when, what.replace("|", "\\|")])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]) - 1)]
    lines.insert(1, ["-" * width for width in widths] + ["---"])
    padded = [[*(cell.ljust(width) for cell, width in zip(line, widths)), line[-1]] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def main(folder):
    begin = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    trino = engines.Trino(folder)
    lake = None
    try:
        lake = Lake(folder)
        spark = engines.Spark(folder)
        trino.wait()
        spark.wait()
        print(f"judge: Trino and Spark are up after {time.monotonic() - begin:.0f} s", flush=True)
        judge = Judge(lake, [trino, spark])
        run(judge)
    finally:
        trino.stop()
        if lake:
            lake.stop()
    verdicts = judge.verdicts
    table = result(verdicts)
    (folder / "verdicts.md").write_text(table + "\n")
    (folder / "verdicts.json").write_text(json.dumps([v._asdict() for v in verdicts], indent=1) + "\n")
    print(table)
    unsaid = [v for v in verdicts if v.reads != "reads" and not v.warned]
    needless = {(v.format, v.mode, v.engine, v.reason) for v in verdicts if v.reads == "reads" and v.warned}
    for format_, mode, engine, reason in sorted(needless):
        print(f"judge: {reason} warned of {format_}, {mode}, though {engine} read it")
    good = sum(v.reads == "reads" for v in verdicts)
    print(f"judge: {len(verdicts)} readings, {good} right, {len(unsaid)} wrong without a warning, "
          f"{time.monotonic() - begin:.0f} s")  # fmt: skip
    return 1 if unsaid else 0


sys.exit(main(pathlib.Path(sys.argv[1]).absolute()))
