"""The way into the lake: Parquet below the run's output, partition by partition, and the result when all is there."""

import contextlib
import json
import os
from dataclasses import dataclass, field
from decimal import Context, Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs
import pyarrow.parquet as pq

from .contract import Code, Failure, told

# Each open file holds some megabytes.
OPEN_AT_MOST = 256
# Sums keep all their digits.
EXACT = Context(prec=76)


@dataclass
class Part:
    """What was written into one partition."""

    stream: object
    writer: pq.ParquetWriter
    rows: int = 0
    sums: dict = field(default_factory=dict)


def file_system(url):
    """The file system of a location, and the path in it: S3, or a folder for those who try an image by hand."""
    if not url.startswith("s3://"):
        return pa.fs.LocalFileSystem(), url.removeprefix("file://")
    return s3(), url.removeprefix("s3://")


def s3(**more):
    """S3 by the environment's credentials, at the environment's endpoint."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3", os.environ.get("AWS_ENDPOINT_URL", ""))
    scheme, _, host = endpoint.rpartition("://")
    where = {"endpoint_override": host, "scheme": scheme or "https"} if host else {}
    return pa.fs.S3FileSystem(**{**where, "region": region(), **more})


def region():
    """Where this runs: a task of Fargate is told."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


class Lake:
    """What a run brings. `path_of` names for each batch the partition of each row, or one for all of them."""

    def __init__(self, run, columns, path_of):
        self.run = run
        self.columns = columns
        self.schema = pa.schema([(column.name, column.arrow) for column in columns])
        self._path_of = path_of
        self._files, self._root = file_system(run.output)
        self._parts = {}
        self._bytes = {}

    def write(self, batch):
        """Writes a batch of the schema."""
        with writing(self.run):
            self._split(batch)

    def _split(self, batch):
        paths = self._path_of(batch)
        if isinstance(paths, str):
            return self._write(paths, batch)
        for path in pc.unique(paths).to_pylist():
            if path is None:
                raise Failure(Code.DATA, "rows without a cursor have no partition; leave them out with a `where`, or bring the table whole")
            self._write(path, batch.filter(pc.equal(paths, path)))

    def touch(self, path):
        """Sees to it that there is a partition, be it without rows."""
        with writing(self.run):
            return self._part(path)

    def _part(self, path):
        if path not in self._parts:
            if len(self._parts) == OPEN_AT_MOST:
                raise Failure(Code.CONFIG, f"a run brings {OPEN_AT_MOST} partitions at most: give it a narrower range")
            folder = self._root + path
            # Names of another attempt are in another directory; a name that says who wrote it helps whoever finds a file.
            if isinstance(self._files, pa.fs.LocalFileSystem):
                self._files.create_dir(folder, recursive=True)
            stream = self._files.open_output_stream(f"{folder}part-0.parquet")
            writer = pq.ParquetWriter(stream, self.schema, compression="zstd", version="2.6")
            self._parts[path] = Part(stream, writer)
        return self._parts[path]

    def _write(self, path, batch):
        part = self._part(path)
        part.writer.write_table(pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch)
        part.rows += batch.num_rows
        for column in self.columns:
            if column.is_summed:
                # Sums of whole numbers would wrap around without a word.
                scale = column.arrow.scale if pa.types.is_decimal(column.arrow) else 0
                values = pc.cast(batch.column(column.name), pa.decimal256(EXACT.prec, scale))
                part.sums[column.name] = EXACT.add(part.sums.get(column.name, 0), pc.sum(values).as_py() or Decimal(0))

    def close(self, cursor=None, data_time=None, source=None, unfit=None):
        """Ends all files and writes the result; answers the rows. `source` is what the source says of each partition."""
        with writing(self.run):
            return self._close(cursor, data_time, source, unfit)

    def _close(self, cursor, data_time, source, unfit):
        partitions = []
        for path, part in sorted(self._parts.items()):
            part.writer.close()
            size = part.stream.tell()
            part.stream.close()
            entry = {"path": path, "files": 1, "bytes": size, "rows": part.rows}
            if source is not None:
                entry["sums"] = {name: text(part.sums.get(name, 0)) for name in self._summed()}
                entry["source"] = source.get(path, {"rows": 0, "sums": {name: "0" for name in self._summed()}})
            partitions.append(entry)
        for path in sorted(set(source or {}) - set(self._parts)):
            raise Failure(Code.PASSES, f"the source has rows for '{path}' by now, of which none was read: it changed meanwhile; `mode: dump` reads one moment")
        for entry in partitions:
            differs(entry)
        rows = sum(part.rows for part in self._parts.values())
        result = {
            "version": 1,
            "rows": rows,
            "bytes": sum(entry["bytes"] for entry in partitions),
            "dataTime": told(data_time or self.run.session),
            "schema": [{"name": column.name, "type": column.hive} for column in self.columns],
            "partitions": partitions,
        }
        if cursor:
            result["cursor"] = cursor
        if unfit:
            result["unfit"] = unfit
        self._put("_mizuumi/result.json", json.dumps(result, ensure_ascii=False).encode())
        return rows

    def _summed(self):
        return [column.name for column in self.columns if column.is_summed]

    def _put(self, name, content):
        path = self._root + name
        if isinstance(self._files, pa.fs.LocalFileSystem):
            self._files.create_dir(os.path.dirname(path), recursive=True)
        with self._files.open_output_stream(path) as stream:
            stream.write(content)


@contextlib.contextmanager
def writing(run):
    """Tells why something cannot be written."""
    try:
        yield
    except OSError as error:
        why = str(error.strerror or error).splitlines()[0][:300]
        raise Failure(Code.IO, f"what was read cannot be written to {run.output}: {why}") from None


def differs(entry):
    """Refuses a partition that is not as the source says."""
    source = entry.get("source")
    if source is None:
        return
    where = f"partition '{entry['path']}'" if entry["path"] else "the table"
    hint = "it changed while it was read; `mode: dump` reads one moment"
    if source["rows"] != entry["rows"]:
        raise Failure(Code.PASSES, f"{where} has {source['rows']} rows in the source by now, and {entry['rows']} were read: {hint}")
    for name, value in source["sums"].items():
        if value != entry["sums"][name]:
            raise Failure(Code.PASSES, f"column '{name}' of {where} comes to {value} in the source by now, and to {entry['sums'][name]} in what was read: {hint}")


def text(number):
    """A sum as a text that is the same for equal numbers."""
    whole = format(Decimal(number), "f")
    return whole.rstrip("0").rstrip(".") if "." in whole else whole
