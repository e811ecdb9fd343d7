"""A run that is interrupted, whose terminal closes, or whose reader goes away."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentless.cli import attached
from agentless.cli.screen import Screen
from agentless.model.states import Dispatched, HostResult, State
from tests.cli.conftest import Cli, hosts, state
from tests.cli.terminal import Terminal, agentless
from tests.hosts import Sshd, over_every_link, patience
from tests.report.values import report, returned


def begin(sshd: Sshd, *options: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "agentless", "run", "host1", "--live", *options, "--", "echo begun; exec sleep 300"],
        env=sshd.client.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"host1 | begun\n"
    return process


@over_every_link
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_an_interruption_ends_the_job_and_waits_for_its_return(sshd: Sshd, number: int) -> None:
    process = begin(sshd)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=patience(60))
    assert process.returncode == 130
    assert b"job 2" in stderr
    assert state(sshd.client.environ) == ("returned", 15)


@over_every_link
def test_a_closed_terminal_leaves_the_job_running_and_says_how_to_come_back(sshd: Sshd) -> None:
    process = begin(sshd)
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=patience(60))
    assert process.returncode == 130
    assert b"agentless jobs wait 2" in stderr
    assert state(sshd.client.environ) == ("running", None)
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_on_interrupt_decides(sshd: Sshd) -> None:
    process = begin(sshd, "--on-interrupt", "kill")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=patience(60))
    assert process.returncode == 130
    assert state(sshd.client.environ) == ("returned", 9)


@over_every_link
@pytest.mark.parametrize(
    ("reply", "ended"),
    [
        ("t\n", ("returned", 15)),
        ("kill\n", ("returned", 9)),
        ("x\nd\n", ("running", None)),
        ("\x03", ("running", None)),
    ],
)
def test_on_a_terminal_ctrl_c_asks(sshd: Sshd, reply: str, ended: tuple[str, int | None]) -> None:
    with Terminal("run", "host1", "--", "echo begun; exec sleep 300", environ=sshd.client.environ) as terminal:
        terminal.until("begun")
        terminal.type("\x03")
        terminal.until("[d]etach")
        terminal.type(reply)
        assert terminal.end() == 130
        # At the beginning of a line, also where the second Ctrl-C left the cursor behind the question.
        assert "\nagentless: interrupted; job 2" in terminal.text
    assert state(sshd.client.environ) == ended
    if ended[0] == "running":
        assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_on_a_terminal_ctrl_backslash_leaves_the_job_running_without_a_question(sshd: Sshd) -> None:
    with Terminal("run", "host1", "--", "echo begun; exec sleep 300", environ=sshd.client.environ) as terminal:
        terminal.until("begun")
        terminal.type("\x1c")
        assert terminal.end() == 130
        assert "[d]etach" not in terminal.text
        assert "\nagentless: interrupted; job 2" in terminal.text
    assert state(sshd.client.environ) == ("running", None)
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_in_its_first_moments_an_interrupted_command_leaves_without_a_word(tmp_path: Path, sshd: Sshd) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), int(os.environ['NUMBER']))\n")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        path = f"{tmp_path}:{sshd.client.environ['PYTHONPATH']}"
        done = agentless("hosts", environ={**sshd.client.environ, "PYTHONPATH": path, "NUMBER": str(int(number))})
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.fixture
def interrupting(sshd: Sshd) -> Path:
    """An inventory that interrupts who reads it, if `$NUMBER` is a signal."""
    path = sshd.directory / "interrupting"
    path.write_text("#!/bin/sh\n[ -z \"$NUMBER\" ] || { kill -$NUMBER $PPID; exec sleep 60; }\necho '{}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_before_there_is_a_job_it_says_that_nothing_was_sent(
    sshd: Sshd, cli: Cli, interrupting: Path, number: int
) -> None:
    environ = {**sshd.client.environ, "NUMBER": str(int(number))}
    done = agentless("-i", str(interrupting), "run", "host1", "--out", "json", "--", "true", environ=environ)
    assert done.returncode == 130
    assert json.loads(done.stdout)["error"]["message"] == "interrupted; nothing was sent"
    assert done.stderr == "agentless: interrupted; nothing was sent\n"
    assert cli("jobs", "list", "--out", "json").stdout == "{}\n"


def test_a_watched_job_is_shown_as_it_is_known_when_the_watching_is_interrupted_at_its_start(
    sshd: Sshd, cli: Cli, interrupting: Path
) -> None:
    jid = cli("run", "host1", "--detach", "--", "exec sleep 300").stdout.strip()
    environ = {**sshd.client.environ, "NUMBER": str(int(signal.SIGINT))}
    done = agentless("-i", str(interrupting), "jobs", "wait", jid, "--out", "json", environ=environ)
    assert done.returncode == 130
    assert (json.loads(done.stdout)["jid"], hosts(done)["host1"]["state"]) == (jid, "running")
    assert f"no longer watching; job {jid} goes on" in done.stderr
    assert cli("kill-job", jid).returncode == 0


# Interrupted when the job is made and its hosts are about to be reached.
EARLY = """
import os, signal, sys
from agentless.cli import main
from agentless.runner import dispatcher
from agentless.runner.dispatcher import PreparedJob

class Early(PreparedJob):
    def send(self, made=lambda job: None):
        run = super().send(made)
        os.kill(os.getpid(), int(os.environ.get("NUMBER", signal.SIGINT)))
        return run

