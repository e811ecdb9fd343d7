"""One round: a job, perhaps a second command beside it, a fault at a random instant, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fire.lab import ORACLE, Lab, document
from tests.hosts import Client, Node, patience, until

LINES = 60
# Long enough for a fault to meet the job at each of its stages, short enough for many rounds.
PAUSE = 0.025
RETCODE = 7
NUMBERED = [f"line {number}" for number in range(1, LINES + 1)]
COMMAND = (
    f'echo "$AGENTLESS_JID" >>{ORACLE}/starts; i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; '
    f'sleep {PAUSE}; done; echo "$AGENTLESS_JID" >>{ORACLE}/ends; exit {RETCODE}'
)
FINAL = ("returned", "lost", "not-started")


@dataclass(slots=True)
class Round:
    """What happens in a round, as far as it was drawn from the seed, and what was seen.

    Attributes:
        loses: hosts on which the fault may end a job without a return.
        full: hosts whose disk was full for a while, so that output may lack lines.
        interrupted: the sender was signalled or killed.
        killed: JIDs that `kill-job` said, with exit 0, to be gone.
        log: a line for each thing that was done.
    """

    lab: Lab
    draw: random.Random
    loses: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    acknowledged: dict[str, Client] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        self.log.append(line)


Fault = Callable[[Round, "subprocess.Popen[str]"], None]


def _some_node(now: Round) -> Node:
    return now.draw.choice(list(now.lab.nodes))


def signal_sender(now: Round, sender: subprocess.Popen[str]) -> None:
    """The command that sends is killed, interrupted, asked to end, or loses its terminal; perhaps twice."""
    number = now.draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    for _ in range(now.draw.choice([1, 1, 2])):
        now.note(f"{number.name} to the sender")
        sender.send_signal(number)


def kill_sessions(now: Round, sender: subprocess.Popen[str]) -> None:
    """The host's sshd loses its connections."""
    node = _some_node(now)
    now.note(f"{node.kill_sshd_sessions()} sessions of {node.name} killed")


def kill_helper(now: Round, sender: subprocess.Popen[str]) -> None:
    """Our process on a host is killed; a supervisor has the same name, and is one of them at times."""
    node = _some_node(now)
    helpers = now.lab.helpers(node)
    if helpers:
        victim = now.draw.choice(helpers)
        now.note(f"process {victim} of {node.name} killed")
        now.loses.add(node.name)
        _kill(victim)


def kill_supervisors(now: Round, sender: subprocess.Popen[str]) -> None:
    """The supervisors of a host are killed; the job's own processes live on."""
    node = _some_node(now)
    victims = now.lab.supervisors(node)
    now.note(f"supervisors {victims} of {node.name} killed")
    now.loses.add(node.name)
    for victim in victims:
        _kill(victim)


def cut(now: Round, sender: subprocess.Popen[str]) -> None:
    """A host is out of reach for a moment, or until all is healed."""
    node = _some_node(now)
    node.cut()
    now.note(f"{node.name} cut")
    if now.draw.random() < 0.5:
        time.sleep(now.draw.uniform(0.1, 2.0))
        node.heal()
        now.note(f"{node.name} back")


def reboot(now: Round, sender: subprocess.Popen[str]) -> None:
    """A host loses its power; it is on again at once, or when all is healed."""
    node = _some_node(now)
    now.loses.add(node.name)
    node.power_off()
    now.note(f"{node.name} off")
    if now.draw.random() < 0.5:
        node.power_on()
        now.note(f"{node.name} on")


def fill_host(now: Round, sender: subprocess.Popen[str]) -> None:
    """A host's disk is full."""
    node = _some_node(now)
    now.full.add(node.name)
    now.lab.fill(node)
    now.note(f"disk of {node.name} full")


def fill_controller(now: Round, sender: subprocess.Popen[str]) -> None:
    """The sender's disk is full."""
    now.lab.fill(now.lab.controllers[0])
    now.note("disk of the sender full")


def nothing(now: Round, sender: subprocess.Popen[str]) -> None:
    """No fault: what holds under faults holds without."""


FAULTS: tuple[Fault, ...] = (
    nothing,
    signal_sender,
    signal_sender,
    kill_sessions,
    kill_helper,
    kill_supervisors,
    cut,
    reboot,
    fill_host,
    fill_controller,
)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def play(lab: Lab, seed: int) -> Round:
    """Play the round of a seed, heal everything, and check what must hold; AssertionError names what does not."""
    now = Round(lab, random.Random(seed))
    try:
        _play(now)
    except BaseException as error:
        story = "\n".join(now.log)
        raise AssertionError(f"round of seed {seed}: {type(error).__name__}: {error}\n{story}") from error
    return now


