"""What the schedule does on the controller, told in one line with the hosts that could not be asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentless.cache import JobCache
from agentless.model.states import HostResult, State
from agentless.runner.controller_functions import perform
from agentless.runner.parts import Parts
from agentless.schedule.schedule_file import parse
from tests.runner.test_parts import parts


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parts]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one = parts("gone ansible_host=127.0.0.1 ansible_port=1", tmp_path)
    yield one
    one.close()


def done(made: Parts, function: str, kwargs: str = "{}") -> str:
    text = f"schedule: {{it: {{function: {function}, kwargs: {kwargs}, hours: 1}}}}"
    return perform(parse(text, "schedule.yaml", now=time.time()).entry("it"), made, time.time())


def job(cache: JobCache, target: str = "all") -> str:
    made = cache.create(function="cmd.run", arguments=["x"], target=target, hosts=["gone"], user="ada")
    cache.record(made.jid, "gone", HostResult(State.NOT_STARTED))
    cache.release(made.jid)
    return made.jid


def test_jobs_are_listed_by_what_is_asked_with_their_number(made: Parts) -> None:
    jids = [job(made.cache, "all"), job(made.cache, "web*")]
    assert done(made, "jobs.list_jobs") == f"2 jobs, {jids[1]}, {jids[0]}"
    assert done(made, "jobs.list_jobs", "{target: 'web*'}") == f"1 jobs, {jids[1]}"
    assert done(made, "jobs.list_jobs", "{until: 2h}") == "0 jobs"


def test_pruning_says_what_it_removed(made: Parts) -> None:
    job(made.cache)
    assert done(made, "jobs.prune") == "removed 0 jobs, 0 bytes"


@pytest.mark.parametrize("function", ["jobs.collect", "jobs.active"])
def test_who_could_not_be_asked_is_named_with_why(made: Parts, function: str) -> None:
    assert "; not reached: gone: connect: " in done(made, function)
