"""What `top` knows: from real hosts, by threads that nobody waits for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import yaml

from agentless.cli.snapshot import HostPart
from agentless.cli.watcher import Watcher
from agentless.fleet import Fleet
from agentless.model.job_spec import Delivery, JobSpec
from tests.hosts import Sshd, patience, until


@pytest.fixture
def fleet(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in sshd.client.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(sshd.client.home)
    with Fleet(sshd.client.inventory, keep=0.0) as made:
        yield made


def sent(fleet: Fleet, target: str, command: str) -> str:
    with fleet.start(target, JobSpec(command), Delivery(detach=True)) as run:
        for _ in run:
            pass
        return str(run.job.jid)


def part(watcher: Watcher, jid: str, host: str) -> HostPart | None:
    job = watcher.job(jid)
    return next((one for one in job.hosts if one.host == host), None) if job else None


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("top-")]


def test_a_job_is_seen_with_its_last_line_and_then_with_its_end(sshd: Sshd, fleet: Fleet) -> None:
    flag = sshd.directory / "go-on"
    jid = sent(fleet, "host1,host2", f"echo begun; until [ -e {flag} ]; do sleep 0.1; done; echo over >&2; exit 3")
    with closing(Watcher(fleet)) as watcher:
        watcher.start()
        until(
            lambda: (one := part(watcher, jid, "host2")) and one.word == "running" and one.last_line == "begun", "runs"
        )
        until(lambda: watcher.snapshot().asked == 3, "all hosts were asked")
        flag.touch()
        until(lambda: (one := part(watcher, jid, "host1")) and one.word == "failed (3)", "its end")
        until(lambda: (one := part(watcher, jid, "host1")) and one.last_line == "over", "its last line")
        until(lambda: (job := watcher.job(jid)) and (job.failed, job.running, job.pending) == (2, 0, 0), "both ends")
    until(lambda: not our_threads(), "the threads are gone")


def test_a_host_that_is_seen_to_run_is_not_said_not_to_have_been_asked(sshd: Sshd, fleet: Fleet) -> None:
    jid = sent(fleet, "host1", "sleep 600")
    with closing(Watcher(fleet)) as watcher:
        watcher.start()
        until(lambda: (one := part(watcher, jid, "host1")) and one.word == "running", "it is seen")
        seen = part(watcher, jid, "host1")
        assert seen is not None
        assert seen.last_line == ""
    fleet.kill_job(jid)


def test_a_target_narrows_what_is_seen(fleet: Fleet) -> None:
    other, both = sent(fleet, "host1", "true"), sent(fleet, "host1,host2", "true")
    with closing(Watcher(fleet, "host2")) as watcher:
        watcher.start()
        until(lambda: watcher.job(both) is not None, "the job of both")
        seen = watcher.job(both)
        assert seen is not None
        assert [one.host for one in seen.hosts] == ["host2"]
        assert watcher.job(other) is None


def test_a_job_of_another_controller_is_seen_where_it_runs(sshd: Sshd, fleet: Fleet) -> None:
    elsewhere = {**sshd.client.environ, "XDG_CACHE_HOME": str(sshd.directory / "other")}
    done = sshd.client.agentless("run", "host3", "--detach", "--", "sleep 600", env=elsewhere)
    jid = done.stdout.strip()
    with closing(Watcher(fleet)) as watcher:
        watcher.start()
        until(lambda: (one := part(watcher, jid, "host3")) and one.running, "it is seen")
    fleet.kill_job(jid)


def test_a_host_that_does_not_answer_holds_up_nobody(sshd: Sshd, fleet: Fleet) -> None:
    """It accepts and says nothing; the others are seen meanwhile, and a snapshot never waits."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        inventory = yaml.safe_load(sshd.client.inventory.read_text())
        hangs = {"ansible_host": "127.0.0.1", "ansible_port": silent.getsockname()[1]}
        inventory["all"]["hosts"] = {"hangs": hangs, **inventory["all"]["hosts"]}
        sshd.client.inventory.write_text(yaml.safe_dump(inventory))
        limit = patience(10)
        with Fleet(sshd.client.inventory, keep=0.0, connect_timeout=10 * limit) as other:
            jid = sent(other, "host1", "echo hi; sleep 600")
            with closing(Watcher(other)) as watcher:
                watcher.start()
                until(lambda: (one := part(watcher, jid, "host1")) and one.last_line == "hi", "the others")
                until(lambda: watcher.snapshot().asked == 3, "all but one were asked")
                begun = time.monotonic()
                watcher.snapshot()
                watcher.close()
                # Far from what the silent host has.
                assert time.monotonic() - begun < limit
            other.kill_job(jid, "host1")
