"""Many host names in little space: `web[01-12,15],db1`, as ClusterShell writes node sets.

What is folded for a person can be given back: targets and limits take it (`agentless/inventory/patterns.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from agentless.regex import regex

__all__ = ["fold", "parts", "shorten", "unfold"]

_NUMBER = regex(r"(?<![0-9])[0-9]{1,18}(?![0-9])")
_RANGES = r"\[[0-9]{1,18}(?:-[0-9]{1,18})?(?:,[0-9]{1,18}(?:-[0-9]{1,18})?)*\]"
_FOLDED = regex(rf"([^\[\],]*)({_RANGES})([^\[\],]*)")
_COMMA = regex(rf"{_RANGES}|,")
# A name with one of these means something else where a pattern is read, or is cut there.
_NOT_FOLDED = frozenset("[],:*?")
_OPERATORS = "!&~@"
# More than any fleet has under one name: a slip of the finger shall not fill the memory.
_MOST = 100_000

# What stands before and after the number of a name; of a name without one, all of it and None.
_Stem = tuple[str, str | None]


def fold(names: Iterable[str]) -> str:
    """Names with runs of numbers folded, in the order in which their stems first occur.

    Names that are patterns, or have a bracket, a comma or a colon in them, are not folded and stand as they are. The
    `parts` of the text of those without commas, unfolded, are the same set.
    """
    unique = list(dict.fromkeys(names))
    stems = {name: _stems(name) for name in unique}
    shared = Counter(stem for candidates in stems.values() for stem, _ in candidates)
    groups: dict[_Stem, list[str]] = {}
    for name in unique:
        # The last number wins among equals: web1-node[1-3], not web[1]-node….
        stem, digits = max(reversed(stems[name]), key=lambda item: shared[item[0]], default=((name, None), ""))
        groups.setdefault(stem, []).append(digits)
    return ",".join(part for stem, numbers in groups.items() for part in _write(stem, numbers))


def _stems(name: str) -> list[tuple[_Stem, str]]:
    if not _NOT_FOLDED.isdisjoint(name) or name[:1] in _OPERATORS:
        return []
    return [((name[: m.start()], name[m.end() :]), m.group()) for m in _NUMBER.finditer(name)]


def _write(stem: _Stem, numbers: Sequence[str]) -> Iterator[str]:
    before, after = stem
    if after is None:
        yield before
        return
    if len(numbers) == 1:
        yield f"{before}{numbers[0]}{after}"
        return
    padded = {len(digits) for digits in numbers if digits[0] == "0" and len(digits) > 1}
    by_width: dict[int, list[int]] = {}
    for digits in numbers:
        by_width.setdefault(len(digits) if len(digits) in padded else 0, []).append(int(digits))
    ranges = []
    for width, values in by_width.items():
        for low, high in _runs(sorted(values)):
            ranges.append(f"{low:0{width}d}" if low == high else f"{low:0{width}d}-{high:0{width}d}")
    yield f"{before}[{','.join(ranges)}]{after}"


def _runs(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = previous = values[0]
    for value in values[1:]:
        if value != previous + 1:
            yield start, previous
            start = value
        previous = value
    yield start, previous


def parts(text: str) -> list[str]:
    """A list at its commas, but not at those between the numbers of a folded name: `web[1-3,7],db1` has two parts."""
    found, start = [], 0
    for match in _COMMA.finditer(text):
        if match[0] == ",":
            found.append(text[start : match.start()])
            start = match.end()
    return [*found, text[start:]]


def unfold(part: str) -> tuple[str, ...]:
    """The names behind one folded part, `web[1-3,07]`; none where it is not what `fold` writes for several names."""
    match = _FOLDED.fullmatch(part)
    if match is None or not set(match[2]) & set("-,"):
        return ()
    before, ranges, after = match.groups()
    names: list[str] = []
    for each in ranges[1:-1].split(","):
        low, _, high = each.partition("-")
        first, last = int(low), int(high or low)
        if first > last or last - first + len(names) >= _MOST:
            return ()
        width = len(low) if low[0] == "0" else 0
        names += [f"{before}{number:0{width}d}{after}" for number in range(first, last + 1)]
    return tuple(names)


def shorten(names: Sequence[str], most: int = 2) -> str:
    """`web3, web7 and 12 more`."""
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
