"""Nothing is called running that was not just seen running, by whatever verb."""

from __future__ import annotations

from typing import Any

import pytest

from agentless.errors import Unreachable
from agentless.model.jid import JID
from agentless.model.job import Report
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner import lookup
from tests.runner.conftest import Bench
from tests.runner.lying import END, LyingHosts, Piece, told

RUNNING = HostResult(State.RUNNING, Dispatched.YES, nonce="ab", pid=7)
MAYBE = HostResult(State.UNREACHABLE, Dispatched.MAYBE, nonce="ab")
UNKNOWN = {"t": "state", "state": "unknown"}
NEVER = {"t": "state", "state": "not-started", "kind": "never-arrived", "message": "never arrived"}
RETURN = {"t": "return", "retcode": 0, "ended_by": "exit"}


def runs(*jids: str) -> list[Piece]:
    """The answer to `running`."""
    return [({"t": "running", "jobs": [{"jid": jid, "pid": 9, "fun": "cmd.run"} for jid in jids]}, b""), END]


def says(report: Report, *frames: dict[str, Any]) -> list[Piece]:
    return [*told(report.job.jid, *frames), END]


def test_active_shows_what_was_just_seen(bench: Bench) -> None:
    report = bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[runs(report.job.jid)], web2=[runs()])
    active = lookup.active(bench.contact(hosts), bench.selection, None)
    assert active.jobs[report.job.jid].running == {"web1": 9}
    assert hosts.calls == {"web1": 1, "web2": 1}


def test_a_host_that_denies_a_job_is_asked_about_it_and_shown_as_what_it_says(bench: Bench) -> None:
    report = bench.job(web1=RUNNING, web2=RUNNING)
    hosts = LyingHosts(web1=[runs(), says(report, UNKNOWN)], web2=[runs(report.job.jid)])
    active = lookup.active(bench.contact(hosts), bench.selection, None).jobs[report.job.jid]
    assert (active.running, active.lost) == ({"web2": 9}, ("web1",))
    assert bench.report(report.job.jid).results["web1"].state is State.LOST


def test_a_host_that_could_not_be_asked_is_unreachable_and_named(bench: Bench) -> None:
    report = bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[Unreachable("connect", "no route")], web2=[runs()])
    active = lookup.active(bench.contact(hosts), bench.selection, None)
    assert (active.jobs[report.job.jid].running, active.jobs[report.job.jid].unreachable) == ({}, ("web1",))
    assert (list(active.problems), active.exit_code) == (["web1"], 3)


def test_a_job_that_only_lacks_hosts_it_was_never_sent_to_is_not_active(bench: Bench) -> None:
    never_sent = HostResult(State.UNREACHABLE, Dispatched.NO)
    ended = bench.job(web1=never_sent, web2=HostResult(State.NOT_STARTED))
    going_on = bench.job(web1=never_sent, web2=RUNNING)
    hosts = LyingHosts(web1=[runs()], web2=[runs(going_on.job.jid)])
    active = lookup.active(bench.contact(hosts), bench.selection, None)
    assert ended.job.jid not in active.jobs
    assert active.jobs[going_on.job.jid].unreachable == ("web1",)


def test_a_host_that_answers_something_else_is_unreachable(bench: Bench) -> None:
    report = bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[runs(), says(report)], web2=[runs()])
    active = lookup.active(bench.contact(hosts), bench.selection, None)
    assert active.jobs[report.job.jid].unreachable == ("web1",)
    assert active.problems["web1"] == lookup.NO_ANSWER


def test_a_host_that_the_inventory_lacks_is_unreachable(bench: Bench) -> None:
    report = bench.job(web1=RUNNING)
    active = lookup.active(bench.contact(LyingHosts(web2=[runs()])), bench.select("web2,"), None)
    assert active.jobs[report.job.jid].unreachable == ("web1",)
    assert active.problems["web1"].kind == "not-in-inventory"


def test_a_job_on_other_hosts_than_the_target_is_none_of_its(bench: Bench) -> None:
    bench.job(web1=RUNNING)
    assert lookup.active(bench.contact(LyingHosts(web2=[runs()])), bench.selection, "web2").jobs == {}


def test_where_the_request_may_have_arrived_active_makes_sure_for_good(bench: Bench) -> None:
    report = bench.job(web1=MAYBE)
    hosts = LyingHosts(web1=[runs(), says(report, NEVER)], web2=[runs()])
    assert lookup.active(bench.contact(hosts), bench.selection, None).jobs == {}
    assert bench.report(report.job.jid).results["web1"].state is State.NOT_STARTED
    assert list(bench.cache.open_jobs()) == []


def test_a_return_that_finds_no_room_is_no_running_job(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    report = bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[runs(), says(report, RETURN)], web2=[runs()])
    monkeypatch.setattr("agentless.cache.journal.Journal.append", _full)
    assert lookup.active(bench.contact(hosts), bench.selection, None).jobs == {}
    assert any("not in the job cache" in line for line in bench.warnings)


def _full(*given: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_lookup_calls_nothing_running_that_does_not_say_so(bench: Bench) -> None:
    report = bench.job(web1=RUNNING, web2=RUNNING)
    hosts = LyingHosts(web1=[says(report)], web2=[says(report, {"t": "state", "state": "running", "pid": 9})])
    found = lookup.look_up(bench.contact(hosts), bench.selection, JID(report.job.jid), None)
    assert [result.state for result in found.results.values()] == [State.UNREACHABLE, State.RUNNING]


def test_several_jobs_cost_one_contact_a_host(bench: Bench) -> None:
    one, other = bench.job(web1=RUNNING), bench.job(web1=RUNNING)
    hosts = LyingHosts(web1=[[*told(one.job.jid, RETURN), *told(other.job.jid, RETURN), END]])
    found = lookup.ask_about_all(bench.contact(hosts), bench.selection, [one, other])
    assert [report.results["web1"].state for report in found] == [State.RETURNED] * 2
    assert hosts.calls == {"web1": 1}
