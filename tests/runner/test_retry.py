"""A job is sent again, as it was, to those of its hosts that have no part in it any more."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import TargetError, UnknownJob, UsageError
from agentless.fleet import Fleet
from agentless.model.job import Job, Origin
from agentless.model.job_spec import Delivery, JobSpec, Script
from agentless.model.states import Dispatched, HostResult, State
from tests.hosts import Sshd, until

HOSTS = ("web1", "web2", "web3", "web4")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fleet]:
    """Fleets of one person; web1 to web3 are this machine, with a state directory each, and web4 is out of reach."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    def make(*names: str, **options: Any) -> Fleet:
        hosts: dict[str, dict[str, object]] = {
            name: {"ansible_connection": "local", "agentless_state_dir": f"{tmp_path}/state/{name}"}
            for name in HOSTS[:3]
        }
        hosts["web4"] = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_user": "nobody"}
        hosts = {name: hosts[name] for name in names or HOSTS}
        inventory = tmp_path / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}}))
        return Fleet(inventory, **options)

    return make


def run(fleet: Fleet, spec: JobSpec, how: Delivery | None = None, target: str = "all") -> str:
    with fleet.start(target, spec, how or Delivery()) as job:
        for _ in job:
            pass
        return job.job.jid


# Fails on web2 and web3, until there is a file `well`.
def fails(tmp_path: Path) -> str:
    return (
        f'[ $AGENTLESS_HOST = web1 ] || [ -e {tmp_path}/well ]; code=$?; echo "$AGENTLESS_HOST $K $(cat)"; exit $code'
    )


def test_it_goes_with_all_that_it_had_to_those_where_it_did_not_end_well(
    made: Callable[..., Fleet], tmp_path: Path
) -> None:
    spec = JobSpec(
        script=Script("check", f"#!/bin/sh\n{fails(tmp_path)}\n".encode(), ("a b",)),
        env={"K": "secret"},
        stdin=b"given",
        metadata={"ticket": "4711"},
        timeout=600,
        cwd="/",
    )
    with made() as fleet:
        jid = run(fleet, spec, Delivery(batch=2, max_fail="90%"))
    (tmp_path / "well").touch()
    with made() as fleet:
        retry = fleet.retry(jid)
        assert retry.left_alone == ()
        assert retry.prepared is not None
        assert list(retry.prepared.endpoints) == ["web2", "web3", "web4"]
        assert retry.prepared.rollout.batch == 2
        with retry.prepared.send() as job:
            for _ in job:
                pass
            report = job.report()
    assert report.job.jid != jid
    assert report.job.retry_of == report.to_json()["retry_of"] == jid
    assert report.job.batch == 2
    assert (report.job.function, report.job.arguments, report.job.target) == ("cmd.script", ("check", "a b"), "all")
    assert report.job.metadata == {"ticket": "4711"}
    assert report.job.become == ""
    first = report.results["web2"].ret
    assert first is not None
    assert (first.ok, first.stdout) == (True, b"web2 secret given\n")
    assert report.results["web4"].state is State.UNREACHABLE
    with made() as fleet:
        assert fleet.show(report.job.jid).job == report.job
        assert "retry_of" not in fleet.show(jid).to_json()
        last = fleet.retry("last").prepared
        assert last is not None
        assert list(last.endpoints) == ["web4"]
        # The first job's record stays as it is: what it lists is what failed then.
        assert list(getattr(fleet.retry(jid, failed=True).prepared, "endpoints", ())) == ["web2", "web3"]
        assert list(getattr(fleet.retry(jid, unreachable=True).prepared, "endpoints", ())) == ["web4"]
        assert list(getattr(fleet.retry(jid, "web3,web4").prepared, "endpoints", ())) == ["web3", "web4"]


def test_where_all_is_well_there_is_nothing_to_send_and_nothing_is_kept(
    made: Callable[..., Fleet], tmp_path: Path
) -> None:
    with made("web1", "web2") as fleet:
        jid = run(fleet, JobSpec("true", env={"K": "secret"}))
        retry = fleet.retry(jid)
        assert retry.prepared is None
        assert retry.report.exit_code == 0
    assert not list((tmp_path / ".cache" / "agentless" / "jobs").glob("*.sent"))


def test_a_host_that_runs_it_is_left_alone(made: Callable[..., Fleet]) -> None:
    with made("web1", "web2") as fleet:
        jid = run(fleet, JobSpec("[ $AGENTLESS_HOST = web1 ] && exit 3; exec sleep 300"), Delivery(detach=True))
        until(lambda: fleet.lookup(jid).results["web1"].state is State.RETURNED, "the end on web1")
        retry = fleet.retry(jid)
        assert retry.left_alone == ("web2",)
        assert retry.unasked == ()
        assert retry.prepared is not None
        assert list(retry.prepared.endpoints) == ["web1"]
        fleet.kill_job(jid)


