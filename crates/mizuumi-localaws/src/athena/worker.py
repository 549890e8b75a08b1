"""The SQL engine behind the local Athena: DuckDB over the files of Glue's tables, one process for the endpoint.

Lines of JSON come in and go out. The endpoint sends `parse`, `run`, `tables` (what the catalog says of the tables that a
query asked for) and `cancel`; this sends `parsed`, `need` (which tables a query reads) and `done`.

Queries are written for Athena (Trino) and run by DuckDB: sqlglot carries them over. What DuckDB cannot say is refused.
"""

import base64, csv, hashlib, io, json, os, queue, sys, tempfile, threading, time, urllib.error, urllib.parse, urllib.request
import xml.etree.ElementTree as ElementTree

import duckdb
import sqlglot
from sqlglot import exp

ROWS = 100_000  # So many rows of a result are kept.
CATALOGS = {"", "awsdatacatalog"}
TYPES = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "integer": "INTEGER",
    "bigint": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "string": "VARCHAR", "binary": "BLOB", "date": "DATE",
    "timestamp": "TIMESTAMP",
}
# The names that results have for DuckDB's types.
NAMES = {
    "HUGEINT": "bigint", "BIGINT": "bigint", "UBIGINT": "bigint", "INTEGER": "integer", "SMALLINT": "smallint",
    "TINYINT": "tinyint", "DOUBLE": "double", "FLOAT": "float", "VARCHAR": "varchar", "BOOLEAN": "boolean",
    "DATE": "date", "TIMESTAMP": "timestamp", "BLOB": "varbinary", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
}
WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}


class Failed(Exception):
    """A query that ends in FAILED, or CANCELLED, and why. Category 1 is Athena's own failure, 2 the user's, 3 another's."""

    def __init__(self, reason, category=2, state="FAILED", scanned=0):
        super().__init__(reason)
        self.reason, self.category, self.state, self.scanned = reason, category, state, scanned


class S3:
    """Objects of an account, straight from moto: what a service reads is no call of a client."""

    def __init__(self, run):
        self.authority, self.account, self.region = run["s3"], run["account"], run["region"]

    def ask(self, method, path, query="", body=None):
        url = f"http://{self.authority}/{urllib.parse.quote(path)}{query}"
        request = urllib.request.Request(url, method=method, data=body, headers={
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.account}/20260101/{self.region}/s3/aws4_request, "
                             "SignedHeaders=host, Signature=0",
            "x-moto-account-id": self.account,
            # Anything else would be taken for a form.
            "Content-Type": "application/octet-stream",
        })
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def list(self, location):
        """Files under a location: key, size and tag. Names that begin with `_` or `.` are no data, as in Hive."""
        bucket, _, prefix = location.split("://", 1)[-1].partition("/")
        prefix = prefix.rstrip("/") + "/" if prefix else ""
        token, files = None, []
        while True:
            query = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            try:
                text = self.ask("GET", bucket, "?" + urllib.parse.urlencode(query))
            except urllib.error.HTTPError as error:
                raise Failed(f"HIVE_FILESYSTEM_ERROR: cannot list {location}: {error.code}", 2) from error
            page = ElementTree.fromstring(text)
            space = page.tag.partition("}")[0] + "}" if page.tag.startswith("{") else ""
            for of in page.iter(f"{space}Contents"):
                key, size = of.findtext(f"{space}Key"), int(of.findtext(f"{space}Size"))
                hidden = any(part[:1] in ("_", ".") for part in key[len(prefix):].split("/"))
                if size and not hidden:
                    files.append((bucket, key, size, of.findtext(f"{space}ETag")))
            token = page.findtext(f"{space}NextContinuationToken")
            if not token:
                return files

    def fetch(self, folder, file):
        """The local copy of a file; one that has been there before is taken again."""
        bucket, key, _, tag = file
        ending = ".gz" if key.endswith(".gz") else ""
        name = hashlib.sha256("\0".join((self.account, bucket, key, tag)).encode()).hexdigest() + ending
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            content = self.ask("GET", f"{bucket}/{key}")
            with open(f"{path}.{threading.get_ident()}", "wb") as out:
                out.write(content)
            os.replace(out.name, path)
        return path


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def duck_type(hive):
    """The DuckDB type of a Hive type."""
    plain = hive.strip().lower()
    if plain in TYPES:
        return TYPES[plain]
    if plain.startswith("decimal"):
        return plain.upper() if "(" in plain else "DECIMAL(10,0)"
    if plain.startswith(("varchar", "char")):
        return "VARCHAR"
    if plain.startswith("array<") and plain.endswith(">"):
        return duck_type(plain[6:-1]) + "[]"
    if plain.startswith("map<") and plain.endswith(">"):
        key, value = split(plain[4:-1])
        return f"MAP({duck_type(key)}, {duck_type(value)})"
    if plain.startswith("struct<") and plain.endswith(">"):
        fields = (field.partition(":") for field in split(plain[7:-1]))
        return "STRUCT(" + ", ".join(f"{quoted(name.strip())} {duck_type(of)}" for name, _, of in fields) + ")"
    raise Failed(f"NOT_SUPPORTED: Unsupported Hive type: {hive}")


