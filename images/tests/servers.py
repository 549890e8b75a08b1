"""Real databases for the tests: processes without privileges on 127.0.0.1, with their data in a temporary folder."""

import atexit
import contextlib
import ctypes
import functools
import glob
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import psycopg
import pymysql

# Neither server runs as root; nobody is who has nothing.
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}


def programs():
    """Where stand/databases.sh has found the servers, or put them."""
    root = os.environ.get("MIZUUMI_DATABASES") or subprocess.run(
        [os.path.join(os.path.dirname(__file__), "../../stand/databases.sh")], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    assert root, "stand/databases.sh says no folder"
    return root


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def link(source, target):
    """A second name of a file; where that is on another disk, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def end_with_parent():
    """Has Linux end a server whose test was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Server:
    """A server that ends with this process."""

    def __init__(self, name):
        self.password = secrets.token_hex(12)
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix=f"mizuumi-{name}-")
        self.process = None
        atexit.register(self.remove)
        self.programs = os.path.join(self.folder, "programs")
        # A cache in somebody's home is nothing that nobody may look into.
        shutil.copytree(programs(), self.programs, symlinks=True, copy_function=link)
        os.mkdir(os.path.join(self.folder, "data"), 0o700)
        if NOBODY:
            for place in (self.folder, os.path.join(self.folder, "data")):
                os.chown(place, NOBODY["user"], NOBODY["group"])
        self.data = os.path.join(self.folder, "data")
        libraries = ":".join(glob.glob(f"{self.programs}/usr/lib/*-linux-*") + glob.glob(f"{self.programs}/lib/*-linux-*"))
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.folder, "LC_ALL": "C", "LD_LIBRARY_PATH": libraries}

    def run(self, *command, **more):
        done = subprocess.run(command, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **NOBODY, **more)
        assert done.returncode == 0, f"{command}: {done.stdout.decode(errors='replace')[-2000:]}"

    def spawn(self, *command):
        log = pathlib.Path(self.folder, "log")
        with log.open("ab") as said:
            self.process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=said, stderr=said, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent, **NOBODY)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
                return
            except (pymysql.MySQLError, psycopg.Error) as error:
                is_there = self.process.poll() is None and time.monotonic() < deadline
                assert is_there, f"{error}: {log.read_text(errors='replace')[-2000:]}"
                time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def do(self, *statements):
        with contextlib.closing(self.connect()) as connection:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
            connection.commit()


class MariaDb(Server):
    kind = "mysql"
    user = "reader"

    def __init__(self):
        super().__init__("mariadb")
        # MariaDB 11 calls itself by its own name everywhere.
        found = glob.glob(f"{self.programs}/usr/share/m*/m*_system_tables.sql")[0]
        share, name = os.path.dirname(found), os.path.basename(found).removesuffix("_system_tables.sql")
        self.common = ["--no-defaults", f"--datadir={self.data}", f"--lc-messages-dir={share}", f"--character-sets-dir={share}/charsets"]
        # What mariadb-install-db feeds to the server, without the programs around it.
        tables = [f"{name}_{what}.sql" for what in ("system_tables", "performance_tables", "system_tables_data")]
        script = b"CREATE DATABASE mysql;\nUSE mysql;\n" + b"".join(pathlib.Path(share, file).read_bytes() for file in tables)
        more = f"""
            CREATE DATABASE flights CHARACTER SET utf8mb4; FLUSH PRIVILEGES;
            CREATE USER 'reader'@'127.0.0.1' IDENTIFIED BY '{self.password}';
            GRANT ALL ON *.* TO 'reader'@'127.0.0.1' WITH GRANT OPTION;
        """
        one_a_line = " ".join(more.split()).replace("; ", ";\n")
        self.run(f"{self.programs}/usr/sbin/mariadbd", *self.common, "--bootstrap", input=script + one_a_line.encode() + b"\n")
        self.start()

    def start(self):
        self.spawn(
            f"{self.programs}/usr/sbin/mariadbd", *self.common, "--bind-address=127.0.0.1", f"--port={self.port}", f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid", "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", "--plugin-maturity=stable",
        )

    def connect(self, **more):
        return pymysql.connect(host="127.0.0.1", port=self.port, user="reader", password=self.password, database="flights", charset="utf8mb4", **more)


class PostgreSql(Server):
    kind = "postgres"
    user = "reader"

    def __init__(self, encoding="UTF8"):
        super().__init__("postgresql")
        self.binaries = glob.glob(f"{self.programs}/usr/lib/postgresql/*/bin")[0]
        with open(os.path.join(self.folder, "password"), "w") as file:
            file.write(self.password)
        self.run(
            f"{self.binaries}/initdb", "-D", self.data, "-U", "reader", "--auth=scram-sha-256", f"--pwfile={self.folder}/password", "--no-sync", f"--encoding={encoding}", "--locale=C",
        )
        self.start()

    def start(self):
        self.spawn(
            f"{self.binaries}/postgres", "-D", self.data, "-h", "127.0.0.1", "-p", str(self.port), "-k", self.folder, "-c", "fsync=off", "-c", "shared_buffers=32MB",
        )

    def connect(self, **more):
        return psycopg.connect(host="127.0.0.1", port=self.port, user="reader", password=self.password, dbname="postgres", **more)


@functools.cache
def of_kind(kind):
    """The one server of its kind that these tests share."""
    return {"mysql": MariaDb, "postgres": PostgreSql}[kind]()
