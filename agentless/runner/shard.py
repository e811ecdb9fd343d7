"""A shard: the calls on some hosts, carried out in whatever process takes them; a pure function of what is in it.

Bytes go in and bytes come out, so that an executor needs to know nothing of them, and a worker with another version of
agentless says so before it reads a field. A worker keeps nothing: who takes the same shard again makes the same calls,
with the nonces that make a second one a repeat.
"""

from __future__ import annotations

import pickle
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from agentless.cache.scratch import Scratch
from agentless.errors import HostError, Unreachable
from agentless.model.answers import Accepted, Output, Returned, Stated
from agentless.model.endpoint import Endpoint
from agentless.model.output import InMemory
from agentless.model.returns import Remains, Return
from agentless.model.secret import Secret
from agentless.openssh.settings import Settings, moved
from agentless.runner.host_call import HostCall, Talk
from agentless.runner.reading import Answer
from agentless.transport.channel import Link
from agentless.transport.host_connector import HostConnector
from agentless.values import dataclass

S = TypeVar("S", Return, Remains)

__all__ = ["CallOutcome", "Results", "Shard", "carry_out"]

# How a worker begins that has read nothing.
OTHER_VERSION = "this worker has agentless"
# Bytes of output in what one shard gives back; a host that is over it is asked again, in its turn.
BYTES_MAX = 8 << 20
# Of one host's live output in one call.
LIVE_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Shard:
    """What a worker gets.

    Args:
        calls: what to ask of whom.
        settings: how to connect, by host; one that is missing is this very machine.
        home: of the controller's user: what lies below it is looked for in the worker's own.
        seconds: a job that is followed is left so long after its host said that it runs.
        passphrases: of key files, by prompt: the answers one after the other, None where nobody gave one.
    """

    calls: Mapping[str, HostCall]
    settings: Mapping[str, Settings]
    home: str
    seconds: float
    passphrases: Mapping[str, tuple[Secret | None, ...]]


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What became of one call.

    Args:
        answers: what the host said.
        error: why it said no more.
        reached: the host may have got the request.
        again: the answers had no room: ask once more.
        prompt: what a person is to be asked before the host can be logged in to.
    """

    answers: tuple[Answer, ...] = ()
    error: HostError | None = None
    reached: bool = False
    again: bool = False
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """What a worker gives back: outcomes by host, and lines that a person should see."""

    outcomes: Mapping[str, CallOutcome]
    warnings: tuple[str, ...] = ()


class _PromptNeeded(Exception):
    def __init__(self, prompt: str) -> None:
        super().__init__(prompt)
        self.prompt = prompt


class _Ask:
    """Answers prompts with what the shard brings, each answer once."""

    def __init__(self, passphrases: Mapping[str, tuple[Secret | None, ...]]) -> None:
        self._left = {prompt: list(answers) for prompt, answers in passphrases.items()}

    def __call__(self, prompt: str) -> Secret | None:
        if not (answers := self._left.get(prompt)):
            raise _PromptNeeded(prompt)
        return answers.pop(0)


class _Ways:
    """Connects as the controller has resolved it."""

    def __init__(self, shard: Shard, connector: HostConnector) -> None:
        home = str(Path.home())
        self._settings = {name: moved(settings, shard.home, home) for name, settings in shard.settings.items()}
        self._connector = connector

    def connect(self, endpoint: Endpoint) -> Link:
        settings = self._settings.get(endpoint.name)
        return self._connector.connect(endpoint) if settings is None else self._connector.link(endpoint.name, settings)

    def step(self, line: str) -> None:
        self._connector.step(line)

    def close(self) -> None:
        self._connector.close()


def carry_out(version: str, data: bytes) -> bytes:
    """Make the calls of a `Shard`; the controller and the worker pickle, and nobody between them.

    Args:
        version: of the controller's agentless.
        data: the shard.

    Returns:
        the `Results`.
    """
    from agentless import __version__

    if version != __version__:
        raise RuntimeError(f"{OTHER_VERSION} {__version__}, and the controller {version}")
    shard: Shard = pickle.loads(data)
    warnings: dict[str, None] = {}
    connector = HostConnector(ask=_Ask(shard.passphrases), warn=lambda line: warnings.setdefault(line))
    ways = _Ways(shard, connector)
    scratch = Scratch(tempfile.gettempdir())
    room = _Room()
    outcomes: dict[str, CallOutcome] = {}

    def work(name: str, call: HostCall) -> None:
        outcomes[name] = _outcome(Talk(call, ways, scratch, seconds=shard.seconds), room)

    threads = [threading.Thread(target=work, args=one, daemon=True) for one in shard.calls.items()]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        ways.close()
    return pickle.dumps(Results(outcomes, tuple(warnings)), pickle.HIGHEST_PROTOCOL)


class _Room:
    """What is left for output in one shard's results."""

    def __init__(self) -> None:
        self._taken = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Whether so many bytes go in; the first ones do, however many they are."""
        with self._lock:
            fits = not self._taken or self._taken + count <= BYTES_MAX
            self._taken += count if fits else 0
            return fits


def _outcome(talk: Talk, room: _Room) -> CallOutcome:
    answers: list[Answer] = []
    error: HostError | None = None
    live = 0
    try:
        for answer in talk.answers():
            answers.append(answer)
            if isinstance(answer, Output):
                live += len(answer.data)
                if live > LIVE_MAX:
                    talk.leave()
    except HostError as problem:
        error = problem
    except _PromptNeeded as needed:
        return CallOutcome(prompt=needed.prompt)
    except Exception as defect:  # noqa: BLE001 - of ours, or what only this host makes of it: the others go on
        error = Unreachable("internal", f"{type(defect).__name__}: {defect}")
    if not room.take(sum(map(_size, answers))):
        return CallOutcome(again=True, reached=True)
    ended = any(isinstance(answer, Returned) for answer in answers)
    kept = [_in_memory(answer) for answer in answers if not (ended and isinstance(answer, Accepted))]
    return CallOutcome(tuple(kept), error, talk.reached)


def _size(answer: Answer) -> int:
    if isinstance(answer, Output):
        return len(answer.data)
    left = _streams(answer)
    return 0 if left is None else sum(len(piece) for stream in (left.out, left.err) for piece in stream.pieces())


def _streams(answer: Answer) -> Return | Remains | None:
    if isinstance(answer, Returned):
        return answer.ret
    return answer.remains if isinstance(answer, Stated) else None


def _in_memory(answer: Answer) -> Answer:
    """The answer with its output as bytes, which another process can read."""
    if isinstance(answer, Returned):
        return replace(answer, ret=_read(answer.ret))
    if isinstance(answer, Stated) and answer.remains is not None:
        return replace(answer, remains=_read(answer.remains))
    return answer


def _read(left: S) -> S:
    return replace(left, out=InMemory(left.out.read()), err=InMemory(left.err.read()))
