"""A throwaway fleet on loopback, and the main job told on it: no root, no sshd, nothing of the user's touched.

The hosts are an SSH server inside this process (paramiko's server side), one port each. What they run are real
processes of this user, and the helper that agentless brings is the real one, so what is shown is what any host does.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import logging
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import paramiko
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from agentless.errors import AgentlessError

__all__ = ["DemoFleet", "Step", "demo", "story"]

LOGGER = "agentless.demo"
PIECE = 32 * 1024

# What sshd gives a session where nothing else is configured.
SESSION_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class DemoFleet:
    """A context manager: N hosts on 127.0.0.1, each with a port, a host key, a home and a state directory of its own.

    Args:
        hosts: how many, at least 1. Every third is a `db`, the others are `web`.

    Attributes:
        names: `web1`, `web2`, `db1`, …
        directory: everything that it writes, removed at the end.
        inventory: how to reach the hosts, with strict host keys.

    At the end every job that still runs on its hosts is killed.
    """

    def __init__(self, hosts: int = 3) -> None:
        if hosts < 1:
            raise AgentlessError(f"a fleet of {hosts} hosts is none", "Give --hosts 1 or more.")
        counts = {"web": 0, "db": 0}
        self.names: list[str] = []
        for number in range(1, hosts + 1):
            group = "db" if number % 3 == 0 else "web"
            counts[group] += 1
            self.names.append(f"{group}{counts[group]}")

    def __enter__(self) -> DemoFleet:
        self.directory = Path(tempfile.mkdtemp(prefix="agentless-demo-"))
        self.inventory = self.directory / "inventory.yaml"
        try:
            self._set_up()
        except BaseException:
            shutil.rmtree(self.directory)
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._kill_jobs()
        finally:
            self._server.close()
            shutil.rmtree(self.directory)

    def _set_up(self) -> None:
        (self.directory / "home" / ".ssh").mkdir(parents=True, mode=0o700)
        client_key = _key(self.directory / "key")
        known_hosts = self.directory / "known_hosts"
        self._server = _Server(client_key)
        user = getpass.getuser()
        hosts = {}
        with known_hosts.open("w") as known:
            for name in self.names:
                home = self.directory / "hosts" / name
                home.mkdir(parents=True, mode=0o700)
                host_key = _key(self.directory / f"host_key_{name}")
                port = self._server.listen(host_key, _Account(name, user, home))
                known.write(f"[127.0.0.1]:{port} {host_key.get_name()} {host_key.get_base64()}\n")
                hosts[name] = {"ansible_port": port, "agentless_state_dir": str(self.directory / "state" / name)}
        options = {"UserKnownHostsFile": known_hosts, "GlobalKnownHostsFile": "/dev/null", "IdentitiesOnly": "yes"}
        groups = {
            group: {"hosts": dict.fromkeys(name for name in self.names if name.startswith(group))}
            for group in ("web", "db")
        }
        shared = {
            "ansible_host": "127.0.0.1",
            "ansible_user": user,
            "ansible_ssh_private_key_file": str(self.directory / "key"),
            "ansible_python_interpreter": sys.executable,
            "ansible_ssh_common_args": " ".join(
                f"-o {shlex.quote(f'{key}={value}')}" for key, value in options.items()
            ),
        }
        tree = {
            "all": {
                "vars": shared,
                "hosts": hosts,
                "children": {group: members for group, members in groups.items() if members["hosts"]},
            }
        }
        self.inventory.write_text(yaml.safe_dump(tree, sort_keys=False))
        self._server.start()

    def agentless(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on these hosts, with a home, settings and a job cache of the demo's own.

        Results and what is said about them come together, in their order, as on a terminal.
        """
        return self._agentless(*arguments, stderr=subprocess.STDOUT)

    def _agentless(self, *arguments: str, stderr: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "agentless"] + ["-i", str(self.inventory), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=self.directory,
            env={
                "HOME": str(self.directory / "home"),
                "PATH": SESSION_PATH,
                "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
                "LC_ALL": "C.UTF-8",
            },
        )

    def _kill_jobs(self) -> None:
        if not any(self.directory.glob("state/*/*/proc/*")):
            return
        asked = self._agentless("running", "--out", "json", stderr=subprocess.PIPE)
        if asked.returncode != 0:
            raise AgentlessError(
                f"what still runs on the demo's hosts could not be asked: {asked.stderr.strip()}",
                "Look for it with: pgrep -af AGENTLESS",
            )
        jids = {process["jid"] for processes in json.loads(asked.stdout).values() for process in processes}
        for jid in sorted(jids):
            self._agentless("kill-job", jid, stderr=subprocess.PIPE)


