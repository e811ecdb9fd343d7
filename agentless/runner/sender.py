"""Batches of a detached job: a process of this controller's own sends them, and outlives the command and its terminal.

The command gives it everything over a socket, as one `Plan`: what was resolved, passwords too, which stand in no
argument and in no environment. The process makes the job and holds it, sends the first batch, and says so; until then
it may ask for passphrases through the command. Then it lets go of the socket, and has nothing of the command's left.
From there on it is a run like any other: the lock on the job tells that it lives, and the job cache tells it what was
called off.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import fields, replace
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Any

from agentless import config as configuration
from agentless.background import end, harden, launch, leave_terminal
from agentless.errors import AgentlessError, CacheError, InventoryError, UsageError
from agentless.model.job import Job, Report
from agentless.model.job_spec import JobSpec
from agentless.model.secret import Secret
from agentless.model.states import State
from agentless.runner.contact import Contact
from agentless.runner.dispatcher import PreparedJob
from agentless.runner.events import Changed
from agentless.runner.parts import Parts
from agentless.values import dataclass

__all__ = ["HandedOver", "hand_over", "main"]

# What every user can read in the process list is where Python finds the code.
_CODE = "import sys; sys.path[:] = sys.argv[1:]; from agentless.runner.sender import main; main()"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the process has to know.

    Args:
        parts: those of the fleet, without its callables.
        prepared: the job as it was prepared, for the contact of the process.
    """

    parts: Parts
    prepared: Callable[[Contact], PreparedJob]


@dataclass(frozen=True, slots=True)
class _Rendered:
    """What a template came to on each host."""

    specs: Mapping[str, JobSpec]

    def __call__(self, host: str, *, hides: bool = False) -> JobSpec:
        if host not in self.specs:
            raise InventoryError(f"{host}: the template could not be rendered")
        return self.specs[host]


class HandedOver:
    """A job in the hands of the process that sends it; a context manager, by whose end that process is left alone.

    Args:
        parts: of the fleet.
        line: the connection to the process.
        job: the job; it is in the job cache.
    """

    def __init__(self, parts: Parts, line: Connection, job: Job) -> None:
        self.job = job
        self._parts = parts
        self._line = line

    def first_batch(self) -> None:
        """Wait until each host of the first batch has accepted the job, or cannot be reached."""
        with suppress(EOFError, OSError):
            while _heard(self._parts, self._line)[0] != "through":
                pass

    def report(self, *, interrupted: bool = False) -> Report:
        """Where every host stands now; raises CacheError."""
        report = self._parts.cache.current(self.job.jid)
        if report is None:
            raise CacheError(f"job {self.job.jid} is not in the job cache any more")
        return replace(report, detached=True, interrupted=interrupted)

    def close(self) -> None:
        """Leave the process alone: nobody answers its questions any more."""
        self._line.close()

    def __enter__(self) -> HandedOver:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def hand_over(parts: Parts, prepared: PreparedJob) -> HandedOver:
    """Start the process that makes the job and sends it; when this returns, the job is in the job cache.

    Raises:
        AgentlessError: the process could not be started, or could not make the job; nothing was sent.
        UsageError: the fleet has an executor, which is this process's own.
    """
    if parts.executor is not None:
        raise UsageError(
            "the process that sends a detached job in batches has no executor of this one's", "Give `spread` instead."
        )
    ours, theirs = Pipe()
    try:
        with theirs:
            words = [sys.executable, "-c", _CODE, *sys.path]
            launch(words, theirs.fileno(), configuration.environment())
        ours.send(_plan(parts, prepared))
        while True:
            kind, value = _heard(parts, ours)
            if kind == "failed":
                raise CacheError(*value)
            if kind == "job":
                return HandedOver(parts, ours, value)
    except (EOFError, OSError) as error:
        ours.close()
        raise AgentlessError(
            f"the process that was to send the job ended before that: {error or 'no reason is known'}",
            "Nothing was sent.",
        ) from error
    except BaseException:
        ours.close()
        raise


def _plan(parts: Parts, prepared: PreparedJob) -> Plan:
    rollout = replace(prepared.rollout, detach=False)
    if rollout.rendered is not None:
        fit = [name for name, endpoint in prepared.endpoints.items() if endpoint.problem is None]
        rollout = replace(rollout, rendered=_Rendered({name: rollout.spec_for(name) for name in fit}))
    silent = replace(
        parts, ask=_nobody, warn=_nobody, note=_nobody, step=_nobody, watch=_unwatched, trust=None, executor=None
    )
    plain = replace(prepared, endpoints=dict(prepared.endpoints), rollout=rollout, live=False, wait=None)
    all_but_contact = {each.name: getattr(plain, each.name) for each in fields(plain) if each.name != "contact"}
    return Plan(silent, partial(PreparedJob, **all_but_contact))


def _nobody(words: str) -> None:
    """For what would ask or tell somebody."""


def _unwatched(waiting: object, total: int) -> nullcontext[None]:
    return nullcontext()


def _heard(parts: Parts, line: Connection) -> tuple[str, Any]:
    """What the process says next; what it asks is answered, and what it has to tell is told."""
    kind, value = line.recv()
    if kind == "ask":
        line.send(parts.ask(value))
    elif kind == "warn":
        parts.warn(value)
    elif kind == "note":
        parts.note(value)
    return kind, value


class _Command:
    """The command that started this process, as long as it listens."""

    def __init__(self, line: Connection) -> None:
        self._line: Connection | None = line
        self._lock = threading.Lock()

    def say(self, kind: str, value: object = None) -> None:
        with self._lock:
            self._say(kind, value)

    def _say(self, kind: str, value: object) -> None:
        if self._line is not None:
            try:
                self._line.send((kind, value))
            except OSError:
                # It was interrupted, or killed.
                self._leave()

    def ask(self, prompt: str) -> Secret | None:
        with self._lock:
            self._say("ask", prompt)
            try:
                answer = None if self._line is None else self._line.recv()
            except (EOFError, OSError):
                self._leave()
                return None
        return answer if isinstance(answer, Secret) else None

    def leave(self) -> None:
        with self._lock:
            self._leave()

    def _leave(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


def main() -> None:
    """Get the plan, and do it; without a word to anybody once the first batch has the job."""
    harden()
    line = Connection(leave_terminal())
    try:
        plan = line.recv()
    except (EOFError, OSError):
        # The command is gone, and no job was made.
        return
    assert isinstance(plan, Plan)
    command = _Command(line)
    warn, note = (partial(command.say, kind) for kind in ("warn", "note"))
    parts = replace(plan.parts, ask=command.ask, warn=warn, note=note)
    try:
        _send(parts, plan, command)
    except AgentlessError as error:
        command.say("failed", (error.message, error.hint))
    finally:
        command.leave()
        parts.close()
    end()


def _send(parts: Parts, plan: Plan, command: _Command) -> None:
    prepared = plan.prepared(parts.contact)
    begun: set[str] = set()
    first = prepared.rollout.batch or 1
    with prepared.send(made=lambda job: command.say("job", job)) as run:
        for event in run:
            if isinstance(event, Changed) and event.result.state is not State.PENDING and len(begun) < first:
                begun.add(event.host)
                if len(begun) == first:
                    command.say("through")
                    command.leave()
    command.leave()
    parts.deliver()
