"""Unknown host keys, as a table in which no key is cut, with the command that shows the keys on the host itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentless.model.new_key import NewKey
from agentless.report.cells import cells, padded
from agentless.report.printable import one_line
from agentless.report.text import folded

__all__ = ["introduction"]

_GAP = "  "


def introduction(keys: Sequence[NewKey], width: int | None = None) -> Iterator[str]:
    """A line that says what these are, the table, and how to compare; a line each.

    Args:
        width: columns of the terminal. Where a row would not fit, its fingerprint stands below it, and is never cut.
    """
    whose = "one host; it shows" if len(keys) == 1 else f"{len(keys)} hosts; they show"
    yield f"No known_hosts file has a key of {whose}:"
    rows = [(folded(key.hosts), one_line(key.address), _kind(key.type), one_line(key.fingerprint)) for key in keys]
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    fits = width is None or 2 + sum(widths) + 3 * len(_GAP) <= width
    for row in rows:
        line = _GAP.join(padded(cell, size) for cell, size in zip(row[:3], widths, strict=False))
        if fits:
            yield f"  {line}{_GAP}{row[3]}"
        else:
            yield f"  {line.rstrip()}"
            yield f"      {row[3]}"
    kinds = sorted({_kind(key.type) for key in keys})
    command = f"ssh-keygen -lf /etc/ssh/ssh_host_{kinds[0]}_key.pub"
    if len(kinds) > 1:
        command = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done"
    yield "On a host's console, its own are shown by:"
    yield f"  {command}"


def _kind(type_: str) -> str:
    """As the files in /etc/ssh are called: `ed25519`, `ecdsa`, `rsa`."""
    return "ecdsa" if type_.startswith("ecdsa") else one_line(type_.removeprefix("ssh-"))
