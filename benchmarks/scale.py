"""The controller alone, at 100, 1,000 and 10,000 hosts: CPU, memory, threads and connections of whole commands.

Hosts are links that answer from a recording of real frames, made at the start with the helper on this machine: no sshd
and no helper competes for the cores, and no SSH is in the figures. `run` is a job that has ended at once; `follow` is
`jobs wait` on jobs that run on until all hosts have been seen running.

    python benchmarks/scale.py --hosts 100 1000 10000
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from agentless import Fleet
from agentless.cli.app import main as agentless
from agentless.model.endpoint import Endpoint
from agentless.transport.channel import Channel, Link
from agentless.transport.local import LocalChannel, LocalLink

VERBS = ("run", "detach", "wait", "active", "lookup", "follow")
KEPT = re.compile(rb'"jid": "(\d{20})"')
# KiB on Linux and the BSDs, bytes on macOS (getrusage(2)).
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def asked(line: str) -> tuple[str, str, str]:
    """What a remote command asks for: the kind of its recording, the nonce and the JID, empty where it has none."""
    words = line.rsplit("'", 24)[1::2]
    nonce, encoded = next(word for word in words if len(word) == 16), words[-1]
    request = json.loads(base64.b64decode(encoded))
    kind = request["op"] + ("-detach" if request.get("detach") else "")
    jid = request.get("jid") or (request["jobs"][0]["jid"] if request.get("jobs") else "")
    return kind, nonce, jid


# --- recording -------------------------------------------------------------------------------------------------------
class Recorded(LocalChannel):
    """A command on this machine, whose stdout is noted."""

    noted: bytearray

    def recv(self, timeout: float) -> tuple[int, bytes] | None:
        piece = super().recv(timeout)
        if piece is not None and piece[0] == 1:
            self.noted += piece[1]
        return piece


class Recorder(LocalLink):
    """This machine as a host that notes what it answers, by kind: the bytes, with the nonce and JID that they have."""

    tape: ClassVar[dict[str, tuple[bytearray, str, str]]] = {}

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> LocalChannel:
        channel = super().exec(line, pty=pty, once=once)
        channel.__class__ = Recorded
        assert isinstance(channel, Recorded)
        channel.noted = bytearray()
        kind, nonce, jid = asked(line)
        self.tape[kind] = (channel.noted, nonce, jid)
        return channel


class RecordingHosts:
    def connect(self, endpoint: Endpoint) -> Link:
        return Recorder()

    def close(self) -> None: ...


def record(root: Path) -> dict[str, tuple[bytes, str, str]]:
    """The answers of a real host to each kind of call: a job that has ended, and one that runs."""
    (root / "one.yaml").write_text(
        f"all: {{hosts: {{h: {{ansible_connection: local, agentless_state_dir: {root}/s}}}}}}"
    )
    with Fleet(root / "one.yaml") as fleet:
        fleet._parts.__dict__["connector"] = RecordingHosts()
        Recorder.tape.clear()
        fleet.run("h", "exec sleep 600", detach=True)
        going = fleet.last()
        fleet.active()
        fleet.lookup(going)
        tape = dict(Recorder.tape)
        tape["fetch-running"] = tape.pop("fetch")
        fleet.kill_job(going)
        ended = fleet.run("h", "echo 'a line of output, as most commands print one'", live=False)
        tape["run"] = Recorder.tape["run"]
        fleet.start("h", fleet_job("echo 'a line of output'"), detached()).close()
        for verb in ("follow", "fetch"):
            with Fleet(root / "one.yaml") as other:
                other._parts.__dict__["connector"] = RecordingHosts()
                ask(other, verb, ended.job.jid, root)
            tape[verb] = Recorder.tape[verb]
    return {kind: (bytes(noted), nonce, jid) for kind, (noted, nonce, jid) in tape.items()}


def fleet_job(command: str) -> Any:
    from agentless import JobSpec

    return JobSpec(command)


def detached() -> Any:
    from agentless.model.job_spec import Delivery

    return Delivery(detach=True)


def ask(fleet: Fleet, verb: str, jid: str, root: Path) -> None:
    """Let a host be asked about a job that has ended and that this controller has not heard of."""
    from agentless.model.jid import JID
    from agentless.model.requests import FetchRequest, FollowRequest, Wanted
    from agentless.runner.session import Session
    from agentless.runner.writing import write

    contact = fleet._parts.contact
    request = FollowRequest(JID(jid)) if verb == "follow" else FetchRequest((Wanted(JID(jid)),))
    endpoint = fleet.endpoints()["h"]
    session = Session(Recorder(), endpoint, write(request, contact.caller), contact.cache.scratch, follows=True)
    list(session.answers())


# --- playing it back -------------------------------------------------------------------------------------------------
class Player(Channel, Link):
    """A host that answers from the recording; a job that is to run on holds the line, as a helper that follows does."""

    user = "ada"

    def __init__(self, hosts: PlayedHosts) -> None:
        self._hosts = hosts
        self._data = b""
        self._held = False
        self._closed = threading.Event()

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def exec(self, line: str, *, pty: bool = False, once: bool = False) -> Channel:
        kind, nonce, jid = asked(line)
        running = self._hosts.running
        if kind == "follow" and running:
            self._hosts.seen.add(jid)
            data, old_nonce, old_jid = self._hosts.tape["run-detach"]
            data, self._held = data[: data.rindex(b"\x1e")], True
        else:
            data, old_nonce, old_jid = self._hosts.tape["fetch-running" if kind == "fetch" and running else kind]
        old = old_jid or (match[1].decode() if (match := KEPT.search(data)) else "")
        new = jid or self._hosts.jid
        data = data.replace(old_nonce.encode(), nonce.encode())
        self._data = data.replace(old.encode(), new.encode()) if old and new else data
        return self

    def recv(self, timeout: float) -> tuple[int, bytes] | None:
        if self._data:
            data, self._data = self._data, b""
            return 1, data
        if self._held and not self._closed.wait(timeout):
            return None
        return 0, b""

    def send(self, data: bytes, timeout: float) -> None: ...

    def exit_status(self) -> int | None:
        return 0

    def close(self) -> None:
        self._closed.set()
        self._hosts.left(self)


class PlayedHosts:
    """Links to hosts that answer from a recording.

    Attributes:
        most: how many were open at once.
    """

    def __init__(self, tape: dict[str, tuple[bytes, str, str]], *, running: bool, jid: str = "") -> None:
        self.tape = tape
        self.running = running
        self.jid = jid
        self.most = 0
        self.seen: set[str] = set()
        self._open: set[Player] = set()
        self._lock = threading.Lock()

    def connect(self, endpoint: Endpoint) -> Link:
        player = Player(self)
        with self._lock:
            self._open.add(player)
            self.most = max(self.most, len(self._open))
        return player

    def left(self, player: Player) -> None:
        with self._lock:
            self._open.discard(player)

    def close(self) -> None: ...


# --- measuring -------------------------------------------------------------------------------------------------------
WORDS = {
    "run": ["run", "all", "--", "id -un"],
    "detach": ["run", "all", "--detach", "--", "id -un"],
    "wait": ["jobs", "wait", "last"],
    "active": ["jobs", "active"],
    "lookup": ["jobs", "lookup", "last"],
    "follow": ["jobs", "wait", "last", "--wait", "8"],
}


@contextlib.contextmanager
def most_threads(seen: list[int]) -> Iterator[None]:
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.append(threading.active_count())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    yield
    over.set()
    watcher.join()


def measured(verb: str, root: Path, arguments: list[str]) -> dict[str, float]:
    """Run one command in this process, on hosts that are played."""
    tape = {
        kind: (base64.b64decode(data), nonce, jid)
        for kind, (data, nonce, jid) in json.loads((root / "tape.json").read_text()).items()
    }
    hosts = PlayedHosts(tape, running=verb in ("active", "follow"))

    def make_fleet(*words: Any, **options: Any) -> Fleet:
        fleet = Fleet(*words, **options)
        fleet._parts.__dict__["connector"] = hosts
        hosts.jid = fleet.cache.last() or ""
        return fleet

    threads = [0]
    with (
        most_threads(threads),
        contextlib.redirect_stdout(io.TextIOWrapper(open(os.devnull, "wb"))),
        contextlib.redirect_stderr(io.TextIOWrapper(open(os.devnull, "wb"))),
    ):
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.monotonic()
        code = agentless([*WORDS[verb], *arguments], make_fleet=make_fleet)
        wall = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "code": code,
        "wall": wall,
        "cpu": cpu,
        "memory": after.ru_maxrss * RSS_UNIT / 1e6,
        "threads": max(threads) - 2,
        "connections": hosts.most,
    }


def in_child(verb: str, root: Path, arguments: list[str], profile: bool) -> dict[str, float]:
    words = [sys.executable, *(["-m", "cProfile", "-o", f"/tmp/spread-bench/{verb}.prof"] if profile else [])]
    words += [__file__, "--child", verb, "--root", str(root), "--", *arguments]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help="further words for each command, such as -f 50")
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measured(given.child, given.root, given.arguments)))
        return
    root = Path(tempfile.mkdtemp(prefix="agentless-scale-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    environ = {"HOME": str(root), "XDG_CACHE_HOME": str(root / "cache"), "XDG_CONFIG_HOME": str(root / "config")}
    os.environ.update(environ, AGENTLESS_INVENTORY=str(root / "inventory.yaml"))
    try:
        tape = record(root)
        kept = {k: (base64.b64encode(data).decode(), nonce, jid) for k, (data, nonce, jid) in tape.items()}
        (root / "tape.json").write_text(json.dumps(kept))
        print(
            f"{'verb':<8}{'hosts':>7}{'wall':>9}{'CPU':>9}{'CPU/host':>11}{'memory':>9}{'threads':>9}{'links':>7}{'exit':>6}"
        )
        for count in given.hosts:
            shutil.rmtree(root / "cache", ignore_errors=True)
            (root / "inventory.yaml").write_text(f"all: {{hosts: {{'web[00001:{count:05}].example.invalid': {{}}}}}}\n")
            for verb in VERBS:
                if verb in ("active", "follow", "lookup"):
                    # A job that the cache knows as running.
                    in_child("detach", root, [], profile=False)
                if verb not in given.verbs:
                    continue
                one = in_child(verb, root, given.arguments, given.profile)
                print(
                    f"{verb:<8}{count:>7}{one['wall']:>8.1f}s{one['cpu']:>8.2f}s{one['cpu'] / count * 1e3:>8.2f} ms"
                    f"{one['memory']:>6.0f} MB{one['threads']:>9.0f}{one['connections']:>7.0f}{one['code']:>6}",
                    flush=True,
                )
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
