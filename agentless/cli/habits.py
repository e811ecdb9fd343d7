"""Lines of Ansible's ad-hoc command, which people type from habit, and what does the same here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["translated"]

# ansible(1) and ansible-inventory(1): every spelling, by its short or only one; those with a value end with `=`.
_SPELLINGS = {
    "-m": "-m=", "--module-name": "-m=", "-a": "-a=", "--args": "-a=",
    "-B": "-B=", "--background": "-B=", "-P": "-P=", "--poll": "-P=",
    "-t": "--tree=", "--tree": "--tree=", "-c": "-c=", "--connection": "-c=", "--host": "--host=",
    "-o": "-o", "--one-line": "-o", "-C": "-C", "--check": "--check", "-D": "-D", "--diff": "--diff",
    "--list-hosts": "--list-hosts", "--list": "--list", "--graph": "--graph", "-y": "--list", "--yaml": "--list",
    "-i": "-i=", "--inventory": "-i=", "-l": "-l=", "--limit": "-l=", "-u": "-u=", "--user": "-u=",
    "-f": "-f=", "--forks": "-f=", "-e": "-e=", "--extra-vars": "-e=", "-T": "-T=", "--timeout": "-T=",
    "--private-key": "--private-key=", "--key-file": "--private-key=",
    "--become-user": "--become-user=", "--become-method": "--become-method=",
    "--ssh-common-args": "--ssh-common-args=", "--vault-id": "--vault-id=",
    "--vault-password-file": "--vault-password-file=", "--ask-vault-pass": "--ask-vault-pass", "-J": "--ask-vault-pass",
    "-b": "-b", "--become": "-b", "-K": "-K", "--ask-become-pass": "-K", "-k": "-k", "--ask-pass": "-k", "-v": "-v",
}  # fmt: skip
# They are spelled the same here, and mean the same.
_KEPT = (
    *("-i", "-l", "-u", "-f", "-e", "-T", "--private-key", "-b", "--become-user", "--become-method", "-K", "-k"),
    *("--ssh-common-args", "--vault-id", "--vault-password-file", "--ask-vault-pass", "-v"),
)
_ONLY_ANSIBLES = frozenset(
    {"-m", "-a", "-B", "-P", "--tree", "-c", "-o", "-C", "-D", "--list-hosts", "--list", "--host"}
)
_ONLY_ANSIBLES_WORDS = frozenset({"ansible", "ansible-inventory", "async_status", "command", "inventory", "shell"})
_VERBS = frozenset({"run", "hosts", "ping"})


class _Typed(NamedTuple):
    """A line as Ansible reads it: options with their values in order, and the words between them."""

    options: list[tuple[str, str]]
    words: list[str]

    def value(self, name: str) -> str | None:
        """The last value of an option; None where it is not given."""
        return next((value for each, value in reversed(self.options) if each == name), None)

    def kept(self) -> Iterator[str]:
        for name, value in self.options:
            if name in _KEPT:
                yield from (name, value) if value else (name,)


def translated(arguments: Sequence[str]) -> str | None:
    """The line of agentless that does what a line in Ansible's words asks for; None where it is no such line."""
    line = _read(arguments)
    named = {name for name, _ in line.options} & _ONLY_ANSIBLES
    first = line.words[0] if line.words else ""
    if not named and first not in _ONLY_ANSIBLES_WORDS:
        return None
    words = line.words[1:] if first in _ONLY_ANSIBLES_WORDS | _VERBS else line.words
    if first in ("inventory", "ansible-inventory"):
        host = line.value("--host")
        form = ["--graph"] if line.value("--graph") is not None else ["--out", "json"]
        return _line("hosts", words[:1] or ([host] if host else []), line, form)
    pattern = words[:1]
    if line.value("--list-hosts") is not None:
        return _line("hosts", pattern, line)
    module = (line.value("-m") or (first if first in ("shell", "async_status") else "command")).rpartition(".")[2]
    text = line.value("-a")
    if text is None:
        text = shlex.join(words[1:]) if len(words) != 2 else words[1]
    if module == "ping":
        return _line("ping", pattern, line)
    if module == "async_status":
        pairs = dict(word.partition("=")[::2] for word in shlex.split(text))
        return _line("jobs lookup", [pairs.get("jid") or "JID", *pattern], line)
    if module == "script":
        file, *rest = shlex.split(text) or ["FILE"]
        return _line(
            "run", pattern or ["TARGET"], line, ["--script", file, *_manner(line), *(["--", *rest] if rest else [])]
        )
    if module in ("copy", "fetch"):
        return _copied(module, pattern, text, line)
    if module not in ("command", "shell", "raw"):
        return None
    command = [text] if module != "command" else _split(text)
    return _line("run", pattern or ["TARGET"], line, [*_manner(line), "--", *(command if text else ["COMMAND"])])


def _copied(module: str, pattern: Sequence[str], text: str, line: _Typed) -> str | None:
    pairs = dict(word.partition("=")[::2] for word in _split(text))
    source, destination = pairs.get("src", ""), pairs.get("dest", "")
    if not source or not destination:
        return None
    target = pattern[0] if pattern else "TARGET"
    if module == "copy":
        return _line("put", [source, f"{target}:{destination}"], line)
    return _line("get", [f"{target}:{source}", destination], line)


def _read(arguments: Sequence[str]) -> _Typed:
    line = _Typed([], [])
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            line.words.extend(rest)
            break
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word.startswith("-") and not word.startswith("--") and len(word) > 2 and f"{word[:2]}" in _SPELLINGS:
            name, equals, value = word[:2], "=", word[2:]
        spelled = _SPELLINGS.get(name)
        if spelled is None:
            line.words.append(word)
        elif spelled.endswith("="):
            line.options.append((spelled[:-1], value if equals else next(rest, "")))
        else:
            line.options.append((spelled, ""))
    return line


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return [text]


def _manner(line: _Typed) -> list[str]:
    """How the job is run and shown: deadline, detached, dry, in lines, into a file."""
    words: list[str] = []
    seconds = line.value("-B")
    if seconds is not None:
        words += ["--timeout", seconds]
        words += ["--detach"] if line.value("-P") == "0" else []
    words += ["--check"] if line.value("-C") is not None else []
    words += ["-e", f"ansible_connection={line.value('-c')}"] if line.value("-c") else []
    if tree := line.value("--tree"):
        words += ["--outdir", tree]
    elif line.value("-o") is not None:
        words += ["--out", "table"]
    return words


def _line(verb: str, places: Sequence[str], line: _Typed, further: Sequence[str] = ()) -> str:
    return f"agentless {verb} {shlex.join([*places, *line.kept(), *further])}".rstrip()
