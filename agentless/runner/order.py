"""What a job asks of each host, checked before anything is sent."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentless.errors import UsageError
from agentless.runner.session import Section

__all__ = ["Order", "Threshold"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many hosts may fail (returned non-zero, unreachable, lost, refused) before no further one is started.

    Args:
        count: a number of hosts, or None.
        percent: a share of all hosts of the job, or None.
    """

    count: int | None = None
    percent: float | None = None

    def exceeded(self, failures: int, total: int) -> bool:
        if self.count is not None and failures > self.count:
            return True
        return self.percent is not None and failures * 100 > self.percent * total


@dataclass(frozen=True, slots=True)
class Order:
    """What each host is asked to do.

    Args:
        function, arguments: as the job's.
        request: further keys of the helper's `run` request that are the same for every host.
        sections: bytes for the helper's stdin.
        detach: leave each host as soon as it has accepted the job.
        batch: hosts that may be unfinished at once; None is no bound.
        max_fail: when to stop starting further hosts.
    """

    function: str
    arguments: tuple[str, ...]
    request: Mapping[str, Any]
    sections: Sequence[Section] = ()
    detach: bool = False
    batch: int | None = None
    max_fail: Threshold = field(default_factory=Threshold)

    @classmethod
    def of(
        cls,
        command: str | Sequence[str],
        *,
        script: str | Path | None = None,
        detach: bool = False,
        timeout: float | None = None,
        batch: str | int | None = None,
        max_fail: str | int | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | Path | None = None,
        shell: str = "/bin/sh",
        cap: int,
        hosts: int,
    ) -> Order:
        """Check what a person asked for; the arguments are those of `Fleet.start`.

        Args:
            cap: bytes of each stream that the record keeps.
            hosts: how many hosts the job has, for percentages.

        Raises:
            UsageError: something cannot be read, or makes no sense.
        """
        words = [command] if isinstance(command, str) else list(command)
        if script is None and not any(words):
            raise UsageError("no command was given", "Put it behind --, as in: agentless run TARGET -- uptime")
        if timeout is not None and timeout <= 0:
            raise UsageError(f"--timeout takes a time above 0, not {timeout:g}")
        request: dict[str, Any] = {"cwd": cwd, "timeout": timeout, "shell": shell, "cap": cap}
        sections = []
        if env:
            for name in env:
                if not name or "=" in name or "\0" in name + env[name]:
                    raise UsageError(f"{name!r} cannot be an environment variable")
            sections.append(Section("env", json.dumps(dict(env)).encode("ascii")))
        if script is None:
            function = "cmd.run"
            request["command"] = words[0] if len(words) == 1 else shlex.join(words)
            arguments: tuple[str, ...] = (request["command"],)
        else:
            function = "cmd.script"
            request["script_args"] = [] if command == "" else words
            arguments = (Path(script).name, *request["script_args"])
            sections.append(Section("script", _content(script, "--script")))
        if stdin is not None:
            sections.append(Section("stdin", stdin if isinstance(stdin, bytes) else _content(stdin, "--stdin")))
        return cls(
            function,
            arguments,
            request,
            tuple(sections),
            detach=detach,
            batch=_share(batch, hosts),
            max_fail=_threshold(max_fail),
        )


def _content(path: str | Path, option: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from error


def _share(value: str | int | None, total: int) -> int | None:
    """A number of hosts, or `N%` of them, at least one."""
    if value is None:
        return None
    number, percent = _number(value, "--batch")
    if not number:
        raise UsageError("--batch takes at least one host")
    return max(1, int(number * total / 100) if percent else int(number))


def _threshold(value: str | int | None) -> Threshold:
    if value is None:
        return Threshold()
    number, percent = _number(value, "--max-fail")
    return Threshold(percent=number) if percent else Threshold(count=int(number))


def _number(value: str | int, option: str) -> tuple[float, bool]:
    text = str(value)
    try:
        number = float(text[:-1]) if text.endswith("%") else float(int(text))
    except ValueError:
        number = -1.0
    if number < 0 or (text.endswith("%") and number > 100):
        raise UsageError(f"{option} takes a number of hosts or a percentage such as 25%, not {text!r}")
    return number, text.endswith("%")
