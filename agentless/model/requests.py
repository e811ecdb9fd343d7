"""What hosts are asked, as values: one type for each operation of the helper, and what a job is, `JobSpec`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from shlex import join, quote
from typing import Any

from agentless.errors import UsageError
from agentless.files import read_file
from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.regex import regex
from agentless.values import dataclass

__all__ = [
    "Caller",
    "Delivery",
    "FetchRequest",
    "FindRequest",
    "FollowRequest",
    "GetRequest",
    "JobSpec",
    "PingRequest",
    "PurgeRequest",
    "PushRequest",
    "PutRequest",
    "Request",
    "RunRequest",
    "RunningRequest",
    "ScheduledJob",
    "Script",
    "Section",
    "ShowRequest",
    "SignalRequest",
    "Wanted",
    "read_input",
    "shell_text",
    "shown",
]


_TEMPLATE = regex(r"(\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)
# A script, or what stands on stdin: it is held in memory, and sent to each host.
INPUT_MIB = 1024
# 27 years: longer than anybody waits, and shorter than what locks, clocks and time_t overflow at.
LONGEST = 10_000 * 86_400
MOST_HOSTS = 2**31
# 1024 TiB: what every file system can say.
LARGEST = 1 << 50


def shown(value: object) -> str:
    """A value that is none of what was asked for, short enough for a message. Python writes no number of any length."""
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a number of that size"
    return f"{value!r:.80}" if isinstance(value, (str, int, float, bytes)) else f"a {type(value).__name__}"


def _is_time(value: object, least: float) -> bool:
    """Whether it is a number of seconds; NaN is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= LONGEST


