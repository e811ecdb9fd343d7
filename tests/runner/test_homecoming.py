"""A job that a host tells of has all its hosts, each in its state, and who it runs as; and no date that cannot be."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest

from agentless.model.jid import JID, new_jid
from agentless.model.requests import PingRequest
from agentless.model.states import State
from tests.runner.conftest import Bench
from tests.runner.lying import END, LyingHosts, told

RETURN = {"t": "return", "retcode": 0, "ended_by": "exit"}
FIRE = {"t": "job", "fun": "cmd.run", "arg": ["true"], "tgt": "all", "user": "ada", "schedule": "nightly"}


def jid(ahead: float = 0.0) -> JID:
    return new_jid(datetime.fromtimestamp(time.time() + ahead, timezone.utc))


def bring(bench: Bench, name: str, **more: Any) -> None:
    """A contact with web1 brings a fire of this JID."""
    hosts = LyingHosts(web1=[[*told(name, {**FIRE, **more}, RETURN), END]])
    endpoints = {"web1": bench.selection.endpoints("web1")["web1"]}
    list(bench.contact(hosts).ask(endpoints, lambda _: PingRequest()))


@pytest.mark.parametrize("names", [["web1", "web2"], None])
def test_a_fire_that_ended_on_one_host_is_open_on_the_others(bench: Bench, names: list[str] | None) -> None:
    name = jid()
    bring(bench, name, hosts=names, become="sudo:root")
    report = bench.report(name)
    assert [result.state for result in report.results.values()] == [State.RETURNED, State.UNREACHABLE]
    assert (report.open_hosts, list(bench.cache.open_jobs()), report.exit_code) == (["web2"], [name], 3)
    assert report.job.become == "sudo:root"


def test_names_that_the_inventory_lacks_are_no_hosts(bench: Bench) -> None:
    name = jid()
    bring(bench, name, hosts=["web1", "../etc", "db", "\x1b[2J"])
    assert list(bench.report(name).results) == ["web1"]


@pytest.mark.parametrize("tgt", ["@/etc/passwd", "~(a+)+$", "nobody", "["])
def test_a_target_that_is_no_plain_pattern_adds_no_host(bench: Bench, tgt: str) -> None:
    name = jid()
    bring(bench, name, tgt=tgt)
    assert list(bench.report(name).results) == ["web1"]


@pytest.mark.parametrize("become", ["sudo", "sudo:-x", "ssh:root", "sudo:a b", 5])
def test_who_it_runs_as_must_be_a_name(bench: Bench, become: object) -> None:
    name = jid()
    bring(bench, name, become=become)
    assert bench.report(name).job.become is None


def test_a_job_of_the_future_is_left_out(bench: Bench) -> None:
    name = jid(3600)
    bring(bench, name, time=time.time())
    assert bench.cache.load(name) is None
    assert any("to come" in line for line in bench.warnings)


def test_a_host_whose_clock_is_ahead_brings_its_jobs_home(bench: Bench) -> None:
    name = jid(3600)
    bring(bench, name, time=time.time() + 3600)
    assert bench.report(name).results["web1"].state is State.RETURNED


def test_no_clock_is_ahead_by_more_than_a_day(bench: Bench) -> None:
    name = jid(3 * 86400)
    bring(bench, name, time=time.time() + 3 * 86400)
    assert bench.cache.load(name) is None
