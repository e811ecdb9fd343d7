"""The jobs of the cache as rows, newest first, without reading what their hosts gave back."""

from __future__ import annotations

from collections.abc import Iterator

from agentless.cache import file_names
from agentless.cache.folder import NO_FILE, Folder
from agentless.cache.head import line_jid
from agentless.cache.journal import Journal
from agentless.cache.json_line import DamagedRecord
from agentless.cache.record import row_of
from agentless.model.jid import JID
from agentless.model.job import JobRow, Origin

__all__ = ["Listing"]

# Below this many rows the first lines are read from the records, above it from `heads`, which holds them together:
# 10,000 records are 70 ms of open, read and close.
SINGLE = 100
_RECORDS = (file_names.OPEN, file_names.FINISHED)


class Listing:
    """The first lines of the records.

    Args:
        folder: where they lie.
        journal: makes a row out of a whole record: what has no summary yet, or cannot be read so simply.
    """

    def __init__(self, folder: Folder, journal: Journal) -> None:
        self._folder = folder
        self._journal = journal

    def jobs(self, *, only_open: bool = False) -> Iterator[tuple[JID, bool]]:
        """JIDs, newest first, and whether the record is open; all, or those of open records."""
        present = self._folder.names()
        for name in sorted(present, reverse=True):
            text, suffix = name[:20], name[20:]
            # For a moment there may be both: then it is finished.
            is_open = suffix == file_names.OPEN and text + file_names.FINISHED not in present
            if (is_open or (suffix == file_names.FINISHED and not only_open)) and (of_job := file_names.of_job(name)):
                yield of_job[0], is_open

    def rows(self) -> Iterator[JobRow]:
        """All rows, newest first."""
        heads: dict[str, bytes] = {}
        for n, (jid, is_open) in enumerate(self.jobs()):
            if n == SINGLE:
                heads = self.heads()
            row = self._journal.row(jid) if is_open else self._finished(jid, heads)
            if row is not None:
                yield row

    def last(self) -> JID | None:
        """As `JobCache.last`; raises CacheError."""
        with self._folder.guard("read", file_names.LAST):
            try:
                named = (
                    self._folder.first_line(file_names.LAST).decode("ascii", "replace") if self._folder.check() else ""
                )
            except OSError as error:
                if not isinstance(error, FileNotFoundError) and error.errno not in NO_FILE:
                    raise
                named = ""
        of_job = file_names.of_job(named + file_names.FINISHED)
        # An older one, where its record cannot be read or is what a host told since, is the wrong job to kill.
        if of_job is not None and (self._journal.row(of_job[0]) or self._is_unreadable(of_job[0])):
            return of_job[0]
        return next((row.job.jid for row in self.rows() if row.job.origin is Origin.RUN), None)

    def _is_unreadable(self, jid: JID) -> bool:
        """Whether a record of it lies here or was set aside, and is none that this version reads."""
        files = [f"{folder}{jid}{suffix}" for folder in ("", file_names.SET_ASIDE + "/") for suffix in _RECORDS]
        return any(map(self._folder.exists, files))

    def _finished(self, jid: JID, heads: dict[str, bytes]) -> JobRow | None:
        try:
            return row_of(heads.get(jid) or self._folder.first_line(jid + file_names.FINISHED), jid)
        except (DamagedRecord, OSError):
            return self._journal.row(jid)

    def heads(self) -> dict[str, bytes]:
        """First lines of finished records by JID, as far as they were gathered and can be read."""
        try:
            data = self._folder.whole_lines(file_names.HEADS)
        except OSError:
            return {}
        return {line_jid(line): line for line in data.splitlines()}

    def gather(self, finished: list[JID]) -> None:
        """Write the first lines of these finished records together, where many are new; under the lock.

        Raises:
            OSError: where that fails; the records are what counts, and nothing is lost.
        """
        heads = self.heads()
        missing = [jid for jid in finished if jid not in heads]
        if len(missing) < SINGLE and len(heads) < 2 * len(finished) + SINGLE:
            return
        for jid in missing:
            heads[jid] = self._folder.first_line(jid + file_names.FINISHED)
        data = b"".join(heads[jid] + b"\n" for jid in sorted(finished, reverse=True) if heads[jid])
        self._folder.replace(file_names.HEADS, data)
