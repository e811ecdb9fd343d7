"""Documents that are rows, one a host or a job: shown as a table, or as the document itself; and who gave none."""

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
from agentless.report.tables import Row, alike, not_reached, tabbed, table, unreached

__all__ = ["FORMATS", "laid_out", "show", "tell_no_way", "tell_others", "tell_problems"]

FORMATS: Formats = ("table", "text", "json", "jsonl", "yaml")


def laid_out(screen: Screen, headers: Row, rows: Iterable[Row]) -> Iterator[str]:
    """A table in pieces: drawn where stdout is a terminal or takes colours, else plain, whole and untruncated."""
    look = screen.out_look
    if look.terminal or look.colour:
        from agentless.report.drawing import drawn

        yield from drawn(headers, rows, screen.columns, colour=look.colour)
    else:
        yield table(headers, rows)


def show(
    invocation: Invocation,
    out: str,
    document: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    headers: Row,
    rows: Callable[[], Iterable[Row]],
    *,
    entries: Mapping[str, Any] | None = None,
    key: str = "host",
    value: str = "value",
    empty: str = "",
    problems: Mapping[str, Problem] = MappingProxyType({}),
    fold: bool = False,
) -> int:
    """Write a document, or its rows as a table.

    Args:
        document: what JSON and YAML give, or a function that makes it, for where it costs.
        entries: what jsonl gives a line each; the document itself where left out.
        key, value: what jsonl calls an entry's name, and an entry that has no keys of its own.
        empty: what is said on stderr where there are no rows.
        problems: hosts that could not be asked: further rows; where a person looks, folded by why.
        fold: where a person looks, rows that are the same but for their first cell, the host, are one.
    """
    screen = invocation.screen
    if out in ("table", "text"):
        made_rows = list(rows())
        folds = out == "table" and screen.folds
        if fold and folds:
            headers, made_rows = alike(headers, made_rows)
        made_rows += not_reached(problems, len(headers), folded=folds)
        if made_rows:
            screen.result_in_pieces(
                laid_out(screen, headers, made_rows) if out == "table" else [tabbed(headers, made_rows)]
            )
        elif empty:
            screen.say(empty)
        return 0
    made = document() if callable(document) else document
    if out == "json":
        screen.result(documents.as_json(made, indent=screen.out_look.terminal))
    elif out == "yaml":
        screen.result(documents.as_yaml(made))
    else:
        for line in documents.lines(made if entries is None else entries, key=key, value=value):
            screen.result(line)
    return 0


def tell_problems(invocation: Invocation, out: str, problems: Mapping[str, Problem]) -> None:
    """Who could not be asked, with the hint; the documents say it themselves."""
    if out in ("table", "text"):
        for hint in dict.fromkeys(trouble.hint for trouble in unreached(problems) if trouble.hint):
            invocation.screen.say(f"  {hint}")


def tell_no_way(invocation: Invocation, problems: Mapping[str, Problem]) -> None:
    """The hosts that the inventory leaves no way to, with why, and each hint once."""
    for name, problem in problems.items():
        invocation.screen.error(f"{name}: {problem.message}")
    for hint in dict.fromkeys(as_typed(problem.hint) for problem in problems.values() if problem.hint):
        invocation.screen.say(f"  {hint}")


def tell_others(invocation: Invocation, out: str, others: Mapping[str, tuple[str, ...]]) -> None:
    """Hint at `-b` where other users' jobs run, which only a look as these users shows.

    Args:
        others: by host, the users.
    """
    hosts: dict[str, list[str]] = {}
    for host, users in others.items():
        for user in users:
            hosts.setdefault(user, []).append(host)
    if out in ("table", "text"):
        for user, names in hosts.items():
            way = "-b" if user == "root" else f"-b --become-user {user}"
            invocation.screen.say(f"jobs of {user} run on {fold(names)} too: {way} shows them")