def split(text):
    """Parts between commas that are in no brackets."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "<(") - (sign in ">)")
        if sign == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def parse(sql):
    """The one statement of a text; what StartQueryExecution refuses at once."""
    try:
        statements = [of for of in sqlglot.parse(sql, read="athena") if of is not None]
    except sqlglot.errors.SqlglotError as error:
        errors = getattr(error, "errors", None) or [{}]
        line, column = errors[0].get("line") or 1, errors[0].get("col") or 1
        near = errors[0].get("highlight") or ""
        raise Failed(f"line {line}:{column}: mismatched input '{near}'. The local endpoint's parser says: "
                     f"{errors[0].get('description') or error}") from error
    if len(statements) != 1:
        raise Failed(f"Only one sql statement is allowed. Got: {sql}")
    if not isinstance(statements[0], exp.Query):
        raise Failed("Queries of this type are not supported by the local endpoint: it runs SELECT")
    return statements[0]


def with_parameters(tree, parameters):
    """The statement with its `?` filled in: each is a literal as a text, as Athena takes it."""
    places = [of for of in tree.find_all(exp.Placeholder, bfs=False)]
    if len(places) != len(parameters):
        raise Failed(f"INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected {len(places)} but found "
                     f"{len(parameters)}")
    for place, text in zip(places, parameters):
        try:
            value = sqlglot.parse_one(text, read="athena")
        except sqlglot.errors.SqlglotError as error:
            raise Failed(f"SYNTAX_ERROR: the parameter {text} is no expression") from error
        if any(value.find(kind) for kind in (exp.Column, exp.Query)):
            raise Failed(f"SYNTAX_ERROR: the parameter {text} is no constant expression")
        place.replace(value)
    return tree


class Query:
    """One query, from its text to its rows."""

    def __init__(self, worker, run):
        self.worker, self.run, self.s3 = worker, run, S3(run)
        self.asked = worker.asked[run["id"]]
        self.connection = duckdb.connect()
        self.connection.execute("SET threads = 2; SET TimeZone = 'UTC'")
        worker.connections[run["id"]] = self.connection
        self.scanned, self.relations = 0, 0

    def definition(self, database, table):
        self.worker.say({"id": self.run["id"], "kind": "need", "database": database, "table": table})
        return self.asked.get()["definition"]

    def resolve(self, tree, database, depth=0):
        """Puts a relation of DuckDB in the place of each table of the catalog."""
        if depth > 8:
            raise Failed("views stand on views more than 8 deep")
        names = {of.alias_or_name.lower() for of in tree.find_all(exp.CTE)}
        for table in list(tree.find_all(exp.Table)):
            if not isinstance(table.this, exp.Identifier):
                raise Failed("FUNCTION_NOT_FOUND: table functions are not run by the local endpoint")
            name, schema = table.name.lower(), (table.db or "").lower()
            if not schema and name in names:
                continue
            if table.catalog.lower() not in CATALOGS:
                raise Failed(f"CATALOG_NOT_FOUND: Catalog '{table.catalog}' does not exist")
            schema = schema or (database or "").lower()
            if not schema:
                raise Failed("MISSING_SCHEMA_NAME: Schema must be specified when session schema is not set")
            found = self.definition(schema, name)
            if found is None:
                raise Failed(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{schema}.{name}' does not exist")
            alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
            view = view_text(found["table"])
            if view:
                inner = self.resolve(parse(view[0]), view[1] or schema, depth + 1)
                table.replace(exp.Subquery(this=inner, alias=alias))
                continue
            relation = self.relation(f"{schema}.{name}", found, table)
            table.replace(exp.Table(this=exp.to_identifier(relation), alias=alias))
        return tree

    def relation(self, name, found, node):
        table = found["table"]
        storage = table.get("StorageDescriptor") or {}
        parameters = table.get("Parameters") or {}
        keys = [(of["Name"], duck_type(of.get("Type", "string"))) for of in table.get("PartitionKeys") or []]
        if parameters.get("projection.enabled", "").lower() == "true":
            raise Failed(f"NOT_SUPPORTED: the local endpoint does not project partitions ({name})")
        if parameters.get("table_type", "").lower() == "iceberg":
            raise Failed(f"NOT_SUPPORTED: the local endpoint does not read Iceberg tables ({name})")
        if keys:
            places = [(of["Values"], (of.get("StorageDescriptor") or {}).get("Location")) for of in found["partitions"]]
            places = self.pruned(places, keys, node)
        else:
            places = [([], storage.get("Location"))]
        files = []
        for values, location in places:
            if not location:
                raise Failed(f"HIVE_METASTORE_ERROR: {name} has no location")
            files += [(file, values) for file in self.s3.list(location)]
        files = self.with_paths(files, node)
        cutoff = self.run.get("cutoff")
        for file, _ in files:
            self.scanned += file[2]
            if cutoff is not None and self.scanned > cutoff:
                raise Failed("Query cancelled! : Bytes scanned limit was exceeded", 2, "CANCELLED", self.scanned)
        local = [(self.s3.fetch(self.worker.folder, file), file, values) for file, values in files]
        self.relations += 1
        own = f"t{self.relations}"
        columns = [(of["Name"], duck_type(of.get("Type", "string"))) for of in storage.get("Columns") or []]
        self.make(own, name, columns, keys, local, storage, "$path" in self.run["sql"], parameters)
        return own

    def conditions(self, node, keys):
        """What the query's WHERE says of these columns alone, of a SELECT that reads one table."""
        select = node.find_ancestor(exp.Select)
        source = select and (select.args.get("from") or select.args.get("from_"))
        if not select or not source or source.this is not node or select.args.get("joins"):
            return []
        where = select.args.get("where")
        if not where:
            return []
        parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
        known = {key.lower() for key in keys}

        def fits(part):
            names = [of.name.lower() for of in part.find_all(exp.Column)]
            return names and all(name in known for name in names) and not part.find(exp.Query, exp.AggFunc)

        return [part.copy() for part in parts if fits(part)]

    def filtered(self, rows, columns, parts):
        """The rows of a small relation that fulfil conditions."""
        if not parts or not rows:
            return rows
        for part in parts:
            for column in part.find_all(exp.Column):
                column.set("table", None)
        names = ", ".join(quoted(name) for name, _ in columns)
        values = ", ".join(f"CAST(? AS {kind}) AS {quoted(name)}" for name, kind in columns)
        condition = " AND ".join(f"({part.sql('duckdb')})" for part in parts)
        kept = []
        for row in rows:
            text = f"SELECT count(*) FROM (SELECT {values}) p({names}) WHERE {condition}"
            if self.sql(text, row[0]).fetchone()[0]:
                kept.append(row)
        return kept

    def pruned(self, places, keys, node):
        parts = self.conditions(node, [name for name, _ in keys])
        return self.filtered([(null_of(values), place) for values, place in places], keys, parts)

    def with_paths(self, files, node):
        parts = self.conditions(node, ["$path"])
        rows = [([f"s3://{file[0]}/{file[1]}"], (file, values)) for file, values in files]
        return [row[1] for row in self.filtered(rows, [("$path", "VARCHAR")], parts)]

    def make(self, own, name, columns, keys, files, storage, with_path, parameters):
        """A view of DuckDB over the files, with the columns and types that the catalog says."""
        every = [*columns, *keys, *([("$path", "VARCHAR")] if with_path else [])]
        if not files:
            names = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(of)}" for of, kind in every)
            self.sql(f"CREATE TEMP VIEW {own} AS SELECT {names} WHERE false")
            return
        self.sql(f"CREATE TEMP TABLE {own}_files (local VARCHAR, path VARCHAR"
                 + "".join(f", k{at} VARCHAR" for at in range(len(keys))) + ")")
        rows = [[local, f"s3://{file[0]}/{file[1]}", *null_of(values)] for local, file, values in files]
        self.connection.executemany(f"INSERT INTO {own}_files VALUES ({', '.join('?' * (2 + len(keys)))})", rows)
        source, given = self.source(name, columns, [local for local, _, _ in files], storage, parameters)
        picked = []
        for at, (column, kind) in enumerate(columns):
            if column.lower() not in given:
                picked.append(f"CAST(NULL AS {kind}) AS {quoted(column)}")
                continue
            inside, of, strict = given[column.lower()]
            if strict and not suits(of, kind):
                raise Failed(f"HIVE_BAD_DATA: Field {column}'s type {of} in parquet file {files[0][1][1]} is "
                             f"incompatible with type {storage['Columns'][at].get('Type')} defined in table schema")
            cast = "CAST" if strict else "TRY_CAST"
            picked.append(f"{cast}(f.{quoted(inside)} AS {kind}) AS {quoted(column)}")
        picked += [f"CAST(m.k{at} AS {kind}) AS {quoted(key)}" for at, (key, kind) in enumerate(keys)]
        picked += ['m.path AS "$path"'] if with_path else []
        self.sql(f"CREATE TEMP VIEW {own} AS SELECT {', '.join(picked)} FROM {source} f "
                 f"JOIN {own}_files m ON f.filename = m.local")

    def source(self, name, columns, paths, storage, parameters):
        """What DuckDB reads the files with; and the columns that they have: in lower case their name, their type, and
        whether that has to suit the catalog's."""
        serde = (storage.get("SerdeInfo") or {})
        library, settings = serde.get("SerializationLibrary", ""), serde.get("Parameters") or {}
        listed = "[" + ", ".join(literal(path) for path in paths) + "]"
        short = library.rsplit(".", 1)[-1].lower()
        if "parquet" in short:
            source = f"read_parquet({listed}, union_by_name = true, filename = true)"
            described = self.sql(f"DESCRIBE SELECT * EXCLUDE (filename) FROM {source}").fetchall()
            return source, {row[0].lower(): (row[0], row[1], True) for row in described}
        texts = {column.lower(): (column, "VARCHAR", False) for column, _ in columns}
        if "json" in short:
            kinds = ", ".join(f"{literal(column)}: {literal(kind)}" for column, kind in columns)
            source = (f"read_json({listed}, columns = {{{kinds}}}, format = 'newline_delimited', filename = true, "
                      "ignore_errors = true)")
            return source, {column.lower(): (column, kind, False) for column, kind in columns}
        skipped = int(parameters.get("skip.header.line.count") or settings.get("skip.header.line.count") or 0)
        kinds = "{" + ", ".join(f"{literal(column)}: 'VARCHAR'" for column, _ in columns) + "}"
        if "opencsv" in short:
            quote, sign = settings.get("quoteChar", '"'), settings.get("separatorChar", ",")
            rest = f"quote = {literal(quote)}, escape = {literal(quote)}, nullstr = []"
        elif "lazysimple" in short or "text" in storage.get("InputFormat", "").lower():
            sign = settings.get("field.delim") or settings.get("serialization.format") or "\x01"
            sign = "\x01" if sign == "1" else sign
            rest = "quote = '', escape = '', nullstr = '\\N'"
        else:
            raise Failed(f"HIVE_UNSUPPORTED_FORMAT: the local endpoint does not read {library} ({name})")
        source = (f"read_csv({listed}, auto_detect = false, header = false, skip = {skipped}, delim = {literal(sign)}, "
                  f"columns = {kinds}, null_padding = true, strict_mode = false, filename = true, {rest})")
        return source, texts

    def sql(self, text, values=()):
        try:
            return self.connection.execute(text, list(values))
        except duckdb.InterruptException as error:
            raise Failed("Query cancelled by user", 2, "CANCELLED", self.scanned) from error
        except duckdb.Error as error:
            raise Failed(reason_of(error), 2, scanned=self.scanned) from error

    def execute(self):
        began = time.monotonic()
        try:
            tree = with_parameters(parse(self.run["sql"]), self.run["parameters"])
            tree = self.resolve(tree, self.run.get("database"))
            answer = self.sql(tree.sql("duckdb"))
            columns = [{"Name": of[0], "Type": name_of(str(of[1]))} for of in answer.description]
            rows = [[told(value) for value in row] for row in answer.fetchmany(ROWS)]
            try:
                self.write(columns, rows)
            except (urllib.error.URLError, ValueError) as error:
                raise Failed(f"Unable to write the result to {self.run['output']}: {error}", 2, scanned=self.scanned) from error
            done = {"state": "SUCCEEDED", "columns": columns, "rows": rows, "scanned": self.scanned}
        except Failed as failed:
            scanned = failed.scanned or self.scanned
            done = {"state": failed.state, "reason": failed.reason, "category": failed.category, "scanned": scanned}
        except Exception as error:
            done = {"state": "FAILED", "reason": f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}",
                    "category": 1, "scanned": self.scanned}
        finally:
            self.worker.connections.pop(self.run["id"], None)
            self.connection.close()
        done["millis"] = int((time.monotonic() - began) * 1000)
        return done

    def write(self, columns, rows):
        """The result as Athena leaves it: every value in quotes, and nothing at all for NULL."""
        out = io.StringIO()
        quote = lambda text: "" if text is None else '"' + text.replace('"', '""') + '"'
        for row in [[of["Name"] for of in columns], *rows]:
            out.write(",".join(quote(value) for value in row) + "\n")
        bucket, _, key = self.run["output"].split("://", 1)[-1].partition("/")
        self.s3.ask("PUT", f"{bucket}/{key}", body=out.getvalue().encode())


