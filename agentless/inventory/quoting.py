"""Values written into shell text so that each stays what it is: quoted as the place asks for where it stands.

`echo {{ x }}`, `echo '{{ x }}'`, `echo "{{ x }}"` and a here-document ask for four different quotings. The text around
a value is read as POSIX sh reads it (Shell Command Language, 2.2 and 2.7.4); where a place cannot be told, or allows
no quoting, a value of plain characters stands as it is, and any other is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from shlex import quote

from agentless.regex import regex

__all__ = ["CannotQuote", "Safe", "TemplateValue", "interpreter_of", "is_posix_shell", "joined", "quoted"]

# The same word to every shell, wherever it stands.
_PLAIN = regex(r"[A-Za-z0-9_@%+:,./-]+", re.ASCII)
_NUMBER = regex(r"-?[0-9]+", re.ASCII)
_SHELLS = frozenset({"ash", "bash", "dash", "ksh", "mksh", "rbash", "sh", "yash", "zsh"})
_HERE = regex(r"<<(-?)[ \t]*((?:\\.|'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|<>()'\"\\])+)", re.DOTALL)
_INSTEAD = 'give it with `env=NAME={{ … }}`, and write "$NAME"; or mark it `| safe`'


class CannotQuote(Exception):
    """A value cannot be quoted where it stands; the text says why, and what to do instead, and holds no value."""


class Safe(str):
    """A text that its author has marked `| safe`: it stands as it is."""

    __slots__ = ()


class TemplateValue:
    """What an expression of a template came to, among the pieces of literal text around it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def joined(parts: Iterable[str | TemplateValue]) -> str:
    """The text with its values as they are."""
    return "".join(part.text if isinstance(part, TemplateValue) else part for part in parts)


def quoted(parts: Iterable[str | TemplateValue], shell: str) -> str:
    """The text with its values quoted, but for those that are Safe.

    Args:
        shell: the program that will read it, by name or path.

    Raises:
        CannotQuote: a value stands where it cannot be quoted.
    """
    place = _ShellPlace() if is_posix_shell(shell) else None
    pieces = []
    for part in parts:
        if not isinstance(part, TemplateValue):
            text = part
            if place is not None:
                place.read(text)
        elif isinstance(part.text, Safe):
            text = part.text
            if place is not None:
                place.read(text)
        elif place is not None:
            text = place.written(part.text)
        else:
            text = part.text
            if not _PLAIN.fullmatch(text):
                name = shell.rpartition("/")[2]
                raise CannotQuote(
                    f"a value has characters that may mean something to {name}, for which nothing is "
                    "quoted: write it as that language does, and mark it `| safe`"
                )
        pieces.append(text)
    return "".join(pieces)


def is_posix_shell(program: str) -> bool:
    """Whether a program reads its text as POSIX sh does."""
    return program.rpartition("/")[2] in _SHELLS


def interpreter_of(script: bytes, shell: str) -> str:
    """The program that runs a script: that of its `#!` line, also behind env(1), else the shell."""
    first = script.split(b"\n", 1)[0]
    if not first.startswith(b"#!"):
        return shell
    words = first[2:].decode("utf-8", "replace").split()
    if words and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else shell


class _Here:
    """A here-document: its end, and whether its text is expanded."""

    __slots__ = ("end", "expands", "tabs")

    def __init__(self, dash: str, word: str) -> None:
        self.tabs = bool(dash)
        self.expands = not set(word) & set("'\"\\")
        self.end = re.sub(r"\\(.)|['\"]", r"\1", word)


