"""Every error that agentless raises on purpose: what failed, on which host, and what to do about it.

AgentlessError
├── UsageError             the call is wrong: exit code 2
│   ├── ConfigError        a configuration file, with file and line
│   ├── InventoryError     an inventory file, with file and line
│   ├── TargetError        a pattern that cannot be read, or that matches no host
│   ├── ScheduleError      a schedule file, with file, line and key
│   └── UnknownJob         a JID that the cache and every host deny
├── JobError               a job that was to be ok on all of its hosts is not (`Report.check`); it stands beside the
│                          report, in model/job.py
├── CacheError             the job cache cannot be read or written
│   ├── AnotherJob         the JID of a job that comes home is that of another job here
│   └── JobExists          the JID that a job was to have is taken
└── HostError              one host: becomes the `error` of its result, never an exit of the whole
    ├── Unreachable        no answer; `kind` names the step that failed
    │   ├── NoSession      logged in, and no session was given: nothing of the request was sent
    │   └── CarrierLost    the process that holds the connection for us ended (the keeper, a master of ssh's, a worker)
    └── Refused            the host answered, and said no
"""

from __future__ import annotations

__all__ = [
    "AgentlessError",
    "AnotherJob",
    "CacheError",
    "CarrierLost",
    "ConfigError",
    "FileError",
    "HostError",
    "InventoryError",
    "JobExists",
    "NoSession",
    "Refused",
    "ScheduleError",
    "TargetError",
    "UnknownJob",
    "Unreachable",
    "UsageError",
]


class AgentlessError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what failed, naming the file, line or host.
        hint: what to do next; empty when the message says it all.

    Attributes:
        kind: a stable word for scripts.
    """

    kind = "usage"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AgentlessError):
    """The call itself is wrong; nothing was done."""


class FileError(UsageError):
    """A file that a person wrote is wrong; the message starts with `file:line:` where the line is known."""

    def __init__(self, message: str, hint: str = "", *, file: str = "", line: int | None = None) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message, hint)
        self.file = file
        self.line = line


class ConfigError(FileError):
    """The configuration file is wrong."""


class InventoryError(FileError):
    """The inventory is wrong, or holds what cannot be opened or rendered here."""


class ScheduleError(FileError):
    """The schedule file is wrong."""


class TargetError(UsageError):
    """A target pattern cannot be read, or selects no host."""


class UnknownJob(UsageError):
    """The cache and every host that was asked deny the JID."""


class CacheError(AgentlessError):
    """The job cache cannot be read or written."""

    kind = "cache"


class AnotherJob(CacheError):
    """A job of another controller or of a schedule has the JID of a job here."""


class JobExists(CacheError):
    """The JID that a job was to have is taken: a fire of a schedule that was made already."""


class HostError(AgentlessError):
    """Something failed on one host.

    Args:
        kind: a stable word for scripts, such as `auth` or `disk-full`.
    """

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind

    def __reduce__(self) -> tuple[type[HostError], tuple[str, str, str]]:
        # What goes wrong in another process is told here.
        return type(self), (self.kind, self.message, self.hint)


class Unreachable(HostError):
    """No answer from the host.

    `kind` is the step that failed: `resolve`, `connect`, `connect-timeout`, `host-key`, `auth`, `throttled`,
    `no-python`, `become`, `connection-lost` or `protocol`.
    """


class NoSession(Unreachable):
    """The host let us log in and gave no session, so that nothing of the request was sent."""

    @classmethod
    def of(cls, problem: Unreachable) -> NoSession:
        """An error of connecting, before anything of a request was sent."""
        return cls(problem.kind, problem.message, problem.hint)


class CarrierLost(Unreachable):
    """Another process held the connection, and ended: says nothing of the host, which is asked again without it."""


class Refused(HostError):
    """The host answered and will not run it, for example `state-dir`, `disk-full`, `same-host` or `cwd`.

    Kind `inventory`: it was not even asked, for the inventory leaves no way to it.
    """