def null_of(values):
    return [None if value == "__HIVE_DEFAULT_PARTITION__" else value for value in values]


def view_text(table):
    """The query of a view of Athena's, and the schema that it is read in."""
    text = table.get("ViewOriginalText") or ""
    if table.get("TableType") != "VIRTUAL_VIEW":
        return None
    marked = text.strip().removeprefix("/* Presto View:").removesuffix("*/").strip()
    try:
        view = json.loads(base64.b64decode(marked))
    except ValueError as error:
        raise Failed("HIVE_UNSUPPORTED_FORMAT: this is no view of Athena's") from error
    return view["originalSql"], view.get("schema")


def suits(inside, wanted):
    """Whether Athena reads a type of a Parquet file as the catalog's type."""
    plain = lambda kind: kind.split("(")[0]
    inside, wanted = plain(inside), plain(wanted)
    if inside in WHOLE:
        return wanted in WHOLE
    if inside in ("FLOAT", "DOUBLE"):
        return wanted in ("FLOAT", "DOUBLE")
    if inside.startswith("TIMESTAMP"):
        return wanted == "TIMESTAMP"
    return inside == wanted or inside.endswith(("]", ")")) or inside in ("STRUCT", "MAP", "DECIMAL", "BLOB", "VARCHAR") and wanted in ("VARCHAR", "BLOB", "DECIMAL")


