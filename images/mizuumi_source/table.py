"""A table of a database: what is asked for, how its rows come as CSV and become Arrow, and what it says itself of what was read.

Both databases write CSV themselves. So a row is a piece of bytes here and nothing is converted in Python, each value comes in a form that
says it exactly, and one reader with one set of rules turns it into a type.
"""

import io
import re
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from .contract import Code, Failure, moment, told
from .lake import Lake
from .lake import text as exact

# Rows are read in pieces of so many bytes.
PIECE = 16 << 20
# What directories of partitions can be made from; both databases can, too.
PARTS_OF_TIME = "YmdH"


class Table:
    """What a run reads. `source` is a database: see mysql.py and postgres.py."""

    def __init__(self, run, source):
        self.run = run
        self.source = source
        self.mode = run.one_of("mode", "full", "incremental", "dump")
        self.keeps_unfit = run.one_of("unfit", "refuse", "null") == "refuse"
        self.compares = run.one_of("compare", "sums", "rows", "none")
        self.columns = self._chosen(source.columns())
        self.start, self.end = run.range()
        self.cursor = self._named(run.needed("cursor")) if self.mode == "incremental" else None
        self.is_timed = self.cursor is not None and self.cursor.hive in ("timestamp", "date")
        self.partition = run.option("partition", "")
        if self.partition:
            self.partition = self.partition.strip("/") + "/"
            for letter in re.findall("%(.?)", self.partition):
                if letter not in PARTS_OF_TIME:
                    raise Failure(Code.CONFIG, f"option 'partition' has '%{letter}': there are %Y, %m, %d and %H")

    def _chosen(self, columns):
        wanted = self.run.option("columns")
        if not wanted:
            return columns
        known = {column.name: column for column in columns}
        names = [name.strip() for name in wanted.split(",")]
        missing = [name for name in names if name not in known]
        if missing:
            raise Failure(Code.NO_INPUT, f"table {self.source.name} has no column '{missing[0]}' (any more): it has {', '.join(known)}")
        return [known[name] for name in names]

    def _named(self, name):
        for column in self.source.columns():
            if column.name == name:
                return column
        raise Failure(Code.NO_INPUT, f"table {self.source.name} has no column '{name}' (any more), which is its cursor")

    def bounds(self):
        """The range of the cursor as the source compares it; times in the terms of the column."""
        if not self.is_timed:
            # A session is a time, and says nothing of a number.
            return self.start, self.run.option("to")
        return tuple(text and self._wall(text) for text in (self.start, self.end))

    def _wall(self, text):
        time = moment(text, "the range of the cursor")
        time = time.astimezone(self._zone()).replace(tzinfo=None)
        if self.cursor.hive == "date" and time.time() != datetime.min.time():
            raise Failure(Code.CONFIG, f"cursor '{self.cursor.name}' is a date, and {text} is no midnight: give a `window` of whole days, or the `timezone`")
        return time.isoformat(sep=" ")

    def _zone(self):
        """What the clock shows that the column's times are from."""
        return timezone.utc if self.cursor.is_moment else zone(self.run.option("timezone", "UTC"))

    def _utc(self, text):
        """A value of the cursor as results tell it."""
        if not self.is_timed:
            return text
        try:
            return told(datetime.fromisoformat(text).replace(tzinfo=self._zone()))
        except ValueError:
            # Neither years of five digits nor 'infinity' are times here.
            return text

    def path_of(self):
        """Names the partitions of a batch's rows: those of their cursors, or one for all."""
        if "%" not in self.partition:
            return lambda batch: self.partition
        if not self.cursor:
            return lambda batch: self._first()
        if not self.is_timed:
            raise Failure(Code.CONFIG, f"option 'partition' has times, and cursor '{self.cursor.name}' is no time")
        self._aligned()
        if self.cursor.name not in [column.name for column in self.columns]:
            raise Failure(Code.CONFIG, f"option 'columns' lacks the cursor '{self.cursor.name}', by which rows are put into partitions")
        return lambda batch: pc.strftime(pc.cast(batch.column(self.cursor.name), pa.timestamp("us")), format=self.partition)

    def _aligned(self):
        """A part of a partition would take the place of the whole."""
        for bound in self.bounds():
            if bound is None:
                raise Failure(Code.CONFIG, "partitions by the cursor need both ends of the range: give a `window`, or `from`")
            time = datetime.fromisoformat(bound)
            if time.strftime(self.partition) == (time - timedelta(microseconds=1)).strftime(self.partition):
                raise Failure(
                    Code.CONFIG,
                    f"the range begins or ends at {bound}, within '{time.strftime(self.partition)}': what was brought would take the place of "
                    "the whole partition; give a `window` of whole partitions",
                )

    def _first(self):
        """The partition that is there whatever the rows are."""
        if "%" not in self.partition:
            return self.partition
        if not self.cursor:
            return moment(self.start or self.end, "the range").strftime(self.partition)
        return datetime.fromisoformat(self.bounds()[0]).strftime(self.partition)

    def bring(self):
        """Reads, compares, and leaves data and result; answers the rows."""
        bounds = self.bounds() if self.cursor else (None, None)
        if self.cursor and bounds[0] and bounds[1] and self.start_is_behind(bounds):
            raise Failure(Code.DATA, f"the range of cursor '{self.cursor.name}' goes backwards: from {bounds[0]} to {bounds[1]}")
        lake = Lake(self.run, self.columns, self.path_of())
        lake.touch(self._first())
        with self.source.moment(self.mode == "dump"):
            if self.cursor:
                self._goes_on()
            for piece in self.source.rows(self.columns, self.cursor, bounds, self.keeps_unfit):
                lake.write(self.batch(piece))
            source, unfit = self._said_by_source(bounds)
        cursor = None
        if self.cursor:
            last = self.source.greatest(self.cursor, bounds)
            ends = (self.start, self.end) if self.is_timed else bounds
            cursor = {"column": self.cursor.name, "from": ends[0], "to": ends[1], "last": last and self._utc(last)}
            cursor = {name: value for name, value in cursor.items() if value is not None}
        time = moment(self.end, "option 'to'") if self.is_timed else None
        return lake.close(cursor=cursor, data_time=time, source=source, unfit=unfit)

    def start_is_behind(self, bounds):
        """Whether a range ends before it begins; the source alone knows how texts and numbers are ordered."""
        return self.source.is_less(self.cursor, bounds[1], bounds[0])

    def _goes_on(self):
        """A source that has less than was read before was put back."""
        before = self.run.option("before")
        if not before:
            return
        wall = self._wall(before) if self.is_timed else before
        greatest = self.source.greatest(self.cursor, (None, None))
        if greatest is None or self.source.is_less(self.cursor, greatest, wall):
            raise Failure(
                Code.DATA,
                f"cursor '{self.cursor.name}' went backwards: the source comes to {greatest or 'nothing'}, and {before} was read before. Was it "
                "put back? Nothing is brought; where that is as it should be, leave out `before`",
            )

    def _said_by_source(self, bounds):
        """What the source says of each partition, and how many values did not fit, in one statement."""
        summed = [column for column in self.columns if column.is_summed] if self.compares == "sums" else []
        left = [column for column in self.columns if column.unfit] if not self.keeps_unfit else []
        if self.compares == "none" and not left:
            return None, None
        by_time = self.cursor is not None and "%" in self.partition
        rows = self.source.sums(summed, left, self.cursor, bounds, self.partition if by_time else None)
        said, unfit = {}, {}
        for path, count, *values in rows:
            sums = {column.name: exact(value or 0) for column, value in zip(summed, values)}
            said[path if by_time else self._first()] = {"rows": int(count), "sums": sums}
            for column, value in zip(left, values[len(summed) :]):
                if value:
                    unfit[column.name] = unfit.get(column.name, 0) + int(value)
        if self.compares == "none":
            said = None
        elif not said:
            said = {self._first(): {"rows": 0, "sums": {column.name: "0" for column in summed}}}
        return said, unfit or None

    def batch(self, piece):
        """Rows of CSV as Arrow."""
        names = [column.name for column in self.columns]
        # Binary comes as hexadecimal digits: CSV is text.
        types = {column.name: pa.string() if column.hive == "binary" else column.arrow for column in self.columns}
        try:
            table = pa.csv.read_csv(
                io.BytesIO(piece),
                read_options=pa.csv.ReadOptions(column_names=names, block_size=len(piece) + 1, use_threads=False),
                parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                convert_options=pa.csv.ConvertOptions(
                    column_types=types,
                    # An empty text is quoted, and NULL is not.
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    true_values=["t", "1"],
                    false_values=["f", "0"],
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._unreadable(str(error)) from None
        for index, column in enumerate(self.columns):
            if column.hive == "binary":
                values = (value if value is None else bytes.fromhex(value) for value in table.column(index).to_pylist())
                table = table.set_column(index, column.name, pa.array(values, pa.binary()))
        return table

    def _unreadable(self, why):
        """What could not be read, without the value: it is nobody's who reads logs."""
        at = re.search(r"column #(\d+)", why)
        column = self.columns[int(at[1])] if at and int(at[1]) < len(self.columns) else None
        name = f"column '{column.name}'" if column else "a row"
        if "UTF8" in why or "UTF-8" in why:
            return Failure(Code.DATA, f"{name} of {self.source.name} has text that is broken: it is no UTF-8; mend it in the source, or leave the column out by `columns`")
        what = f" that {column.hive} cannot hold" if column else " that is no CSV"
        hint = "; `unfit: null` brings NULL instead, and counts them" if column and column.unfit else ""
        return Failure(Code.DATA, f"{name} of {self.source.name} has a value{what}{hint}")


def zone(name):
    """A time zone by its name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Failure(Code.CONFIG, f"option 'timezone' is '{name}', which is no time zone, such as Asia/Tokyo") from None


def pieces(rows):
    """Rows, each with its line end, in pieces of whole rows."""
    held, size = [], 0
    for row in rows:
        held.append(bytes(row))
        size += len(row)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)

