"""What `put` and `get` did on each host: frozen values with their JSON and their exit code, pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from agentless.model.problem import Problem
from agentless.values import dataclass

__all__ = ["COPY_STATES", "Copied", "Copies", "FileFailure", "Paths", "ignored"]

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

COPY_STATES = ("copied", "failed", "unreachable")


@dataclass(frozen=True, slots=True)
class FileFailure:
    """One file or directory that was not copied."""

    path: str
    problem: Problem

    def to_json(self) -> dict[str, Any]:
        """A file or directory that was not copied.

        Keys:
            path (string): which.
            kind (string): a stable word for scripts.
            message (string): what happened.
            hint (string): what to do next; empty where the message says it all.
        """
        return {"path": _text(self.path), **self.problem.to_json()}


@dataclass(frozen=True, slots=True)
class Copied:
    """What was done on one host.

    Args:
        state: `copied`; `failed`, where the host (or, of a `get`, this machine) said no to all or some of it; or
            `unreachable`.
        path: where it went: on the host for `put`, here for `get`; None where that is not known.
        files, bytes: how many came whole; None where that is not known.
        seconds: what it took.
        problem: why it is not `copied`; where single files failed, that of the first one.
        failures: how many files and directories were not copied, while others were.
        failed: the first ones of them.
    """

    state: str
    path: str | None = None
    files: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    problem: Problem | None = None
    failures: int = 0
    failed: tuple[FileFailure, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all of it was copied."""
        return self.state == "copied"

    def to_json(self) -> dict[str, Any]:
        """What was done on one host.

        Keys:
            state (string): `copied`, `failed` or `unreachable`.
            path (string or null): where it went: on the host for `put`, here for `get`.
            files (integer or null): how many came whole.
            bytes (integer or null): of these.
            duration (number or null): seconds.
            error (object or null): why it is not `copied`, with the keys of [error](#error).
            failures (integer): how many files and directories were not copied, while others were.
            failed (list of objects): the first ones of them, each as below.
        """
        return {
            "state": self.state,
            "path": None if self.path is None else _text(self.path),
            "files": self.files,
            "bytes": self.bytes,
            "duration": None if self.seconds is None else round(self.seconds, 3),
            "error": None if self.problem is None else self.problem.to_json(),
            "failures": self.failures,
            "failed": [one.to_json() for one in self.failed],
        }


@dataclass(frozen=True, slots=True)
class Copies:
    """`put` or `get`: what was copied, and what became of it on each host.

    Args:
        function: `put` or `get`.
        target: the pattern.
        sources: what was to be copied; paths of this machine for `put`, of the hosts for `get`.
        destination: where it was to go.
        hosts: by name, in the inventory's order.
    """

    function: str
    target: str
    sources: tuple[str, ...]
    destination: str
    hosts: Mapping[str, Copied] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything was copied on every host."""
        return all(one.ok for one in self.hosts.values())

    @property
    def problems(self) -> dict[str, Problem]:
        """Why it was not, by host."""
        return {name: one.problem for name, one in self.hosts.items() if one.problem is not None}

    @property
    def summary(self) -> dict[str, int]:
        """How many hosts are in each state."""
        states = [one.state for one in self.hosts.values()]
        return {state: states.count(state) for state in COPY_STATES}

    @property
    def exit_code(self) -> int:
        """3 where a host was not reached, 1 where one said no, else 0."""
        summary = self.summary
        return 3 if summary["unreachable"] else 1 if summary["failed"] else 0

    def to_json(self) -> dict[str, Any]:
        """What was copied, and what became of it on each host.

        Keys:
            function (string): `put` or `get`.
            target (string): the pattern.
            sources (list of strings): what was to be copied.
            destination (string): where it was to go.
            hosts (object): by inventory name, in the inventory's order, an object of
                [a host of a copy](#a-host-of-a-copy) each.
            summary (object): how many hosts are `copied`, `failed` and `unreachable`.
            exit_code (integer): what this command exits with.
        """
        return {
            "function": self.function,
            "target": self.target,
            "sources": [_text(source) for source in self.sources],
            "destination": _text(self.destination),
            "hosts": {name: one.to_json() for name, one in self.hosts.items()},
            "summary": self.summary,
            "exit_code": self.exit_code,
        }


def ignored(host: str, copied: Copied) -> None:
    """Told of each host when it is through, and nobody minds."""


def _text(path: str) -> str:
    """A path whose bytes are no UTF-8 has half characters in Python, which no document may hold: `\\xff` for each."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