def test_a_host_that_may_have_it_is_asked_first_and_left_alone_where_it_cannot_be(
    made: Callable[..., Fleet], tmp_path: Path
) -> None:
    """The connection broke before it acknowledged: web2 has no record of it, and makes sure that none comes."""
    with made() as fleet:
        jid = run(fleet, JobSpec("false"), target="web1")
        job = fleet.cache.create(
            function="cmd.run",
            arguments=["false"],
            target="all",
            hosts=["web2", "web4"],
            user="ada",
            become="",
            sent=fleet.cache.sent(jid),  # type: ignore[arg-type]
        )
        maybe = HostResult(State.UNREACHABLE, Dispatched.MAYBE, os.urandom(8).hex())
        fleet.cache.record_many(job.jid, {"web2": maybe, "web4": maybe})
        fleet.cache.release(job.jid)
        retry = fleet.retry(job.jid)
        assert retry.report.results["web2"].state is State.NOT_STARTED
        assert retry.prepared is not None
        assert list(retry.prepared.endpoints) == ["web2"]
        assert retry.left_alone == retry.unasked == ("web4",)


def test_a_host_that_the_inventory_lacks_now_is_told_and_not_forgotten(made: Callable[..., Fleet]) -> None:
    with made() as fleet:
        jid = run(fleet, JobSpec("false"), target="web1,web2")
    with made("web1") as fleet:
        prepared = fleet.retry(jid).prepared
        assert prepared is not None
        with prepared.send() as job:
            for _ in job:
                pass
            report = job.report()
    problem = report.results["web2"].problem
    assert report.results["web2"].state is State.NOT_STARTED
    assert problem is not None
    assert problem.kind == "not-in-inventory"
    assert report.exit_code == 3


def test_it_runs_as_the_user_that_it_was_sent_as(made: Callable[..., Fleet]) -> None:
    with made("web4", user="ada", become=True, become_user="app") as fleet:
        jid = run(fleet, JobSpec("false"))
    with made("web4", user="eve") as fleet:
        prepared = fleet.retry(jid).prepared
    assert prepared is not None
    assert (prepared.login, prepared.become) == ("ada", "sudo:app")
    endpoint = prepared.endpoints["web4"]
    assert endpoint.become is not None
    assert endpoint.become.user == "app"


def test_what_was_not_sent_from_here_with_run_is_refused(made: Callable[..., Fleet]) -> None:
    with made("web1") as fleet:
        foreign = Job("20260101000000000000", "cmd.run", ("x",), "all", ("web1",), "eve", 0.0, origin=Origin.LEARNED)  # type: ignore[arg-type]
        fleet.cache.adopt(foreign, {"web1": HostResult(State.LOST)})
        with pytest.raises(UsageError, match="was not sent from here: eve"):
            fleet.retry(foreign.jid)
        fire = fleet.cache.create(
            function="cmd.run", arguments=["x"], target="all", hosts=["web1"], user="ada", become="", schedule="nightly"
        )
        fleet.cache.record(fire.jid, "web1", HostResult(State.NOT_STARTED))
        fleet.cache.release(fire.jid)
        with pytest.raises(UsageError, match="fire of the schedule's entry 'nightly'") as refused:
            fleet.retry(fire.jid)
        assert "agentless schedule run nightly" in refused.value.hint
        with pytest.raises(UnknownJob):
            fleet.retry("20270101000000000000")


def test_what_the_configuration_does_not_want_kept_is_not(made: Callable[..., Fleet], tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("keep_sent: no\n")
    with made("web2", config=config) as fleet:
        jid = run(fleet, JobSpec("exit 3", env={"K": "secret"}))
        with pytest.raises(UsageError, match="keep_sent"):
            fleet.retry(jid)
        plain = run(fleet, JobSpec("exit 3"))
        assert fleet.retry(plain).prepared is not None
        with pytest.raises(TargetError):
            fleet.retry(plain, "web1")


def test_it_goes_over_ssh_as_it_was_sent(sshd: Sshd) -> None:
    """On the command line, with what is told beside it."""
    flag = sshd.directory / "well"
    command = f'[ -e {flag} ] || exit 4; echo "$K"'
    ran = sshd.client.agentless("run", "host1,host2", "--env", "K=v", "--", command)
    assert ran.returncode == 1
    assert "agentless jobs retry 2" in ran.stderr
    flag.touch()
    again = sshd.client.agentless("jobs", "retry", "last", "--out", "json")
    document = json.loads(again.stdout)
    assert {host: entry["stdout"] for host, entry in document["hosts"].items()} == {"host1": "v\n", "host2": "v\n"}
    assert again.returncode == 0
    nothing = sshd.client.agentless("jobs", "retry", "last")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "there is no host to send it to again" in nothing.stderr
    assert json.loads(sshd.client.agentless("jobs", "retry", "last", "--out", "json").stdout)["exit_code"] == 0
    first = json.loads(sshd.client.agentless("jobs", "list", "--out", "json").stdout)
    assert len(first) == 2, "what had nothing to send has sent nothing"