def name_of(kind):
    if kind.startswith("DECIMAL"):
        return "decimal"
    if kind.endswith("[]"):
        return "array"
    if kind.startswith(("STRUCT", "MAP")):
        return "row" if kind.startswith("STRUCT") else "map"
    return NAMES.get(kind, kind.lower())


def told(value):
    """A value as Trino writes it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if hasattr(value, "hour") and hasattr(value, "year"):
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, (bytes, bytearray)):
        return value.hex(" ")
    return str(value)


def number(value):
    """A double as Java writes it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = repr(value)
        if "e" not in text:
            return text
    digits, _, power = f"{value:.16e}".partition("e")
    for length in range(17):
        shorter = f"{value:.{length}e}"
        if float(shorter) == value:
            digits, _, power = shorter.partition("e")
            break
    return f"{digits if '.' in digits else digits + '.0'}E{int(power)}"


def reason_of(error):
    """What DuckDB refuses, by the name that Trino has for it."""
    text = str(error).split("\n\n")[0].split("\nLINE")[0]
    lowered = text.lower()
    if "referenced column" in lowered or ("column" in lowered and "not found" in lowered) or "does not have a column" in lowered:
        name = text.split('"')[1] if '"' in text else ""
        return (f"COLUMN_NOT_FOUND: line 1:1: Column '{name}' cannot be resolved or requester is not authorized to "
                f"access requested resources ({text})")
    if isinstance(error, duckdb.CatalogException):
        return f"FUNCTION_NOT_FOUND: {text}"
    if isinstance(error, (duckdb.BinderException,)):
        return f"TYPE_MISMATCH: {text}"
    if isinstance(error, duckdb.ConversionException):
        return f"INVALID_CAST_ARGUMENT: {text}"
    if isinstance(error, (duckdb.IOException, duckdb.InvalidInputException)):
        return f"HIVE_CANNOT_OPEN_SPLIT: {text}"
    return f"GENERIC_USER_ERROR: {text}"


