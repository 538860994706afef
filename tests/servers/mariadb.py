"""A real MariaDB for tests: started on a free port in a temporary folder, killed, stopped and restarted at will."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy import create_engine, make_url

from storage.sql import migrations, record_tables
from storage.sql.tables import metadata

assert record_tables  # declares its tables in the same metadata

USER = "feige"
PASSWORD = "s3cret-of-the-tests"
START_TIMEOUT_S = 30.0

OPTIONS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-fast-shutdown=2",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    "--performance-schema=OFF",
    "--max-connections=200",
)


def _binary(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found is not None, f"{name} is not installed: apt-get install {package}"
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _user_option() -> list[str]:
    """mariadbd refuses to run as root unless told to."""
    return ["--user=root"] if os.geteuid() == 0 else []


class MariaDb:
    """One server on a folder of its own. `start` it; `close` it, and its folder goes."""

    def __init__(self, template: Path | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="feige-mariadb-"))
        self._template = template
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0

    @property
    def data(self) -> Path:
        """The server's files: a template for further servers once this one is closed for writing."""
        return self._folder / "data"

    def url(self, schema: str = "", *, driver: str = "aiomysql", password: str = PASSWORD) -> str:
        return f"mysql+{driver}://{USER}:{password}@127.0.0.1:{self.port}/{schema}"

    def start(self, *options: str) -> "MariaDb":
        """Starts the server, on the data that is there, and waits until it answers."""
        if not self.data.exists():
            self._install()
        init = self._folder / "init.sql"
        init.write_text(
            f"CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO {USER}@'%' WITH GRANT OPTION;\n"
        )
        self._process = subprocess.Popen(
            [
                _binary("mariadbd", "mariadb-server"),
                "--no-defaults",
                *_user_option(),
                f"--datadir={self.data}",
                f"--port={self.port}",
                f"--socket={self._folder / 'socket'}",
                f"--pid-file={self._folder / 'pid'}",
                f"--log-error={self._folder / 'log'}",
                *(() if "--read-only" in options else (f"--init-file={init}",)),
                *OPTIONS,
                *options,
            ],
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with closing(self.connect()):
                    return self
            except pymysql.err.OperationalError as error:
                assert self._process.poll() is None, f"mariadbd ended:\n{(self._folder / 'log').read_text()}"
                assert time.monotonic() < deadline, f"mariadbd does not answer: {error}"
                time.sleep(0.02)

    def _install(self) -> None:
        if self._template is not None:
            shutil.copytree(self._template, self.data)
            return
        subprocess.run(
            [
                _binary("mariadb-install-db", "mariadb-server"),
                "--no-defaults",
                *_user_option(),
                f"--datadir={self.data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
                "--innodb-fast-shutdown=0",
            ],
            env=self._environment(),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _environment(self) -> dict[str, str]:
        """Two servers must not share a folder of temporary tables: they may name them alike."""
        return {**os.environ, "TMPDIR": str(self._folder)}

    def connect(self, schema: str | None = None) -> pymysql.connections.Connection:
        """A plain connection, for what a test wants to see or break itself; each statement commits."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            database=schema,
            autocommit=True,
            connect_timeout=5,
            read_timeout=30,
        )

    def run(self, sql: str, schema: str | None = None) -> Any:
        """The rows of one statement."""
        with closing(self.connect(schema)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """An orderly shutdown."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(timeout=30)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self.kill()
        shutil.rmtree(self._folder)

    def empty_schema(self) -> str:
        """A new schema without tables."""
        self._schemas += 1
        name = f"feige_{os.getpid()}_{self._schemas}"
        self.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name


class GivenServer(MariaDb):
    """A server that the tests were given with FEIGE_TEST_MYSQL_URL: it is used, not started or broken."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._schemas = 0

    def url(self, schema: str = "", *, driver: str = "aiomysql", password: str = "") -> str:
        url = self._url.set(drivername=f"mysql+{driver}", database=schema or None)
        return (url.set(password=password) if password else url).render_as_string(hide_password=False)

    def connect(self, schema: str | None = None) -> pymysql.connections.Connection:
        url = self._url
        return pymysql.connect(
            host=url.host,
            port=url.port or 3306,
            user=url.username,
            password=url.password or "",
            database=schema,
            autocommit=True,
            connect_timeout=5,
            read_timeout=30,
        )

    def close(self) -> None:
        for (name,) in self.run(f"SHOW DATABASES LIKE 'feige\\_{os.getpid()}\\_%'"):
            self.run(f"DROP DATABASE {name}")


class Schemas:
    """Migrated schemas without rows. Migrating one takes most of a second, so they are used again."""

    def __init__(self, server: MariaDb) -> None:
        self.server = server
        self._free: list[str] = []

    @contextmanager
    def one(self) -> Iterator[str]:
        schema = self._free.pop() if self._free else self._migrated()
        yield schema
        self._clear(schema)
        self._free.append(schema)

    def _migrated(self) -> str:
        schema = self.server.empty_schema()
        engine = create_engine(self.server.url(schema, driver="pymysql").replace("mysql+", "mariadb+", 1))
        with engine.begin() as connection:
            migrations.upgrade(connection)
        engine.dispose()
        return schema

    def _clear(self, schema: str) -> None:
        """Numbers go on where they were, as in a database that is in use."""
        names = [table.name for table in metadata.sorted_tables if table.name not in ("meta", "writers")]
        with closing(self.server.connect(schema)) as connection, connection.cursor() as cursor:
            connection.begin()
            cursor.execute(" UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in names))
            for (name,) in cursor.fetchall():
                cursor.execute(f"DELETE FROM {name}")
            # What the stores note there as they work has a dot in its name; the epoch and the turns have none.
            cursor.execute("DELETE FROM meta WHERE name LIKE '%.%'")
            connection.commit()
