"""A shard is a pure function: what goes in and what comes out, in whatever process."""

from __future__ import annotations

import pickle
from datetime import datetime, timezone
from pathlib import Path

import pytest

from agentless import __version__
from agentless.errors import NoSession, Refused, Unreachable
from agentless.model.answers import Helper, Output, Returned
from agentless.model.endpoint import Endpoint
from agentless.model.jid import new_jid
from agentless.model.job import Job
from agentless.model.job_spec import JobSpec
from agentless.model.requests import Caller, PingRequest, RunRequest
from agentless.runner import shard as shards
from agentless.runner.host_call import HostCall
from agentless.runner.shard import Results, Shard, carry_out
from agentless.runner.writing import write
from tests.hosts import Sshd, patience

CALLER = Caller("ada@laptop", 168.0, 1 << 30)


def here(tmp_path: Path, name: str) -> Endpoint:
    return Endpoint(name, name, local=True, state_dir=str(tmp_path / name))


def made(calls: dict[str, HostCall], seconds: float | None = None) -> Results:
    """The results of a shard, as they come back; followed for so many seconds, or long enough."""
    shard = Shard(calls, {}, str(Path.home()), patience(5) if seconds is None else seconds, {})
    results: Results = pickle.loads(carry_out(__version__, pickle.dumps(shard)))
    return results


def runs(tmp_path: Path, name: str, command: str, *, live: bool = False) -> HostCall:
    """A call that runs a command on this machine, as a host of its own."""
    job = Job(new_jid(datetime.now(timezone.utc)), "cmd.run", (command,), "all", (name,), "ada", 0.0)
    request = RunRequest(job, JobSpec(command), name, "ab" * 8, live=live)
    return HostCall(here(tmp_path, name), (write(request, CALLER),), 10 << 20, follows=True)


def test_each_host_has_its_own_answers_or_its_own_error(tmp_path: Path) -> None:
    ping = (write(PingRequest(), CALLER),)
    gone = Endpoint("gone", "gone", local=True, python="/no/such/$thing")
    results = made({"web1": HostCall(here(tmp_path, "web1"), ping, 1 << 20), "gone": HostCall(gone, ping, 1 << 20)})
    (helper,) = results.outcomes["web1"].answers
    assert isinstance(helper, Helper)
    assert helper.state_dir == str(tmp_path / "web1")
    error = results.outcomes["gone"].error
    assert error is not None
    assert error.kind == "internal"


def test_the_same_shard_twice_starts_a_job_once(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    calls = {"web1": runs(tmp_path, "web1", f"echo x >> {mark}; echo said")}
    outcomes = [made(calls).outcomes["web1"] for _ in range(2)]
    returns = [[answer for answer in one.answers if isinstance(answer, Returned)] for one in outcomes]
    assert [one.ret.stdout for (one,) in returns] == [b"said\n", b"said\n"]
    assert mark.read_text() == "x\n"


def test_a_long_job_is_left_after_its_time_and_goes_on(tmp_path: Path) -> None:
    go = tmp_path / "go"
    outcome = made({"web1": runs(tmp_path, "web1", f"until [ -e {go} ]; do sleep 0.1; done")}, 0.1).outcomes["web1"]
    assert outcome.error is None
    assert not any(isinstance(answer, Returned) for answer in outcome.answers)
    go.touch()
    again = made({"web1": runs(tmp_path, "web2", "true")}).outcomes["web1"]
    assert isinstance(again.answers[-1], Returned)


def test_output_that_has_no_room_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "BYTES_MAX", 150_000)
    names = ("web1", "web2", "web3")
    calls = {name: runs(tmp_path, name, "head -c 100000 /dev/zero") for name in names}
    first = made(calls).outcomes
    again = [name for name in names if first[name].again]
    assert len(again) == 2
    while again:
        left = made({name: calls[name] for name in again}).outcomes
        again = [name for name in again if left[name].again]


def test_live_output_is_brought_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "LIVE_MAX", 100_000)
    go = tmp_path / "go"
    call = runs(tmp_path, "web1", f"head -c 3000000 /dev/zero; until [ -e {go} ]; do sleep 0.1; done", live=True)
    outcome = made({"web1": call}, patience(20)).outcomes["web1"]
    go.touch()
    said = sum(len(answer.data) for answer in outcome.answers if isinstance(answer, Output))
    assert 100_000 < said < 1_000_000
    assert outcome.error is None


def test_a_worker_of_another_version_reads_nothing() -> None:
    with pytest.raises(RuntimeError, match=r"controller 0\.0\.1"):
        carry_out("0.0.1", b"what it could not read")


@pytest.mark.parametrize("kind", [Unreachable, Refused, NoSession])
def test_an_error_of_a_host_comes_back_as_it_was(kind: type[Unreachable]) -> None:
    error = pickle.loads(pickle.dumps(kind("auth", "no key", "ssh-add")))
    assert (type(error), error.kind, error.message, error.hint) == (kind, "auth", "no key", "ssh-add")


def test_an_endpoint_weighs_little(sshd: Sshd) -> None:
    assert len(pickle.dumps(Endpoint("web1", "192.0.2.1", user="ada"))) < 300