class Worker:
    def __init__(self):
        self.lock, self.asked, self.connections = threading.Lock(), {}, {}
        self.files = tempfile.TemporaryDirectory(prefix="localaws-athena-")
        self.folder = self.files.name

    def say(self, message):
        with self.lock:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()

    def start(self, run):
        done = Query(self, run).execute()
        self.asked.pop(run["id"], None)
        self.say({"id": run["id"], "kind": "done", **done})

    def check(self, message):
        try:
            parse(message["sql"])
            refused = None
        except Failed as failed:
            refused = failed.reason
        self.say({"id": message["id"], "kind": "parsed", "refused": refused})

    def work(self):
        for line in sys.stdin:
            message = json.loads(line)
            kind = message["kind"]
            if kind == "parse":
                threading.Thread(target=self.check, args=(message,), daemon=True).start()
            elif kind == "run":
                self.asked[message["id"]] = queue.Queue()
                threading.Thread(target=self.start, args=(message,), daemon=True).start()
            elif kind == "table" and message["id"] in self.asked:
                self.asked[message["id"]].put(message)
            elif kind == "cancel" and message["id"] in self.connections:
                self.connections[message["id"]].interrupt()
        self.files.cleanup()
        os._exit(0)


if __name__ == "__main__":
    Worker().work()