# --- the story -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Step:
    """One command of the story.

    Args:
        said: what it is for, in a sentence.
        command: what a person would type.
        output: what it printed.
        exit_code: how it ended.
        expected: how it ends when all is well.
    """

    said: str
    command: str
    output: str
    exit_code: int
    expected: int = 0


def story(fleet: DemoFleet) -> Iterator[Step]:
    """The main job on a fleet, step by step: run, leave, look, kill, look up, list. Ends early where a step fails."""

    def step(said: str, *arguments: str, expected: int = 0) -> Step:
        done = fleet.agentless(*arguments)
        command = shlex.join(["agentless", *arguments])
        return Step(said, command, done.stdout, done.returncode, expected)

    count = "the host" if len(fleet.names) == 1 else f"all {len(fleet.names)} hosts"
    yield step(
        f"A command on {count}. Every command is a job; its output comes as the hosts finish.",
        "run", "all", "--", "echo this is $(basename $PWD)",
    )  # fmt: skip
    sent = step(
        "A job that takes an hour, sent and left: --detach prints its job id and goes.",
        "run", "all", "--detach", "--", "echo started; sleep 3600; echo never seen",
    )  # fmt: skip
    yield sent
    if sent.exit_code != sent.expected:
        return
    jid = sent.output.split()[0]
    yield step("No connection holds it, and no agent: it runs under its job id, and says where.", "jobs", "active")
    yield step("It is not needed any more. The whole tree of its processes is killed, on every host.", "kill-job", jid)
    yield step(
        "What became of it? The output so far was kept, and who ended it. (It exits with 1: the job failed.)",
        "jobs", "lookup", jid,
        expected=1,
    )  # fmt: skip
    yield step("Both jobs are in this controller's job cache, for a day.", "jobs", "list")


def demo(echo: Callable[[str], None], *, hosts: int = 3, keep: bool = False) -> int:
    """Tell the story on a throwaway fleet; with `keep`, leave the fleet up until Ctrl-C.

    Args:
        echo: told each line.
        hosts: how many hosts.
        keep: stay in the foreground afterwards, with the inventory and commands to try.

    Returns:
        0, or 1 where a step did not end as it should.
    """
    with _terminated_as_interrupted(), DemoFleet(hosts) as fleet:
        echo(f"{hosts} throwaway host{'s' if hosts > 1 else ''} on 127.0.0.1, and their inventory: {fleet.inventory}")
        done = 0
        for step in story(fleet):
            echo("")
            echo(f"# {step.said}")
            echo(f"$ {step.command}")
            for line in step.output.splitlines():
                echo(line)
            if step.exit_code != step.expected:
                echo(f"This step exited with {step.exit_code} instead of {step.expected}: the demo ends here.")
                return 1
            done += 1
        echo("")
        echo(
            f"That was the main job, in {done} commands: run on {hosts} host{'s' if hosts > 1 else ''}, leave, look, "
            "kill, look up, list. Nothing was installed, and nothing is left."
            if not keep
            else "That was the main job. The hosts stay up: try it by hand, from another terminal."
        )
        if keep:
            with contextlib.suppress(KeyboardInterrupt):
                _stay(fleet, echo)
            echo("The hosts are gone.")
    return 0


def _stay(fleet: DemoFleet, echo: Callable[[str], None]) -> None:
    at = f"agentless -i {shlex.quote(str(fleet.inventory))}"
    echo("")
    for line in fleet.inventory.read_text().splitlines():
        echo(f"    {line}")
    echo("")
    for command in (
        "hosts --graph",
        "run web -- uptime",
        "run all --group -- uname -sr",
        "run all --detach -- 'for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 5; done'",
        "jobs tail last -f",
        "jobs list",
    ):
        echo(f"{at} {command}")
    echo("")
    echo("Ctrl-C ends the hosts, and with them every job that still runs on them.")
    threading.Event().wait()


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that jobs and files are cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# --- the server ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Account:
    """Who logs in to a host, and where that user's home is."""

    host: str
    user: str
    home: Path


def _key(path: Path) -> paramiko.Ed25519Key:
    """Make an Ed25519 key in OpenSSH's format at `path`, readable by this user alone."""
    made = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


