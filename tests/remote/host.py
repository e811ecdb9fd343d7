"""The helper as a host runs it: a process of its own under a real Python, spoken to over its pipes as sshd would."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentless.runner import payload
from agentless.runner.frames import Decoder, Frame
from tests.hosts.waiting import patience, until

NONCE = "0123456789abcdef"
_count = itertools.count()


def pythons() -> list[str]:
    """One interpreter for each minor version from 3.6 on, from pyenv and PATH; the version is the pytest id."""
    found: dict[str, str] = {}
    places = [str(path) for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))]
    names = ["python3", *(f"python3.{minor}" for minor in range(6, 20))]
    places += ["/usr/bin/python3", *filter(None, (shutil.which(name) for name in names)), sys.executable]
    for place in places:
        if Path(place).name.removeprefix("python") in found:
            # pyenv's are scripts that take their time to look for one.
            continue
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([place, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
        version = done.stdout.strip()
        if done.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 6):
            found.setdefault(version, place)
    return [found[version] for version in sorted(found, key=lambda text: int(text.split(".")[1]))]


def new_jid() -> str:
    """A JID of now that no other test of this process has."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.strftime("%Y%m%d%H%M%S") + f"{os.getpid() % 1000:03d}{next(_count) % 1000:03d}"


@dataclass
class Answer:
    """What one call answered so far."""

    frames: list[Frame] = field(default_factory=list)

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [dict(frame.meta) for frame in self.frames if frame.kind == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """The only frame of a kind."""
        found = self.all(kind)
        assert len(found) == 1, f"{len(found)} frames {kind!r} in {[frame.meta for frame in self.frames]}"
        return found[0]

    def bytes(self, kind: str, stream: int) -> bytes:
        """The bodies of `out` or `rec` frames of stream 1 or 2, joined."""
        return b"".join(f.body for f in self.frames if f.kind == kind and f.meta["s"] == stream)


class Call:
    """A call under way."""

    def __init__(self, command: payload.CallCommand, sections: bytes, argv: Sequence[str], **kwargs: Any) -> None:
        self.answer = Answer()
        self.command = command
        self._sections = sections
        self._decoder = Decoder(command.nonce)
        self.process = subprocess.Popen(
            [*argv, command.line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs
        )

    def step(self, seconds: float = 30.0) -> bool:
        """Take what comes next; False at the end."""
        assert self.process.stdout is not None
        seconds = patience(seconds)
        readable, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert readable, f"nothing came within {seconds:.0f} s; so far {[frame.meta for frame in self.answer.frames]}"
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        for frame in self._decoder.feed(data):
            self.answer.frames.append(frame)
            if frame.kind in ("need", "ready"):
                self._send(
                    (self.command.payload if frame.kind == "need" else b"") + self.command.stdin + self._sections
                )
        return bool(data)

    def until(self, kind: str) -> dict[str, Any]:
        """Read until a frame of this kind has come, and return it."""
        while not self.answer.all(kind):
            assert self.step(), f"ended without {kind!r}: {[frame.meta for frame in self.answer.frames]} {self.said()}"
        return self.answer.all(kind)[0]

    def end(self) -> Answer:
        """Read to the end of the call."""
        while self.step():
            pass
        said = self.said()
        self.process.wait(patience(30))
        assert self.answer.all("end"), f"no end: {[frame.meta for frame in self.answer.frames]} {said}"
        return self.answer

    def said(self) -> str:
        """What stood on stderr of a call that has ended."""
        assert self.process.stderr is not None
        data: bytes = self.process.stderr.read()
        return data.decode("utf-8", "replace")

    def kill(self) -> None:
        """End the helper by SIGKILL, and close its pipes as a dead sshd would."""
        pid = self.helper_pid()
        os.kill(pid, 9)
        self.close()

    def helper_pid(self) -> int:
        """The helper below the shell that looked for a Python."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(until(lambda: children.read_text().split(), "it has found one")[0])

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.process.wait(patience(30))

    def _send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            # It reads no more; what it says tells why.
            return


class Host:
    """One state directory, and calls to it.

    Args:
        folder: a directory of this host's own.
        python: the interpreter.
        helper: a `helper` directory to start with, so that not every test has to bring it.
    """

    def __init__(self, folder: Path, python: str, helper: Path | None = None) -> None:
        self.python = python
        self.state = folder / "state"
        self.state.mkdir(0o700)
        self.argv: Sequence[str] = ("/bin/sh", "-c")
        self.env: Mapping[str, str] | None = None
        self.cwd = str(folder)
        if helper is not None:
            shutil.copytree(helper, self.state / "helper")
        self._calls: list[Call] = []

    @property
    def root(self) -> Path:
        return self.state / os.uname().nodename

    def begin(
        self, op: str, *, sections: Mapping[str, bytes] | None = None, python: str | None = None, **kwargs: Any
    ) -> Call:
        """Start a call; `sections` are env, script and stdin."""
        sections = sections or {}
        request: dict[str, Any] = {
            "op": op,
            "controller": "ada@laptop",
            "sections": [[n, len(data)] for n, data in sections.items()],
        }
        request.update(kwargs)
        command = payload.command(
            request,
            sections_len=sum(map(len, sections.values())),
            python=python or self.python,
            state_dir=str(self.state),
        )
        call = Call(command, b"".join(sections.values()), self.argv, env=self.env, cwd=self.cwd)
        self._calls.append(call)
        return call

    def call(self, op: str, **kwargs: Any) -> Answer:
        """One whole call."""
        return self.begin(op, **kwargs).end()

    def begin_run(self, command: str | None, jid: str | None = None, **kwargs: Any) -> Call:
        request: dict[str, Any] = {
            "jid": jid or new_jid(),
            "nonce": NONCE,
            "fun": "cmd.run" if command is not None else "cmd.script",
            "arg": [command],
            "tgt": "*",
            "tgt_type": "compound",
            "user": "ada",
            "metadata": {},
            "command": command,
        }
        return self.begin("run", **{**request, **kwargs})

    def run(self, command: str | None, jid: str | None = None, **kwargs: Any) -> Answer:
        """Run a job to its end."""
        return self.begin_run(command, jid, **kwargs).end()

    def start(self, command: str, jid: str | None = None, **kwargs: Any) -> tuple[str, int]:
        """Run a job detached; return its JID and PID."""
        jid = jid or new_jid()
        accepted = self.run(command, jid, detach=True, **kwargs).one("accepted")
        return jid, accepted["pid"]

    def ended(self, jid: str) -> Answer:
        """Follow a job to its end."""
        return self.call("follow", jid=jid)

    def proc(self, jid: str) -> dict[str, Any]:
        """The proc file as it is on disk."""
        value: dict[str, Any] = json.loads((self.root / "proc" / jid).read_text())
        return value

    def kill(self, jid: str, number: int = 9) -> dict[str, Any]:
        return self.call("signal", jid=jid, signal=number, by="ada@laptop").one("signalled")

    def close(self) -> None:
        """End every job that still runs."""
        procs = self.root / "proc"
        for name in os.listdir(procs) if procs.exists() else ():
            if len(name) == 20:
                self.kill(name)
        for call in self._calls:
            if call.process.poll() is None:
                call.process.kill()
            call.close()


# Rooms of the helper, and what the supervisor does there.
BEFORE_IT_STARTS = ("start", 'disk.put(start.new+"/job.json"')
BEFORE_IT_TELLS = ("launch", "disk.write_all(tell")


def die_at(folder: Path, where: tuple[str, str]) -> None:
    """The supervisor is killed just there: the kernel's out-of-memory killer takes whom it wants.

    Args:
        folder: what the `helper` directory is in.
    """
    room, line = where
    (path,) = folder.glob(f"helper/*/remote/{room}.py")
    text = path.read_text()
    assert text.count(line) == 1
    path.write_text(text.replace(line, "os.kill(os.getpid(),9);" + line))
    for compiled in folder.glob("helper/*/*-*"):
        compiled.unlink()


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def tagged(jid: str) -> list[int]:
    """Every live process whose environment names the job."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                env = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:
                continue
            if f"AGENTLESS_JID={jid}".encode() in env.split(b"\0") and alive(int(name)):
                found.append(int(name))
    return found


def file_with(path: Path, words: int = 1) -> list[str]:
    """The words of a file, once there are so many."""

    def look() -> list[str]:
        found = path.read_text().split() if path.exists() else []
        return found if len(found) >= words else []

    return until(look, f"{words} words in {path}")


def now() -> float:
    return time.monotonic()
