"""The returner `command`: real commands that take, refuse, hang, and leave others behind."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentless.report.documents import as_json
from agentless.returners.delivery import handover
from agentless.returners.handover import HostEnd, NotTaken, Unavailable
from tests.cache.results import returned
from tests.hosts import Process, patience, until
from tests.returners.bench import Bench


def test_it_gets_the_host_s_object_with_the_job_s_fields_on_stdin_and_who_it_is_in_its_environment(
    bench: Bench,
) -> None:
    bench.configure(
        "returners: {cmd: {type: command, command: 'cat >>got; echo $AGENTLESS_JID $AGENTLESS_HOST >>who'}}"
    )
    job = bench.job(returners=("cmd",))
    assert bench.deliver() == []
    report = bench.cache.load(job.jid)
    assert report is not None
    hosts = report.to_json()["hosts"]
    assert bench.lines("got") == [{**job.to_json(), "host": host, **hosts[host]} for host in ("web1", "web2")]
    assert (bench.root / "who").read_text() == f"{job.jid} web1\n{job.jid} web2\n"
    assert bench.owed() == {}


def test_a_list_is_started_as_it_stands_and_a_path_in_it_is_relative_to_the_configuration(bench: Bench) -> None:
    script = bench.root / "take me"
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >args\n')
    script.chmod(0o755)
    bench.configure("returners: {cmd: {type: command, command: ['./take me', 'a  b', '$HOME']}}")
    bench.job(returners=("cmd",))
    assert bench.deliver() == []
    assert (bench.root / "args").read_text() == "a  b\n$HOME\n"


def test_what_it_refuses_is_told_with_its_last_words_and_handed_over_again(bench: Bench) -> None:
    bench.configure(
        "returners: {cmd: {type: command, command: 'test -e here || { echo first >&2; echo no >&2; exit 3; }'}}"
    )
    job = bench.job(returners=("cmd",))
    assert bench.deliver() == ["the returner cmd has yet to get 2 returns: exit code 3: no"]
    assert bench.notes == [f"cmd: job {job.jid}, {host}: exit code 3: no" for host in ("web1", "web2")]
    assert bench.owed() == {"cmd": 2}
    (bench.root / "here").touch()
    assert bench.deliver() == []
    assert bench.owed() == {}


def test_one_that_hangs_is_killed_at_its_deadline_with_all_that_it_started(bench: Bench) -> None:
    seconds = round(patience(1 / 3))
    command = "(sleep 987 & echo $! >child; wait)"
    bench.configure(f"returners: {{cmd: {{type: command, timeout: {seconds}, command: '{command}'}}}}")
    bench.job(returners=("cmd",))
    (warning,) = bench.deliver()
    assert f"has yet to get 2 returns: /bin/sh had not ended after {seconds} s, and was killed" in warning
    child = Process.of(int((bench.root / "child").read_text()))
    until(lambda: not child.lives, "the child is gone")


def test_one_that_does_not_read_and_one_that_leaves_somebody_behind_hold_up_nobody(bench: Bench) -> None:
    bench.configure(
        "returners: {cmd: {type: command, timeout: 3600, command: 'exec 1>&- ; sleep 3600 & echo $! >child'}}"
    )
    bench.job({"web1": returned(b"x" * 3_000_000)}, returners=("cmd",))
    before, limit = time.monotonic(), patience(10)
    assert bench.deliver() == []
    assert time.monotonic() - before < limit
    os.kill(int((bench.root / "child").read_text()), signal.SIGKILL)


def test_one_that_writes_without_end_to_stderr_costs_no_memory_and_its_end_is_told(bench: Bench) -> None:
    bench.configure(
        "returners: {cmd: {type: command, command: 'head -c 50000000 /dev/zero >&2; echo last >&2; exit 1'}}"
    )
    bench.job({"web1": returned()}, returners=("cmd",))
    (warning,) = bench.deliver()
    assert warning.endswith("last")
    assert len(warning) < 4000


def test_none_is_started_after_a_cancel(bench: Bench) -> None:
    """The process that interrupts leaves at once, and nobody would kill it."""
    bench.configure("returners: {cmd: {type: command, command: 'touch started'}}")
    job = bench.job(returners=("cmd",))
    given = handover(bench.config.returners["cmd"], bench.environ)
    given.cancel()
    with pytest.raises(Unavailable, match="/bin/sh was not started: interrupted"):
        given.give([HostEnd(job, "web1", returned())], time.monotonic() + 60)
    assert not (bench.root / "started").exists()


def test_a_cancel_while_one_is_started_ends_it(bench: Bench) -> None:
    bench.configure("returners: {cmd: {type: command, command: 'exec sleep 3600'}}")
    job = bench.job(returners=("cmd",))
    for instant in range(20):
        given = handover(bench.config.returners["cmd"], bench.environ)
        with ThreadPoolExecutor(1) as pool:
            giving = pool.submit(given.give, [HostEnd(job, "web1", returned())], time.monotonic() + patience(20))
            time.sleep(instant / 5000)
            given.cancel()
            with pytest.raises((Unavailable, NotTaken), match=r"interrupted|signal 9"):
                giving.result()


def test_one_that_is_not_there_is_told(bench: Bench) -> None:
    bench.configure("returners: {cmd: {type: command, command: [./nothing]}}")
    bench.job(returners=("cmd",))
    assert bench.deliver() == [
        f"the returner cmd has yet to get 2 returns: {bench.root}/nothing cannot be started: No such file or directory"
    ]


def test_bytes_that_are_no_text_come_in_base64(bench: Bench) -> None:
    bench.configure("returners: {cmd: {type: command, command: 'cat >>got'}}")
    bench.job({"web1": returned(b"\xff\x00\n")}, returners=("cmd",))
    assert bench.deliver() == []
    (got,) = bench.lines("got")
    assert (got["stdout"], got["stdout_base64"]) == (None, "/wAK")
    assert as_json(got).isascii()