def _is_writable(text: str) -> bool:
    """Whether it can be bytes; half a character can not, and what stands for a byte that is not UTF-8 (PEP 383) can."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST


def shell_text(command: str | Sequence[str], *, template: bool = False) -> str:
    """One word goes to the shell as it stands; several are quoted and joined.

    Args:
        template: the words are templates: what is between braces stays as it is, for the values are quoted later.

    Raises:
        UsageError: a word is no string.
    """
    words = [command] if isinstance(command, str) else list(command)
    for word in words:
        if not isinstance(word, str):
            raise UsageError(f"the words of a command are strings, not {shown(word)}")
    if len(words) == 1:
        return words[0]
    return " ".join(map(_quoted_around, words)) if template else join(words)


def _quoted_around(word: str) -> str:
    parts = _TEMPLATE.split(word)
    return "".join(part if at % 2 else quote(part) if part or word == "" else "" for at, part in enumerate(parts))


@dataclass(frozen=True, slots=True)
class Script:
    """A script of this machine that hosts run by its own `#!` interpreter.

    Args:
        name: its file name, which `jobs list` shows.
        data: its content.
        arguments: what it is called with.
    """

    name: str
    data: bytes = field(repr=False)
    arguments: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str | Path, arguments: Sequence[str] = ()) -> Script:
        """The script in a file; raises UsageError where it cannot be read."""
        return cls(Path(path).name, _read("script", path), tuple(arguments))


def read_input(path: str | Path) -> bytes:
    """A file that jobs get as stdin; raises UsageError where it cannot be read."""
    return _read("stdin", path)


def _read(what: str, path: str | Path) -> bytes:
    try:
        return read_file(path, INPUT_MIB)
    except (OSError, ValueError) as error:
        # A ValueError: the path has a NUL byte.
        raise UsageError(f"{what} {path}: {getattr(error, 'strerror', None) or error}") from error


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a job is: what hosts run, and how. A fire of a schedule is made of the same.

    Args:
        command: what the shell gets, as it stands; empty with `script`.
        script: is run instead of a command.
        cwd: a directory of the host; None is the home.
        env: further environment variables, which no `ps` on the host shows, nor a repr, as of stdin and scripts.
        stdin: bytes for its standard input; None is `/dev/null`.
        shell: gets the command, and a script that has no `#!` line.
        timeout: the job's own deadline on each host, in seconds; None is none.
        cap: bytes of each output stream that its record keeps; None takes what the configuration says.
        metadata: kept with the job, for `list_jobs`.
        schedule: the name of the schedule's entry that it is a fire of.
        returners: the names of those that get what its hosts return, besides those that get all jobs.
        template: command, script, its arguments and the values of env are Jinja templates, which are rendered for each
            host with its variables of the inventory.

    Raises:
        UsageError: there is nothing to run, or a value makes no sense.
    """

    command: str = ""
    script: Script | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes | None = field(default=None, repr=False)
    shell: str = "/bin/sh"
    timeout: float | None = None
    cap: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    schedule: str | None = None
    returners: tuple[str, ...] = ()
    template: bool = False

    def __post_init__(self) -> None:
        if self.script is None and not (isinstance(self.command, str) and self.command.strip()):
            raise UsageError("there is no command to run", "Give a command, or a script.")
        if self.script is not None and self.command:
            raise UsageError("a command and a script exclude each other", "Give a script its words as arguments.")
        if self.timeout is not None and (not _is_time(self.timeout, 0) or not self.timeout):
            limits = f"seconds above 0, and {LONGEST} at most"
            raise UsageError(f"a timeout is {limits}, not {shown(self.timeout)}; left out, there is none")
        if self.cap is not None and not _is_size(self.cap):
            raise UsageError(f"a cap is a number of bytes, 1024 TiB at most, not {shown(self.cap)}")
        for name, given in (("env", self.env), ("metadata", self.metadata)):
            if not isinstance(given, Mapping):
                raise UsageError(f"{name} is a mapping of names to values, not {shown(given)}")
        texts = (self.command, self.cwd or "", self.shell, *(self.script.arguments if self.script else ()))
        pairs = (*self.env.items(), *self.metadata.items())
        if not all(isinstance(text, str) for text in (*texts, *(text for pair in pairs for text in pair))):
            raise UsageError("command, cwd, shell, and what env and metadata hold, are strings")
        if self.stdin is not None and not isinstance(self.stdin, bytes):
            raise UsageError(
                f"stdin is bytes, not {shown(self.stdin)}", "Of a text: text.encode(); of a file: its Path."
            )
        if self.cwd is not None and not self.cwd.strip():
            raise UsageError("the directory to run in is empty", "Is a variable empty there? Left out, it is the home.")
        if not self.shell.strip():
            raise UsageError("the shell is empty", "Is a variable empty there? Left out, it is /bin/sh.")
        if not all(map(_is_writable, (*texts, *(text for pair in pairs for text in pair)))):
            raise UsageError("a text of the job has half a character (a surrogate), which no program can be given")
        if any("\0" in text for text in texts):
            raise UsageError("no program can be given a NUL byte", "What stdin brings may have any.")
        for name, value in self.env.items():
            if not name or "=" in name or "\0" in name + value:
                raise UsageError(f"{name!r} cannot be an environment variable")

    @property
    def function(self) -> str:
        """`cmd.run` or `cmd.script`, Salt's words."""
        return "cmd.run" if self.script is None else "cmd.script"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What was run, as records show it: the command, or the script's name and its arguments."""
        return (self.command,) if self.script is None else (self.script.name, *self.script.arguments)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a job goes over its hosts, and what is waited for.

    Args:
        detach: only wait until each host has accepted the job.
        wait: how many seconds iterating waits; None is to the end. Hosts of batches that are not due by then never get
            the job.
        batch: hosts at once: a number, or `N%` of them; None is all.
        max_fail: start no further host when more than this number, or `N%`, of hosts have failed.
        live: stream output while it grows; None streams when there is one host.
        batch_wait: seconds for which the place of a host that has ended stays empty, before a host of a later batch
            gets it.
        subset: only so many of the hosts, picked at random; None is all.

    Raises:
        UsageError: what is asked for excludes each other.
    """

    detach: bool = False
    wait: float | None = None
    batch: str | int | None = None
    max_fail: str | int | None = None
    live: bool | None = None
    batch_wait: float | None = None
    subset: int | None = None

    def __post_init__(self) -> None:
        if self.wait is not None and not _is_time(self.wait, 0):
            limits = f"seconds from 0 on, and {LONGEST} at most"
            raise UsageError(f"what is waited for is {limits}, not {shown(self.wait)}; left out, it is no end")
        if self.detach and self.wait is not None:
            raise UsageError("a detached job is only to be accepted: there is no waiting")
        if self.batch_wait is not None and self.batch is None:
            raise UsageError("a pause between batches is nothing without batches", "Give a batch, too.")
        if self.batch_wait is not None and not _is_time(self.batch_wait, 0):
            raise UsageError(f"a pause between batches is seconds from 0 on, not {shown(self.batch_wait)}")
        if self.subset is not None and not (_is_size(self.subset) and self.subset <= MOST_HOSTS):
            raise UsageError(f"a subset is a number of hosts from 1 on, not {shown(self.subset)}")


@dataclass(frozen=True, slots=True)
class Sent:
    """A job as it was sent, for who sends the same again.

    Args:
        spec: what it is.
        batch, max_fail, batch_wait: as of `Delivery`.
    """

    spec: JobSpec
    batch: str | int | None = None
    max_fail: str | int | None = None
    batch_wait: float | None = None

    @property
    def private(self) -> bool:
        """Whether it has what no record of a job shows: environment, stdin, the content of a script."""
        return bool(self.spec.env) or self.spec.stdin is not None or self.spec.script is not None


@dataclass(frozen=True, slots=True)
class Section:
    """Bytes for the helper's stdin, which no `ps` shows: `env` (JSON), `script`, `stdin`, or a file of a schedule."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """In whose name every request is made.

    Args:
        controller: `USER@CONTROLLER`.
        keep_returns: hours for which hosts keep what is started now.
        keep_bytes: bytes of records that hosts keep.
    """

    controller: str
    keep_returns: float
    keep_bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that a host is asked about.

    Args:
        jid: the job.
        nonce: of the dispatch that is meant; empty where any is.
        maybe: the request may never have arrived; where the host knows nothing of it, it makes sure of that for good.
        place: where on the host it was sent to (`Endpoint.place`); empty where that is not known.
    """

    jid: JID
    nonce: str = ""
    maybe: bool = False
    place: str = ""

    def at(self, place: str) -> Wanted:
        """As it is asked about at this place: one that was sent to another one is not called off there."""
        return replace(self, maybe=self.maybe and self.place in ("", place))


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Start a job, at most once, and follow it.

    Args:
        job: whose part this host is to run.
        spec: what the job is.
        host: the inventory name.
        nonce: of this job and host; the same again is a repeat, another one under this JID a collision.
        live: stream the output while it grows.
        detach: leave as soon as the job is accepted.
    """

    job: Job
    spec: JobSpec
    host: str
    nonce: str
    live: bool = False
    detach: bool = False


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """Attach to a job again: its output from the offsets `at` on, then its end.

    `nonce` is of the dispatch that is meant, empty where any is; `once` stops at the end of the output so far.
    """

    jid: JID
    nonce: str = ""
    at: tuple[int, int] = (0, 0)
    live: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What is known of some jobs, now; with `describe` also what each is."""

    jobs: tuple[Wanted, ...]
    describe: bool = False


