"""The Python API: a fleet of hosts, and every verb of the command line that is not about a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentless.endpoint import Endpoint, Secret
from agentless.job import HostResult, Job, Problem, Report, State

__all__ = ["Fleet"]


# --- events of a run -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Output:
    """A piece of live output of one host. `stream` is 1 or 2; `dropped` bytes were lost before `data` (the cap)."""

    host: str
    stream: int
    data: bytes
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """A host of the job came into another state (or is about to be asked again, with a `problem`)."""

    host: str
    result: HostResult


Event = Output | Changed


class Run:
    """A job that was sent, as an iterator of its events; it can be left at any time, the job goes on.

    `for event in run` ends when every host is final, when `wait` seconds are over, or after `detach()`/`interrupt()`.
    A KeyboardInterrupt raised while waiting leaves the Run usable: iterate again, or look at `report()`.
    """

    job: Job

    def __iter__(self) -> Iterator[Event]: ...
    def __next__(self) -> Event: ...
    def waiting_for(self) -> tuple[str, ...]:
        """Hosts that are not final yet, in the job's order (what a progress line names)."""
    def report(self, *, interrupted: bool = False) -> Report: ...
    def stop_dispatching(self, kind: str) -> None:
        """Pending hosts become `not-started` with this kind (`interrupted`)."""
    def close(self) -> None:
        """Let go of the connections and the lock; the job goes on."""


# --- results of the other verbs --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PerHost:
    """One answer per host, or the problem it met: `running`, `find_job`, `ping`.

    exit code rules live in the class of the verb.
    """

    answers: Mapping[str, Any]
    problems: Mapping[str, Problem]


class Fleet:
    """Hosts of an inventory, reached over SSH.

    Args: see `__init__`.
    """

    def __init__(
        self,
        inventory: str | Path | Sequence[str] | None = None,   # None: $AGENTLESS_INVENTORY, ./inventory.yaml, config dir
        *,
        config: Any = None,          # config.Config, or a path
        limit: str | None = None,
        user: str | None = None,
        private_key: str | None = None,
        forks: int | None = None,
        connect_timeout: float | None = None,
        become: bool = False,
        become_user: str | None = None,
        password: Secret | None = None,
        become_password: Secret | None = None,
        host_key_checking: str | None = None,
        ask: Callable[[str], Secret | None] | None = None,     # key passphrases
        warn: Callable[[str], None] | None = None,             # hints and warnings, one line each
    ) -> None: ...

    # run
    def start(self, target: str, command: str | Sequence[str] = (), *, script: str | Path | None = None, detach: bool = False,
              timeout: float | None = None, wait: float | None = None, batch: str | int | None = None, max_fail: str | int | None = None,
              cwd: str | None = None, env: Mapping[str, str] | None = None, stdin: bytes | Path | None = None, shell: str = "/bin/sh",
              metadata: Mapping[str, str] | None = None, live: bool | None = None) -> Run:
        """Send a job; live=None streams output when the target is one host."""
    def run(self, target: str, command: str | Sequence[str] = (), **options: Any) -> Report:
        """start(), and iterate to the end."""
    def check(self, target: str, command: str | Sequence[str] = (), **options: Any) -> Mapping[str, Endpoint]:
        """`run --check`: which hosts would get what; contacts nobody. batch is taken into account by the caller's rendering."""

    # proc system; target None = the job's own hosts, else all
    def running(self, target: str | None = None) -> Running: ...                       # .to_json(), .exit_code
    def find_job(self, jid: str, target: str | None = None) -> Found: ...              # .to_json(), .exit_code
    def signal_job(self, jid: str, signal: str | int, target: str | None = None) -> Signalled: ...   # .to_json(), .exit_code
    def term_job(self, jid: str, target: str | None = None) -> Signalled: ...
    def kill_job(self, jid: str, target: str | None = None) -> Signalled: ...

    # jobs runner
    def active(self, target: str | None = None) -> Active: ...                         # .to_json(), .exit_code, .problems
    def lookup(self, jid: str) -> Report: ...                                           # jid may be "last"
    def list_jobs(self, *, function: str | None = None, target: str | None = None, by: str | None = None, since: Any = None, until: Any = None,
                  metadata: Mapping[str, str] | None = None, state: State | None = None, limit: int | None = None) -> JobList: ...   # .rows, .to_json()
    def show(self, jid: str) -> Report: ...                                             # as the cache has it, contacts nobody
    def last(self) -> str: ...
    def wait(self, jid: str, *, wait: float | None = None) -> Run: ...
    def tail(self, jid: str, host: str | None = None, *, follow: bool = False) -> Run: ...
    def exit_success(self, jid: str) -> Mapping[str, bool]: ...
    def prune(self) -> Pruned: ...

    def hosts(self, target: str | None = None) -> Hosts: ...                            # .to_json(); graph via .groups
    def ping(self, target: str | None = None) -> Pong: ...

    def close(self) -> None: ...
