"""What a host answers, as values; runner/reading.py makes them of its frames."""

from __future__ import annotations

from collections.abc import Mapping

from agentless.model.copies import FileFailure
from agentless.model.jid import JID
from agentless.model.problem import Problem
from agentless.model.process import Process, Signal
from agentless.model.returns import Remains, Return
from agentless.model.times import Moment
from agentless.values import dataclass

__all__ = [
    "Accepted",
    "Answer",
    "Content",
    "ContentEnd",
    "Described",
    "FetchedItem",
    "FileAnswer",
    "FoundJob",
    "Gathered",
    "Gathering",
    "Helper",
    "JobAnswer",
    "Output",
    "PushDone",
    "Returned",
    "RunningJobs",
    "ScheduleSeen",
    "ScheduleState",
    "SignalDone",
    "Stated",
    "Stored",
]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The host took the job, or knew it already from an earlier try of the same dispatch."""

    jid: JID
    pid: int | None
    started: float | None
    warning: Problem | None


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of live output of one host.

    Args:
        jid, host: whose it is; the host's inventory name.
        stream: 1 or 2.
        at: the byte of the stream that it begins at.
        dropped: how many bytes before `data` are gone (the cap).
    """

    jid: JID
    host: str
    stream: int
    at: int
    data: bytes
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Returned:
    """The return of a job; outputs are those of the record, capped, or empty where `streamed` says they were live."""

    jid: JID
    ret: Return
    streamed: bool


@dataclass(frozen=True, slots=True)
class Stated:
    """A job without a return: `state` is running, lost, unknown or not-started.

    What `remains` is the output of a lost one, empty where `streamed` says that it was live.
    """

    jid: JID
    state: str
    pid: int | None
    started: float | None
    problem: Problem | None
    remains: Remains | None = None
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """What the host's record says the job is; its end or state follows. Of a tombstone, no more than the JID is known.

    Args:
        function, arguments, target, user, metadata, schedule: as the job's.
        nonce: of the dispatch.
        hosts: all hosts of the job, as its sender knew them; empty where that is not told.
        login, become: as the job's; None where that is not told.
        keep: False where an entry of a schedule wants it to come home and not to be kept (`return_job: nocache`).
        clock: the host's, Unix seconds.
        returners: as the job's, as its sender named them.
    """

    jid: JID
    function: str = ""
    arguments: tuple[str, ...] = ()
    target: str = ""
    user: str = ""
    metadata: Mapping[str, str] | None = None
    schedule: str | None = None
    nonce: str = ""
    hosts: tuple[str, ...] = ()
    login: str | None = None
    become: str | None = None
    keep: bool = True
    clock: float | None = None
    returners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunningJobs:
    """Jobs that run on the host; a long list comes as several of these, the last of which says whose they are.

    Args:
        user: as whom the helper looked.
        others: other users whose jobs seem to run there.
    """

    processes: tuple[Process, ...]
    user: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundJob:
    """The first process of the job that was asked for; None where it does not run."""

    process: Process | None


@dataclass(frozen=True, slots=True)
class SignalDone:
    """What a signal did; `running` tells whether the job ran when it came."""

    signal: Signal
    running: bool


@dataclass(frozen=True, slots=True)
class Helper:
    """Who answers: Python, account, node, where the records lie; `time` is the host's clock, Unix seconds."""

    python: str
    executable: str
    user: str
    node: str
    state_dir: str
    platform: str
    time: float | None

    time_at = Moment("time")


@dataclass(frozen=True, slots=True)
class ScheduleSeen:
    """The sequence of the schedule's fires that have ended was told up to `at`."""

    sequence: str
    at: int


@dataclass(frozen=True, slots=True)
class PushDone:
    """What a push or a purge did, or would do.

    Args:
        time: the host's clock, Unix seconds.
        added, changed, removed, unchanged: names of entries.
        crontab: what became of our line in it.
        renamed: the host's name at the push before, where that was another.
        restored: files of the schedule were gone.
    """

    time: float | None
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    crontab: str
    renamed: str | None
    restored: bool


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """How a host's schedule stands; its entries and events come before.

    Args:
        ticked, pushed, time: Unix seconds: the last tick, the last push, and now, by the host's clock.
        line: whether the crontab has our line as it should be; None where it cannot be read.
        controller: who pushed it, `USER@CONTROLLER`.
        problem: why nothing fires.
        warning: what else is wrong.
    """

    ticked: float | None
    pushed: float | None
    time: float | None
    line: bool | None
    controller: str
    problem: Problem | None
    warning: Problem | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What was sent is in its place.

    Args:
        path: where.
        files, bytes: how many came whole.
        failures: what did not.
        failed: the first ones of them.
    """

    path: str
    files: int
    bytes: int
    failures: int
    failed: tuple[FileFailure, ...]


@dataclass(frozen=True, slots=True)
class Gathering:
    """What is fetched begins; whatever came before does not count."""


@dataclass(frozen=True, slots=True)
class FetchedItem:
    """A file or a directory that is fetched.

    Args:
        path: its name, below what was asked for; nobody has looked at it yet.
        mode: its permissions.
        size: of a file, bytes as it was opened; 0 also where that is not known. None is a directory.
    """

    path: str
    mode: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of the file whose `FetchedItem` came before."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ContentEnd:
    """The end of a file; `broken`: it could not be read to its end."""

    broken: bool


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that is fetched has come, but for what is in `failed`; its first ones are told, of `failures`."""

    failures: int
    failed: tuple[FileFailure, ...]


FileAnswer = Stored | Gathering | FetchedItem | Content | ContentEnd | Gathered
JobAnswer = Accepted | Output | Returned | Stated | Described
Answer = JobAnswer | RunningJobs | FoundJob | SignalDone | Helper | ScheduleSeen | PushDone | ScheduleState | FileAnswer
