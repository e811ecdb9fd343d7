"""Reading a register back: what `jobs list` and `jobs lookup` would have shown, whatever has left the job cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from agentless.errors import CacheError
from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.problem import Problem
from agentless.model.returner import SqlReturner
from agentless.model.states import Dispatched, HostResult, State
from agentless.returners.handover import HostEnd
from agentless.returners.register import Register
from agentless.returners.sql import Sql
from tests.cache.results import any_result, returned, running
from tests.hosts.needs import need
from tests.returners.bench import Bench
from tests.returners.postgres import Postgres


def archive(bench: Bench, url: str, more: str = "") -> SqlReturner:
    bench.environ["REGISTER"] = url
    bench.configure(f"returners: {{archive: {{type: sql, url_env: REGISTER{more}}}}}\nreturner: archive\n")
    found = bench.config.returners["archive"]
    assert isinstance(found, SqlReturner)
    return found


@contextmanager
def register(bench: Bench, settings: SqlReturner) -> Iterator[Register]:
    with closing(Register(settings, bench.environ)) as opened:
        yield opened


def test_a_job_reads_as_the_cache_has_it(bench: Bench, url: str) -> None:
    archive_settings = archive(bench, url)
    results: Mapping[str, HostResult] = {
        "web1": returned(),
        "db é 1": returned(b"\xff\x00", 3, b"e" * 5000),
        "web3": HostResult(State.NOT_STARTED, problem=Problem("cwd", "no such directory", "make it")),
        "web4": HostResult(State.LOST, Dispatched.YES, problem=Problem("reboot", "it was rebooted")),
        "web5": HostResult(State.UNREACHABLE, problem=Problem("connect", "refused")),
    }
    job = bench.job(results)
    assert bench.deliver() == []
    assert bench.owed() == {}
    cached = bench.cache.load(job.jid)
    assert cached is not None
    with register(bench, archive_settings) as opened:
        report = opened.load(job.jid)
        (row,) = opened.rows()
    assert report is not None
    assert report.to_json() == cached.to_json()
    assert report.exit_code == cached.exit_code == 3
    assert row.job == replace(job, returners=())
    assert row.summary == cached.summary


def test_a_host_of_which_nothing_came_is_unreachable_and_says_why(bench: Bench, url: str) -> None:
    archive_settings = archive(bench, url)
    job = bench.job({"web1": returned(), "web2": running()})
    assert bench.deliver() == []
    with register(bench, archive_settings) as opened:
        report = opened.load(job.jid)
        (row,) = opened.rows()
    assert report is not None
    problem = report.results["web2"].problem
    assert problem is not None
    assert (problem.kind, problem.message) == ("not-asked", "archive has no return of it")
    assert report.exit_code == 3
    assert row.summary == report.summary


def test_a_register_of_failures_shows_a_job_on_those_hosts(bench: Bench, url: str) -> None:
    archive_settings = archive(bench, url, ", on: failure")
    job = bench.job({"web1": returned(), "web2": returned(b"", 1)})
    assert bench.deliver() == []
    with register(bench, archive_settings) as opened:
        report = opened.load(job.jid)
        (row,) = opened.rows()
    assert report is not None
    assert list(report.results) == ["web2"]
    assert report.exit_code == 1
    assert row.summary == report.summary


def test_an_empty_database_has_no_job_and_nothing_is_made_there_by_reading(bench: Bench, url: str) -> None:
    archive_settings = archive(bench, url)
    with register(bench, archive_settings) as opened:
        assert list(opened.rows()) == []
        assert opened.load(JID("20261122095039579207")) is None
    assert not (bench.root / "register.db").exists()


def test_many_jobs_come_newest_first_a_page_at_a_time(bench: Bench, url: str) -> None:
    need("many seconds")
    archive_settings = archive(bench, url)
    jobs = [Job(JID(f"20261122095039{n:06}"), "cmd.run", ("id",), "all", ("web1",), "ada", 1.0) for n in range(1203)]
    with closing(Sql(archive_settings, bench.environ)) as sql:
        sql.give([HostEnd(job, "web1", returned(b"", n % 2)) for n, job in enumerate(jobs)], 0.0)
    with register(bench, archive_settings) as opened:
        rows = list(opened.rows())
    assert [row.job.jid for row in rows] == [job.jid for job in reversed(jobs)]
    assert sum(row.summary["failed"] for row in rows) == 601


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.dictionaries(st.text(min_size=1, max_size=9), any_result, min_size=1, max_size=4))
def test_whatever_a_host_gave_back_is_the_same_json(bench: Bench, results: dict[str, HostResult]) -> None:
    need("many seconds")
    ends = {host: result for host, result in results.items() if result.settled}
    for result in ends.values():
        assert HostResult.from_json(result.to_json()).to_json() == result.to_json()
    archive_settings = archive(bench, f"sqlite:///{bench.root}/register.db")
    job = Job(JID("20261122095039579207"), "cmd.run", ("id",), "all", tuple(ends), "ada", 1.5)
    with closing(Sql(archive_settings, bench.environ)) as sql:
        if ends:
            sql.give([HostEnd(job, host, result) for host, result in ends.items()], 0.0)
    with register(bench, archive_settings) as opened:
        report = opened.load(job.jid)
    assert (report is None) == (not ends)
    if report is not None:
        hosts = report.to_json()["hosts"]
        assert {host: hosts[host] for host in ends} == {host: result.to_json() for host, result in ends.items()}
    (bench.root / "register.db").unlink(missing_ok=True)


@pytest.mark.parametrize("broken", ["no JSON", "[]", "{}", '{"host": "web1", "state": "asleep"}', "null"])
@pytest.mark.parametrize("table", ["agentless_returns", "agentless_jids"])
def test_a_row_that_somebody_else_wrote_is_named(bench: Bench, table: str, broken: str) -> None:
    archive_settings = archive(bench, f"sqlite:///{bench.root}/register.db")
    job = bench.job()
    assert bench.deliver() == []
    engine = create_engine(bench.environ["REGISTER"])
    with engine.begin() as connection:
        column = "load" if table == "agentless_jids" else "full_ret"
        connection.execute(text(f"UPDATE {table} SET {column} = :broken"), {"broken": broken})
    engine.dispose()
    with register(bench, archive_settings) as opened, pytest.raises(CacheError) as caught:
        opened.load(job.jid)
    assert f"archive: {table}: jid {job.jid}" in caught.value.message


def test_a_database_that_is_away_is_an_error_without_its_password(bench: Bench, postgres: Postgres) -> None:
    url = postgres.database()
    archive_settings = archive(bench, url.replace(postgres.password, "wrong-4711"))
    with register(bench, archive_settings) as opened, pytest.raises(CacheError) as caught:
        list(opened.rows())
    assert caught.value.message.startswith("the register archive cannot be read: postgresql: ")
    assert "4711" not in caught.value.message
