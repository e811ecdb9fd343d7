"""What the words on the command line may look like: durations, N or N%, K=V pairs, JIDs and points in time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from agentless import durations
from agentless.cli.completion import complete_jid
from agentless.model.endpoint import connect_seconds
from agentless.model.jid import JID as CheckedJid
from agentless.regex import regex

__all__ = ["CONNECT_SECONDS", "DURATION", "JID", "MOMENT", "SHARE", "pairs"]

_SHARE = regex(r"[0-9]+(?:\.[0-9]+)?%|[0-9]+", re.ASCII)


if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
    _Type = click.ParamType[Any]
else:
    # Generic only since click 8.4, and at run time nothing needs it.
    _Type = click.ParamType


class Word(_Type):
    """A word that means something else than its text.

    Args:
        name: what it is, in the words of click's messages.
        read: makes a value of the word; a ValueError says what is wrong with it.
        complete: completes it in a shell.
    """

    def __init__(self, name: str, read: Callable[[str], Any], complete: Complete | None = None) -> None:
        self.name = name
        self._read = read
        self._complete = complete

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            # A default is a value already.
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [] if self._complete is None else self._complete(ctx, param, incomplete)


def _connect_seconds(word: str) -> float:
    try:
        return connect_seconds(word)
    except ValueError as error:
        raise ValueError(f"{error}, not {word!r:.80}") from error


def _share(word: str) -> str:
    if not _SHARE.fullmatch(word):
        raise ValueError(f"{word!r:.80} is neither a number of hosts nor a share of them, such as 10 or 25%")
    if word.endswith("%") and float(word[:-1]) > 100:
        raise ValueError(f"{word:.80} is more than all hosts")
    return word


def _jid(word: str) -> str:
    try:
        return word if word == "last" else CheckedJid(word)
    except ValueError as error:
        raise ValueError(f"{error}; `agentless jobs list` shows them, and `last` is the newest") from error


# The bounds are those that inventory and configuration have, too.
CONNECT_SECONDS = Word("seconds", _connect_seconds)
# Seconds, or a number with s, m, h or d: `90`, `90s`, `15m`, `3h`.
DURATION = Word("duration", durations.parse)
# A number of hosts, or a share of them: `10` or `25%`.
SHARE = Word("share", _share)
# As Unix seconds: ISO 8601, in the local zone unless it names one, or a duration ago: `2h`.
MOMENT = Word("moment", lambda word: durations.past(word, time.time()))
# Or `last`; checked before it can touch a path.
JID = Word("jid", _jid, complete_jid)


def pairs(option: str, words: Iterable[str]) -> dict[str, str]:
    """`K=V` words as a dict; a repeated key keeps its last value. Raises UsageError for a word without `=` or key."""
    values = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{option} {word!r}: write it as KEY=VALUE")
        values[key] = value
    return values