def _play(now: Round) -> None:
    lab, draw = now.lab, now.draw
    sender = lab.controllers[0]
    options = draw.choice([[], [], ["--detach"], ["--detach"], ["--batch", "1"], ["--batch", "2", "--max-fail", "0"]])
    arguments = ["run", "all", *options, "--on-interrupt", draw.choice(["detach", "term", "kill"])]
    fault = draw.choice(FAULTS)
    at = draw.uniform(0.0, 3.5)
    now.note(f"{shlex.join(arguments)}; {fault.__name__} at {at:.2f} s")
    out = [] if "--detach" in options else ["--out", "json"]
    process = sender.start(*arguments, *out, "--", COMMAND, start_new_session=True)
    beside = _beside(now, draw.uniform(0.5, 3.0))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=at)
    fault(now, process)
    beside_done = beside() if beside is not None else None
    stdout, stderr = process.communicate(timeout=patience(150))
    now.note(f"the sender ended with {process.returncode}: {stderr.strip()[-800:]}")
    lab.heal()
    if options == ["--detach"]:
        jid = stdout.strip()
        if jid:
            assert re.fullmatch(r"\d{20}", jid), f"--detach printed {stdout!r}"
            now.acknowledged[jid] = sender
    elif process.returncode != -signal.SIGKILL and stdout:
        now.acknowledged.update({report["jid"]: sender for report in [document(stdout)] if "jid" in report})
    elif process.returncode in (0, 1, 3, 4, 130) and "nothing was sent" not in stderr:
        raise AssertionError(f"exit {process.returncode}, and no document")
    if beside_done is not None:
        beside_done()
    check(now)


def _beside(now: Round, at: float) -> Callable[[], Callable[[], None]] | None:
    """Perhaps a second command beside the job; the answer waits for its end, and gives what to check of it."""
    kind = now.draw.choice(["", "", "another", "active", "lookup", "wait"])
    if not kind:
        return None
    other = now.lab.controllers[now.draw.choice([0, 1])]
    arguments = {
        "another": ["run", "all", "--detach", "--", COMMAND],
        "active": ["jobs", "active", "--out", "json"],
        "lookup": ["jobs", "lookup", "last", "--out", "json"],
        "wait": ["jobs", "wait", "last", "--wait", "5", "--out", "json"],
    }[kind]
    process = other.start(*arguments, start_new_session=True)
    now.note(f"beside it, controller {now.lab.controllers.index(other) + 1}: {shlex.join(arguments[:3])}")

    def end() -> Callable[[], None]:
        stdout, stderr = process.communicate(timeout=patience(150))
        now.note(f"that ended with {process.returncode}: {stderr.strip()[-400:]}")

        def judge() -> None:
            assert "Traceback" not in stderr, stderr
            if kind == "another" and stdout.strip():
                now.acknowledged[stdout.strip()] = other
            elif kind != "another" and process.returncode not in (2,):
                document(stdout)

        return judge

    return end


# --- what must hold --------------------------------------------------------------------------------------------------
def check(now: Round) -> None:
    """All invariants, for each job that either controller knows of."""
    lab = now.lab
    for client in lab.controllers:
        listed = document(client.agentless("jobs", "list", "--out", "json").stdout)
        missing = [jid for jid, owner in now.acknowledged.items() if owner is client and jid not in listed]
        assert not missing, f"acknowledged, and not in the cache: {missing}"
        for jid in listed:
            _check_job(now, client, jid)
    lab.quiet()
    for client in lab.controllers:
        active = client.agentless("jobs", "active", "--out", "json")
        assert document(active.stdout) == {}, f"nothing runs, and jobs active shows {active.stdout}"


def _check_job(now: Round, client: Client, jid: str) -> None:
    lab = now.lab
    waited = client.agentless("jobs", "wait", jid, "--wait", f"{patience(90):.0f}", "--out", "json", seconds=150)
    report = document(waited.stdout)
    now.note(f"{jid}: exit {waited.returncode}: { {name: host['state'] for name, host in report['hosts'].items()} }")
    assert report["exit_code"] == waited.returncode, waited
    assert "Traceback" not in waited.stderr, waited.stderr
    for node in lab.nodes:
        _check_host(now, node, jid, report["hosts"][node.name])
    again = document(client.agentless("jobs", "lookup", jid, "--out", "json").stdout)
    assert again == report, f"lookup says otherwise than wait: {again}"


def _check_host(now: Round, node: Node, jid: str, host: Mapping[str, Any]) -> None:
    lab, state = now.lab, host["state"]
    starts, ends = lab.marks(node, "starts", jid), lab.marks(node, "ends", jid)
    where = f"{jid} on {node.name}: {state}, {starts} starts, {ends} ends, {host['error']}"
    assert starts <= 1, f"started twice: {where}"
    if state == "unreachable":
        # It was never sent there, and stays what the run said.
        assert starts == 0, f"unreachable for good, and it ran: {where}"
        return
    assert state in FINAL, f"not ended after healing: {where}"
    if state == "not-started":
        assert starts == 0, f"it ran: {where}"
    elif state == "lost":
        assert node.name in now.loses | now.full, f"lost without a reason: {where}"
    else:
        # A signal may end the shell before its first line.
        assert starts == 1 or host["signal"] is not None, f"it never ran: {where}"
        _check_output(now, node, host, where)
    if starts and ends and node.name not in now.loses:
        assert state == "returned", f"it ended by itself: {where}"
    until(lambda: not lab.left_of(node, jid), f"nothing of the job is left: {where}")


def _check_output(now: Round, node: Node, host: Mapping[str, Any], where: str) -> None:
    lines = (host["stdout"] or "").splitlines()
    if host["ended_by"] == "exit":
        assert host["retcode"] == RETCODE, where
        assert now.lab.marks(node, "ends", where[:20]) == 1, f"it did not come to its end: {where}"
    if node.name in now.full:
        assert lines == [line for line in NUMBERED if line in set(lines)], f"out of order: {where}: {lines}"
    elif host["ended_by"] == "exit":
        assert lines == NUMBERED, f"{where}: output is {lines}"
    else:
        assert lines == NUMBERED[: len(lines)], f"{where}: output is {lines}"
