"""`ansible_ssh_common_args` and its like: ssh's command line, read into the options that an Endpoint carries."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["SshArgs", "parse"]

# ssh(1): the letters that take a value, and those that map to an ssh_config(5) option.
_WITH_VALUE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
_FLAG_OPTIONS = {
    "4": ("addressfamily", "inet"),
    "6": ("addressfamily", "inet6"),
    "A": ("forwardagent", "yes"),
    "a": ("forwardagent", "no"),
    "C": ("compression", "yes"),
}
_VALUE_OPTIONS = {"J": "proxyjump", "F": "configfile", "c": "ciphers", "m": "macs", "b": "bindaddress"}
# What changes nothing here: how ssh shares connections, talks to its terminal, and logs.
_NEEDLESS_FLAGS = frozenset("fGgKkMNnqsTtVvXxYy")
_NEEDLESS_VALUES = frozenset("EeOPQS")
_NEEDLESS = frozenset(
    "batchmode checkhostip connectionattempts controlmaster controlpath controlpersist enableescapecommandline escapechar "
    "exitonforwardfailure forwardx11 forwardx11timeout forwardx11trusted hashknownhosts loglevel logverbose "
    "numberofpasswordprompts obscurekeystroketiming permitlocalcommand rekeylimit requesttty sessiontype stdinnull "
    "streamlocalbindunlink tcpkeepalive updatehostkeys visualhostkey".split()
)
_HONOURED = frozenset(
    "addressfamily bindaddress bindinterface casignaturealgorithms certificatefile ciphers compression configfile "
    "connecttimeout forwardagent globalknownhostsfile gssapiauthentication hostbasedauthentication hostkeyalgorithms "
    "hostkeyalias hostname identitiesonly identityagent kbdinteractiveauthentication kexalgorithms macs "
    "challengeresponseauthentication passwordauthentication preferredauthentications proxycommand proxyjump "
    "pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication requiredrsasize serveralivecountmax "
    "serveraliveinterval stricthostkeychecking userknownhostsfile verifyhostkeydns".split()
)
_BASTION_OPTIONS = frozenset({"stricthostkeychecking", "userknownhostsfile"})
_NETCAT = re.compile(
    r"(?:exec\s+)?(?:\S*/)?(?:(?:nc|ncat|netcat)(?:\s+-[a-zA-Z]+(?:\s+[0-9]+)?)*\s+%h\s+%p|socat\s+(?:-|stdio)\s+tcp:%h:%p)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class SshArgs:
    """What the arguments say. `ignored` are those that nothing here can do."""

    port: int | None = None
    user: str | None = None
    key_files: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    def option(self, name: str, value: str) -> None:
        """One ssh_config(5) option; the first value of a name holds, as with ssh."""
        key = name.lower()
        if key == "port":
            self.port = self.port or _port(value)
        elif key == "user":
            self.user = self.user or value
        elif key == "identityfile":
            self.key_files.append(value)
        elif key == "proxycommand":
            self._proxy_command(value)
        elif key in _HONOURED:
            self.options.setdefault(key, value)
        elif key not in _NEEDLESS:
            self.ignored.append(f"-o {name}={value}")

    def _proxy_command(self, command: str) -> None:
        """The usual `ssh -W %h:%p user@bastion` becomes the jump that it is; anything else stays a command."""
        if "proxycommand" in self.options or "proxyjump" in self.options:
            return
        jump = None if command.lower() == "none" else _jump(command)
        if jump is None:
            self.options["proxycommand"] = command
        else:
            self.options.update(jump)


def parse(*texts: str) -> SshArgs:
    """Read the texts as one command line.

    Raises:
        ValueError: quotes that do not close, a port that is no number, an option without its value.
    """
    found = SshArgs()
    words: list[str] = []
    for text in texts:
        words.extend(shlex.split(text))
    rest = _read(found, words)
    found.ignored.extend(rest)
    return found


def _read(found: SshArgs, words: Sequence[str]) -> list[str]:
    """Take the options; what is left are ssh's operands."""
    operands = []
    for letter, value in _letters(words):
        if not letter:
            operands.append(value)
        elif letter == "o":
            name, _, text = value.strip().replace("=", " ", 1).partition(" ")
            found.option(name, text.strip().strip('"'))
        elif letter == "p":
            found.option("port", value)
        elif letter == "l":
            found.option("user", value)
        elif letter == "i":
            found.key_files.append(value)
        elif letter in _VALUE_OPTIONS:
            found.option(_VALUE_OPTIONS[letter], value)
        elif letter in _FLAG_OPTIONS:
            found.option(*_FLAG_OPTIONS[letter])
        elif letter not in _NEEDLESS_FLAGS and letter not in _NEEDLESS_VALUES:
            found.ignored.append(f"-{letter} {value}".rstrip())
    return operands


def _letters(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every option letter with its value, as getopt(3) would; operands under the letter ''."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--" or not word.startswith("-") or word == "-":
            yield "", word
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter not in _WITH_VALUE:
                yield letter, ""
                continue
            if not letters:
                if position == len(words):
                    raise ValueError(f"-{letter} needs a value")
                letters = words[position]
                position += 1
            yield letter, letters
            break


def _jump(command: str) -> dict[str, str] | None:
    """The proxyjump options that do what a ProxyCommand does; None where no jump would do the same."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if words[:1] == ["exec"]:
        words = words[1:]
    if not words or os.path.basename(words[0]) != "ssh":
        return None
    inner = SshArgs()
    try:
        arguments = list(_letters(words[1:]))
        forward = [value for letter, value in arguments if letter == "W"]
        # ssh takes options behind the host too; a remote command starts at the second operand.
        operands = [value for letter, value in arguments if not letter]
        if forward:
            _read(inner, [word for word in words[1:] if word != "--"])
        else:
            start = _remote_command(words)
            operands = [words[start - 1]]
            if not _NETCAT.fullmatch(" ".join(words[start:])):
                return None
            _read(inner, words[1 : start - 1])
    except ValueError:
        return None
    if len(operands) != 1 or (forward and forward[0] not in ("%h:%p", "[%h]:%p")):
        return None
    inner.ignored = [text for text in inner.ignored if not text.startswith("-W")]
    first = inner.options.pop("proxyjump", None)
    carried = {name: inner.options.pop(name) for name in _BASTION_OPTIONS & inner.options.keys()}
    if inner.ignored or inner.options.keys() - {
        "connecttimeout",
        "serveraliveinterval",
        "serveralivecountmax",
        "forwardagent",
        "compression",
    }:
        return None
    if len(inner.key_files) > 1:
        return None
    jump = {"proxyjump": (f"{first}," if first else "") + _destination(operands[0], inner)}
    if inner.key_files:
        jump["proxyjumpidentityfile"] = inner.key_files[0]
    jump.update((f"proxyjump{name}", value) for name, value in sorted(carried.items()))
    return jump


def _remote_command(words: Sequence[str]) -> int:
    """Where the command behind `ssh … host` starts."""
    position = 1
    while position < len(words):
        word = words[position]
        if not word.startswith("-"):
            return position + 1
        letters = word[1:]
        index = next((at for at, letter in enumerate(letters) if letter in _WITH_VALUE), None)
        position += 2 if index == len(letters) - 1 and index is not None else 1
    raise ValueError("no host")


def _destination(operand: str, inner: SshArgs) -> str:
    user, at, host = operand.rpartition("@")
    user = inner.user or (user if at else "")
    if inner.port:
        host = f"[{host}]:{inner.port}" if ":" in host else f"{host}:{inner.port}"
    return f"{user}@{host}" if user else host


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{text!r} is no port")
    return int(text)
