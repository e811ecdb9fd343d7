"""What griffe, which reads the code for the API reference, must be told of ours: see `OurWays`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from griffe import Class, ExprCall, ExprName, Extension, Object

_NAMES = re.compile(r"(?P<indent> +)(?P<names>\w+(?:, \w+)+): (?P<text>.*)")


class OurWays(Extension):
    """`agentless.values.dataclass` makes dataclasses, and `a, b: text` in a docstring is about both."""

    def on_class_members(self, *, cls: Class, **_: Any) -> None:
        """Show our decorator as the library's: so griffe's own extension gives the class its `__init__`."""
        for decorator in cls.decorators:
            value = decorator.value
            if isinstance(value, ExprCall) and value.canonical_path == "agentless.values.dataclass":
                value.function = ExprName("dataclasses.dataclass")

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Give each of several names that share a description its own."""
        if obj.docstring is not None:
            obj.docstring.value = "\n".join(_one_by_one(obj.docstring.value.splitlines()))


def _one_by_one(lines: list[str]) -> Iterator[str]:
    """The lines of a docstring, with an entry for each name."""
    section = False
    at = 0
    while at < len(lines):
        line = lines[at]
        if line and not line.startswith(" "):
            section = line in ("Args:", "Attributes:", "Raises:")
        found = _NAMES.fullmatch(line)
        at += 1
        if not section or found is None or len(found["indent"]) != 4:
            yield line
            continue
        following = []
        while at < len(lines) and lines[at].startswith("        "):
            following.append(lines[at])
            at += 1
        for name in found["names"].split(", "):
            yield f"{found['indent']}{name}: {found['text']}"
            yield from following
