"""Processes of jobs as hosts tell of them: what runs, and what a signal did."""

from __future__ import annotations

from typing import Any

from agentless.model.jid import JID
from agentless.model.times import Moment, iso
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
    schedule: str | None = None

    started_at = Moment("started")

    def to_json(self) -> dict[str, Any]:
        """One running job of a host.

        Keys:
            jid (string): the job.
            fun (string): `cmd.run` or `cmd.script`.
            arg (list of strings): what was run.
            tgt (string): the target it was sent to.
            tgt_type (string): `compound`, Salt's word for such a pattern.
            user (string): who sent it: `USER@CONTROLLER`.
            pid (integer or null): its first process.
            started (time or null): by the host's clock.
            schedule (string, only where an entry fired it): the entry's name.
        """
        document: dict[str, Any] = {
            "jid": self.jid,
            "fun": self.fun,
            "arg": list(self.arg),
            "tgt": self.tgt,
            "tgt_type": self.tgt_type,
            "user": self.user,
            "pid": self.pid,
            "started": iso(self.started),
        }
        if self.schedule is not None:
            document["schedule"] = self.schedule
        return document


@dataclass(frozen=True, slots=True)
class Survivor:
    """A process of the job that is still alive after the signal, whose it is, and why."""

    pid: int
    user: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """A process that is still there.

        Keys:
            pid (integer): which.
            user (string): whose.
            reason (string): why it is still there.
        """
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
        """What a signal did on one host.

        A host on which the job does not run says so in `message`, and that is no failure.

        Keys:
            delivered (list of integers): the PIDs that it was delivered to.
            survivors (list of objects): what is still alive after it, each with `pid`, `user` and `reason`.
            message (string): the same for people.
        """
        return {
            "delivered": list(self.delivered),
            "survivors": [survivor.to_json() for survivor in self.survivors],
            "message": self.message,
        }
