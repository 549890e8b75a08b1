"""Files: objects of S3, of this account or another, and what a web server answers. CSV with a header, or Parquet."""

import contextlib
import http.client
import gzip
import io
import re
import socket
import urllib.error
import urllib.request

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from .contract import Code, Failure, moment
from .lake import Lake, region, s3
from .types import Column, hive

BLOCK = 4 << 20


class Files:
    """What a run brings of files that have the same columns."""

    def __init__(self, run):
        self.run = run
        start, end = run.range()
        # Places and partitions may have times in them: those at which the range begins.
        self._time = moment(start or end, "the range")
        self.partition = self.at_time(run.option("partition", ""))
        self.partition = self.partition and self.partition.strip("/") + "/"
        self.wanted = [name.strip() for name in run.option("columns", "").split(",") if name.strip()]
        self.types = dict(typed(text) for text in re.split(r",(?![^(]*\))", run.option("types", "")) if text.strip())
        self.lake = None
        self.source_rows = None

    def at_time(self, text):
        return re.sub("%[YmdH]", lambda part: self._time.strftime(part[0]), text)

    def column(self, name, type_):
        return Column(name, self.types.get(name) or hive(type_, name))

    def columns(self, schema, where):
        """The columns that are brought of a file."""
        names = self.wanted or schema.names
        for name in [*names, *self.types]:
            if name not in schema.names:
                raise Failure(Code.NO_INPUT, f"{where} has no column '{name}' (any more): it has {', '.join(schema.names)}")
        columns = [self.column(name, schema.field(name).type) for name in names]
        if self.lake is None:
            self.lake = Lake(self.run, columns, lambda batch: self.partition)
            self.lake.touch(self.partition)
        elif columns != self.lake.columns:
            raise Failure(Code.NO_INPUT, f"{where} has other columns than the files before it: say `columns` and `types`, or bring the files apart")
        return columns

    def csv(self, stream, where):
        """Reads CSV, all of it text unless `types` says more."""
        delimiter = {"tab": "\t"}.get(self.run.option("delimiter", ","), self.run.option("delimiter", ","))
        header, stream = first_line(stream)
        if not header.strip():
            raise Failure(Code.DATA, f"{where} is empty, without even a header")
        with refusals(where):
            parse = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
            names = pa.csv.read_csv(io.BytesIO(header), parse_options=parse).column_names
            schema = pa.schema([(name, Column(name, self.types.get(name, "string")).arrow) for name in names])
            columns = self.columns(schema, where)
            reader = pa.csv.open_csv(
                stream,
                read_options=pa.csv.ReadOptions(block_size=BLOCK, encoding=self.run.option("encoding", "utf8")),
                parse_options=parse,
                convert_options=pa.csv.ConvertOptions(
                    column_types={field.name: field.type for field in schema},
                    include_columns=[column.name for column in columns],
                    null_values=["", *([self.run.option("null")] if self.run.option("null") else [])],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            for batch in reader:
                self.lake.write(batch)

    def parquet(self, file, where):
        """Reads Parquet, whose footer says how many rows there are."""
        with refusals(where):
            parquet = pq.ParquetFile(file)
            columns = self.columns(parquet.schema_arrow, where)
            self.source_rows = (self.source_rows or 0) + parquet.metadata.num_rows
            for batch in parquet.iter_batches(columns=[column.name for column in columns]):
                arrays = [cast(batch.column(column.name), column) for column in columns]
                self.lake.write(pa.RecordBatch.from_arrays(arrays, schema=self.lake.schema))

    def close(self):
        source = None if self.source_rows is None else {self.partition: {"rows": self.source_rows, "sums": {}}}
        return self.lake.close(source=source)


def cast(array, column):
    """Values in the type of the lake: moments in UTC, as all databases of these images tell them."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(column.arrow)


def typed(text):
    name, _, type_ = text.strip().partition(" ")
    Column(name, type_.strip()).arrow
    return name, type_.strip()


def first_line(stream):
    """The header, and the stream with it."""
    buffered = io.BufferedReader(Whole(stream), BLOCK)
    return buffered.peek(BLOCK).split(b"\n", 1)[0] + b"\n", pa.PythonFile(buffered, mode="r")


class Whole(io.RawIOBase):
    """A stream that tells apart its end and a connection that was cut."""

    def __init__(self, stream):
        self._stream = stream

    def readable(self):
        return True

    def readinto(self, buffer):
        content = self._stream.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


@contextlib.contextmanager
def refusals(where):
    try:
        yield
    except pa.ArrowInvalid as error:
        why = str(error)
        at = re.search(r"CSV column '?#?([^':]+)'?", why)
        name = f"column {at[1]} of {where}" if at else where
        if "utf8" in why.lower() or "utf-8" in why.lower():
            raise Failure(Code.DATA, f"{name} has text that is broken: it is no UTF-8; say its `encoding`, or mend the file") from None
        if "Expected" in why and "columns, got" in why:
            raise Failure(Code.DATA, f"{where} has rows of another number of columns than its header: {re.search('Expected.*?got [0-9]+', why)[0]}") from None
        raise Failure(Code.DATA, f"{name} has a value that its type cannot hold, or is broken; without `types` all is text") from None
    except UnicodeDecodeError:
        raise Failure(Code.DATA, f"{where} has text that is broken: say its `encoding`, or mend the file") from None


def read_http(run):
    """What a web server answers at the option `url`."""
    files = Files(run)
    url = files.at_time(run.needed("url"))
    if not url.startswith(("https://", "http://")):
        raise Failure(Code.CONFIG, "option 'url' has to begin with https:// or http://")
    request = urllib.request.Request(url, headers={"Accept": "text/csv, */*;q=0.1", "User-Agent": "mizuumi-source"})
    user, password = run.credentials()
    if password and user:
        from base64 import b64encode

        request.add_unredirected_header("Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode())
    elif password:
        request.add_unredirected_header("Authorization", f"Bearer {password}")
    # What follows the path may be a key to the place.
    where = url.split("?")[0]
    try:
        with urllib.request.urlopen(request, timeout=run.number("timeout", 60)) as answer:
            files.csv(decoded(answer, url), where)
            # What was announced, and did not come.
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
    except urllib.error.HTTPError as error:
        code = {401: Code.DENIED, 403: Code.DENIED, 404: Code.NO_INPUT, 410: Code.NO_INPUT, 429: Code.PASSES}.get(error.code)
        raise Failure(code or (Code.UNAVAILABLE if error.code >= 500 else Code.CONFIG), f"{where} answers {error.code} {error.reason}") from None
    except gzip.BadGzipFile:
        raise Failure(Code.DATA, f"{where} is no gzip, or a broken one") from None
    except (http.client.HTTPException, urllib.error.URLError, ConnectionError, socket.timeout, EOFError) as error:
        raise Failure(Code.UNAVAILABLE, f"{where} cannot be reached, or was cut half-way: {type(error).__name__} {getattr(error, 'reason', '')}".rstrip()) from None
    return files.close()


def decoded(answer, url):
    if url.split("?")[0].endswith(".gz") or answer.headers.get("Content-Encoding") == "gzip":
        return gzip.GzipFile(fileobj=answer)
    return answer


def read_s3(run):
    """The objects below the option `url`, `s3://bucket/prefix`, of this account or of the role in the option `role`."""
    files = Files(run)
    url = files.at_time(run.needed("url"))
    if not re.match("s3://[^/]+/", url):
        raise Failure(Code.CONFIG, f"option 'url' is '{url}', and has to be s3://bucket/prefix")
    kind = run.one_of("format", "csv", "parquet")
    with s3_refusals(url):
        source = s3(**assumed(run), **({"region": run.option("region")} if run.option("region") else {}))
        selector = pa.fs.FileSelector(url.removeprefix("s3://").rstrip("/"), recursive=True)
        found = [info for info in source.get_file_info(selector) if info.is_file]
        found = sorted(info.path for info in found if not hidden(info.path) and info.size)
        if not found:
            raise Failure(Code.NO_INPUT, f"there is nothing in {url}")
        for path in found:
            if kind == "parquet":
                files.parquet(source.open_input_file(path), f"s3://{path}")
            else:
                compression = "gzip" if path.endswith(".gz") else None
                files.csv(source.open_input_stream(path, compression=compression), f"s3://{path}")
    return files.close()


def hidden(path):
    return any(part.startswith(("_", ".")) for part in path.split("/")[1:])


def assumed(run):
    """The other account's credentials: those of the role in the option `role`, which trusts this task's own."""
    role = run.option("role")
    if not role:
        return {}
    import boto3
    import botocore.exceptions

    _, external_id = run.credentials()
    more = {"ExternalId": external_id} if external_id else {}
    try:
        answer = boto3.client("sts", region_name=region()).assume_role(RoleArn=role, RoleSessionName=f"mizuumi-{run.run}"[:64], **more)
    except botocore.exceptions.ClientError as error:
        raise Failure(Code.DENIED, f"role {role} cannot be taken: {error.response['Error'].get('Code')}; does it trust this task's role?") from None
    except botocore.exceptions.ParamValidationError:
        raise Failure(Code.CONFIG, f"option 'role' is '{role}', and has to be the ARN of a role") from None
    except botocore.exceptions.BotoCoreError as error:
        raise Failure(Code.UNAVAILABLE, f"role {role} cannot be taken: {type(error).__name__}") from None
    given = answer["Credentials"]
    return {"access_key": given["AccessKeyId"], "secret_key": given["SecretAccessKey"], "session_token": given["SessionToken"]}


@contextlib.contextmanager
def s3_refusals(url):
    """Tells the errors of S3 by what is to be done about them; those of writing are told where it is written."""
    try:
        yield
    except FileNotFoundError:
        raise Failure(Code.NO_INPUT, f"there is nothing in {url}") from None
    except OSError as error:
        said = str(error)
        if "ACCESS_DENIED" in said or "InvalidAccessKeyId" in said:
            raise Failure(Code.DENIED, f"{url} may not be read by these credentials") from None
        if "NO_SUCH_BUCKET" in said or "NO_SUCH_KEY" in said:
            raise Failure(Code.NO_INPUT, f"there is no bucket or object {url}") from None
        raise Failure(Code.UNAVAILABLE, f"{url} cannot be read: {said.splitlines()[0][:200]}") from None
