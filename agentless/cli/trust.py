"""The one question about the keys of hosts that are met for the first time."""

from __future__ import annotations

from collections.abc import Sequence

from agentless.cli.screen import Screen
from agentless.model.new_key import NewKey
from agentless.report.new_keys import introduction

__all__ = ["trusts"]

_ANSWERS = {"yes": "add them to known_hosts, and go on", "no": "leave these hosts alone"}


def trusts(screen: Screen, keys: Sequence[NewKey]) -> bool:
    """Show the keys, and ask whether to add them; end of file and an empty line are no."""
    for line in introduction(keys, screen.err_columns):
        screen.say(line)
    what = "this key" if len(keys) == 1 else f"{len(keys)} keys"
    return screen.question(f"add {what}? [y/N]", _ANSWERS, "no") == "yes"