class _Server:
    """Listens for all hosts in one thread; each connection then has paramiko's own."""

    def __init__(self, client_key: paramiko.PKey) -> None:
        self._client_key = client_key
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._transports: list[paramiko.Transport] = []
        self._sessions: set[_Session] = set()
        self._thread = threading.Thread(target=self._serve, name="demo hosts", daemon=True)
        # Clients that leave in the middle are no news; without a handler, logging would print them.
        logging.getLogger(LOGGER).addHandler(logging.NullHandler())

    def listen(self, host_key: paramiko.PKey, account: _Account) -> int:
        """Listen for one more host; return its port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, (host_key, account))
        return int(listener.getsockname()[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and close every connection."""
        # A byte, not only the end of the stream: a process that was just forked may still hold a copy of it.
        self._wake.send(b"x")
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        for transport in self._transports:
            transport.close()
        for session in list(self._sessions):
            session.kill()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                assert isinstance(key.fileobj, socket.socket)
                try:
                    connection, _ = key.fileobj.accept()
                except OSError:
                    # It left again before it was accepted.
                    continue
                self._greet(connection, *key.data)

    def _greet(self, connection: socket.socket, host_key: paramiko.PKey, account: _Account) -> None:
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(connection)
        transport.set_log_channel(LOGGER)
        transport.add_server_key(host_key)
        # With an event it returns at once, and the handshake goes on in the transport's thread.
        transport.start_server(event=threading.Event(), server=_Login(self._client_key, account, self._sessions))
        self._transports = [one for one in self._transports if one.is_alive()]
        self._transports.append(transport)


class _Login(paramiko.ServerInterface):
    """What one connection may do: log in with the one key, and run commands."""

    def __init__(self, client_key: paramiko.PKey, account: _Account, sessions: set[_Session]) -> None:
        self._client_key = client_key
        self._account = account
        self._sessions = sessions

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        right = key == self._client_key and username == self._account.user
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        answered = threading.Event()
        session = _Session(channel, command, self._account, self._sessions)
        threading.Thread(target=session.run, args=(answered,), name=self._account.host, daemon=True).start()
        # Returning is what sends the answer; the session's first output must come behind it.
        answered.set()
        return True


class _Session:
    """One command: a process in a session of its own, its three streams carried in full, and its exit status."""

    def __init__(self, channel: paramiko.Channel, command: bytes, account: _Account, sessions: set[_Session]) -> None:
        self._channel = channel
        self._command = command
        self._account = account
        self._sessions = sessions

    def run(self, answered: threading.Event) -> None:
        """Run the command to its end; nothing is sent before `answered`."""
        answered.wait()
        account = self._account
        process = self._process = subprocess.Popen(
            ["/bin/sh", "-c", self._command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            cwd=account.home,
            env={
                "HOME": str(account.home),
                "USER": account.user,
                "LOGNAME": account.user,
                "SHELL": "/bin/sh",
                "PATH": SESSION_PATH,
            },
        )
        self._sessions.add(self)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        threads = [
            threading.Thread(target=self._carry, args=(process.stdout, self._channel.sendall), daemon=True),
            threading.Thread(target=self._carry, args=(process.stderr, self._channel.sendall_stderr), daemon=True),
        ]
        feeder = threading.Thread(target=self._feed, args=(process.stdin,), daemon=True)
        for thread in (*threads, feeder):
            thread.start()
        status = process.wait()
        # As sshd does: the channel stays open for as long as anybody holds the command's output.
        for thread in threads:
            thread.join()
        # A client that has gone needs no status.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.send_exit_status(status if status >= 0 else 128 - status)
            self._channel.close()
        feeder.join()
        self._sessions.discard(self)

    def kill(self) -> None:
        """Kill what is left of the command's own session; jobs have sessions of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _carry(self, output: IO[bytes], send: Callable[[bytes], None]) -> None:
        with output:
            while data := output.read(PIECE):
                try:
                    send(data)
                except (OSError, EOFError, paramiko.SSHException):
                    # The client has gone: closing the pipe tells the command.
                    return

    def _feed(self, stdin: IO[bytes]) -> None:
        try:
            while data := self._channel.recv(PIECE):
                view = memoryview(data)
                while view:
                    view = view[stdin.write(view) :]
        except (OSError, EOFError):
            # The command reads no more, or the client has gone.
            pass
        finally:
            stdin.close()