class _ShellPlace:
    """Where a text has come to, as a shell reads it.

    `_stack` has what is open: `'`, `"`, `$'`, a backtick, `(` of a subshell or `$(`, `{` of `${`, `#` a comment, `<` a
    here-document, `((` arithmetic.
    """

    def __init__(self) -> None:
        self._stack: list[str] = []
        # At the beginning of a word; behind a backslash; behind a `$`.
        self._begins = True
        self._escaped = False
        self._dollar = False
        self._awaited: list[_Here] = []
        self._here: _Here | None = None
        self._line = ""
        self._doubtful = ""
        self._word = ""

    # --- literal text ---
    def read(self, text: str) -> None:
        at = 0
        while at < len(text):
            at += self._take(text, at)

    def _take(self, text: str, at: int) -> int:
        """Read on from there; how many characters that were."""
        char, top = text[at], self._stack[-1] if self._stack else ""
        if top == "<":
            return self._in_here(char)
        if self._escaped:
            self._escaped = False
            return self._other(char)
        dollar, self._dollar = self._dollar, False
        if top == "'":
            return self._close(1) if char == "'" else 1
        if top == "#":
            if char == "\n":
                self._stack.pop()
                return self._newline()
            return 1
        if char == "\\":
            self._escaped = True
            self._begins = False
            return 1
        if top == "$'":
            return self._close(1) if char == "'" else 1
        if char == "`":
            if "`" in self._stack[:-1]:
                self._doubtful = "behind backticks that cannot be told apart"
            return self._close(1) if top == "`" else self._open("`")
        if char == "$":
            self._dollar = True
            self._begins = False
            return 1
        if dollar and char == "(":
            return self._open("((", 2) if text.startswith("((", at) else self._open("(")
        if dollar and char == "{":
            return self._open("{")
        if top == '"':
            return self._close(1) if char == '"' else 1
        if char == "}" and top == "{":
            return self._close(1)
        if top == "{" and '"' in self._stack:
            return self._open('"') if char == '"' else 1
        if char == "'":
            return self._open("$'" if dollar else "'")
        if char == '"':
            return self._open('"')
        if top == "((":
            if text.startswith("))", at):
                return self._close(2)
            self._doubtful = self._doubtful or ("inside arithmetic with parentheses" if char in "()" else "")
            return 1
        return self._plain(text, at, char)

    def _plain(self, text: str, at: int, char: str) -> int:
        if self._stack[-1:] == ["{"]:
            return self._other(char)
        if char == "#" and self._begins:
            return self._open("#")
        if char == "\n":
            return self._newline()
        if char == "<" and text.startswith("<<", at) and not text.startswith("<<<", at):
            match = _HERE.match(text, at)
            if match is None:
                self._doubtful = "behind a << whose word cannot be read"
                return 2
            self._awaited.append(_Here(match[1], match[2]))
            self._begins = False
            return match.end() - at
        if char == "<" and text.startswith("<<<", at):
            self._begins = True
            return 3
        if char == "(":
            if text.startswith("((", at) and self._begins:
                self._doubtful = self._doubtful or "behind (("
            return self._open("(")
        if char == ")" and self._stack[-1:] == ["("]:
            return self._close(1)
        return self._other(char)

    def _other(self, char: str) -> int:
        self._begins = char in " \t\n;&|()"
        if self._begins:
            self._word = ""
        else:
            self._word = (self._word + char)[:5]
            if self._word == "case" and "(" in self._stack:
                # Its patterns end with a parenthesis that opens nowhere.
                self._doubtful = "in or behind a `case` within parentheses"
        return 1

    def _newline(self) -> int:
        self._begins = True
        self._word = ""
        if self._awaited:
            self._here = self._awaited.pop(0)
            self._line = ""
            self._stack.append("<")
        return 1

    def _in_here(self, char: str) -> int:
        here = self._here
        assert here is not None
        # What is begun by one character changes the next one alone.
        escaped, self._escaped = self._escaped, False
        if self._dollar and char in "({":
            self._doubtful = "in or behind a here-document with $( or ${"
        self._dollar = here.expands and not escaped and char == "$"
        self._escaped = here.expands and not escaped and char == "\\"
        if here.expands and not escaped and char == "`":
            self._doubtful = "in or behind a here-document with backticks"
        if char != "\n":
            self._line += char
            return 1
        line = self._line.lstrip("\t") if here.tabs else self._line
        self._line = ""
        if line == here.end:
            self._stack.pop()
            self._here = None
            return self._newline()
        return 1

    def _open(self, mark: str, length: int = 1) -> int:
        self._stack.append(mark)
        self._begins = mark in ("(", "`")
        self._word = ""
        return length

    def _close(self, length: int) -> int:
        self._stack.pop()
        self._begins = False
        self._word = "\0"
        return length

    # --- values ---
    def written(self, value: str) -> str:
        """A value as it is to stand here."""
        text = self._quoted(value)
        self._begins = self._dollar = False
        self._word = "\0"
        return text

    def _quoted(self, value: str) -> str:
        top = self._stack[-1] if self._stack else ""
        if self._escaped or self._dollar:
            self._refuse("directly behind a $" if self._dollar else "directly behind a backslash")
        if self._doubtful:
            return self._bare(value, self._doubtful)
        if "`" in self._stack:
            return self._bare(value, "inside backticks (write $(…) instead)")
        if top == "$'":
            return self._bare(value, "inside $'…'")
        if top == "'":
            return value.replace("'", "'\\''")
        if top == '"':
            return re.sub(r'([\\$"`])', r"\\\1", value)
        if top == "{":
            return self._bare(value, "inside ${…}")
        if top == "((":
            return value if _NUMBER.fullmatch(value) else self._refuse("inside arithmetic, and is no number")
        if top == "#":
            return value if "\n" not in value else self._refuse("in a comment, and has several lines")
        if top == "<":
            return self._in_document(value)
        return quote(value)

    def _in_document(self, value: str) -> str:
        here = self._here
        assert here is not None
        if here.end in (line.lstrip("\t") for line in value.split("\n")):
            self._refuse("in a here-document, and has the line that ends it")
        self._line = (self._line + value).rpartition("\n")[2]
        return re.sub(r"([\\$`])", r"\\\1", value) if here.expands else value

    def _bare(self, value: str, where: str) -> str:
        return value if _PLAIN.fullmatch(value) else self._refuse(where)

    def _refuse(self, where: str) -> str:
        raise CannotQuote(f"a value stands {where}, where it cannot be quoted: {_INSTEAD}")
