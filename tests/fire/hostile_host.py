"""A host that lies, as sshd's ForceCommand: it runs the helper that was sent, and changes its reply on the way.

Called with a file that holds the seed by which the lie is drawn. It knows the wire from its description only, and
imports nothing of the project.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

FRAME = re.compile(rb"\x1e([0-9a-f]{16}) (\d+) (\d+)\n")
KINDS = ["accepted", "end", "entry", "error", "event", "found", "gap", "job", "need", "out", "pong", "pushed", "rec"]
KINDS += ["refused", "return", "running", "schedule", "seen", "signalled", "state", "nonsense"]
JIDS = (
    "99991231235999999999",
    "99991231235959999999",
    "20991231235959000000",
    "00000000000000000000",
    "2026",
    "../../x",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**400,
    2**63,
    1e308,
    -1e308,
    "",
    "\x1b]0;owned\x07\x1b[2J",
    "\ud800\u202e\u200b",
    "a" * 300_000,
    [],
    {},
    [[[[{}]]]],
    {"": {"": []}},
    [0] * 10_000,
)


def frame(nonce: bytes, meta: bytes, body: bytes) -> bytes:
    return b"\x1e%s %d %d\n%s%s" % (nonce, len(meta), len(body), meta, body)


def _changed(draw: random.Random, value: Any) -> Any:
    """The value with something in it replaced."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = draw.choice(sorted(value))
        return {**value, key: _changed(draw, value[key])}
    if isinstance(value, list) and value and draw.random() < 0.8:
        return [_changed(draw, value[0]), *value[1:]]
    return draw.choice(VALUES)


def wrong_value(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    return frame(nonce, json.dumps(_changed(draw, json.loads(meta))).encode(), body)


def missing_key(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    value = json.loads(meta)
    del value[draw.choice(sorted(value))]
    return frame(nonce, json.dumps(value).encode(), body)


def other_kind(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    return frame(nonce, json.dumps({**json.loads(meta), "t": draw.choice(KINDS)}).encode(), body)


def other_jid(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    return frame(nonce, json.dumps({**json.loads(meta), "jid": draw.choice(JIDS)}).encode(), body)


def nested(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    deep = draw.choice([b"[" * 200_000, b'{"t":' * 100_000, b"[" * 200_000 + b"]" * 200_000])
    return frame(nonce, deep, body)


def huge_number(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    return frame(nonce, meta[:-1] + b', "pid": 1' + b"0" * 100_000 + b"}", body)


def no_object(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    return frame(nonce, draw.choice([b"", b"null", b"[]", b"1", b'"x"', b"\xff\xfe", b"{"]), body)


def wrong_length(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    length = draw.choice([0, 1, len(meta) + 1, 2**31, 10**30])
    return b"\x1e%s %d %d\n%s%s" % (nonce, length, len(body), meta, body)


def twice(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    return frame(nonce, meta, body) * draw.choice([2, 500])


def cut_off(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    whole = frame(nonce, meta, body)
    sys.stdout.buffer.write(whole[: draw.randrange(len(whole))])
    sys.stdout.buffer.flush()
    os._exit(draw.choice([0, 1, 96, 97, 98, 255]))


def foreign_jobs(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    """Jobs that nobody sent, with ends, as if a schedule had fired them."""
    made = b""
    for number in range(draw.choice([1, 400])):
        jid = draw.choice([f"20261231{number:012d}", f"99991231{number:012d}", f"20200101{number:012d}"])
        job = {"t": "job", "jid": jid, "fun": "cmd.run", "arg": ["\x1b[2J"], "tgt": "*", "user": "x", "schedule": "s"}
        end = {"t": "return", "jid": jid, "retcode": 0, "ended_by": "exit", "stdout_truncated": 0}
        made += frame(nonce, json.dumps(job).encode(), b"") + frame(nonce, json.dumps(end).encode(), b"")
    return made + frame(nonce, meta, body)


def noise(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    return draw.randbytes(draw.choice([10, 3_000_000])) + frame(nonce, meta, body)


def much(draw: random.Random, nonce: bytes, meta: bytes, body: bytes) -> bytes:
    """More records and frames than any job has."""
    kind = draw.choice(KINDS)
    whole = frame(nonce, json.dumps({**json.loads(meta), "t": kind, "s": 1, "at": 0}).encode(), b"x" * 200_000)
    return whole * 200


LIES: tuple[Callable[[random.Random, bytes, bytes, bytes], bytes], ...] = (
    wrong_value,
    wrong_value,
    wrong_value,
    missing_key,
    other_kind,
    other_jid,
    nested,
    huge_number,
    no_object,
    wrong_length,
    twice,
    cut_off,
    foreign_jobs,
    noise,
    much,
)


def main(seed_file: str) -> None:
    with open(seed_file) as file:
        draw = random.Random(file.read())
    lie, turn = draw.choice(LIES), draw.choice([0, 0, 0, 1, 1, 2, 3])
    child = subprocess.Popen(["/bin/sh", "-c", os.environ["SSH_ORIGINAL_COMMAND"]], stdout=subprocess.PIPE)
    assert child.stdout is not None
    waiting = b""
    while piece := os.read(child.stdout.fileno(), 65536):
        waiting += piece
        while found := FRAME.search(waiting):
            meta_end = found.end() + int(found[2])
            end = meta_end + int(found[3])
            if len(waiting) < end:
                break
            meta, body = waiting[found.end() : meta_end], waiting[meta_end:end]
            whole = waiting[found.start() : end] if turn else lie(draw, found[1], meta, body)
            _write(whole)
            waiting, turn = waiting[end:], turn - 1
    _write(waiting)
    sys.exit(child.wait() & 255)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main(sys.argv[1])
