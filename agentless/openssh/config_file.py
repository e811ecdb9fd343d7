"""~/.ssh/config as ssh reads it: its blocks, its Includes, and what they say about one host."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

from agentless.model.endpoint import Option
from agentless.openssh import conditions, keywords, tokens
from agentless.openssh import syntax as sshwords
from agentless.openssh.canonical import NameLookup, canonical, wanted
from agentless.openssh.conditions import Condition, Facts
from agentless.values import dataclass

__all__ = ["SshConfig"]

_INCLUDE_DEPTH = 16
_SYSTEM = Path("/etc/ssh")


def _no_names(name: str, family: str) -> None:
    """A NameLookup that knows no name."""


class _OptionLine(NamedTuple):
    """One option of a file; `place` is its file and line where that is the user's own, for a warning about it."""

    option: Option
    place: str


@dataclass(slots=True)
class _Block:
    """Lines below one header, or those above the first; the blocks of included files among them."""

    condition: Condition | None
    body: list[_OptionLine | list[_Block]] = field(default_factory=list)


class SshConfig:
    """Reads files once, and says for any number of hosts what is in them for each. Thread safe.

    Args:
        files: those of the user, then the system's; a missing one is empty.
        home: for `~`, and for relative names that a user's file includes.
        warn: shows a line about what held for a host and is not honoured, or is not known.

    Raises:
        ValueError: a line cannot be read; the message names it.
        OSError: a file cannot be read.
    """

    def __init__(self, files: Iterable[Path], home: Path, local_user: str, warn: Callable[[str], None]) -> None:
        self._home = home
        self._local_user = local_user
        self._warn = warn
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        # Each command is run once, however many hosts it decides about.
        self._passes = functools.cache(conditions.passes)
        self._finals = False
        self._unknown: list[tuple[str, str]] = []
        self._blocks = [block for file in files for block in self._read(file, file.is_relative_to(_SYSTEM), 0)]

    def lookup(
        self,
        name: str,
        options: Sequence[Option] = (),
        *,
        user: str | None = None,
        port: int | None = None,
        look_up: NameLookup = _no_names,
    ) -> dict[str, tuple[str, ...]]:
        """What holds for a host, by keyword in lower case, in the order in which it was met.

        Args:
            options: what is given before any file is read.
            user, port: given, and so beyond what a file can change; they are not in the result.

        Returns:
            The words of each value, the whole of a command as one; `hostname` with its token expanded.

        Raises:
            ValueError: what holds for the host makes no sense.
            Unreachable: names are to be canonicalized, and this one is not known, or the resolver does not answer.
        """
        facts = Facts(name, self._local_user, str(self._home), name, user, port)
        places: dict[str, str] = {}
        for option in options:
            _take(_OptionLine(option, ""), facts, places)
        self._pass(self._blocks, facts, places)
        facts.host = canonical(facts, look_up)
        if self._finals or wanted(facts):
            facts.final = True
            facts.options["hostname"] = (facts.host,)
            self._pass(self._blocks, facts, places)
        self._tell(facts, places)
        return {**facts.options, "hostname": (facts.host,)}

    def _pass(self, blocks: list[_Block], facts: Facts, places: dict[str, str]) -> None:
        for block in blocks:
            if block.condition is not None and not block.condition(facts):
                continue
            for part in block.body:
                if isinstance(part, list):
                    self._pass(part, facts, places)
                else:
                    _take(part, facts, places)

    def _tell(self, facts: Facts, places: dict[str, str]) -> None:
        """Warn, once each, of what held and is not honoured, and of what a newer ssh may know, or nobody."""
        if not places and not self._unknown and not facts.unevaluated:
            return
        ignored = sshwords.patterns(facts.first("ignoreunknown").lower().split(","))
        self._warn_once("not honoured, though ssh would", [f"{keyword} ({place})" for keyword, place in places.items()])
        self._warn_once("not evaluated here, so that the block is for no host", facts.unevaluated)
        unknown = [f"{keyword} ({place})" for keyword, place in self._unknown if not ignored(keyword)]
        self._warn_once("not known here, and passed over", unknown)

    def _warn_once(self, what: str, texts: Sequence[str]) -> None:
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._warned]
            self._warned.update(new)
        if new:
            self._warn(f"{what}: {', '.join(new)}")

    # reading
    def _read(self, path: Path, system: bool, depth: int) -> list[_Block]:
        if depth > _INCLUDE_DEPTH:
            raise ValueError(f"{path}: too many levels of Include")
        if not path.is_file():
            return []
        block = _Block(None)
        blocks = [block]
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            keyword, value = sshwords.directive(line)
            if not keyword:
                continue
            keyword = keyword.lower()
            place = f"{path} line {number}"
            try:
                if keyword in ("host", "match"):
                    block = _Block(self._condition(keyword, sshwords.words(value), "" if system else place))
                    blocks.append(block)
                elif keyword == "include":
                    block.body += [self._read(file, system, depth + 1) for file in self._included(value, system)]
                elif keywords.known(keyword):
                    block.body.append(_OptionLine(keywords.read(keyword, value), "" if system else place))
                elif not system:
                    self._unknown.append((keyword, place))
            except ValueError as problem:
                raise ValueError(f"{place}: {problem}" if " line " not in str(problem) else str(problem)) from None
        return blocks

    def _condition(self, keyword: str, words: list[str], place: str) -> Condition:
        if not all(words) or not words:
            raise ValueError(f"{keyword} needs a value")
        if keyword == "host":
            return conditions.host(words)
        self._finals = self._finals or conditions.asks_for_final(words)
        return conditions.match(words, self._passes, place)

    def _included(self, value: str, system: bool) -> list[Path]:
        base = _SYSTEM if system else self._home / ".ssh"
        patterns = [tokens.expand_path(word, {}, str(self._home)) for word in sshwords.words(value)]
        if not patterns:
            raise ValueError("include needs a value")
        from glob import glob

        return [Path(file) for pattern in patterns for file in sorted(glob(os.path.join(base, pattern)))]


def _take(line: _OptionLine, facts: Facts, places: dict[str, str]) -> None:
    """Of a keyword the first value holds, or each of those that add up."""
    keyword, words = line.option
    before = facts.options.get(keyword)
    if before is None:
        facts.options[keyword] = words
        if line.place and (name := keywords.unhonoured(keyword, words)):
            places[name] = line.place
    elif keyword in keywords.COLLECTED and words[0] not in before:
        facts.options[keyword] = before + words
