"""Processes of jobs as hosts tell of them: what runs, and what a signal did."""

from __future__ import annotations

from typing import Any

from agentless.model.jid import JID
from agentless.model.times import iso
from agentless.values import dataclass

__all__ = ["Process", "Signal", "Survivor"]


@dataclass(frozen=True, slots=True)
class Process:
    """One proc file of a host: a running job's first process, in Salt's words."""

    jid: JID
    fun: str
    arg: tuple[str, ...]
    tgt: str
    tgt_type: str
    user: str
    pid: int | None
    started: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "jid": self.jid,
            "fun": self.fun,
            "arg": list(self.arg),
            "tgt": self.tgt,
            "tgt_type": self.tgt_type,
            "user": self.user,
            "pid": self.pid,
            "started": iso(self.started),
        }


@dataclass(frozen=True, slots=True)
class Survivor:
    """A process of the job that is still alive after the signal, whose it is, and why."""

    pid: int
    user: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"pid": self.pid, "user": self.user, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Signal:
    """What a signal did on one host: the processes it was delivered to, and those still alive after it.

    `known` tells whether the host has a record of the job at all.
    """

    delivered: tuple[int, ...]
    survivors: tuple[Survivor, ...]
    message: str
    known: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "delivered": list(self.delivered),
            "survivors": [survivor.to_json() for survivor in self.survivors],
            "message": self.message,
        }
