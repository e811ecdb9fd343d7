"""~/.ssh/config as ssh reads it: its blocks, its Includes, and what they say about one host."""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import paramiko

from agentless.openssh import conditions, keywords, tokens
from agentless.openssh import words as sshwords
from agentless.openssh.canonical import Resolver, canonical, wanted
from agentless.openssh.conditions import Condition, Facts

__all__ = ["SshConfig"]

_INCLUDE_DEPTH = 16
_SYSTEM = Path("/etc/ssh")


def _unresolved(name: str, family: str) -> None:
    """A resolver that knows no name."""


class _Option(NamedTuple):
    keyword: str
    value: tuple[str, ...]
    # The place in a file of the user's own, for a warning about it.
    place: str


@dataclass(slots=True)
class _Block:
    """Lines below one header, or those above the first; the blocks of included files among them."""

    condition: Condition | None
    body: list[_Option | list[_Block]] = field(default_factory=list)


class SshConfig(paramiko.SSHConfig):
    """Reads files once, and says for any number of hosts what is in them for each. Thread safe.

    It stands in for paramiko's, which knows neither Include nor quotes within a value, keeps one CertificateFile,
    connects elsewhere where names are canonicalized, passes over what it cannot read, and takes 20 ms a host for 500
    blocks.

    Args:
        files: those of the user, then the system's; a missing one is empty.
        home: for `~`, and for relative names that a user's file includes.
        local_user: who runs this.
        warn: told, in one line, of keywords that held for a host and are not honoured, and of unknown ones.

    Raises:
        ValueError: a line cannot be read; the message names it.
        OSError: a file cannot be read.
    """

    def __init__(self, files: Iterable[Path], home: Path, local_user: str, warn: Callable[[str], None]) -> None:
        super().__init__()
        self._home = home
        self._local_user = local_user
        self._warn = warn
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._commands = conditions.Commands()
        self._finals = False
        self._unknown: list[tuple[str, str]] = []
        self._blocks = [block for file in files for block in self._read(file, file.is_relative_to(_SYSTEM), 0)]

    def lookup(  # type: ignore[override]
        self, hostname: str, said: Sequence[tuple[str, str]] = (), resolver: Resolver = _unresolved
    ) -> dict[str, tuple[str, ...]]:
        """What holds for a host, by keyword in lower case, in the order in which it was said.

        Args:
            hostname: as it is asked for.
            said: keywords and values that were said before any file is read, as a file would have them.
            resolver: what looks names up where they are to be canonicalized.

        Returns:
            The words of each value, the whole of a command as one; `hostname` with its token expanded.

        Raises:
            ValueError: what was said, or what holds for the host, makes no sense.
            Unreachable: names are to be canonicalized, and the resolver does not know this one, or does not answer.
        """
        facts = Facts(hostname, self._local_user, str(self._home), hostname)
        places: dict[str, str] = {}
        for keyword, text in said:
            _take(_Option(*keywords.read(keyword, text), ""), facts, places)
        self._pass(self._blocks, facts, places)
        facts.host = canonical(facts, resolver)
        if self._finals or wanted(facts):
            facts.final = True
            facts.found["hostname"] = (facts.host,)
            self._pass(self._blocks, facts, places)
        self._tell(facts, places)
        return {**facts.found, "hostname": (facts.host,)}

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
        if not places and not self._unknown:
            return
        ignored = conditions.patterns(facts.first("ignoreunknown").lower().split(","))
        self._warn_once("not honoured, though ssh would", [f"{keyword} ({place})" for keyword, place in places.items()])
        unknown = [f"{keyword} ({place})" for keyword, place in self._unknown if not ignored(keyword)]
        self._warn_once("not known here, and passed over", unknown)

    def _warn_once(self, what: str, found: list[str]) -> None:
        with self._lock:
            new = [text for text in found if text not in self._warned]
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
                    block = _Block(self._condition(keyword, sshwords.words(value)))
                    blocks.append(block)
                elif keyword == "include":
                    block.body += [self._read(file, system, depth + 1) for file in self._included(value, system)]
                elif keywords.known(keyword):
                    block.body.append(_Option(*keywords.read(keyword, value), "" if system else place))
                elif not system:
                    self._unknown.append((keyword, place))
            except ValueError as problem:
                raise ValueError(f"{place}: {problem}" if " line " not in str(problem) else str(problem)) from None
        return blocks

    def _condition(self, keyword: str, words: list[str]) -> Condition:
        if not all(words) or not words:
            raise ValueError(f"{keyword} needs a value")
        if keyword == "host":
            return conditions.host(words)
        self._finals = self._finals or conditions.asks_for_final(words)
        return conditions.match(words, self._commands)

    def _included(self, value: str, system: bool) -> list[Path]:
        base = _SYSTEM if system else self._home / ".ssh"
        patterns = [tokens.expand_path(word, {}, str(self._home)) for word in sshwords.words(value)]
        if not patterns:
            raise ValueError("include needs a value")
        return [Path(file) for pattern in patterns for file in sorted(glob.glob(os.path.join(base, pattern)))]


def _take(option: _Option, facts: Facts, places: dict[str, str]) -> None:
    """Of a keyword the first value holds, or each of those that add up."""
    before = facts.found.get(option.keyword)
    if before is None:
        facts.found[option.keyword] = option.value
        if option.place and (name := keywords.unhonoured(option.keyword, option.value)):
            places[name] = option.place
    elif option.keyword in keywords.COLLECTED and option.value[0] not in before:
        facts.found[option.keyword] = before + option.value
