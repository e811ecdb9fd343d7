"""A JID that the cache doesn't know is asked of all hosts, and has all hosts that it was sent to."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest

from agentless.errors import UnknownJob, Unreachable
from agentless.model.jid import JID, new_jid
from agentless.model.states import State
from agentless.runner import lookup, procs
from agentless.runner.discovery import discover
from tests.runner.conftest import Bench
from tests.runner.lying import END, LyingHosts, Piece, told

NOW = new_jid(datetime.fromtimestamp(time.time(), timezone.utc))
LONG_AGO = JID("20201122095039579207")
RETURN = {"t": "return", "retcode": 0, "ended_by": "exit"}
RUNNING = {"t": "state", "state": "running", "pid": 7}
UNKNOWN = {"t": "state", "state": "unknown"}
JOB = {
    "t": "job",
    "fun": "cmd.run",
    "arg": ["true"],
    "tgt": "all",
    "user": "eve",
    "become": "sudo:root",
    "login": "eve",
}


def says(jid: str, *frames: dict[str, Any]) -> list[Piece]:
    return [*told(jid, *frames), END]


def test_a_host_of_the_job_that_denies_it_is_not_forgotten(bench: Bench) -> None:
    hosts = LyingHosts(web1=[says(NOW, {**JOB, "hosts": ["web1", "web2"]}, RETURN)], web2=[says(NOW, UNKNOWN)])
    report, known = discover(bench.contact(hosts), bench.selection, NOW)
    assert ([result.state for result in report.results.values()], known) == (
        [State.RETURNED, State.UNREACHABLE],
        True,
    )
    assert (report.job.login, report.job.become) == ("eve", "sudo:root")
    assert bench.report(NOW).results["web2"].problem is not None


def test_after_a_day_it_never_gets_it(bench: Bench) -> None:
    hosts = LyingHosts(
        web1=[says(LONG_AGO, {**JOB, "hosts": ["web1", "web2"]}, RETURN)], web2=[says(LONG_AGO, UNKNOWN)]
    )
    report, _ = discover(bench.contact(hosts), bench.selection, LONG_AGO)
    assert report.results["web2"].state is State.NOT_STARTED


def test_a_job_that_ended_on_one_host_and_runs_on_another_is_not_finished(bench: Bench) -> None:
    hosts = LyingHosts(web1=[says(NOW, JOB, RETURN)], web2=[says(NOW, JOB, RUNNING)])
    report, _ = discover(bench.contact(hosts), bench.selection, NOW)
    assert (report.exit_code, list(bench.cache.open_jobs())) == (4, [NOW])


def test_later_it_is_asked_as_who_sent_it_and_killed_where_it_runs(bench: Bench) -> None:
    hosts = LyingHosts(web1=[says(NOW, JOB, RETURN)], web2=[says(NOW, JOB, RUNNING)])
    discover(bench.contact(hosts), bench.selection, NOW)
    report = bench.report(NOW)
    endpoints, _ = bench.selection.of_job(report.job, report.open_hosts)
    become = endpoints["web2"].become
    assert (endpoints["web2"].user, become and (become.method, become.user)) == ("eve", ("sudo", "root"))


def test_a_jid_of_the_future_is_no_job_whoever_confirms_it(bench: Bench) -> None:
    late = JID("99991231235959999999")
    for answers in ({**JOB, "time": 253402300799.0}, RETURN), ({**JOB, "time": time.time()}, RUNNING), (RETURN,):
        hosts = LyingHosts(web1=[says(late, *answers)], web2=[says(late, UNKNOWN)])
        report, known = discover(bench.contact(hosts), bench.selection, late)
        assert (report.results, known, report.exit_code) == ({}, False, 3)
        assert "whose time is to come" in report.unknown_hosts["web1"].message
        assert bench.cache.current(late) is None


def test_a_jid_may_be_as_far_ahead_as_the_clock_of_the_host_that_has_it(bench: Bench) -> None:
    ahead = time.time() + 3600
    jid = new_jid(datetime.fromtimestamp(ahead, timezone.utc))
    hosts = LyingHosts(web1=[says(jid, {**JOB, "time": ahead}, RETURN)], web2=[says(jid, UNKNOWN)])
    report, known = discover(bench.contact(hosts), bench.selection, jid)
    assert (report.results["web1"].state, known) == (State.RETURNED, True)


def test_who_is_denied_by_all_hears_of_become(bench: Bench) -> None:
    hosts = LyingHosts(web1=[says(NOW, UNKNOWN)], web2=[says(NOW, UNKNOWN)])
    with pytest.raises(UnknownJob) as caught:
        lookup.look_up(bench.contact(hosts), bench.selection, NOW, None)
    assert "`become`" in caught.value.hint


def test_hosts_that_could_not_be_asked_keep_the_job_out_of_the_cache(bench: Bench) -> None:
    hosts = LyingHosts(web1=[says(NOW, JOB, RETURN)], web2=[Unreachable("connect", "no route")])
    report, known = discover(bench.contact(hosts), bench.selection, NOW)
    assert (list(report.results), list(report.unknown_hosts), known) == (["web1"], ["web2"], False)
    assert bench.cache.load(NOW) is None


def test_a_signal_to_what_runs_nowhere_was_delivered_to_no_process(bench: Bench) -> None:
    denied: dict[str, Any] = {"t": "signalled", "delivered": [], "survivors": [], "message": "not running"}
    signalled: list[Piece] = [(denied, b""), END]
    hosts = LyingHosts(web1=[signalled], web2=[signalled])
    done = procs.signal_job(bench.contact(hosts), bench.selection, NOW, 15, None)
    assert ([one.delivered for one in done.hosts.values()], done.exit_code) == ([(), ()], 0)


def test_a_signal_that_reached_a_process_was_one(bench: Bench) -> None:
    got: dict[str, Any] = {"t": "signalled", "delivered": [7], "survivors": [], "running": True}
    denied = {**got, "delivered": [], "running": False}
    hosts = LyingHosts(web1=[[(got, b""), END]], web2=[[(denied, b""), END]])
    done = procs.signal_job(bench.contact(hosts), bench.selection, NOW, 15, None)
    assert {name: one.delivered for name, one in done.hosts.items()} == {"web1": (7,), "web2": ()}
