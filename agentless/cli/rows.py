"""Results with a row for each host or job, as a table or as a document such as JSON; and the hosts that gave none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from agentless.cli.invocation import Formats, Invocation
from agentless.cli.screen import Screen
from agentless.hostlist import fold
from agentless.model.problem import Problem
from agentless.report import documents
from agentless.report.spelling import as_typed
from agentless.report.tables import Row, Table, alike, not_reached, tabbed, table, unreached

__all__ = ["FORMATS", "Sheet", "laid_out", "tell_no_way"]

FORMATS: Formats = ("table", "text", "json", "jsonl", "yaml")


def laid_out(screen: Screen, headers: Row, rows: Iterable[Row]) -> Iterator[str]:
    """A table in pieces: drawn where stdout is a terminal or takes colours, else plain, whole and untruncated."""
    look = screen.out_look
    if look.terminal or look.colour:
        from agentless.report.drawing import drawn

        yield from drawn(headers, rows, screen.columns, colour=look.colour)
    else:
        yield table(headers, rows)


class Sheet:
    """What a verb shows, as rows or as a document, in the format that `--out` names.

    Args:
        invocation: its screen, and its options.
        formats: those that the verb has.

    Attributes:
        out: the format.
        rows: it shows rows, to a person or to `cut`; a document says by itself what is told beside these.
        folds: a person looks, who wants few rows.

    Raises:
        UsageError: `--out` names another format.
    """

    def __init__(self, invocation: Invocation, formats: Formats = FORMATS) -> None:
        self._screen = invocation.screen
        self.out = invocation.out("table", formats)
        self.rows = self.out in ("table", "text")
        self.folds = self.out == "table" and self._screen.folds

    def show(
        self,
        document: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        made: Table,
        *,
        entries: Mapping[str, Any] | None = None,
        key: str = "host",
        value: str = "value",
        empty: str = "",
        problems: Mapping[str, Problem] = MappingProxyType({}),
        fold: bool = False,
    ) -> None:
        """Write a document, or its rows as a table.

        Args:
            document: what JSON and YAML give, or a function that makes it, for where it costs.
            made: the rows, which are read only where they are shown.
            entries: what jsonl gives a line each; the document itself where left out.
            key, value: what jsonl calls an entry's name, and an entry that has no keys of its own.
            empty: what is said on stderr where there are no rows.
            problems: hosts that could not be asked: further rows; where a person looks, folded by why.
            fold: where a person looks, rows that are the same but for their first cell, the host, are one.
        """
        screen = self._screen
        if self.rows:
            headers, found = alike(*made) if fold and self.folds else made
            shown = [*found, *not_reached(problems, len(headers), folded=self.folds)]
            if shown:
                screen.result_in_pieces(
                    laid_out(screen, headers, shown) if self.out == "table" else [tabbed(headers, shown)]
                )
            elif empty:
                screen.say(empty)
            return
        whole = document() if callable(document) else document
        if self.out == "json":
            screen.result(documents.as_json(whole, indent=screen.out_look.terminal))
        elif self.out == "yaml":
            screen.result(documents.as_yaml(whole))
        else:
            for line in documents.lines(whole if entries is None else entries, key=key, value=value):
                screen.result(line)

    def tell_problems(self, problems: Mapping[str, Problem]) -> None:
        """What to do about hosts that could not be asked, each hint once."""
        if self.rows:
            for hint in dict.fromkeys(trouble.hint for trouble in unreached(problems) if trouble.hint):
                self._screen.say(f"  {hint}")

    def tell_others(self, others: Mapping[str, tuple[str, ...]]) -> None:
        """Hint at `-b` where other users' jobs run, which only a look as these users shows.

        Args:
            others: by host, the users.
        """
        hosts: dict[str, list[str]] = {}
        for host, users in others.items() if self.rows else ():
            for user in users:
                hosts.setdefault(user, []).append(host)
        for user, names in hosts.items():
            way = "-b" if user == "root" else f"-b --become-user {user}"
            self._screen.say(f"jobs of {user} run on {fold(names)} too: {way} shows them")


def tell_no_way(invocation: Invocation, problems: Mapping[str, Problem]) -> None:
    """The hosts that the inventory leaves no way to, with why, and each hint once."""
    for name, problem in problems.items():
        invocation.screen.error(f"{name}: {problem.message}")
    for hint in dict.fromkeys(as_typed(problem.hint) for problem in problems.values() if problem.hint):
        invocation.screen.say(f"  {hint}")
