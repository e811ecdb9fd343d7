"""The returner `sql` on SQLite and on a real PostgreSQL: one row a return, however often and by however many."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from agentless.errors import CacheError
from agentless.model.problem import Problem
from agentless.model.returner import SqlReturner
from agentless.model.states import Dispatched, HostResult, State
from agentless.returners.handover import HostEnd
from agentless.returners.register import Register
from agentless.returners.register_tables import column
from agentless.returners.sql import Sql
from tests.cache.results import returned
from tests.hosts import patience
from tests.hosts.client import ROOT
from tests.hosts.needs import need
from tests.returners.bench import Bench
from tests.returners.postgres import Postgres


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        engine.dispose()


def archive(bench: Bench, url: str, more: str = "") -> None:
    bench.environ["REGISTER"] = url
    bench.configure(f"returners: {{archive: {{type: sql, url_env: REGISTER{more}}}}}\nreturner: archive\n")


def test_a_return_is_one_row_also_when_it_is_handed_over_again(bench: Bench, url: str) -> None:
    archive(bench, url)
    job = bench.job()
    assert bench.deliver() == []
    # What a process that was killed ahead of its note leaves behind.
    for path in (bench.root / "cache" / "returners").glob("*.*d"):
        path.rename(path.with_suffix(".owed"))
        path.with_suffix(".owed").write_bytes(b"")
    assert bench.owed() == {"archive": 2}
    assert bench.deliver() == []
    query = "SELECT jid, id, fun, state, success FROM agentless_returns ORDER BY id"
    assert rows(url, query) == [
        (job.jid, "web1", "cmd.run", "returned", "true"),
        (job.jid, "web2", "cmd.run", "returned", "false"),
    ]
    ((load,),) = rows(url, "SELECT load FROM agentless_jids")
    assert json.loads(str(load)) == {**job.to_json(), "hosts": ["web1", "web2"], "origin": "run"}
    ((full_ret,),) = rows(url, "SELECT full_ret FROM agentless_returns WHERE id = 'web1'")
    report = bench.cache.load(job.jid)
    assert report is not None
    assert json.loads(str(full_ret)) == {**job.to_json(), "host": "web1", **report.results["web1"].to_json()}


def test_hosts_that_end_later_are_added_and_a_return_replaces_what_stood_for_want_of_it(bench: Bench, url: str) -> None:
    archive(bench, url)
    refused = HostResult(State.NOT_STARTED, problem=Problem("cwd", "no such directory"))
    job = bench.job({"web1": refused, "web2": returned()})
    assert bench.deliver() == []
    settings = bench.config.returners["archive"]
    assert isinstance(settings, SqlReturner)
    another = Sql(settings, bench.environ)
    grown = replace(job, hosts=("web2", "web3"))
    another.give([HostEnd(grown, "web3", returned()), HostEnd(grown, "web1", returned(b"late\n"))], 0.0)
    another.give([HostEnd(job, "web1", refused), HostEnd(job, "web1", returned(b"again\n"))], 0.0)
    another.close()
    ((load,),) = rows(url, "SELECT load FROM agentless_jids")
    assert json.loads(str(load))["hosts"] == ["web1", "web2", "web3"]
    ((full_ret,),) = rows(url, "SELECT full_ret FROM agentless_returns WHERE id = 'web1'")
    assert json.loads(str(full_ret))["stdout"] == "late\n"


def test_only_failures_where_only_those_are_wanted(bench: Bench, url: str) -> None:
    archive(bench, url, ", on: failure")
    lost = HostResult(State.LOST, Dispatched.YES, problem=Problem("reboot", "it was rebooted"))
    bench.job({"ok": returned(), "failed": returned(b"", 1), "lost": lost})
    assert bench.deliver() == []
    assert rows(url, "SELECT id FROM agentless_returns ORDER BY id") == [("failed",), ("lost",)]
    assert bench.owed() == {}


def test_what_a_host_prints_and_how_hosts_are_called_comes_back_as_it_was(bench: Bench, url: str) -> None:
    archive(bench, url)
    names = ["db é 1", "x" * 300, "nul\0", "lone\udce9", "'; DROP TABLE agentless_jids; --"]
    bench.job({name: returned(b"\x00\xff'%s:x" * 1000) for name in names})
    assert bench.deliver() == []
    documents = [json.loads(str(full)) for (full,) in rows(url, "SELECT full_ret FROM agentless_returns")]
    assert {document["host"] for document in documents} == set(names)
    assert {len(document["stdout_base64"]) for document in documents} == {9336}
    assert len(rows(url, "SELECT jid FROM agentless_jids")) == 1


def test_names_that_a_column_does_not_hold_stay_different() -> None:
    assert column("x" * 300, 255) != column("x" * 299 + "y", 255)
    assert len(column("x" * 300, 255)) == 255
    assert column("web1", 255) == "web1"


WRITER = """
import os, sys, time
from agentless.config import load
from agentless.returners.handover import HostEnd
from agentless.returners.sql import Sql
from agentless.model.jid import JID
from agentless.model.job import Job
from tests.cache.results import returned
settings = load(sys.argv[1]).returners["archive"]
me = int(sys.argv[2])
environ = dict(os.environ)
print("ready", flush=True)
sys.stdin.read(1)
for n in range(20):
    job = Job(JID(f"202611220950395792{n:02}"), "cmd.run", ("id",), "all", ("a", "b", f"own{me}"), "ada", 1.0)
    sql = Sql(settings, environ)
    sql.give([HostEnd(job, host, returned(host.encode())) for host in job.hosts], time.monotonic() + 600)
    sql.close()
