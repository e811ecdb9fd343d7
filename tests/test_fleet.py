"""What a Fleet does before any host is asked: with what it is given, and with the job cache around a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentless.cache import JobCache
from agentless.errors import CacheError, TargetError, UsageError
from agentless.fleet import Fleet
from agentless.model.jid import JID
from agentless.model.job_spec import JobSpec
from agentless.model.problem import Problem
from agentless.model.secret import Secret
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner.procs import call_off


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    with Fleet("a,b") as fleet:
        yield fleet


def new_job(fleet: Fleet) -> JID:
    return fleet.cache.create(
        function="cmd.run", arguments=("true",), target="all", hosts=("a", "b"), user="ada"
    ).jid  # fmt: skip


def test_a_start_that_fails_lets_go_of_its_job(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: JobCache, *, force: bool = False) -> None:
        raise CacheError("no")

    monkeypatch.setattr(JobCache, "prune", fails)
    with pytest.raises(CacheError):
        fleet.start("all", JobSpec("true"))
    jid = fleet.last()
    assert not fleet.cache.is_held(jid)
    assert {result.state for result in fleet.show(jid).results.values()} == {State.NOT_STARTED}


def test_to_look_at_the_output_of_a_pending_host_asks_nobody(fleet: Fleet) -> None:
    """Its run may be sending the job just now: a question would keep the job from the host."""
    jid = new_job(fleet)
    fleet.cache.record(jid, "a", HostResult(State.PENDING, Dispatched.MAYBE, nonce="0" * 16))
    with fleet.tail(jid, "a") as run:
        assert list(run) == []
        assert run.report().results["a"].state is State.PENDING


def test_who_waits_for_a_pending_host_asks_nobody_either(fleet: Fleet) -> None:
    jid = new_job(fleet)
    fleet.cache.record(jid, "a", HostResult(State.PENDING, Dispatched.MAYBE, nonce="0" * 16))
    with fleet.wait(jid, "a", wait=0.3) as run:
        assert list(run) == []
        assert run.report().results["a"].state is State.PENDING


def test_a_signal_goes_to_hosts_also_where_the_cache_cannot_be_written(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    jid = new_job(fleet)

    def fails(self: JobCache, jid: str, hosts: object, problem: Problem) -> None:
        raise CacheError("no room")

    monkeypatch.setattr(JobCache, "call_off", fails)
    report = fleet.show(jid)
    assert call_off(fleet.cache, report, 9, "ada@laptop", ["a", "b"]) == {}


def test_a_retry_list_is_what_it_was_when_the_command_began(fleet: Fleet) -> None:
    jid = new_job(fleet)
    failed = HostResult(State.UNREACHABLE, problem=Problem("connect", "no answer", ""))
    fleet.cache.record(jid, "a", failed)
    again = Fleet("a,b", limit="@unreachable:last")
    assert list(again.hosts().hosts) == ["a"]
    new_job(again)
    assert list(again.hosts().hosts) == ["a"]


@pytest.mark.parametrize("target", [None, 5, ["a"], b"a", ("a", "b")])
def test_a_target_that_is_no_text_is_nobody(fleet: Fleet, target: Any) -> None:
    """`run(os.environ.get("TARGET"), …)` without the variable is not run on all hosts."""
    with pytest.raises(TargetError, match="a target is a pattern, not"):
        fleet.run(target, "true")
    with pytest.raises(TargetError):
        fleet.connection(target)
    if target is not None:
        for verb in (fleet.hosts, fleet.running, fleet.ping, fleet.active):
            with pytest.raises(TargetError):
                verb(target)
    assert not fleet.list_jobs().rows


def test_a_moment_that_is_no_time_is_refused(fleet: Fleet) -> None:
    with pytest.raises(UsageError, match="not '1h'"):
        fleet.list_jobs(since="1h")  # type: ignore[arg-type]


def test_a_fleet_takes_a_plain_password_and_shows_it_nowhere() -> None:
    fleet = Fleet("l1,", password="hunter2", become_password="hunter2")
    assert fleet.endpoints()["l1"].password == Secret("hunter2")
    assert "hunter2" not in repr(fleet.endpoints())


def test_what_asks_for_a_password_may_answer_with_a_plain_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\nask_pass = true\n")
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o700)
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "hunter2"

    assert Fleet("l1,", ask=ask).endpoints()["l1"].password == Secret("hunter2")
    assert prompts == ["SSH password: "]


def test_jobs_are_listed_from_a_moment_on(fleet: Fleet) -> None:
    jid = new_job(fleet)
    began = fleet.list_jobs().rows[0].job.started_at
    assert began is not None
    assert [row.job.jid for row in fleet.list_jobs(since=began, until=began.timestamp()).rows] == [jid]
    assert not fleet.list_jobs(since=began + timedelta(seconds=1)).rows
    with pytest.raises(UsageError, match="a time of any zone"):
        fleet.list_jobs(since=datetime.now())


def test_a_returner_is_taken_as_one_name_and_not_as_its_letters(fleet: Fleet) -> None:
    with pytest.raises(UsageError, match="no returner 'archive'"):
        fleet.run("all", "true", returners="archive")


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("", {}, "no command"),
        (["echo", 1], {}, "words of a command are strings, not 1"),
        ("cat", {"stdin": "text"}, "stdin is bytes, not 'text'"),
        ("cat", {"stdin": Path("/no/such")}, "stdin /no/such: No such file"),
        ("cat", {"script": "/no/such"}, "script /no/such: No such file"),
        ("cat", {"detach": True, "wait": 1}, "only to be accepted"),
        ("cat", {"env": {"A": 1}}, "are strings"),
        ("cat", {"env": [("A", "1")]}, "env is a mapping"),
        ("cat", {"metadata": ["a=b"]}, "metadata is a mapping"),
        ("cat", {"returners": 5}, "returners is a text or several, not 5"),
        (None, {}, "no command"),
        (5, {}, "command is a text or several, not 5"),
        (b"cat", {}, "command is a text or several, not b'cat'"),
        ("echo \ud800", {}, "half a character"),
        ("cat", {"env": {"A": "\ud800"}}, "half a character"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_before_anything_is_sent(
    fleet: Fleet, command: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        fleet.run("all", command, **options)
    assert not fleet.list_jobs().rows
