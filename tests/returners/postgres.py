"""A PostgreSQL server of the tests' own, on loopback and in a directory that goes with it."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.hosts import need, patience, until
from tests.hosts.sshd import free_port

DAEMONS = ("postgres", "nobody")


def find_programs() -> Path:
    """The directory with initdb and postgres; Debian has them beside the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    for place in (*reversed(versions), *map(Path, os.environ["PATH"].split(":"))):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    pytest.skip("no PostgreSQL: apt install postgresql")


class Postgres:
    """Serves databases to one user with a password. As root it is run by another user, since it refuses root."""

    def __init__(self) -> None:
        need("a PostgreSQL server")
        self._programs = find_programs()
        self.password = "pw-" + secrets.token_hex(8)
        self._made = 0
        self._user = None
        if os.geteuid() == 0:
            known = {entry.pw_name for entry in pwd.getpwall()}
            self._user = next(name for name in DAEMONS if name in known)

    def __enter__(self) -> Postgres:
        self._root = Path(tempfile.mkdtemp(prefix="agentless-postgres-"))
        if self._user is not None:
            shutil.chown(self._root, self._user)
        try:
            words = self._root / "password"
            words.write_text(self.password)
            words.chmod(0o644)
            self._call(
                "initdb", "-D", "data", "-U", "ada", "-A", "scram-sha-256", "--pwfile=password", "-E", "UTF8",
                "--locale=C", "--no-sync",
            )  # fmt: skip
            self.port = free_port()
            self.start()
        except BaseException:
            shutil.rmtree(self._root, ignore_errors=True)
            raise
        return self

    def _call(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *words], cwd=self._root, user=self._user, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        with (self._root / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [
                    str(self._programs / "postgres"), "-D", "data", "-p", str(self.port), "-k", str(self._root),
                    "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=60",
                ],
                cwd=self._root, user=self._user, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(self._takes_connections, "PostgreSQL takes connections")

    def _takes_connections(self) -> bool:
        import psycopg

        assert self._server.poll() is None, (self._root / "log").read_text()
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self._conninfo("postgres")).close()
            return True
        return False

    def _conninfo(self, database: str) -> str:
        where = f"host=127.0.0.1 port={self.port} dbname={database} connect_timeout={patience(5):.0f}"
        return f"{where} user=ada password={self.password}"

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """End the server at once, as a crash does."""
        self._server.send_signal(number)
        self._server.wait(patience(30))

    def pause(self) -> None:
        """Let it answer nobody: the postmaster and all of its processes stand still."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text().split()
        for pid in [self._server.pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def database(self) -> str:
        """The URL of a new database."""
        self._made += 1
        name = f"db{self._made}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://ada:{self.password}@127.0.0.1:{self.port}/{name}"

    def execute(self, database: str, query: str) -> list[tuple[object, ...]]:
        """Run a query; its rows, where it has any."""
        import psycopg

        with psycopg.connect(self._conninfo(database), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def __exit__(self, *exception: object) -> None:
        self.resume()
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(patience(30))
        shutil.rmtree(self._root, ignore_errors=True)
