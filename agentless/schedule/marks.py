"""Where things stand in the text of a schedule file: its tokens, nodes and comments by PyYAML's marks."""

from __future__ import annotations

import bisect
import copy
from typing import Any

from agentless.regex import regex
from agentless.schedule.meaning import BREAKS, braced, pairs
from agentless.yamlfile import yaml

__all__ = ["LAST_BREAK", "Marks", "NotEditable"]

_BREAK = regex(f"\r\n|[{BREAKS}]")
LAST_BREAK = regex(f"(?:\r\n|[{BREAKS}])[ \t]*\\Z")
_COMMENT = regex(f"#[^{BREAKS}]*")
_BLOCK_SCALAR = regex(f"[|>]([-+0-9]*)[ \t]*(#[^{BREAKS}]*)?")
_STEP = 2


class NotEditable(Exception):
    """The text cannot be edited so that it says what was meant, with all else as it was."""


class _Composer(yaml.SafeLoader):
    """Knows of an alias where it stands; PyYAML's tells where its anchor is."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.aliases: dict[int, yaml.Node] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        if node is not None and isinstance(event, yaml.AliasEvent):
            node = copy.copy(node)
            node.start_mark, node.end_mark = event.start_mark, event.end_mark
            self.aliases[id(node)] = node
        return node


class Marks:
    """The text of a schedule file, and where in it things stand; places are counted in characters.

    Args:
        text: of one document, which is right.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        loader = _Composer(text)
        try:
            self.root = loader.get_single_node()
        finally:
            loader.dispose()
        self.aliases = loader.aliases
        self.lines = [0, *(match.end() for match in _BREAK.finditer(text))]
        self._tokens: list[tuple[int, int, yaml.Token]] = []
        self._comments: list[tuple[int, int]] = []
        ended = 0
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            start, end = token.start_mark.index, token.end_mark.index
            if start == end and not isinstance(token, yaml.StreamEndToken):
                continue
            self._comments += [match.span() for match in _COMMENT.finditer(text, ended, start)]
            block = isinstance(token, yaml.ScalarToken) and token.style in ("|", ">")
            if block and (header := _BLOCK_SCALAR.match(text, start)):
                if header[2]:
                    self._comments.append(header.span(2))
                # Its last line, not the next one's begin; with `+` the empty lines behind it are its own.
                body = text[start:end]
                end -= len(body) - len(LAST_BREAK.sub("", body) if "+" in header[1] else body.rstrip(" \t" + BREAKS))
            self._tokens.append((start, end, token))
            ended = end
        self._starts = [start for start, _, _ in self._tokens]

    @property
    def schedule(self) -> yaml.Node | None:
        """What stands under `schedule:`, or None."""
        return next((value for key, value in pairs(self.root) if key.value == "schedule"), None)

    def is_alias(self, node: yaml.Node) -> bool:
        return id(node) in self.aliases

    def line(self, index: int) -> int:
        return bisect.bisect_right(self.lines, index) - 1

    def line_start(self, index: int) -> int:
        start = self.lines[self.line(index)]
        return start + self.text.startswith("\ufeff", start)

    def line_end(self, index: int) -> int:
        """Where the next line begins."""
        line = self.line(index) + 1
        return self.lines[line] if line < len(self.lines) else len(self.text)

    def before(self, index: int) -> tuple[int, int, yaml.Token]:
        """The last token that starts before a place."""
        return self._tokens[bisect.bisect_left(self._starts, index) - 1]

    def after(self, index: int) -> tuple[int, int, yaml.Token]:
        """The first token from a place on; the last of all is the end of the text."""
        return self._tokens[bisect.bisect_left(self._starts, index)]

    def end(self, key: yaml.Node, value: yaml.Node) -> int:
        """Where a key and its value end: the end mark of what is in blocks is at the next token, past all comments."""
        return self.before(max(key.end_mark.index, value.end_mark.index))[1]

    def start(self, key: yaml.Node) -> int:
        start = key.start_mark.index
        before = self.before(start)
        return before[0] if isinstance(before[2], yaml.KeyToken) else start

    def colon(self, key: yaml.Node) -> int:
        """Where the value of a key may begin."""
        after = self.after(key.end_mark.index)
        if isinstance(after[2], yaml.ValueToken):
            return after[1]
        raise NotEditable

    def tail(self, index: int, column: int) -> int:
        """Past the comments that follow a line and are further in than `column`: they belong to what is before them."""
        end_of_tail = index
        comments = {start for start, _ in self._comments}
        while index < len(self.text):
            end = self.line_end(index)
            line = self.text[index:end]
            inside = len(line) - len(line.lstrip(" \t"))
            if index + inside in comments and inside > column:
                end_of_tail = end
            elif line.strip(" \t" + BREAKS):
                break
            index = end
        return end_of_tail

    def comments_in(self, start: int, end: int) -> list[tuple[int, int]]:
        return [(left, right) for left, right in self._comments if start <= left < end]

    def own_lines(self, comments: list[tuple[int, int]], column: int) -> str:
        """Comments as lines; those that are lines already as they are."""
        lines = []
        for start, end in comments:
            before = self.text[self.line_start(start) : start]
            lines.append((" " * column if before.strip(" \t") else before) + self.text[start:end] + self.newline)
        return "".join(lines)

    @property
    def newline(self) -> str:
        match = _BREAK.search(self.text)
        return match[0] if match else "\n"

    def step(self) -> int:
        """How far the file's mappings are set in."""
        for parent in (self.schedule, self.root):
            for key, value in pairs(parent):
                inner = pairs(value)
                if inner and not braced(value) and not self.is_alias(value):
                    return max(1, int(inner[0][0].start_mark.column - key.start_mark.column))
        return _STEP
