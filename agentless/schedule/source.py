"""The text of a schedule file: an edit changes the lines that it is about, and every other stays byte for byte.

Places come from the marks of PyYAML's tokens and nodes. Each edit is checked by reading the result: it says what was
meant, and nothing else changed its meaning; where that cannot be had in place, the edit is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agentless.schedule.marks import LAST_BREAK, Marks, NotEditable
from agentless.schedule.meaning import Fields, Pair, braced, fields_of, inline, meaning, null, own, pairs, plain
from agentless.values import dataclass
from agentless.yamlfile import yaml

__all__ = ["NotEditable", "Source"]

_TEXT = "tag:yaml.org,2002:str"


@dataclass(slots=True)
class _Meant:
    """What a file means: the keys beside `schedule`, and those in it: entries, and switches, which are no mappings."""

    beside: dict[str, object]
    schedule: dict[str, dict[str, object]]


class Source:
    """The text of a schedule file, which holds nothing wrong.

    Args:
        text: it is read anew after each edit; `text` has what came of it.
    """

    def __init__(self, text: str) -> None:
        self._marks = Marks(text)

    @property
    def text(self) -> str:
        return self._marks.text

    # --- what it says ---
    def entry(self, key: str) -> Fields:
        """The keys of an entry, those included that it has from another by an anchor."""
        return fields_of(fields_of(self._marks.schedule)[key])

    def says(self, entry: str | None, key: str) -> bool:
        """Whether an entry, or the whole schedule, has a key."""
        return key in (fields_of(self._marks.schedule) if entry is None else self.entry(entry))

    def _meaning(self) -> _Meant:
        """What the keys beside `schedule` mean, and what each of its own does."""
        beside = {key: meaning(value) for key, value in fields_of(self._marks.root).items() if key != "schedule"}
        return _Meant(beside, {key: meaning(value) for key, value in fields_of(self._marks.schedule).items()})

    # --- edits ---
    def add(self, key: str, fields: Mapping[str, object]) -> None:
        """A new entry, the last."""
        node = plain(dict(fields))
        meant = self._meaning()
        meant.schedule[key] = meaning(node)
        self._change(meant, lambda: self._append_entry(key, node))

    def delete(self, key: str) -> None:
        """Take an entry out, with the comments that are inside it."""
        meant = self._meaning()
        del meant.schedule[key]
        self._change(meant, lambda: self._cut(self._marks.schedule, key, whole=True))

    def copy(self, key: str, new: str) -> None:
        """An entry once more, as it is written."""
        meant = self._meaning()
        meant.schedule[new] = meant.schedule[key]
        node = plain(self.entry(key))
        try:
            self._change(meant, lambda: self._repeat(key, new))
        except NotEditable:
            self._change(meant, lambda: self._append_entry(new, node))

    def put(self, entry: str | None, key: str, value: Any) -> None:
        """Set a key of an entry; for None that of the whole schedule, where a new one is the first."""
        node = plain(value)
        meant = self._meaning()
        (meant.schedule if entry is None else meant.schedule[entry])[key] = meaning(node)
        self._change(meant, lambda: self._put(entry, key, node), entry)

    def drop(self, entry: str, key: str) -> None:
        """Take a key of an entry away; its comments stay."""
        meant = self._meaning()
        del meant.schedule[entry][key]
        self._change(meant, lambda: self._cut(self._mapping(entry), key), entry)

    def extend(self, entry: str, key: str, value: str) -> None:
        """Add a value to a list of an entry; a single value becomes a list, what stands there already stays."""
        known = self.entry(entry).get(key)
        many = list(known.value) if isinstance(known, yaml.SequenceNode) else [] if null(known) else [known]
        if any(isinstance(each, yaml.ScalarNode) and each.value == value for each in many):
            return
        node = plain([*many, value])
        meant = self._meaning()
        meant.schedule[entry][key] = meaning(node)

        def change() -> None:
            pair = own(self._mapping(entry), key)
            if pair is None or not isinstance(pair[1], yaml.SequenceNode) or self._marks.is_alias(pair[1]) or not many:
                self._put(entry, key, node)
            else:
                self._lengthen(pair[1], plain(value))

        self._change(meant, change, entry)

    def _change(self, meant: _Meant, change: Callable[[], None], entry: str | None = None) -> None:
        before = self._marks.text
        for apart in (False, True):
            try:
                if apart:
                    if entry is None:
                        break
                    self._marks = Marks(before)
                    self._part(entry)
                change()
            except (yaml.YAMLError, NotEditable):
                continue
            if self._meaning() == meant:
                return
        self._marks = Marks(before)
        if self._marks.aliases:
            raise NotEditable("another entry has keys of it by an anchor, and would change with it")
        raise NotEditable("it is written in a way that cannot be edited in place")

    def _part(self, entry: str) -> None:
        """Write out what an entry has from others by an anchor."""
        fields = self.entry(entry)
        pair = own(self._marks.schedule, entry)
        assert pair is not None
        if self._marks.is_alias(pair[1]):
            self._block(pair, plain(fields))
            return
        its = {str(key.value) for key, _ in pairs(pair[1])}
        for key, node in fields.items():
            if key not in its:
                self._put(entry, key, plain(node))
        if "<<" in its:
            self._cut(self._mapping(entry), "<<")

    def _mapping(self, entry: str | None) -> yaml.MappingNode:
        if entry is None:
            mapping = self._marks.schedule
        else:
            pair = own(self._marks.schedule, entry)
            mapping = pair[1] if pair else None
        if not isinstance(mapping, yaml.MappingNode) or self._marks.is_alias(mapping):
            raise NotEditable
        return mapping

    # --- text ---
    def _splice(self, start: int, end: int, text: str) -> None:
        self._marks = Marks(self._marks.text[:start] + text + self._marks.text[end:])

    def _insert_lines(self, index: int, lines: str) -> None:
        """Lines in front of the line at `index`, or at the end of a text that has no line break there."""
        if index and index == len(self._marks.text) and self._marks.lines[-1] != index:
            lines = self._marks.newline + lines
        self._splice(index, index, lines)

    def _cut(self, mapping: yaml.Node | None, key: str, *, whole: bool = False) -> None:
        pair = own(mapping, key)
        if mapping is None or pair is None:
            raise NotEditable
        start, end = self._marks.start(pair[0]), self._marks.end(*pair)
        if braced(mapping):
            self._cut_in_flow(start, end, whole)
            return
        line = self._marks.line_start(start)
        if self._marks.text[line:start].strip(" "):
            raise NotEditable
        column = start - line
        end = self._marks.line_end(end)
        if whole:
            self._splice(line, self._marks.tail(end, column), "")
        else:
            self._splice(line, end, self._marks.own_lines(self._marks.comments_in(start, end), column))

    def _cut_in_flow(self, start: int, end: int, whole: bool) -> None:
        kept = "" if whole else self._in_flow(start, end)
        after, before = self._marks.after(end), self._marks.before(start)
        text = self._marks.text
        if isinstance(after[2], yaml.FlowEntryToken):
            rest = text[end : after[0]] + text[after[1] :].lstrip(" \t")
            self._marks = Marks(text[:start] + kept + rest)
        elif isinstance(before[2], yaml.FlowEntryToken):
            self._marks = Marks(text[: before[0]] + text[before[1] : start].rstrip(" \t") + kept + text[end:])
        else:
            self._splice(start, end, kept)

    def _in_flow(self, start: int, end: int) -> str:
        """The comments of a stretch within brackets."""
        return "".join(
            f"  {self._marks.text[left:right]}{self._marks.newline} "
            for left, right in self._marks.comments_in(start, end)
        )

    def _put(self, entry: str | None, key: str, node: yaml.Node) -> None:
        if entry is None and null(self._marks.schedule):
            self._append_entry(key, node)
            return
        mapping = self._mapping(entry)
        pair = own(mapping, key)
        if pair is not None:
            self._replace(pair, node, braced(mapping))
        elif braced(mapping) or entry is not None:
            self._append(mapping, f"{inline(plain(key), braced(mapping))}: {inline(node, braced(mapping))}")
        else:
            first = pairs(mapping)[0][0]
            owner = next(name for name, _ in pairs(self._marks.root) if name.value == "schedule")
            line = f"{' ' * first.start_mark.column}{key}: {inline(node)}{self._marks.newline}"
            self._insert_lines(self._marks.line_end(self._marks.colon(owner)), line)

    def _replace(self, pair: Pair, node: yaml.Node, flow: bool) -> None:
        """Another value; a comment behind the old one stays there, one within it follows on a line of its own."""
        key, value = pair
        old = getattr(value, "style", None)
        if isinstance(node, yaml.ScalarNode) and node.tag == _TEXT and not node.style and old in ("'", '"'):
            node.style = old
        text = inline(node, flow)
        colon, start, end = self._marks.colon(key), value.start_mark.index, self._marks.end(*pair)
        if start >= end:
            self._splice(colon, colon, " " + text)
        elif self._marks.line(colon) == self._marks.line(start) == self._marks.line(end):
            self._splice(start, end, text)
        elif flow:
            self._splice(colon, end, " " + text + self._in_flow(colon, end))
        else:
            last = self._marks.line_end(end)
            comments = self._marks.comments_in(colon, last)
            behind = [span for span in comments if self._marks.line(span[0]) == self._marks.line(colon)]
            column = key.start_mark.column
            text = " ".join(["", text, *(f" {self._marks.text[left:right]}" for left, right in behind)])
            below = self._marks.own_lines(comments[len(behind) :], column)
            self._splice(colon, last, text + self._marks.newline + below)

    def _append(self, mapping: yaml.MappingNode, text: str) -> None:
        """A last key: lines without the first indentation, or `key: value` within braces."""
        last = pairs(mapping)[-1] if pairs(mapping) else None
        if braced(mapping):
            end = self._marks.end(*last) if last else mapping.end_mark.index - 1
            # A comma must not touch the colon of a key that has no value.
            after = "" if last is None else " , " if self._marks.text[end - 1] == ":" else ", "
            self._splice(end, end, after + text)
            return
        assert last is not None
        column = last[0].start_mark.column
        place = self._marks.tail(self._marks.line_end(self._marks.end(*last)), column)
        self._insert_lines(place, " " * column + text + self._marks.newline)

    def _append_entry(self, key: str, node: yaml.Node) -> None:
        entries = self._marks.schedule
        if isinstance(entries, yaml.MappingNode) and pairs(entries) and not self._marks.is_alias(entries):
            column = 0 if braced(entries) else pairs(entries)[-1][0].start_mark.column
            self._append(entries, self._under(key, node, column, braced(entries)))
            return
        root = self._marks.root
        pair = own(root, "schedule")
        whole = yaml.MappingNode("tag:yaml.org,2002:map", [(plain(key), node)], flow_style=False)
        if pair is not None and root is not None:
            if braced(root):
                self._replace(pair, whole, True)
            else:
                self._block(pair, whole)
        elif root is not None:
            assert isinstance(root, yaml.MappingNode)
            self._append(root, self._under("schedule", whole, root.start_mark.column, braced(root)))
        else:
            self._insert_lines(len(self._marks.text), self._under("schedule", whole, 0) + self._marks.newline)

    def _under(self, key: str, node: yaml.Node, column: int, flow: bool = False) -> str:
        """`key: value`, a mapping as lines of its own."""
        name = inline(plain(key), flow)
        if flow or not isinstance(node, yaml.MappingNode) or braced(node) or not node.value:
            return f"{name}: {inline(node, flow)}"
        return f"{name}:{self._marks.newline}" + self._marks.newline.join(self._below(node, column))

    def _below(self, node: yaml.Node, column: int) -> Iterator[str]:
        inner = column + self._marks.step()
        for key, value in node.value:
            yield " " * inner + self._under(str(key.value), value, inner)

    def _block(self, pair: Pair, node: yaml.Node) -> None:
        """A mapping, as lines of its own, for a value of one word: an alias, or nothing."""
        key, value = pair
        colon, end, column = self._marks.colon(key), self._marks.end(*pair), key.start_mark.column
        lines = "".join(line + self._marks.newline for line in self._below(node, column))
        if value.start_mark.index < end:
            self._splice(colon, end, "")
        self._insert_lines(self._marks.tail(self._marks.line_end(colon), column), lines)

    def _repeat(self, key: str, new: str) -> None:
        mapping = self._mapping(None)
        pair = own(mapping, key)
        assert pair is not None
        start, end = pair[0].start_mark.index, self._marks.end(*pair)
        if not braced(mapping):
            end = self._marks.tail(self._marks.line_end(end), start - self._marks.line_start(start))
        rest = LAST_BREAK.sub("", self._marks.text[pair[0].end_mark.index : end])
        self._append(mapping, inline(plain(new), braced(mapping)) + rest)

    def _lengthen(self, many: yaml.SequenceNode, node: yaml.Node) -> None:
        last = many.value[-1]
        end = self._marks.end(last, last)
        if braced(many):
            self._splice(end, end, ", " + inline(node, True))
            return
        dash = self._marks.before(last.start_mark.index)[0]
        column = dash - self._marks.line_start(dash)
        self._insert_lines(
            self._marks.tail(self._marks.line_end(end), column), f"{' ' * column}- {inline(node)}{self._marks.newline}"
        )
