"""The records of jobs in their files: an open one grows by lines, and is written anew when it is finished."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping

from agentless.cache import file_names
from agentless.cache.folder import NO_FILE, Folder
from agentless.cache.head import Head, encode_head
from agentless.cache.json_line import DamagedRecord, Later
from agentless.cache.outputs import OutputFile, StoredOutput
from agentless.cache.record import Record, encode_news
from agentless.cache.record_lines import HostLine, Place, encode_output, is_long, with_output
from agentless.errors import CacheError
from agentless.model.jid import JID
from agentless.model.job import Job, JobRow, Report
from agentless.model.states import HostResult
from agentless.values import dataclass

__all__ = ["Journal"]


class Journal:
    """The record of every job, by JID. Reading needs no lock, and raises CacheError.

    Args:
        folder: where the files lie.
        warn: told, in one line, of every file that had to be set aside or left out, once.
    """

    def __init__(self, folder: Folder, warn: Callable[[str], None]) -> None:
        self.appended = 0  # bytes that this process wrote; who prunes begins anew
        self._folder = folder
        self._warn = warn
        self._tails: dict[str, _ReadSoFar] = {}
        self._left_out: set[str] = set()

    # --- reading ------------------------------------------------------------------------------------------------
    def read(self, jid: JID) -> Record | None:
        """All that the record says without output; None where there is none that can be read."""
        with self._folder.guard("read", jid):
            named = self._find(jid)
        return named[1] if named else None

    def readable(self, jid: JID) -> Record | None:
        """As `read`, for who goes through all records: one that cannot be read is left out, and told."""
        try:
            return self.read(jid)
        except CacheError as error:
            self._leave_out(jid, error.message)
            return None

    def row(self, jid: JID) -> JobRow | None:
        """As `readable`, as a row of the list."""
        record = self.readable(jid)
        return record.row() if record else None

    def report(self, jid: JID, *, outputs: bool) -> Report | None:
        """As `read`, as a report, with the output that the hosts gave back or without any."""
        with self._folder.guard("read", jid):
            named = self._find(jid)
            if named is None:
                return None
            name, record = named
            opened: list[OutputFile] = []

            def full(host: str, line: HostLine) -> HostResult:
                if line.output_at is None:
                    return line.full()
                try:
                    if not opened:
                        opened.append(self._outputs(jid))
                    opened[0].check(line.output_at, host)
                except DamagedRecord as error:
                    raise DamagedRecord(f"the output of {host} is damaged: {error}") from error
                except OSError as error:
                    if not isinstance(error, FileNotFoundError) and error.errno not in NO_FILE:
                        raise
                    raise DamagedRecord(f"the output of {host} is missing") from error
                return _stored(line.result, opened[0], host, line.output_at)

            try:
                lines = record.lines.items()
                return Report(record.job, {host: full(host, line) if outputs else line.result for host, line in lines})
            except DamagedRecord as error:
                self._unreadable(name, error)
                return None

    def _find(self, jid: JID) -> tuple[str, Record] | None:
        """The record and its file's name."""
        # its name changes once, when it is finished, and back when it is reopened: look again then
        for suffix in (file_names.OPEN, file_names.FINISHED, file_names.OPEN, file_names.FINISHED):
            name = jid + suffix
            try:
                return name, Record.read(self._folder.whole_lines(name), jid)
            except FileNotFoundError:
                continue
            except DamagedRecord as error:
                self._unreadable(name, error)
                return None
            except OSError as error:
                if error.errno not in NO_FILE:
                    raise
                self._unreadable(name, DamagedRecord("it is no file"))
                return None
        return None

    def _outputs(self, jid: JID) -> OutputFile:
        """The job's second file; raises OSError."""
        name = jid + file_names.OUTPUT
        return OutputFile(self._folder.path(name), self._folder.open(name))

    def _unreadable(self, name: str, error: DamagedRecord) -> None:
        if isinstance(error, Later):
            self._leave_out(name, str(error))
            return
        try:
            with self._folder.guard("change", name), self._folder.locked():
                where = self._folder.set_aside(name)
                output = name[:20] + file_names.OUTPUT
                if self._folder.exists(output):
                    self._folder.set_aside(output)
        except CacheError as full:
            if self._folder.exists(name):  # else another process was faster
                self._leave_out(name, f"it is no record of a job ({error}), and stays where it is: {full.message}")
            return
        self._warn(f"set aside {where}, which is no record of a job: {error}")

    def _leave_out(self, name: str, reason: str) -> None:
        if name not in self._left_out:
            self._left_out.add(name)
            self._warn(f"left alone {self._folder.path(name)}: {reason}")

    # --- writing: all under the folder's lock, and all raise OSError --------------------------------------------
    def write(self, job: Job, now: float, results: Mapping[str, HostResult] | None = None) -> None:
        """Begin an open record; it is on disk when this returns.

        Args:
            now: Unix seconds: when something was last learned about the job.
            results: what is known of its hosts, without output.
        """
        news = (encode_news(host, HostLine(result), now) for host, result in (results or {}).items())
        self._replace(job.jid, b"".join([encode_head(Head(job, now)), *news]))
        self._folder.sync()

    def rewrite(self, record: Record, job: Job, now: float, results: Mapping[str, HostResult]) -> None:
        """Put another job, which has all hosts of the record's and perhaps more, in the place of that.

        Args:
            now: Unix seconds: when something was last learned about the job.
            results: what is known of the hosts that are new.
        """
        if self.is_finished(job.jid):
            self.reopen(job.jid)
        news = (encode_news(host, HostLine(result), now) for host, result in results.items())
        self._replace(job.jid, b"".join([record.opened(job, now), *news]))
        self._folder.sync()

    def opened(self, jid: JID) -> Record | None:
        """The open record, of which only what is new since the last time is read; None where it is not open."""
        name = jid + file_names.OPEN
        tail = self._tails.get(jid)
        try:
            # a file written anew has another head; its inode may well be one that was used before
            if tail is None or (data := self._folder.new_lines(name, tail.head, tail.offset)) is None:
                data = self._folder.whole_lines(name)
                tail = self._tails[jid] = _ReadSoFar(Record.read(data, jid), data[: data.find(b"\n") + 1])
            else:
                tail.record.feed(data.split(b"\n"))
        except FileNotFoundError:
            self._tails.pop(jid, None)
            return None
        except DamagedRecord as error:
            self._tails.pop(jid, None)
            self._unreadable(name, error)
            return None
        tail.offset += len(data)
        return tail.record

    def append(
        self, jid: JID, results: Mapping[str, HostResult], now: float, unsynced: contextlib.ExitStack
    ) -> dict[str, HostResult]:
        """Let the record that `opened` gave grow by what these results change.

        Args:
            now: Unix seconds.
            unsynced: closing it brings the lines to disk, which needs no lock: others can write meanwhile.

        Returns:
            the results, with their output where it lies now; without those of hosts that had ended already.
        """
        try:
            return self._append(self._tails[jid], results, now, unsynced)
        except BaseException:
            # it may have taken what did not get into the file: it is read again
            self._tails.pop(jid, None)
            raise

    def _append(
        self, tail: _ReadSoFar, results: Mapping[str, HostResult], now: float, unsynced: contextlib.ExitStack
    ) -> dict[str, HostResult]:
        jid = tail.record.job.jid
        kept: dict[str, HostResult] = {}
        lines, outputs = [], False
        for host, result in results.items():
            if tail.record.lines[host].result.state.final:
                continue
            kept[host] = result
            place = None
            if result.output is not None and is_long(result):
                text = encode_output(host, result.output.out, result.output.err)
                place = self._sync_later(jid + file_names.OUTPUT, text, unsynced)
                outputs = True
                if tail.outputs is None:
                    tail.outputs = self._outputs(jid)
                kept[host] = _stored(result, tail.outputs, host, place)
            if tail.record.take(host, HostLine.of(result, place), now):
                lines.append(encode_news(host, tail.record.lines[host], now))
        if outputs:
            unsynced.close()  # a line must never be on disk before the output that it points to
        if lines:
            tail.offset = sum(self._sync_later(jid + file_names.OPEN, lines, unsynced))
        return kept

    def _sync_later(self, name: str, lines: Iterable[bytes], unsynced: contextlib.ExitStack) -> Place:
        handle, offset, length = self._folder.append(name, lines, create=name.endswith(file_names.OUTPUT))
        self.appended += length
        unsynced.callback(os.close, handle)
        unsynced.callback(os.fsync, handle)
        return offset, length

    def finish(self, record: Record) -> None:
        """Write an open record anew, with a summary in its first line and one line for each host."""
        jid = record.job.jid
        # the name changes last: a record with an open name and finished content is only finished once more
        self._replace(jid, record.finished())
        self._folder.rename(jid + file_names.OPEN, jid + file_names.FINISHED)
        if all(line.result.ret is not None and line.result.ret.ok for line in record.lines.values()):
            # Nobody has to send it again.
            self._folder.remove(jid + file_names.SENT)
        self._folder.sync()
        self._tails.pop(jid, None)

    def is_finished(self, jid: JID) -> bool:
        """Whether there is a finished record."""
        return self._folder.exists(jid + file_names.FINISHED)

    def reopen(self, jid: JID) -> None:
        """Let a finished record grow again."""
        self._folder.remove(file_names.HEADS)  # it has the summary that was
        self._folder.rename(jid + file_names.FINISHED, jid + file_names.OPEN)

    def _replace(self, jid: JID, data: bytes) -> None:
        self.appended += max(len(data), 4096)  # a block of most file systems
        self._folder.replace(jid + file_names.OPEN, data)


def _stored(result: HostResult, file: OutputFile, host: str, place: Place) -> HostResult:
    """The result with its output, which lies in the job's second file."""
    return with_output(result, *(StoredOutput(file, place, host, stream) for stream in (1, 2)))


@dataclass(slots=True)
class _ReadSoFar:
    """How far this process has read an open record."""

    record: Record
    head: bytes
    offset: int = 0
    outputs: OutputFile | None = None
