"""A job's record as far as it was read, and its row in the list of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from agentless.cache.lines import Damaged, Raw, decode_result, head_of, is_final, job_of, line, parse
from agentless.model.job import Job
from agentless.model.problem import Problem
from agentless.model.returns import succeeded
from agentless.model.states import Dispatched, HostResult, State

__all__ = ["JobRow", "Record", "row_of"]

_STATES = tuple(state.value for state in State)
_NONE = dict.fromkeys((*_STATES, "failed"), 0)
_PENDING: Raw = {"state": "pending", "dispatched": "no"}


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as `jobs list` shows it.

    Args:
        job: the job.
        summary: hosts by state (all six) and `failed`, as in `Report.summary`.
        last_event: Unix seconds, this controller's clock, when it last learned something about the job.
    """

    job: Job
    summary: Mapping[str, int]
    last_event: float


def row_of(raw: Raw, jid: str) -> JobRow:
    """The row of a finished record's first line."""
    job = job_of(raw, jid)
    try:
        return JobRow(job, {**_NONE, **raw["summary"]}, float(raw["last"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"its first line has no summary ({error!r})") from error


class Record:
    """A record as far as it was read: the job, and the line that counts for each host.

    Args:
        head: the first line.
        jid: whose record it must be.
    """

    __slots__ = ("job", "last", "lines", "not_final")

    def __init__(self, head: Raw, jid: str) -> None:
        self.job = job_of(head, jid)
        try:
            self.last = float(head["last"])
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"its first line has no last event ({error!r})") from error
        self.lines: dict[str, Raw] = {host: {"host": host, **_PENDING} for host in self.job.hosts}
        self.not_final = len(self.lines)

    @classmethod
    def read(cls, data: bytes, jid: str) -> Record:
        """The record of whole lines; raises Damaged."""
        lines = data.split(b"\n")
        head = parse(lines[0])
        record = cls(head, jid)
        record.feed(lines[1:])
        if "summary" in head and len(lines) - 2 < len(record.lines):
            raise Damaged(f"it ends before the last of its {len(record.lines)} hosts")
        return record

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take further lines in the order in which they stand in the file; raises Damaged."""
        for data in lines:
            if data:
                raw = parse(data)
                self.take(raw, raw.pop("at", self.last))

    def take(self, raw: Raw, at: float) -> bool:
        """Take one line; False when it changes nothing: its host is final already, or this is known."""
        host = raw.get("host")
        current = self.lines.get(host) if isinstance(host, str) else None
        if current is None:
            raise Damaged(f"a line names {host!r}, which is no host of this job")
        if is_final(current) or current == raw:
            return False
        if raw.get("state", "returned") not in _STATES:
            raise Damaged(f"{raw['state']!r} is no state of a host")
        self.lines[current["host"]] = raw
        if is_final(raw):
            self.not_final -= 1
        self.last = max(self.last, at)
        return True

    def ended(self, hosts: Iterable[str]) -> list[str]:
        """Those of them that are hosts of the job which nothing changes any more."""
        return [host for host in hosts if host in self.lines and is_final(self.lines[host])]

    def unsent(self, hosts: Iterable[str]) -> list[str]:
        """Those of them that are `pending`, and that no request can have reached."""
        return [host for host in hosts if _is_unsent(self.lines.get(host, {}))]

    def abandoned(self) -> dict[str, HostResult]:
        """Where the `pending` hosts stand when the run that was to send the job is gone."""
        pending = (raw for raw in self.lines.values() if raw.get("state") == "pending")
        return {raw["host"]: _left_behind(self.job.jid, decode_result(raw, {})) for raw in pending}

    def waited_for(self) -> Iterator[tuple[str, str]]:
        """Host and nonce, where the job was or may have been sent and has not ended."""
        for host, raw in self.lines.items():
            if not is_final(raw) and raw.get("dispatched", "yes") != "no":
                yield host, raw.get("nonce", "")

    def settled(self) -> bool:
        """Whether no contact can change a host: as `HostResult.settled`, for all of them."""
        return all(is_final(raw) or _never_reached(raw) for raw in self.lines.values())

    def counts(self) -> dict[str, int]:
        """Hosts by state, and `failed`."""
        counts = dict.fromkeys(_STATES, 0)
        failed = 0
        for raw in self.lines.values():
            state = raw.get("state", "returned")
            counts[state] += 1
            failed += state == "returned" and not succeeded(raw.get("retcode", 0), raw.get("ended_by", "exit"))
        counts["failed"] = failed
        return counts

    def row(self) -> JobRow:
        return JobRow(self.job, self.counts(), self.last)

    def finished(self) -> bytes:
        """The record written anew: the head with its summary, and one line for each host."""
        return b"".join([line(head_of(self.job, self.last, self.counts())), *map(line, self.lines.values())])

    def results(self, output: Callable[[Raw], Raw]) -> dict[str, HostResult]:
        """By host, in the job's order; `output` finds the output of a line."""
        return {host: decode_result(raw, output(raw)) for host, raw in self.lines.items()}


def _never_reached(raw: Raw) -> bool:
    return raw.get("state") == "unreachable" and raw.get("dispatched") == "no"


def _is_unsent(raw: Raw) -> bool:
    return raw.get("state") == "pending" and raw.get("dispatched") == "no"


def _left_behind(jid: str, result: HostResult) -> HostResult:
    """Where a `pending` host stands when the run is gone."""
    if result.dispatched is Dispatched.NO:
        message, hint = "not sent: the run that was to send it is gone", f"Run it again: --limit @failed:{jid}"
        return replace(result, state=State.NOT_STARTED, problem=Problem("controller-gone", message, hint))
    message, hint = "the run was gone before the host acknowledged", f"Ask the host: agentless jobs wait {jid}"
    return replace(result, state=State.UNREACHABLE, problem=Problem("controller-gone", message, hint))
