"""~/.ssh/config with its Includes read in, which neither fabric nor paramiko does."""

from __future__ import annotations

import glob
import os
import re
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import paramiko

__all__ = ["SshConfig", "expand_includes", "line"]

_EXEC_WAIT = 30.0

_INCLUDE_DEPTH = 16
_MATCH_CRITERIA = ("all", "canonical", "final", "host", "originalhost", "user", "localuser", "exec")
_COMMANDS = ("proxycommand", "localcommand", "remotecommand", "knownhostscommand", "match")


class SshConfig(paramiko.SSHConfig):
    """paramiko's, but `Match exec` leaves stdin alone, tokens are expanded once (by `options.resolve`), and what was
    found is matched anew only where a `Match final` asks for it."""

    TOKENS_BY_CONFIG_KEY = {  # noqa: RUF012 - as paramiko has it
        key: paramiko.SSHConfig.TOKENS_BY_CONFIG_KEY[key] for key in ("hostname", "match-exec")
    }

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, bool] = {}
        self._finals = False

    def parse(self, file_obj: Iterable[str]) -> None:
        super().parse(file_obj)
        blocks = self._config  # type: ignore[attr-defined]
        self._finals = any(match["type"] == "final" for block in blocks for match in block.get("matches", ()))

    def _does_match(self, match_list: list[dict[str, Any]], host: str, canonical: bool, final: bool, said: Any) -> bool:
        if final and not canonical and not self._finals:
            return False
        if "hostname" in said:
            # `Match host` means the name with its tokens expanded.
            name = self._tokenize(said, host, "hostname", said["hostname"])  # type: ignore[attr-defined]
            said = {**said, "hostname": name}
        for criterion in match_list:
            if criterion["type"] == "exec":
                matches = self._exec(self._tokenize(said, host, "match-exec", criterion["param"]))  # type: ignore[attr-defined]
                matches = matches is not criterion["negate"]
            else:
                matches = super()._does_match([criterion], host, canonical, final, said)  # type: ignore[misc]
            if not matches:
                return False
        return bool(match_list)

    def _exec(self, command: str) -> bool:
        """Whether a command of `Match exec` ends with 0; the same command is asked once."""
        if command not in self._passed:
            null = subprocess.DEVNULL
            try:
                done = subprocess.run(["/bin/sh", "-c", command], stdin=null, stdout=null, timeout=_EXEC_WAIT)
            except subprocess.TimeoutExpired:
                raise ValueError(f"Match exec {command!r} took longer than {_EXEC_WAIT:.0f} s") from None
            self._passed[command] = done.returncode == 0
        return self._passed[command]


def expand_includes(path: Path, home: Path) -> str:
    """The text of an ssh_config file with its `Include` lines replaced by what they include.

    An Include inside a `Host` or `Match` block holds only where that block does, so the blocks that it brings carry
    the outer block's conditions too. A `Match` with a criterion that is not evaluated here (`tagged`, `localnetwork`,
    …) becomes a block that matches nothing, rather than one that always does.

    Args:
        path: `~/.ssh/config`, one in its stead, or `/etc/ssh/ssh_config`; a missing file is empty.
        home: for `~`, and for relative names included from a user's file.

    Raises:
        ValueError: Includes nest deeper than OpenSSH allows.
        OSError: a file cannot be read.
    """
    system = Path("/etc/ssh")
    base = system if path.is_relative_to(system) else home / ".ssh"
    return "\n".join(_expanded(path, base, home, "", 0))


def line(keyword: str, value: str) -> str:
    """An option as a line for paramiko's parser, in which a bare `ProxyCommand none` would beat one said before it."""
    return f'{keyword} "none"' if (keyword, value.lower()) == ("proxycommand", "none") else f"{keyword} {value}"


def _expanded(path: Path, base: Path, home: Path, outer: str, depth: int) -> list[str]:
    if depth > _INCLUDE_DEPTH:
        raise ValueError(f"{path}: too many levels of Include")
    if not path.is_file():
        return []
    # The block that lines are in: conditions of a Match, or empty where they hold for every host.
    here = outer
    lines = [_header(here)]
    for text in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        keyword, value = _keyword(text)
        if keyword in ("host", "match"):
            here = _both(outer, _conditions(keyword, value))
            lines.append(_header(here))
        elif keyword == "include":
            for word in shlex.split(value):
                pattern = os.path.expanduser(str(home) + word[1:] if word.startswith("~/") else word)
                for file in sorted(glob.glob(os.path.join(base, pattern))):
                    lines += _expanded(Path(file), base, home, here, depth + 1)
            lines.append(_header(here))
        elif keyword:
            lines.append(line(keyword, value))
    return lines


def _keyword(text: str) -> tuple[str, str]:
    found = re.match(r"\s*(\w+)(?:\s*=\s*|\s+)(.+)", text)
    if not found:
        return "", ""
    keyword, value = found[1].lower(), found[2].strip()
    if keyword not in _COMMANDS and '"' not in value:
        value = re.split(r"\s#", value, maxsplit=1)[0].strip()
    return keyword, value


def _conditions(keyword: str, value: str) -> str:
    """A block's header as the criteria of a Match line; empty for all hosts."""
    if keyword == "host":
        patterns = ",".join(shlex.split(value))
        return "" if patterns == "*" else f"originalhost {shlex.quote(patterns)}"
    words = shlex.split(value)
    criteria = []
    while words:
        criterion = words.pop(0).lower()
        name = criterion.removeprefix("!")
        argument = "" if name in ("all", "canonical", "final") or not words else " " + shlex.quote(words.pop(0))
        if name not in _MATCH_CRITERIA:
            return _NEVER
        if name != "all":
            criteria.append(criterion + argument)
    return " ".join(criteria)


_NEVER = "originalhost !*"


def _both(outer: str, inner: str) -> str:
    return f"{outer} {inner}".strip()


def _header(conditions: str) -> str:
    return f"Match {conditions}" if conditions else "Host *"