dispatcher.PreparedJob = Early
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("number", "options", "states"),
    [
        (signal.SIGINT, ("--on-interrupt", "detach"), {"running"}),
        (signal.SIGINT, (), {"returned", "not-started"}),
        (signal.SIGHUP, (), {"running"}),
        (signal.SIGHUP, ("--on-interrupt", "kill"), {"returned", "not-started"}),
        (signal.SIGHUP, ("--on-interrupt", "kill", "--detach", "--batch", "9"), {"returned", "not-started"}),
    ],
)
def test_interrupted_when_the_job_was_just_made_it_names_it_and_what_to_type(
    sshd: Sshd, number: int, options: Sequence[str], states: set[str]
) -> None:
    """A job that is to be ended may be ended before it reaches its host."""
    done = subprocess.run(
        [sys.executable, "-c", EARLY, "run", "host1", "--out", "json", *options, "--", "exec sleep 300"],
        env={**sshd.client.environ, "NUMBER": str(int(number))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(60),
        start_new_session=True,
    )
    assert done.returncode == 130
    jid = json.loads(done.stdout)["jid"]
    assert hosts(done)["host1"]["state"] in states
    assert f"agentless: interrupted; job {jid} " in done.stderr
    assert state(sshd.client.environ)[0] == hosts(done)["host1"]["state"]
    if "running" in states:
        assert f"agentless jobs wait {jid}" in done.stderr
        assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_what_is_left_of_a_job_says_of_no_host_more_than_is_known() -> None:
    stderr = io.TextIOWrapper(io.BytesIO())
    left = report(
        web1=HostResult(State.RUNNING, Dispatched.YES),
        web2=HostResult(State.UNREACHABLE, Dispatched.YES),
        web3=HostResult(State.UNREACHABLE, Dispatched.MAYBE),
        web4=HostResult(State.UNREACHABLE, Dispatched.NO),
        web5=HostResult(State.PENDING, Dispatched.NO),
        web6=returned(),
    )
    attached._say_what_goes_on(Screen({}, stdout=io.TextIOWrapper(io.BytesIO()), stderr=stderr), left)
    stderr.flush()
    said = stderr.buffer.getvalue().decode()
    assert f"job {left.job.jid} goes on on web[1-2] and may have reached web3 and was on its way to web5\n" in said


def test_interrupted_when_the_job_was_just_made_it_asks_on_a_terminal(sshd: Sshd) -> None:
    words = ("run", "host1", "--", "exec sleep 300")
    with Terminal(*words, environ=sshd.client.environ, program=("-c", EARLY)) as terminal:
        terminal.until("[d]etach")
        terminal.type("d\n")
        assert terminal.end() == 130
        assert "goes on on host1" in terminal.text
    assert state(sshd.client.environ) == ("running", None)
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


@over_every_link
def test_a_reader_that_goes_away_ends_the_command_quietly_and_not_the_job(sshd: Sshd) -> None:
    command = "echo begun; while :; do echo on; sleep 0.3; done"
    process = subprocess.Popen(
        [sys.executable, "-m", "agentless", "run", "host1", "--live", "--", command],
        env=sshd.client.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"host1 | begun\n"
    process.stdout.close()
    stderr = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=patience(60)) == 141
    assert "goes on" in stderr
    assert "Traceback" not in stderr
    assert state(sshd.client.environ)[0] == "running"
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_output_that_cannot_be_written_is_no_defect_and_the_job_goes_on(sshd: Sshd) -> None:
    run = ("run", "host1", "--live", "--", "echo begun; exec sleep 300")
    for words in (("jobs", "list"), run, ("hosts", "--out", "json"), ("--help",), ("hosts", "--help"), ("jobs",)):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "agentless", *words],
                env=sshd.client.environ,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=patience(60),
            )
        # An empty list writes nothing.
        assert done.returncode == (0 if words == ("jobs", "list") else 74)
        assert "Traceback" not in done.stderr
        assert words == ("jobs", "list") or "No space left on device" in done.stderr
    assert state(sshd.client.environ)[0] == "running"
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


@pytest.mark.parametrize("options", [(), ("--progress", "-q"), ("-v",)])
def test_a_stderr_that_takes_nothing_changes_no_exit_code(sshd: Sshd, options: Sequence[str]) -> None:
    cases = (
        (("run", "host1", "--", "true"), 0),
        (("run", "all", "--", "echo err >&2; exit 3"), 1),
        (("run", "nohost", "--", "true"), 2),
        (("jobs", "list", "--no-such-option"), 2),
    )
    for words, code in cases:
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "agentless", *options, *words],
                env=sshd.client.environ,
                stdout=subprocess.DEVNULL,
                stderr=full,
                timeout=patience(60),
            )
        assert done.returncode == code, words


def test_an_ignored_hangup_stays_ignored(sshd: Sshd) -> None:
    """Under nohup, the command watches on."""
    flag = sshd.directory / "go-on"
    process = subprocess.Popen(
        [
            *("nohup", sys.executable, "-m", "agentless", "run", "host1", "--live", "--"),
            f"echo begun; until [ -e {flag} ]; do sleep 0.1; done; echo done",
        ],
        env=sshd.client.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"host1 | begun\n"
    process.send_signal(signal.SIGHUP)
    os.sched_yield()
    flag.touch()
    assert process.stdout.read() == b"host1 | done\n"
    assert process.wait(timeout=patience(60)) == 0
    process.stdout.close()