@dataclass(frozen=True, slots=True)
class RunningRequest:
    """All jobs that run."""


@dataclass(frozen=True, slots=True)
class FindRequest:
    """Whether a job runs.

    Args:
        nonce: of its dispatch to this host: what the host runs under the JID by another name is not meant. Empty where
            this controller does not know it, for any.
    """

    jid: JID
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class PingRequest:
    """Who answers."""


@dataclass(frozen=True, slots=True)
class SignalRequest:
    """Signal a job's whole tree; `by` is `USER@CONTROLLER`, whom the return names; `nonce` as of `FindRequest`."""

    jid: JID
    signal: int
    by: str
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """An entry of a schedule, as a host that fires it has it.

    Args:
        timing: when it fires, as remote/evaluator.py takes it; `name` is the entry's.
        since: Unix seconds from which a new or changed entry counts, the same for all hosts.
        spec: what a fire runs.
        target: the entry's target.
        hosts: all hosts of that target.
        said: when, as the file writes it: text by key, for whoever reads it on the host.
        jid_include: false leaves `maxrunning` uncounted.
        return_job: True; False, nothing comes home; or `nocache`, it comes home and is not kept.
    """

    timing: Mapping[str, object]
    since: int
    spec: JobSpec
    target: str
    hosts: tuple[str, ...]
    jid_include: bool = True
    return_job: bool | str = True
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.timing["name"])


@dataclass(frozen=True, slots=True)
class PushRequest:
    """Bring a host's schedule to what the file says; `check` only tells what would change.

    Args:
        host: the inventory name.
        user: who pushes, on the controller.
        login, become: as those of a job that is sent now.
        local: the host is reached without SSH: what the helper has in its environment is the caller's.
        cap: bytes of each output stream that a record keeps.
        entries: what the host is to fire, all of it.
        zones: by name, the tables of the time zones that the entries name.
    """

    host: str
    user: str
    login: str | None
    become: str | None
    local: bool
    cap: int
    check: bool
    entries: tuple[ScheduledJob, ...]
    zones: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """What a host has of its schedule: `plan` fires to come of each entry, `log` events, the newest."""

    plan: int
    log: int


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """Take the schedule and its line in the crontab away; `check` only tells what would go."""

    check: bool


@dataclass(frozen=True, slots=True)
class PutRequest:
    """Take files.

    Args:
        path: where they go on the host: absolute, from the home, or `~` and `~NAME`.
        into: it is a directory; else it is the file's own place, unless a directory is there.
        make: make it, and the directories above it, where it is missing.
        stream: makes what follows on stdin, as remote/put.py has it, anew for each try.
    """

    path: str
    into: bool
    make: bool
    stream: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class GetRequest:
    """Give files.

    Args:
        sources: paths on the host, which may have wildcards; each with whether it is a directory whose content is
            meant, without its name.
    """

    sources: tuple[tuple[str, bool], ...]


Request = (
    RunRequest
    | FollowRequest
    | FetchRequest
    | RunningRequest
    | FindRequest
    | PingRequest
    | SignalRequest
    | PushRequest
    | ShowRequest
    | PurgeRequest
    | PutRequest
    | GetRequest
)
