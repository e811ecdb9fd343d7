"""How the results of groups of hosts differ: the largest group in full, and what differs from it in the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from agentless.model.states import HostResult
from agentless.regex import regex
from agentless.report.text import PLAIN, Look, body, encoded_line, folded, grouped, paint

__all__ = ["differences"]

# Lines around what differs.
_CONTEXT = 3
# Lines that are compared one by one; the time that it takes grows with their square.
_LINES_MAX = 3000
_COLOURS = regex(b"\x1b\\[[0-9;:]*m")


def differences(results: Mapping[str, HostResult], look: Look = PLAIN) -> Iterator[bytes]:
    """The block of the largest group, then below the heading of each other group how its output differs from that.

    Lines behind `-` are of the largest group alone, behind `+` of the other alone, behind a blank of both.
    """
    groups = grouped(results, look)
    if not groups:
        return
    # Among groups of one size, one that went well.
    largest = max(groups, key=lambda group: len(group[1]))
    state, names = largest
    base = body(results[names[0]], look)
    base_is_binary = len(groups) > 1 and _is_binary(results[names[0]])
    yield encoded_line(f"{folded(names)}{state}") + base
    for group in groups:
        if group is not largest:
            other = body(results[group[1][0]], look)
            yield encoded_line(f"{folded(group[1])}{group[0]} | differs from {folded(names)}")
            if base_is_binary or _is_binary(results[group[1][0]]):
                # Line by line it would be pages of what nobody can read.
                yield encoded_line(f"({len(other):,} bytes here, {len(base):,} there: not all of it is text)")
            else:
                yield _differing(base, other, look)


def _is_binary(result: HostResult) -> bool:
    """Whether an output is no text: it holds a NUL, as `diff` and `grep` have it."""
    output = result.output
    return output is not None and any(b"\0" in piece for each in (output.out, output.err) for piece in each.pieces())


def _differing(base: bytes, other: bytes, look: Look) -> bytes:
    # Colours of the outputs would go on over the marks; where they end on a line of their own, that is none of theirs.
    base, other = (text.replace(b"\n\x1b[0m\n", b"\n") for text in (base, other))
    ours, theirs = (_COLOURS.sub(b"", text).split(b"\n")[:-1] for text in (base, other))
    if ours == theirs:
        return b"(the same output)\n"
    same = _shared(ours, theirs)
    until = _shared(ours[same:][::-1], theirs[same:][::-1])
    begin = max(0, same - _CONTEXT)
    left = ours[begin : len(ours) - max(0, until - _CONTEXT)]
    right = theirs[begin : len(theirs) - max(0, until - _CONTEXT)]
    if len(left) > _LINES_MAX or len(right) > _LINES_MAX:
        text = f"({len(right)} lines from line {same + 1} on differ: too many to be compared)"
        return encoded_line(text)
    return b"".join(_hunks(left, right, begin, look))


def _shared(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """How many lines both begin with."""
    count = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        count += 1
    return count


def _hunks(left: Sequence[bytes], right: Sequence[bytes], begin: int, look: Look) -> Iterator[bytes]:
    for group in SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        place = f"@@ -{begin + first[1] + 1},{last[2] - first[1]} +{begin + first[3] + 1},{last[4] - first[3]} @@"
        yield encoded_line(paint(place, "cyan", look))
        for tag, from_left, to_left, from_right, to_right in group:
            if tag == "equal":
                yield from (b" " + line + b"\n" for line in left[from_left:to_left])
            else:
                yield from (_marked("-", line, "red", look) for line in left[from_left:to_left])
                yield from (_marked("+", line, "green", look) for line in right[from_right:to_right])


def _marked(mark: str, line: bytes, colour: str, look: Look) -> bytes:
    text = mark.encode() + line
    before, _, after = paint("\0", colour, look).partition("\0")
    return before.encode() + text + after.encode() + b"\n"
