"""What a job is, `JobSpec`, and how it goes over its hosts, `Delivery`; nonsense is refused here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from shlex import join, quote

from agentless.errors import UsageError
from agentless.files import read_file
from agentless.regex import regex
from agentless.values import dataclass

__all__ = [
    "INPUT_MIB",
    "LARGEST",
    "LONGEST",
    "MOST_HOSTS",
    "Delivery",
    "JobSpec",
    "Script",
    "Sent",
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


def _is_time(value: object) -> bool:
    """Whether it is a number of seconds; NaN is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LONGEST


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
        if self.timeout is not None and not (_is_time(self.timeout) and self.timeout):
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
        if self.wait is not None and not _is_time(self.wait):
            limits = f"seconds from 0 on, and {LONGEST} at most"
            raise UsageError(f"what is waited for is {limits}, not {shown(self.wait)}; left out, it is no end")
        if self.detach and self.wait is not None:
            raise UsageError("a detached job is only to be accepted: there is no waiting")
        if self.batch_wait is not None and self.batch is None:
            raise UsageError("a pause between batches is nothing without batches", "Give a batch, too.")
        if self.batch_wait is not None and not _is_time(self.batch_wait):
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
