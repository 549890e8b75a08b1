"""Trino, which Athena is, and Spark with Hive support: each reads a table and returns its rows."""

import os
import pathlib
import socket
import subprocess
import time

HOME = pathlib.Path(os.environ["JUDGE_HOME"])
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = os.environ.get("AWS_REGION", "us-east-1")


def java(least):
    """A JDK of at least this version: JUDGE_JAVA, or one that Debian's folders have."""
    found = [pathlib.Path(os.environ["JUDGE_JAVA"])] if "JUDGE_JAVA" in os.environ else []
    for home in found + sorted(pathlib.Path("/usr/lib/jvm").glob("*")):
        release = home / "release"
        version = release.read_text().split('JAVA_VERSION="')[1].split(".")[0].split('"')[0] if release.is_file() else "0"
        if least <= int(version):
            return home / "bin/java"
    raise SystemExit(f"judge: JDK {least} or newer is needed for Trino; name its folder by JUDGE_JAVA")


class Trino:
    """Trino with the Hive connector, whose metastore is the local Glue."""

    name = "Trino"

    def __init__(self, folder):
        import trino

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        etc = folder / "trino/etc"
        (etc / "catalog").mkdir(parents=True, exist_ok=True)
        (etc / "config.properties").write_text(
            "coordinator=true\nnode-scheduler.include-coordinator=true\ncatalog.management=static\n"
            f"http-server.http.port={self.port}\ndiscovery.uri=http://127.0.0.1:{self.port}\n"
        )
        # As Athena calls it: the texts of views name it.
        (etc / "catalog/awsdatacatalog.properties").write_text(
            "connector.name=hive\nhive.metastore=glue\nfs.native-s3.enabled=true\ns3.path-style-access=true\n"
            # Tables of Mizuumi are EXTERNAL ones; jobs write to those that stand for them.
            "hive.partition-projection-enabled=true\nhive.non-managed-table-writes-enabled=true\n"
            # Statistics change no row, and a cache would show the table of a moment ago.
            "hive.table-statistics-enabled=false\nhive.collect-column-statistics-on-write=false\n"
            "hive.metastore-cache-ttl=0s\n"
            f"hive.metastore.glue.region={REGION}\nhive.metastore.glue.endpoint-url={ENDPOINT}\n"
            f"hive.metastore.glue.aws-access-key={KEY}\nhive.metastore.glue.aws-secret-key={SECRET}\n"
            f"s3.endpoint={ENDPOINT}\ns3.region={REGION}\ns3.aws-access-key={KEY}\ns3.aws-secret-key={SECRET}\n"
        )
        command = [
            java(24), "-server", "-Xmx2G", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC",
            "-Djdk.attach.allowAttachSelf=true", "-Dfile.encoding=UTF-8", "--enable-native-access=ALL-UNNAMED",
            "--add-modules=jdk.incubator.vector", "-Dnode.environment=judge", "-Dnode.id=judge",
            # Else it would listen on every interface.
            "-Dnode.bind-ip=127.0.0.1", "-Dnode.internal-address=127.0.0.1",
            f"-Dnode.data-dir={folder}/trino/data", f"-Dconfig={etc}/config.properties",
            f"-Dcatalog.config-dir={etc}/catalog", f"-Dplugin.dir={HOME}/trino/plugin", "-cp", f"{HOME}/trino/lib/*",
            "io.trino.server.TrinoServer",
        ]  # fmt: skip
        self.log = folder / "trino.log"
        self.process = subprocess.Popen(command, cwd=folder / "trino", stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        self.connect = lambda: trino.dbapi.connect(
            host="127.0.0.1", port=self.port, user="judge", catalog="awsdatacatalog", timezone="UTC", max_attempts=1
        )

    def wait(self):
        """Until it answers."""
        end = time.monotonic() + 150
        while "SERVER STARTED" not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"judge: Trino does not start; see {self.log}")
            time.sleep(0.5)

    def define(self, table, partitions):
        """Nothing: it asks Glue itself."""

    def read(self, database, table, columns):
        cursor = self.connect().cursor()
        chosen = ", ".join(f'"{name}"' for name in columns)
        cursor.execute(f'SELECT {chosen} FROM "{database}"."{table}"')
        return [list(row) for row in cursor.fetchall()]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def pairs(parameters):
    return ", ".join(f"{quoted(key)}={quoted(value)}" for key, value in parameters.items())


def definition(table):
    """Glue's table as Hive's DDL, word for word: Spark has no client for Glue that is published."""
    storage = table["StorageDescriptor"]
    serde = storage["SerdeInfo"]

    def columns(them):
        return ", ".join(f"`{column['Name']}` {column['Type']}" for column in them)

    keys = f" PARTITIONED BY ({columns(table['PartitionKeys'])})" if table.get("PartitionKeys") else ""
    # EXTERNAL is what the first word says already; Spark refuses to hear it twice.
    others = {key: value for key, value in table["Parameters"].items() if key != "EXTERNAL"}
    return (
        f"CREATE EXTERNAL TABLE {table['Name']} ({columns(storage['Columns'])}){keys}"
        f" ROW FORMAT SERDE {quoted(serde['SerializationLibrary'])}"
        + (f" WITH SERDEPROPERTIES ({pairs(serde['Parameters'])})" if serde.get("Parameters") else "")
        + f" STORED AS INPUTFORMAT {quoted(storage['InputFormat'])} OUTPUTFORMAT {quoted(storage['OutputFormat'])}"
        f" LOCATION {quoted(s3a(storage['Location']))}"
        + (f" TBLPROPERTIES ({pairs(others)})" if others else "")
    )


def s3a(location):
    return location.replace("s3://", "s3a://", 1)


class Spark:
    """Spark with Hive support and its own defaults; its metastore holds a copy of what Glue has."""

    name = "Spark"

    def __init__(self, folder):
        from pyspark.sql import SparkSession

        options = f"-Duser.timezone=UTC -Dderby.system.home={folder}/derby"
        settings = {
            "spark.jars": ",".join(str(jar) for jar in sorted((HOME / "jars").glob("*.jar"))),
            "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false",
            "spark.driver.memory": "1g", "spark.driver.extraJavaOptions": options,
            "spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "1",
            "spark.sql.warehouse.dir": f"{folder}/warehouse", "spark.log.level": "OFF",
            "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:judge;create=true",
            "spark.hadoop.fs.s3a.endpoint": ENDPOINT, "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.access.key": KEY, "spark.hadoop.fs.s3a.secret.key": SECRET,
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        }  # fmt: skip
        builder = SparkSession.builder.master("local[2]").enableHiveSupport()
        for key, value in settings.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()

    def wait(self):
        self.session.sql("SELECT 1").collect()

    def define(self, table, partitions):
        """Copies a definition and its partitions, each with its own place."""
        self.session.sql(f"DROP TABLE IF EXISTS {table['Name']}")
        self.session.sql(definition(table))
        keys = [key["Name"] for key in table.get("PartitionKeys", [])]
        specs = [
            "PARTITION ("
            + ", ".join(f"`{key}`={quoted(value)}" for key, value in zip(keys, partition["Values"], strict=True))
            + f") LOCATION {quoted(s3a(partition['StorageDescriptor']['Location']))}"
            for partition in partitions
        ]
        if specs:
            self.session.sql(f"ALTER TABLE {table['Name']} ADD {' '.join(specs)}")

    def read(self, database, table, columns):
        chosen = ", ".join(f"`{name}`" for name in columns)
        rows = self.session.sql(f"SELECT {chosen} FROM {table}").collect()
        return [list(row) for row in rows]

    def stop(self):
        self.session.stop()
