"""What the words on the command line may look like: durations, N or N%, K=V pairs, JIDs and points in time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from agentless import durations
from agentless.cli.completion import complete_jid
from agentless.model.endpoint import connect_seconds
from agentless.model.jid import JID as CheckedJid

if TYPE_CHECKING:
    # Generic only since click 8.4, and at run time nothing needs it.
    _Number = click.ParamType[float]
    _Text = click.ParamType[str]
else:
    _Number = _Text = click.ParamType

__all__ = ["CONNECT_SECONDS", "DURATION", "JID", "MOMENT", "SHARE", "Duration", "pairs"]

_SHARE = re.compile(r"[0-9]+(?:\.[0-9]+)?%|[0-9]+", re.ASCII)


class Duration(_Number):
    """Seconds, or a number with s, m, h or d: `90`, `90s`, `15m`, `3h`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        try:
            return durations.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ConnectSeconds(_Number):
    """How long connecting to a host may take, with the bounds that inventory and configuration have too."""

    name = "seconds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return connect_seconds(value)
        except ValueError as error:
            self.fail(f"{error}, not {value!r:.80}", param, ctx)


class Share(_Text):
    """A number of hosts, or a share of them: `10` or `25%`."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not _SHARE.fullmatch(text):
            self.fail(f"{text!r:.80} is neither a number of hosts nor a share of them, such as 10 or 25%", param, ctx)
        if text.endswith("%") and float(text[:-1]) > 100:
            self.fail(f"{text:.80} is more than all hosts", param, ctx)
        return text


class Moment(_Number):
    """A point in time: ISO 8601, in the local zone unless it names one, or a duration ago: `2h`. As Unix seconds."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return durations.past(str(value), time.time())
        except ValueError as error:
            self.fail(str(error), param, ctx)


class JobId(_Text):
    """A JID, or `last`; checked before it can touch a path."""

    name = "jid"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text == "last":
            return text
        try:
            return CheckedJid(text)
        except ValueError as error:
            self.fail(f"{error}; `agentless jobs list` shows them, and `last` is the newest", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        return complete_jid(ctx, param, incomplete)


CONNECT_SECONDS = ConnectSeconds()
DURATION = Duration()
SHARE = Share()
MOMENT = Moment()
JID = JobId()


def pairs(option: str, words: Iterable[str], *, name: str = "") -> dict[str, str]:
    """`K=V` words as a dict; a repeated key keeps its last value. Raises UsageError for a word without `=` or key."""
    values = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or (name and not re.fullmatch(name, key)):
            raise click.UsageError(f"{option} {word!r}: write it as KEY=VALUE")
        values[key] = value
    return values
