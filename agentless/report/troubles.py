"""Hosts that did not end well, by reason: those with the same are one entry, whatever address or key it names."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from agentless.model.returns import Return
from agentless.model.states import HostResult, State
from agentless.report.printable import COLOURS, one_line
from agentless.report.spelling import as_typed
from agentless.report.text import PLAIN, Look, colour, folded, paint, word
from agentless.values import dataclass

__all__ = ["Trouble", "troubles"]

# In the order in which they are told: what went wrong last, where the eye is.
_RANK = [State.RUNNING, State.PENDING, State.NOT_STARTED, State.LOST, State.UNREACHABLE, State.RETURNED]
# What is said of one kind in as many ways is told one by one, the rest in one entry; and so with ways to fail.
_MOST_PHRASES = 4
_MOST_ENDS = 8
# Bytes that are read of an output for its last line, and hosts of one kind of which it is read.
_TAIL = 2000
_READ = 500
_DIFFERS = "…"
_DIGITS = "0123456789"
# In a hint, between what holds for all hosts and a command for one.
_OR = ", or: "


@dataclass(frozen=True, slots=True)
class Trouble:
    """Hosts that did not end well, or have not ended, in the same way.

    Args:
        word: how, in people's words: `failed (3)`, `unreachable`.
        colour: of that word.
        kind: of the problem; empty where the job ended.
        names: the hosts.
        why: what is said of them, or the last line that they printed; where it differs, `…`. May be empty.
        hint: what to do; may be empty.
    """

    word: str
    colour: str
    kind: str
    names: Sequence[str]
    why: str = ""
    hint: str = ""

    def line(self, look: Look = PLAIN, names: str = "") -> str:
        """`web[1-40] (40) | unreachable | connect-timeout: no answer from … within 10 s`."""
        why = ": ".join(filter(None, (self.kind, self.why)))
        return " | ".join(filter(None, (names or folded(self.names), paint(self.word, self.colour, look), why)))


@dataclass(slots=True)
class _Phrase:
    """What is said of several hosts in the same words; `…` stands for what differs."""

    words: list[str]
    names: list[str]
    hints: list[str] = field(default_factory=list)

    def takes(self, text: str) -> bool:
        """Whether a text says the same: as many words, and half of them the common ones. Then it does from now on."""
        words = text.split()
        if len(words) != len(self.words):
            return False
        same = [_merged(one, other) for one, other in zip(self.words, words, strict=True)]
        if 2 * sum(_DIFFERS not in each for each in same) < len(words):
            return False
        self.words = same
        return True

    def __str__(self) -> str:
        shown: list[str] = []
        for each in self.words:
            if each != _DIFFERS or shown[-1:] != [_DIFFERS]:
                shown.append(each)
        return " ".join(shown)

    @property
    def hint(self) -> str:
        return _common(self.hints)


def _merged(one: str, other: str) -> str:
    """What two words have in common, but no part of a number: `/srv/web…/x`."""
    if one == other:
        return one
    left, differs, right = one.partition(_DIFFERS)
    before = _common_start(left, other).rstrip(_DIGITS)
    after = _common_start((right if differs else left)[::-1], other[len(before) :][::-1])[::-1]
    return f"{before}{_DIFFERS}{after.lstrip(_DIGITS)}"


def _common_start(one: str, other: str) -> str:
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(letter for letter, _ in same)


def _phrase(text: str, names: Sequence[str] = (), hints: Sequence[str] = ()) -> _Phrase:
    return _Phrase(list(text.split()), list(names), list(hints))


def _common(texts: Iterable[str]) -> str:
    """Of texts in the same words, these; else the first one."""
    different = list(dict.fromkeys(texts))
    if not different:
        return ""
    phrase = _phrase(different[0])
    if len(different) == 1 or not all(map(phrase.takes, different[1:])):
        return different[0]
    common, way, command = str(phrase).rpartition(_OR)
    # A command in which something is left out cannot be typed.
    return common if way and _DIFFERS in command else str(phrase)


def troubles(results: Mapping[str, HostResult], *, whole: bool = False) -> list[Trouble]:
    """All hosts that are not `ok`, by how and why; first those that run on or never got the job, last who failed.

    Args:
        whole: only hosts of which the very same is said share an entry, so that nothing that is said is left out.

    Raises:
        CacheError: the output of a host cannot be read from the job cache.
    """
    kinds: dict[tuple[int, str, str, str], list[_Phrase]] = {}
    read: dict[str, int] = {}
    for name, result in results.items():
        if result.ok:
            continue
        how, problem = word(result), result.problem
        read[how] = read.get(how, 0) + 1
        why = "" if problem is None else one_line(as_typed(problem.message))
        if result.ret is not None and not why and read[how] <= _READ:
            why = _last_line(result.ret)
        key = (_RANK.index(result.state), how, colour(result), "" if problem is None else one_line(problem.kind))
        phrases = kinds.setdefault(key, [])
        phrase = next((phrase for phrase in phrases if (str(phrase) == why if whole else phrase.takes(why))), None)
        if phrase is None:
            phrases.append(phrase := _phrase(why))
        phrase.names.append(name)
        phrase.hints.append("" if problem is None else one_line(as_typed(problem.hint)))
    ranked: list[tuple[int, Trouble]] = []
    for (rank, how, painted, kind), phrases in kinds.items():
        for phrase in phrases if whole else _fewer(phrases):
            ranked.append((rank, Trouble(how, painted, kind, phrase.names, str(phrase), phrase.hint)))
    ranked.sort(key=lambda item: (item[0], len(item[1].names)))
    ended = [trouble for rank, trouble in ranked if _RANK[rank] is State.RETURNED]
    others = [trouble for rank, trouble in ranked if _RANK[rank] is not State.RETURNED]
    return [*others, *(ended if whole else _fewer_ends(ended))]


def _fewer(phrases: list[_Phrase]) -> list[_Phrase]:
    """The most frequent phrases, and one for the others."""
    if len(phrases) <= _MOST_PHRASES:
        return phrases
    phrases = sorted(phrases, key=lambda phrase: -len(phrase.names))
    kept, others = phrases[: _MOST_PHRASES - 1], phrases[_MOST_PHRASES - 1 :]
    names = [name for phrase in others for name in phrase.names]
    hints = [hint for phrase in others for hint in phrase.hints]
    return [*kept, _phrase(f"{len(others)} other messages", names, hints)]


def _fewer_ends(ended: list[Trouble]) -> list[Trouble]:
    """The same for ways to fail; they are in the order of their sizes."""
    if len(ended) <= _MOST_ENDS:
        return ended
    cut = len(ended) - _MOST_ENDS + 1
    names = [name for trouble in ended[:cut] for name in trouble.names]
    return [Trouble("failed", "red", "", names, f"in {cut} other ways"), *ended[cut:]]


def _last_line(ret: Return) -> str:
    """The last line that says something, of stderr or else of stdout."""
    for stream in (ret.err, ret.out):
        text = COLOURS.sub("", stream.tail(_TAIL).decode("utf-8", "backslashreplace"))
        for line in reversed(re.split(r"[\r\n]+", text)):
            if shown := one_line(line.strip()):
                return shown
    return ""
