"""A real sshd on a free loopback port, with throwaway keys and a home of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import Unreachable
from agentless.model.endpoint import Endpoint
from agentless.openssh import keywords
from agentless.transport.channel import Channel
from agentless.transport.host_connector import HostConnector
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.greeting import held
from agentless.transport.keeper.place import Place
from agentless.transport.ssh import agent as agents
from tests.hosts import Master, patience, until
from tests.hosts.sshd import find_sshd

USER = getpass.getuser()
PASSWORD = "corréct horse"

# What starts an sshd, adds keys to the agent, serves a connection (of a number), and listens for some.
Start = Callable[..., "Server"]
Add = Callable[..., None]
Serve = Callable[[socket.socket, int], None]
Listen = Callable[[Serve], int]


def keygen(path: Path, *options: str, type_: str = "ed25519", passphrase: str = "") -> Path:
    """A new key pair at `path`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = ["ssh-keygen", "-q", "-t", type_, "-N", passphrase, "-f", str(path), "-C", path.name, *options]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def free_port(address: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


@dataclass
class Server:
    """A running sshd: `log` is what it said, `host_keys` its public keys by type."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes]
    host_keys: dict[str, str]
    address: str = "127.0.0.1"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    @property
    def connections(self) -> list[int]:
        """The PIDs of the processes of its connections."""
        pids = [self.process.pid]
        for pid in pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return pids[1:]

    def hang_up(self, signal_: int = signal.SIGKILL) -> None:
        """End the processes of its connections, or freeze them with a SIGSTOP, and leave it listening."""
        for pid in self.connections:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_)

    def end(self) -> None:
        """End the one that listens: connecting is refused from now on, and its connections go on."""
        self.process.terminate()
        self.process.wait(patience(10))

    def known_line(self, name: str | None = None, type_: str = "ssh-ed25519") -> str:
        return f"{name or f'[{self.address}]:{self.port}'} {type_} {self.host_keys[type_]}"


@dataclass
class Home:
    """A private home directory: its keys, its known_hosts, its ssh_config."""

    path: Path
    key: Path
    endpoint: Endpoint = field(default_factory=lambda: Endpoint("web1", "127.0.0.1", user=USER))

    @property
    def known_hosts(self) -> Path:
        return self.path / ".ssh" / "known_hosts"

    def knows(self, *lines: str) -> None:
        with self.known_hosts.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def config(self, text: str) -> None:
        (self.path / ".ssh" / "config").write_text(text)

    def to(self, server: Server, *, options: Iterable[tuple[str, str]] = (), **changes: object) -> Endpoint:
        """An endpoint of the server; the values of `options` are written as in a file."""
        values: dict[str, object] = {
            "address": server.address,
            "port": server.port,
            "connect_timeout": patience(20),
            "options": tuple(keywords.read(keyword, text) for keyword, text in options),
            **changes,
        }
        return replace(self.endpoint, **values)  # type: ignore[arg-type]


def by_ssh(home: Home, server: Server, *options: str) -> subprocess.CompletedProcess[str]:
    """What the machine's ssh makes of this home and these options."""
    given = [f"UserKnownHostsFile={home.known_hosts}", "GlobalKnownHostsFile=none", "BatchMode=yes", *options]
    command = ["ssh", "-F", "none", "-i", str(home.key), "-p", str(server.port)]
    command += [word for option in given for word in ("-o", option)]
    command += [f"{USER}@127.0.0.1", "true"]
    return subprocess.run(command, capture_output=True, text=True, timeout=patience(30), check=False)


def master(home: Home, server: Server, path: Path | None = None, *options: str) -> Master:
    """A master of the machine's ssh to a server."""
    given = [f"UserKnownHostsFile={home.known_hosts}", "GlobalKnownHostsFile=none", "BatchMode=yes", *options]
    arguments = ["-F", "none", "-i", str(home.key), "-p", str(server.port)]
    arguments += [word for option in given for word in ("-o", option)]
    return Master(path or home.path / "cm", [*arguments, f"{USER}@127.0.0.1"])


def open_descriptors() -> set[str]:
    """This process's descriptors, each with what it leads to: one that is in no earlier set was opened since.

    What an earlier test left open, and is closed meanwhile, changes no comparison.
    """
    opened = set()
    for number in os.listdir("/dev/fd"):
        # That of the listing is closed.
        with contextlib.suppress(FileNotFoundError):
            opened.add(f"{number} {os.readlink(f'/dev/fd/{number}')}")
    return opened


def logins(server: Server) -> int:
    """How many have logged in; the line of a login may come after it, but not after what a command then prints."""
    return server.log.count("Accepted publickey")


def drain(channel: Channel) -> tuple[bytes, bytes]:
    """All of stdout and stderr, to the end of both."""
    out = {1: b"", 2: b""}
    while True:
        piece = channel.recv(patience(60))
        assert piece is not None
        if piece[0] == 0:
            return out[1], out[2]
        out[piece[0]] += piece[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    path = tmp_path / "home"
    key = keygen(path / ".ssh" / "id_ed25519")
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return Home(path, key)


@pytest.fixture
def start_sshd(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts sshd with extra configuration lines; ends each when the test does."""
    sshd = find_sshd()
    with contextlib.ExitStack() as running:
        count = 0

        def start(
            *lines: str,
            authorized: Path | str = "",
            types: tuple[str, ...] = ("ed25519",),
            address: str = "127.0.0.1",
            prefix: tuple[str, ...] = (),
        ) -> Server:
            nonlocal count
            count += 1
            directory = tmp_path / f"sshd{count}"
            directory.mkdir()
            keys = [keygen(directory / f"host_{type_}", type_=type_) for type_ in types]
            accepted = Path(authorized).with_suffix(".pub").read_text() if authorized else ""
            (directory / "authorized_keys").write_text(accepted)
            config = [
                *lines,
                f"ListenAddress {address}",
                *(f"HostKey {key}" for key in keys),
                f"AuthorizedKeysFile {directory}/authorized_keys",
                "PidFile none",
                # Not the start-up files of whoever runs the tests.
                f"SetEnv HOME={directory}",
                "StrictModes no",
                "UsePAM no",
                "PermitRootLogin yes",
                "LogLevel VERBOSE",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
            ]
            if os.getuid() == 0:
                Path("/run/sshd").mkdir(exist_ok=True)
            host_keys = {}
            for key in keys:
                type_, text = key.with_suffix(".pub").read_text().split()[:2]
                host_keys[type_] = text
            for _ in range(5):
                # Another test may be quicker to take the port.
                port = free_port(address)
                (directory / "conf").write_text("\n".join([*config, f"Port {port}"]) + "\n")
                with (directory / "log").open("wb") as log:
                    command = [*prefix, sshd, "-D", "-e", "-f", str(directory / "conf")]
                    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                running.callback(_end, process)
                server = Server(port, directory, process, host_keys, address)
                until(partial(_settled, server), "sshd listens")
                if "Address already in use" not in server.log:
                    break
            assert process.poll() is None, server.log
            return server

        yield start


def _settled(server: Server) -> bool:
    return "Server listening" in server.log or server.process.poll() is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(patience(10))


@pytest.fixture
def connector(home: Home) -> Iterator[HostConnector]:
    made = HostConnector(home=home.path, system_config=home.path / "none")
    yield made
    made.close()


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Callable[..., KeeperClient]]:
    """Makes clients of a keeper of the test's own, as a command each; it ends with the test."""
    place = Place(tmp_path / "keeper")
    with contextlib.ExitStack() as made:

        def make(**options: Any) -> KeeperClient:
            defaults: dict[str, Any] = {
                "ask": None,
                "warn": lambda line: None,
                "explain": lambda line: pytest.fail(line),
                "environ": os.environ,
                "place": place,
            }
            client = KeeperClient(options.pop("keep", 60.0), **{**defaults, **options})
            made.callback(client.close)
            return client

        yield make
    running = held(place)
    if running is not None:
        # One that nobody needs ends by itself.
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGKILL)


@pytest.fixture
def agent(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Adds keys to an ssh-agent of the test's own, which on a busy machine may take its time."""
    monkeypatch.setattr(agents, "_LISTS_WITHIN", patience(20))
    sock = home.path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    environment = {**os.environ, "SSH_AUTH_SOCK": str(sock)}
    with socket.socket(socket.AF_UNIX) as probe:
        # The socket is there a moment before it listens.
        until(lambda: probe.connect_ex(str(sock)) == 0 or process.poll() is not None, "the agent listens")
    assert process.poll() is None
    monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))

    def add(*keys: Path | str) -> None:
        subprocess.run(["ssh-add", "-q", *map(str, keys)], env=environment, check=True)

    yield add
    process.terminate()
    process.wait(patience(10))


@pytest.fixture
def listen() -> Iterator[Listen]:
    """A listener on loopback that gives each connection, and its number, to a function in a thread."""
    with contextlib.ExitStack() as ends:

        def start(serve: Serve) -> int:
            listener = socket.create_server(("127.0.0.1", 0))
            ends.callback(listener.close)
            ends.callback(listener.shutdown, socket.SHUT_RDWR)

            def answer(connection: socket.socket, number: int) -> None:
                # Whoever connected may have hung up.
                with contextlib.suppress(OSError):
                    serve(connection, number)

            def accept() -> None:
                for number in range(1000):
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    ends.callback(connection.close)
                    threading.Thread(target=answer, args=(connection, number), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            return int(listener.getsockname()[1])

        yield start


def fails(connector: HostConnector, home: Home, port: int, timeout: float | None = None) -> Unreachable:
    """The error of a command on what listens at this port."""
    timeout = timeout or patience(0.25)
    endpoint = replace(home.endpoint, port=port, connect_timeout=timeout, host_key_checking="accept-new")
    with pytest.raises(Unreachable) as caught:
        drain(connector.connect(endpoint).exec("true"))
    return caught.value


def log_in(home: Home, server: Server, **changes: Any) -> None:
    """Connect with the home's keys, and leave."""
    with contextlib.closing(HostConnector(home=home.path, system_config=Path("/none"))) as connector:
        connector.connect(home.to(server, **changes)).close()


def denied(home: Home, server: Server, **changes: Any) -> Unreachable:
    """The error of a login that the server refuses."""
    with pytest.raises(Unreachable) as caught:
        log_in(home, server, **changes)
    assert caught.value.kind == "auth"
    return caught.value


def known_server(home: Home, start_sshd: Start, *lines: str) -> Server:
    """An sshd with these lines of configuration that takes the key at `home.key`, and whose host key is known."""
    made = start_sshd(*lines, authorized=home.key)
    home.knows(made.known_line())
    return made


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    """Takes the key at `home.key`, and has little patience with others."""
    return known_server(home, start_sshd, "MaxAuthTries 3")
