"""What was sent with a job, kept so that `jobs retry` can send the same: command or script, environment, stdin.

A file of its own beside the record, of which nothing is ever shown: env and stdin may hold secrets. It is there only as
long as somebody may need it: it goes when the job has ended well on all hosts, and with its record. The file is a line
of JSON with the lengths of script and stdin, and then their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agentless.cache.json_line import CHECKS, DamagedRecord, Raw, dump, field_of, is_text, is_whole, list_of, parse
from agentless.errors import UsageError
from agentless.model.job_spec import JobSpec, Script, Sent

__all__ = ["decode_sent", "encode_sent"]

FORMAT = 1


def encode_sent(sent: Sent) -> bytes:
    """The content of the file."""
    spec = sent.spec
    script = None if spec.script is None else [spec.script.name, *spec.script.arguments]
    raw: Raw = {
        "v": FORMAT,
        "command": spec.command,
        "script": script,
        "script_size": None if spec.script is None else len(spec.script.data),
        "stdin_size": None if spec.stdin is None else len(spec.stdin),
        "returners": list(spec.returners),
        **{name: _json(getattr(spec, name)) for name in _OF_THE_JOB},
        **{name: getattr(sent, name) for name in _OF_ITS_WAY},
    }
    return b"".join([dump(raw), b"" if spec.script is None else spec.script.data, spec.stdin or b""])


def decode_sent(data: bytes) -> Sent:
    """What the file holds; raises DamagedRecord where that is not what `encode_sent` wrote."""
    line, _, rest = data.partition(b"\n")
    raw = parse(line + b"\n")
    if raw.get("v") != FORMAT:
        raise DamagedRecord("it is not of this version of agentless")
    words = None if raw.get("script") is None else list_of(raw, "script", is_text)
    script_size = field_of(raw, "script_size", _size, None)
    stdin_size = field_of(raw, "stdin_size", _size, None)
    if len(rest) != (script_size or 0) + (stdin_size or 0) or (words is None) != (script_size is None) or words == []:
        raise DamagedRecord("it is not whole")
    script = None if words is None else Script(words[0], rest[:script_size], tuple(words[1:]))
    try:
        spec = JobSpec(
            field_of(raw, "command", is_text),
            script=script,
            stdin=None if stdin_size is None else rest[len(rest) - stdin_size :],
            returners=tuple(list_of(raw, "returners", is_text)),
            **_fields(raw, _OF_THE_JOB),
        )
    except UsageError as error:
        raise DamagedRecord(error.message) from error
    return Sent(spec, **_fields(raw, _OF_ITS_WAY))


def _fields(raw: Raw, checks: Mapping[str, Callable[[object], bool]]) -> dict[str, Any]:
    """Those that the file has, by name; raises DamagedRecord where one is not what it is to be."""
    return {name: field_of(raw, name, check) for name, check in checks.items() if name in raw}


def _json(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


def _size(value: object) -> bool:
    return value is None or (is_whole(value) and isinstance(value, int) and value >= 0)


def _share(value: object) -> bool:
    return value is None or is_text(value) or is_whole(value)


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(is_text, value.values()))


# The fields of a JobSpec that JSON has as they are, and those of a Sent beside it, each with what it is checked by.
_OF_THE_JOB: Mapping[str, Callable[[object], bool]] = {
    "cwd": CHECKS["str | None"],
    "env": _texts,
    "shell": is_text,
    "timeout": CHECKS["float | None"],
    "cap": _size,
    "template": CHECKS["bool"],
    "metadata": _texts,
}
_OF_ITS_WAY: Mapping[str, Callable[[object], bool]] = {
    "batch": _share,
    "max_fail": _share,
    "batch_wait": CHECKS["float | None"],
}
