"""ssh(1)'s command line: that of `ansible_ssh_common_args` and its like, and that of a ProxyCommand."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from agentless.model.endpoint import Option
from agentless.openssh import keywords
from agentless.openssh.syntax import connect_timeout, directive, port_number
from agentless.values import dataclass

__all__ = ["SshArgs", "parse", "read"]

# ruff: noqa: SIM905 - one option a line would make two pages of them.
# ssh(1): the letters that take a value, and those that map to an ssh_config(5) option.
_WITH_VALUE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
_FLAG_OPTIONS = {
    "4": ("addressfamily", "inet"),
    "6": ("addressfamily", "inet6"),
    "A": ("forwardagent", "yes"),
    "K": ("gssapiauthentication", "yes"),
}
_VALUE_OPTIONS = {"J": "proxyjump", "b": "bindaddress", "c": "ciphers", "m": "macs"}
# The same, of which the value is taken as it stands.
_PLAIN_OPTIONS = {"i": "identityfile", "l": "user", "p": "port"}
# What changes nothing here: how ssh makes masters, talks to its terminal, and logs.
_NEEDLESS_FLAGS = frozenset("aCfGgkMNnqsTtVvXxYy")
_NEEDLESS_VALUES = frozenset("EeOPQ")
_NEEDLESS = frozenset(
    "addkeystoagent batchmode checkhostip clearallforwardings compression connectionattempts controlmaster "
    "controlpersist enableescapecommandline escapechar exitonforwardfailure forwardx11 forwardx11timeout "
    "forwardx11trusted ignoreunknown ipqos loglevel logverbose numberofpasswordprompts obscurekeystroketiming "
    "permitlocalcommand rekeylimit requesttty serveralivecountmax serveraliveinterval sessiontype stdinnull "
    "streamlocalbindunlink tcpkeepalive updatehostkeys visualhostkey".split()
)
_TYPED = frozenset({"certificatefile", "connecttimeout", "identityfile", "port", "user"})
_NEEDLESS_OFF = frozenset({"forwardagent", "gssapiauthentication", "gssapidelegatecredentials", "verifyhostkeydns"})
_HONOURED = frozenset(
    "addressfamily bindaddress challengeresponseauthentication ciphers controlpath "
    "globalknownhostsfile hashknownhosts hostkeyalgorithms hostkeyalias hostname identitiesonly identityagent "
    "kbdinteractiveauthentication kexalgorithms macs passwordauthentication preferredauthentications proxycommand "
    "proxyjump pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication revokedhostkeys "
    "stricthostkeychecking userknownhostsfile".split()
)


@dataclass(frozen=True, slots=True)
class SshArgs:
    """What one command line of ssh says; None or empty is what it does not say.

    Args:
        port, user: whom to log in as, and where.
        key_files: of `-i` and IdentityFile, in order.
        connect_timeout: seconds.
        config_file: of `-F`.
        options: the others that count here; of a keyword the first value, of CertificateFile all.
        ignored: arguments that nothing here can do, as they are written.
        forward: of `-W`.
    """

    port: int | None = None
    user: str | None = None
    key_files: tuple[str, ...] = ()
    connect_timeout: float | None = None
    config_file: str | None = None
    options: tuple[Option, ...] = ()
    ignored: tuple[str, ...] = ()
    forward: str | None = None

    def value(self, keyword: str) -> str | None:
        """The value of an option that takes one."""
        return next((words[0] for name, words in self.options if name == keyword), None)


@functools.lru_cache(maxsize=256)
def parse(*texts: str) -> SshArgs:
    """Read the texts as one command line, in which a host, a command and `-W` have no place.

    Raises:
        ValueError: quotes that do not close, an option without its value, or with one that makes no sense.
    """
    words: list[str] = []
    for text in texts:
        words.extend(shlex.split(text))
    args, operands = read(words)
    forward = [f"-W {args.forward}"] if args.forward is not None else []
    return replace(args, ignored=(*args.ignored, *operands, *forward))


def read(words: Sequence[str]) -> tuple[SshArgs, list[str]]:
    """The options among the words of one command line, and ssh's operands: the host, and the command for it.

    Raises:
        ValueError: as `parse`.
    """
    reader = _OptionReader()
    operands = []
    for letter, value in _letters(words):
        if not letter:
            operands.append(value)
        elif letter == "o":
            reader.option(*directive(value))
        elif letter in _PLAIN_OPTIONS:
            reader.taken.append((_PLAIN_OPTIONS[letter], (value,)))
        elif letter == "F":
            reader.config_file = value
        elif letter == "W":
            reader.forward = value
        elif letter == "S":
            reader.control_path = ("controlpath", (value or "none",))
        elif letter in _VALUE_OPTIONS:
            reader.option(_VALUE_OPTIONS[letter], value)
        elif letter in _FLAG_OPTIONS:
            reader.option(*_FLAG_OPTIONS[letter])
        elif letter not in _NEEDLESS_FLAGS and letter not in _NEEDLESS_VALUES:
            reader.ignored.append(f"-{letter} {value}".rstrip())
    return reader.args(), operands


class _OptionReader:
    """Collects the options of one command line; the first value of a keyword holds, as with ssh."""

    def __init__(self) -> None:
        self.taken: list[Option] = []
        self.config_file: str | None = None
        self.forward: str | None = None
        # Of -S, the last of which holds, also against ControlPath.
        self.control_path: Option | None = None
        self.ignored: list[str] = []

    def option(self, name: str, text: str) -> None:
        """One option of ssh_config(5), its value as it would stand in a file."""
        key = name.lower()
        if not text.isprintable():
            raise ValueError(f"{name} {text!r} holds control characters")
        if key in _TYPED or key in _HONOURED:
            self.taken.append(keywords.read(key, text))
        elif key not in _NEEDLESS and not (key in _NEEDLESS_OFF and text.lower() == "no"):
            self.ignored.append(f"-o {name}={text}")

    def _values(self, keyword: str) -> list[str]:
        return [words[0] for name, words in self.taken if name == keyword]

    def args(self) -> SshArgs:
        options: dict[str, Option] = {}
        for option in self.taken:
            if option[0] not in _TYPED:
                options.setdefault(option[0], option)
        if self.control_path is not None:
            options["controlpath"] = self.control_path
        return SshArgs(
            port=next(map(port_number, self._values("port")), None),
            user=next(filter(None, self._values("user")), None),
            key_files=tuple(self._values("identityfile")),
            connect_timeout=next(filter(None, map(connect_timeout, self._values("connecttimeout"))), None),
            config_file=self.config_file,
            options=(*options.values(), *(option for option in self.taken if option[0] == "certificatefile")),
            ignored=tuple(self.ignored),
            forward=self.forward,
        )


def _letters(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every option letter with its value, as getopt(3) would; operands under the letter ''.

    As with ssh, options may follow the host; what follows the second operand is a command and its own business.
    """
    position = operands = 0
    while position < len(words):
        word = words[position]
        position += 1
        if operands > 1 or word == "-" or not word.startswith("-"):
            operands += 1
            yield "", word
            continue
        letters = word[1:] if word != "--" else ""
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
