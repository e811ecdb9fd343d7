"""Many host names in little space: `web[01-12,15],db1`, as ClusterShell writes node sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["fold", "shorten"]

_NUMBER = re.compile(r"(?<![0-9])[0-9]{1,18}(?![0-9])")

# What stands before and after the number of a name; of a name without one, all of it and None.
_Stem = tuple[str, str | None]


def fold(names: Iterable[str]) -> str:
    """Names with runs of numbers folded, in the order in which their stems first occur.

    Names with a bracket or a comma in them are not folded and stand as they are; the text of those
    without, unfolded as ClusterShell does, is the same set.
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
    if set(name) & set("[],"):
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


def shorten(names: Sequence[str], most: int = 2) -> str:
    """`web3, web7 and 12 more`."""
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
