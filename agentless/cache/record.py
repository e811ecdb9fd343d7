"""A job's record as far as it was read, and its row in the list of jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from agentless.cache.head import Head, decode_head, encode_head
from agentless.cache.json_line import DamagedRecord, dump, parse, time_of
from agentless.cache.record_lines import AT, TOLD, HostLine, decode_host, encode_host
from agentless.errors import AnotherJob
from agentless.model.jid import JID
from agentless.model.job import Job, JobRow, Origin, summarize
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State

__all__ = ["Record", "merged_job", "row_of"]

# Seconds for which a host that says the same again is not written down anew.
NEWS = 30.0
_PENDING = HostLine(HostResult(State.PENDING))
_NO_HOSTS = summarize(())


def row_of(data: bytes, jid: JID) -> JobRow:
    """The row of a finished record's first line; raises DamagedRecord."""
    head = decode_head(data, jid)
    if head.summary is None:
        raise DamagedRecord("its first line has no summary")
    return JobRow(head.job, {**_NO_HOSTS, **head.summary}, head.last)


class Record:
    """A record as far as it was read: the job, and the line that counts for each host.

    Args:
        head: its first line.

    Attributes:
        last: Unix seconds: when this controller last learned something about the job.
        lines: by host, in the job's order.
        not_final: how many hosts have not ended.
    """

    __slots__ = ("job", "last", "lines", "not_final")

    def __init__(self, head: Head) -> None:
        self.job = head.job
        self.last = head.last
        self.lines: dict[str, HostLine] = dict.fromkeys(head.job.hosts, _PENDING)
        self.not_final = len(self.lines)

    @classmethod
    def read(cls, data: bytes, jid: JID) -> Record:
        """The record of whole lines; raises DamagedRecord."""
        lines = data.split(b"\n")
        head = decode_head(lines[0], jid)
        record = cls(head)
        record.feed(lines[1:])
        if head.summary is not None and len(lines) - 2 < len(record.lines):
            raise DamagedRecord(f"it ends before the last of its {len(record.lines)} hosts")
        return record

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take further lines in the order in which they stand in the file; raises DamagedRecord."""
        for data in lines:
            if data:
                raw = parse(data)
                at = time_of(raw, AT, self.last)
                self.take(*decode_host(raw, at), at)

    def take(self, host: str, line: HostLine, at: float) -> bool:
        """Take one line.

        Args:
            at: Unix seconds: when this controller learned it.

        Returns:
            False when it changes nothing: its host is final already, or this is known and was heard just now.

        Raises:
            DamagedRecord: the host is none of the job's.
        """
        current = self.lines.get(host)
        if current is None:
            raise DamagedRecord(f"a line names {host!r}, which is no host of this job")
        if current.result.state.final:
            return False
        is_told, heard_at = line.result.state in TOLD, current.result.as_of
        if current == line and not (is_told and at - (heard_at or 0.0) >= NEWS):
            return False
        result = line.result
        as_of = at if is_told else heard_at if heard_at is not None else result.as_of
        self.lines[host] = line if result.as_of == as_of else replace(line, result=replace(result, as_of=as_of))
        self.not_final -= line.result.state.final
        self.last = max(self.last, at)
        return True

    def ended(self, hosts: Iterable[str]) -> list[str]:
        """Those of them that are hosts of the job which nothing changes any more."""
        return [host for host in hosts if host in self.lines and self.lines[host].result.state.final]

    def unsent(self, hosts: Iterable[str]) -> list[str]:
        """Those of them that are `pending`, and that no request can have reached."""
        unsent = State.PENDING, Dispatched.NO
        results = ((host, self.lines[host].result) for host in hosts if host in self.lines)
        return [host for host, result in results if (result.state, result.dispatched) == unsent]

    def abandoned(self) -> dict[str, HostResult]:
        """Where the `pending` hosts stand when the run that was to send the job is gone."""
        results = ((host, line.result) for host, line in self.lines.items())
        return {host: _left_behind(self.job.jid, one) for host, one in results if one.state is State.PENDING}

    def waited_for(self) -> Iterator[tuple[str, HostResult]]:
        """The hosts that the job was or may have been sent to and where it has not ended, each as it stands."""
        for host, line in self.lines.items():
            if not line.result.state.final and line.result.dispatched is not Dispatched.NO:
                yield host, line.result

    def settled(self) -> bool:
        """Whether no contact can change a host: as `HostResult.settled`, for all of them."""
        return all(line.result.settled for line in self.lines.values())

    def row(self) -> JobRow:
        """As the list shows it."""
        return JobRow(self.job, self._summary(), self.last)

    def _summary(self) -> dict[str, int]:
        return summarize(line.result for line in self.lines.values())

    def finished(self) -> bytes:
        """The record written anew: the head with its summary, and one line for each host."""
        lines = (dump(encode_host(host, line)) for host, line in self.lines.items())
        return b"".join([encode_head(Head(self.job, self.last, self._summary())), *lines])

    def opened(self, job: Job, now: float) -> bytes:
        """The record written anew as one that is open, for the same job with more hosts, or with more known of it."""
        known_as_of = ((host, line, line.result.as_of) for host, line in self.lines.items())
        lines = (encode_news(host, line, self.last if at is None else at) for host, line, at in known_as_of)
        return b"".join([encode_head(Head(job, now)), *lines])


def encode_news(host: str, line: HostLine, now: float) -> bytes:
    """A line of an open record, about what is known as of `now`, in Unix seconds."""
    return dump({**encode_host(host, line), AT: now})


def _left_behind(jid: JID, result: HostResult) -> HostResult:
    """Where a `pending` host stands when the run is gone."""
    if result.dispatched is Dispatched.NO:
        message, hint = "not sent: the run that was to send it is gone", f"Run it again: `limit=@failed:{jid}`"
        return replace(result, state=State.NOT_STARTED, problem=Problem("controller-gone", message, hint))
    message, hint = "the run was gone before the host acknowledged", f"Ask the host: agentless jobs wait {jid}"
    return replace(result, state=State.UNREACHABLE, problem=Problem("controller-gone", message, hint))


def merged_job(known: Job, described_now: Job) -> Job:
    """What is known of a job, and what it was told as now."""
    if known.function and described_now.function and _described_as(known) != _described_as(described_now):
        raise AnotherJob(f"job {known.jid} is known here as another job: {' '.join(known.arguments)!r}")
    if known.origin is not Origin.LEARNED:
        return known
    described = known if known.function else described_now
    return replace(
        described,
        hosts=tuple(dict.fromkeys((*known.hosts, *described_now.hosts))),
        login=described_now.login if known.login is None else known.login,
        become=described_now.become if known.become is None else known.become,
        returners=tuple(dict.fromkeys((*known.returners, *described_now.returners))),
        origin=Origin.LEARNED,
    )


def _described_as(job: Job) -> tuple[object, ...]:
    """What everybody who knows a job says of it alike."""
    return job.function, job.arguments, job.schedule
