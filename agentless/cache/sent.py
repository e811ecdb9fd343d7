"""What was sent with a job, kept so that `jobs retry` can send the same: command or script, environment, stdin.

A file of its own beside the record, of which nothing is ever shown: env and stdin may hold secrets. It is there only as
long as somebody may need it: it goes when the job has ended well on all hosts, and with its record. The file is a line
of JSON with the lengths of script and stdin, and then their bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields

from agentless.cache.json_line import (
    CHECKS,
    DamagedRecord,
    Raw,
    dump,
    field_of,
    is_number,
    is_text,
    is_whole,
    list_of,
    parse,
)
from agentless.errors import UsageError
from agentless.model.job_spec import JobSpec, Script, Sent

__all__ = ["decode_sent", "encode_sent"]

FORMAT = 1


@functools.cache
def _plain_fields() -> dict[str, tuple[Callable[[object], bool], object]]:
    """By name, check and default of the fields of a job that are one text, number or switch each.

    The entry of a schedule is none: what a fire of it ran stands there.
    """
    plain = [field for field in fields(JobSpec) if str(field.type) in CHECKS and field.name != "schedule"]
    return {field.name: (CHECKS[str(field.type)], field.default) for field in plain}


def encode_sent(sent: Sent) -> bytes:
    """The content of the file."""
    spec = sent.spec
    script = None if spec.script is None else [spec.script.name, *spec.script.arguments]
    raw: Raw = {
        "v": FORMAT,
        "script": script,
        "script_size": None if spec.script is None else len(spec.script.data),
        "stdin_size": None if spec.stdin is None else len(spec.stdin),
        "returners": list(spec.returners),
        "env": dict(spec.env),
        "metadata": dict(spec.metadata),
        **{name: getattr(spec, name) for name in _plain_fields()},
        **{name: getattr(sent, name) for name in ("batch", "max_fail", "batch_wait")},
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
            **{name: field_of(raw, name, check, usual) for name, (check, usual) in _plain_fields().items()},
            script=script,
            env=field_of(raw, "env", _texts, {}),
            stdin=None if stdin_size is None else rest[len(rest) - stdin_size :],
            metadata=field_of(raw, "metadata", _texts, {}),
            returners=tuple(list_of(raw, "returners", is_text)),
        )
    except UsageError as error:
        raise DamagedRecord(error.message) from error
    batch, max_fail = (field_of(raw, name, _share, None) for name in ("batch", "max_fail"))
    return Sent(spec, batch, max_fail, field_of(raw, "batch_wait", is_number, None))


def _size(value: object) -> bool:
    return is_whole(value) and isinstance(value, int) and value >= 0


def _share(value: object) -> bool:
    return is_text(value) or is_whole(value)


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(is_text, value.values()))
