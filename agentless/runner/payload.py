"""The helper as it travels: the one line that starts it on a host, and the package for hosts that lack it."""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentless import remote
from agentless.digests import sha256
from agentless.files import replace_file
from agentless.model.endpoint import INTERPRETER
from agentless.values import dataclass

# Only who packs needs it.
if TYPE_CHECKING:
    from agentless.runner.packing import Pack

__all__ = ["LINE_MAX", "CallCommand", "command", "pack"]

LINE_MAX = 32 << 10
PYTHONS = ("python3", *(f"python3.{minor}" for minor in range(15, 5, -1)), "/usr/libexec/platform-python")
PYTHONS += ("/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3")

# Exit codes that leave no doubt that the helper did not start: python2's "unknown option" (2), a Python that cannot
# start (1, 134 by abort), one that the loader calls unfit, a command that is not there or cannot be run (126, 127).
SHELL = (
    'p=$1; shift; for p in "$p" @PYTHONS@; do case $p in -) continue;; "~/"*) p=$HOME/${p#??};; esac; '
    'command -v "$p" >/dev/null 2>&1 || continue; '
    '"$p" -I -S -c "import binascii,sys;exec(binascii.a2b_base64(sys.argv[2]))" "${LC_CTYPE+x$LC_CTYPE}" "$@"; r=$?; '
    "case $r in 1|2|97|126|127|134) ;; *) exit $r;; esac; done; "
    'echo "no Python 3.6 or newer was found; looked for: @PYTHONS@" >&2; exit 96'
).replace("@PYTHONS@", " ".join(PYTHONS))


_PACKING = Path(__file__).with_name("packing.py")
# A hundred threads ask at once, and building costs 60 ms: one builds. Not only for speed, see `pack`.
_BUILDING = threading.Lock()


@dataclass(frozen=True, slots=True)
class CallCommand:
    """One call of the helper.

    Args:
        line: the remote command, one line that every login shell takes as it stands.
        nonce: 16 hex digits that mark the frames of the answer.
        payload: what to send on stdin when the host answers `need`.
        stdin: the request, to be sent after that, where it is too long for the line; else empty.
    """

    line: str
    nonce: str
    payload: bytes
    stdin: bytes


def command(
    request: Mapping[str, Any], *, sections_len: int = 0, python: str | None = None, state_dir: str | None = None
) -> CallCommand:
    """Build the call of the helper for one request.

    Args:
        request: see remote/wire.py; `sections` names what follows on stdin.
        sections_len: bytes of all sections together; -1 of a stream that has its own end.
        python: `ansible_python_interpreter`, tried first; Ansible's `auto…` words mean none.
        state_dir: `agentless_state_dir`; None takes the user's own.

    Raises:
        ValueError: `python` holds characters that some login shell would not leave alone.
    """
    if not python or python.startswith("auto"):
        python = "-"
    if not INTERPRETER.fullmatch(python):
        raise ValueError(f"ansible_python_interpreter {python!r} holds characters that a login shell may change")
    nonce = os.urandom(8).hex()
    payload, unpacked, rooms, loader, unpack = pack()
    if request["op"] in rooms:
        request = {**request, "rooms": rooms[request["op"]]}
    request_json = json.dumps(request).encode("ascii")
    jid = request["jid"] if request["op"] == "run" else "-"

    def line(encoded: str) -> str:
        words = [loader, unpack, nonce, _digest(payload), str(len(payload)), str(unpacked)]
        words += [_base64((state_dir or "").encode()), jid, str(len(request_json)), str(sections_len), encoded]
        quoted = " ".join(f"'{word}'" for word in words)
        return f"exec /bin/sh -c '{SHELL}' agentless '{python}' {quoted}"

    whole = line(_base64(request_json))
    stdin = b""
    if len(whole) > LINE_MAX:
        whole, stdin = line("-"), request_json
    return CallCommand(whole, nonce, payload, stdin)


@functools.cache
def _digest(package: bytes) -> str:
    return sha256(package).hexdigest()


def pack() -> Pack:
    """The helper as it travels; packed once, and kept beside the bytecode of its sources.

    Returns:
        The package, the bytes of its files, by operation the further rooms that it needs, loader.py, and begin.py with
        unpack.py; all but the package in base64.

    Whoever calls many hosts packs before the first connection is open. ast.parse in two threads can raise "AST
    constructor recursion depth mismatch" (CPython gh-106905; seen with 3.11.7), and the thread that paramiko has for
    each connection parses, too: where sshd hangs up, it formats a traceback.
    """
    with _BUILDING:
        return _packed()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@functools.cache
def _packed() -> Pack:
    # To pack costs 100 ms, which every command would pay before its first connection.
    path = _kept_at()
    try:
        digest, _, kept = path.read_bytes().partition(b"\n")
        if sha256(kept).hexdigest().encode() != digest:
            raise ValueError(f"{path} is damaged")
        package, unpacked, *rest = json.loads(kept)
        return base64.b64decode(package), unpacked, *rest
    except (OSError, ValueError):
        from agentless.runner.packing import build

        pack = build()
    if not sys.dont_write_bytecode:
        package, *others = pack
        kept = json.dumps([_base64(package), *others]).encode()
        with contextlib.suppress(OSError):  # another user's directory
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, b"%s\n%s" % (sha256(kept).hexdigest().encode(), kept), mode=None, sync=False)
            for old in path.parent.glob("payload-*"):
                if old != path:
                    old.unlink()
    return pack


def _kept_at() -> Path:
    """Where the pack is kept that was made of these sources, by packing.py as it is.

    Its name is a digest of them. Beside it stands for which state of the files that was computed, so that a command
    needs not read them: their sizes, and when each was changed, which no one can set.
    """
    folder = Path(importlib.util.cache_from_source(str(remote.__file__))).parent
    state, changed = _state_of_sources()
    state_file = folder / "payload.state"
    with contextlib.suppress(OSError, ValueError):
        known_state, digest = state_file.read_text("ascii").split()
        if known_state == state:
            return folder / f"payload-{digest}"
    from agentless.runner.packing import sources

    texts = [_PACKING.read_bytes(), *(name.encode() + text for name, text in sources().items())]
    digest = sha256(b"\0".join(texts)).hexdigest()[:16]
    # What was changed just now may change again within the same tick of the clock.
    if not sys.dont_write_bytecode and not 0 <= time.time() - changed < 2:
        with contextlib.suppress(OSError):
            replace_file(state_file, f"{state} {digest}\n".encode("ascii"), mode=None, sync=False)
    return folder / f"payload-{digest}"


def _state_of_sources() -> tuple[str, float]:
    """A digest of the names, sizes and times of change of what the pack is made of, and the newest such time."""
    with os.scandir(os.path.dirname(remote.__file__ or "")) as entries:
        files = sorted(entry.path for entry in entries if entry.name.endswith(".py"))
    changes = [(file, os.stat(file)) for file in (str(_PACKING), *files)]
    state = "\n".join(f"{file} {one.st_size} {one.st_mtime_ns} {one.st_ctime_ns}" for file, one in changes)
    return sha256(state.encode("utf-8", "surrogateescape")).hexdigest(), max(one.st_ctime for _, one in changes)
