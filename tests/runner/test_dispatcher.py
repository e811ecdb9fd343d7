"""A job is checked first; it is in the job cache before the first packet leaves, and there is no trace of it before."""

from __future__ import annotations

import pytest

from agentless.errors import CacheError, TargetError, UsageError
from agentless.model.jid import JID
from agentless.model.job_spec import Delivery, JobSpec
from agentless.model.states import HostResult, State
from agentless.runner.dispatcher import Dispatcher
from tests.runner.conftest import Bench
from tests.runner.lying import END, LyingHosts, told

RETURN = ({"t": "accepted", "pid": 7}, {"t": "return", "retcode": 0, "ended_by": "exit"})
THE_JID = JID("20261122095039579207")


def dispatcher(bench: Bench, hosts: LyingHosts) -> Dispatcher:
    return Dispatcher(bench.contact(hosts), bench.selection, "ada", lambda names: None)


def answering() -> LyingHosts:
    return LyingHosts(**{name: [[*told(THE_JID, *RETURN), END]] for name in ("web1", "web2")})


def test_what_is_only_prepared_leaves_no_trace(bench: Bench) -> None:
    hosts = answering()
    job = dispatcher(bench, hosts).prepare("all", JobSpec("true"), Delivery())
    assert (list(job.endpoints), job.user, job.live) == (["web1", "web2"], "ada", False)
    assert (list(bench.cache.rows()), hosts.calls) == ([], {"web1": 0, "web2": 0})


def test_a_job_has_its_record_with_all_hosts_when_it_is_sent(bench: Bench) -> None:
    job = dispatcher(bench, answering()).prepare("all", JobSpec("true"), Delivery(), THE_JID)
    with job.send() as run:
        assert set(bench.report(THE_JID).results) == {"web1", "web2"}
        assert bench.cache.is_held(THE_JID)
        for _ in run:
            pass
    assert not bench.cache.is_held(THE_JID)
    assert {result.state for result in bench.report(THE_JID).results.values()} == {State.RETURNED}


def test_a_jid_that_is_taken_is_sent_to_nobody(bench: Bench) -> None:
    taken = bench.job(web1=HostResult(State.NOT_STARTED)).job.jid
    hosts = answering()
    job = dispatcher(bench, hosts).prepare("all", JobSpec("true"), Delivery(), JID(taken))
    with pytest.raises(CacheError):
        job.send()
    assert hosts.calls == {"web1": 0, "web2": 0}


def test_a_single_host_is_shown_live_unless_that_is_said_otherwise(bench: Bench) -> None:
    make = dispatcher(bench, answering())
    assert make.prepare("web1", JobSpec("true"), Delivery()).live
    assert not make.prepare("web1", JobSpec("true"), Delivery(live=False)).live
    assert make.prepare("all", JobSpec("true"), Delivery(live=True)).live


def test_a_target_or_a_batch_that_makes_no_sense_is_refused(bench: Bench) -> None:
    make = dispatcher(bench, answering())
    with pytest.raises(TargetError):
        make.prepare("db", JobSpec("true"), Delivery())
    with pytest.raises(UsageError):
        make.prepare("all", JobSpec("true"), Delivery(batch="0"))
