"""`ansible_ssh_common_args` and its like: ssh's command line, read into the options that an Endpoint carries."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agentless.openssh.words import directive, port_number, quote, seconds
from agentless.openssh.words import words as words_of

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
_VALUE_OPTIONS = {"F": "configfile", "J": "proxyjump", "b": "bindaddress", "c": "ciphers", "m": "macs"}
# What changes nothing here: how ssh shares connections, talks to its terminal, and logs.
_NEEDLESS_FLAGS = frozenset("aCfGgkMNnqsTtVvXxYy")
_NEEDLESS_VALUES = frozenset("EeOPQS")
_NEEDLESS = frozenset(
    "addkeystoagent batchmode checkhostip clearallforwardings compression connectionattempts controlmaster controlpath "
    "controlpersist enableescapecommandline escapechar exitonforwardfailure forwardx11 forwardx11timeout "
    "forwardx11trusted ignoreunknown ipqos loglevel logverbose numberofpasswordprompts obscurekeystroketiming "
    "permitlocalcommand rekeylimit requesttty serveralivecountmax serveraliveinterval sessiontype stdinnull "
    "streamlocalbindunlink tcpkeepalive updatehostkeys visualhostkey".split()
)
_NEEDLESS_OFF = frozenset({"forwardagent", "gssapiauthentication", "gssapidelegatecredentials", "verifyhostkeydns"})
_HONOURED = frozenset(
    "addressfamily bindaddress challengeresponseauthentication ciphers configfile "
    "globalknownhostsfile hashknownhosts hostkeyalgorithms hostkeyalias hostname identitiesonly identityagent "
    "kbdinteractiveauthentication kexalgorithms macs passwordauthentication preferredauthentications proxycommand "
    "proxyjump pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication revokedhostkeys "
    "stricthostkeychecking userknownhostsfile".split()
)


@dataclass(slots=True)
class SshArgs:
    """What the arguments say. `ignored` are those that nothing here can do, `forward` is that of `-W`.

    The values of `options` are as they would stand in a file.
    """

    port: int | None = None
    user: str | None = None
    key_files: list[str] = field(default_factory=list)
    certificate_files: list[str] = field(default_factory=list)
    connect_timeout: float | None = None
    options: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    forward: str | None = None

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        """The options, with those of which several count."""
        return (*self.options.items(), *(("certificatefile", file) for file in self.certificate_files))

    def option(self, name: str, value: str) -> None:
        """One ssh_config(5) option; the first value of a name holds, as with ssh."""
        key = name.lower()
        if key == "port":
            self.port = self.port or port_number(_word(key, value))
        elif key == "user":
            self.user = self.user or _word(key, value)
        elif key == "identityfile":
            self.key_files.append(_word(key, value))
        elif key == "certificatefile":
            self.certificate_files.append(value)
        elif key == "connecttimeout":
            self.connect_timeout = self.connect_timeout or _patience(_word(key, value))
        elif key in _HONOURED:
            self.options.setdefault(key, value)
        elif key not in _NEEDLESS and not (key in _NEEDLESS_OFF and value.lower() == "no"):
            self.ignored.append(f"-o {name}={value}")


@functools.lru_cache(maxsize=256)
def parse(*texts: str) -> SshArgs:
    """Read the texts as one command line. The result is shared by all hosts that have them: it is only to be read.

    Raises:
        ValueError: quotes that do not close, a port that is no number, an option without its value.
    """
    words: list[str] = []
    for text in texts:
        words.extend(shlex.split(text))
    found, operands = read(words)
    found.ignored.extend(operands)
    if found.forward is not None:
        found.ignored.append(f"-W {found.forward}")
    return found


def read(words: Sequence[str]) -> tuple[SshArgs, list[str]]:
    """The options among the words of one command line, and ssh's operands: the host, and the command for it.

    Raises:
        ValueError: as `parse`.
    """
    found = SshArgs()
    operands = []
    for letter, value in _letters(words):
        if not letter:
            operands.append(value)
        elif letter == "o":
            found.option(*directive(value))
        elif letter == "p":
            found.option("port", value)
        elif letter == "l":
            found.option("user", quote(value))
        elif letter == "i":
            found.key_files.append(value)
        elif letter == "W":
            found.forward = value
        elif letter in _VALUE_OPTIONS:
            found.option(_VALUE_OPTIONS[letter], value)
        elif letter in _FLAG_OPTIONS:
            found.option(*_FLAG_OPTIONS[letter])
        elif letter not in _NEEDLESS_FLAGS and letter not in _NEEDLESS_VALUES:
            found.ignored.append(f"-{letter} {value}".rstrip())
    return found, operands


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


def _word(keyword: str, text: str) -> str:
    """The value of an option that takes one."""
    found = words_of(text)
    if len(found) != 1:
        raise ValueError(f"{keyword} {text!r} is not one value")
    return found[0]


def _patience(text: str) -> float | None:
    """ConnectTimeout; None where ssh would wait as long as the system does."""
    return None if text == "none" else seconds(text) or None