"""


def test_many_processes_make_the_tables_and_write_the_same_rows_at_once(bench: Bench, url: str) -> None:
    need("many seconds")
    archive(bench, url, ", timeout: 600")
    environ = {"REGISTER": url, "PATH": "/usr/bin:/bin", "HOME": str(bench.root)}
    command = [sys.executable, "-c", WRITER, str(bench.root / "config.yaml")]
    writers = [
        subprocess.Popen([*command, str(me)], cwd=ROOT, env=environ, stdin=-1, stdout=-1, stderr=-1) for me in range(6)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"x")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=patience(120))
        assert writer.returncode == 0, errors.decode()
    assert rows(url, "SELECT count(*) FROM agentless_jids") == [(20,)]
    assert rows(url, "SELECT count(*) FROM agentless_returns") == [(20 * 8,)]
    for (load,) in rows(url, "SELECT load FROM agentless_jids"):
        assert set(json.loads(str(load))["hosts"]) == {"a", "b", *(f"own{me}" for me in range(6))}


def test_a_server_that_is_killed_and_comes_back_gets_what_it_has_not_had(bench: Bench, postgres: Postgres) -> None:
    url = postgres.database()
    archive(bench, url, f", timeout: {patience(1)}")
    bench.job()
    assert bench.deliver() == []
    postgres.stop()
    try:
        bench.now += 1
        bench.job()
        (warning,) = bench.deliver()
    finally:
        postgres.start()
    assert warning.startswith("the returner archive has yet to get 2 returns: postgresql: ")
    assert postgres.password not in warning
    assert bench.deliver() == []
    assert rows(url, "SELECT count(*) FROM agentless_returns") == [(4,)]


def test_a_server_that_stands_still_is_left_at_the_deadline(bench: Bench, postgres: Postgres) -> None:
    url = postgres.database()
    archive(bench, url, ", timeout: 2")
    bench.job()
    postgres.pause()
    try:
        (warning,) = bench.deliver()
    finally:
        postgres.resume()
    assert "has yet to get 2 returns" in warning
    archive(bench, url, ", timeout: 300")
    assert bench.deliver() == []
    assert rows(url, "SELECT count(*) FROM agentless_returns") == [(2,)]


def test_a_wrong_password_is_told_without_it(bench: Bench, postgres: Postgres) -> None:
    archive(bench, postgres.database().replace(postgres.password, "wrong-4711"))
    bench.job()
    (warning,) = bench.deliver()
    assert "password authentication failed" in warning
    for line in (warning, *bench.notes, repr(bench.config)):
        assert "4711" not in line


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense-4711", "it is no URL that SQLAlchemy knows"),
        ("nosuch://ada:pw-4711@h/db", "it is no URL that SQLAlchemy knows"),
        ("mysql+pymysql://ada:pw-4711@h/db", "its driver is not installed: pymysql"),
        ("postgresql+psycopg://ada:pw-4711@h:port/db", "it is no URL that SQLAlchemy knows"),
        ("sqlite://", "a database in memory keeps nothing"),
        ("sqlite:///:memory:", "a database in memory keeps nothing"),
        ("sqlite:///file:pw-4711?mode=memory&uri=true", "a database in memory keeps nothing"),
    ],
)
def test_a_url_that_is_none_is_told_without_it(bench: Bench, url: str, words: str) -> None:
    archive(bench, url)
    bench.job()
    (warning,) = bench.deliver()
    assert words in warning
    assert f"{bench.root}/config.yaml:1: returners: archive: url_env:" in warning
    assert "4711" not in warning


def test_what_a_driver_raises_besides_its_own_errors_is_an_answer_of_the_database(bench: Bench) -> None:
    archive(bench, "postgresql+psycopg://ada:pw-4711@a..b/db")
    bench.job()
    (warning,) = bench.deliver()
    assert "the returner archive has yet to get 2 returns: postgresql: " in warning
    assert "4711" not in warning
    returner = bench.config.returners["archive"]
    assert isinstance(returner, SqlReturner)
    register = Register(returner, bench.environ)
    with pytest.raises(CacheError, match="the register archive cannot be read: postgresql: ") as raised:
        list(register.rows())
    register.close()
    assert "4711" not in str(raised.value)


@pytest.mark.parametrize("path", ["kept/../register.db", "~/register.db"])
def test_a_file_is_where_the_configuration_says_wherever_the_command_is_given(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    archive(bench, f"sqlite:///{path}")
    bench.job()
    assert bench.deliver() == []
    assert rows(f"sqlite:///{tmp_path}/register.db", "SELECT count(*) FROM agentless_returns") == [(2,)]
    assert list((tmp_path / "elsewhere").iterdir()) == []
