"""`Fleet.connection`: fabric's words over a connection of ours, to a real sshd."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentless import Fleet
from agentless.errors import TargetError, Unreachable, UsageError
from tests.hosts import patience, until
from tests.transport.conftest import USER, Home, Server, Start, known_server


@pytest.fixture
def server(home: Home, start_sshd: Start) -> Server:
    return known_server(home, start_sshd, "Subsystem sftp internal-sftp")


@pytest.fixture
def fleet(home: Home, server: Server) -> Iterator[Fleet]:
    inventory = home.path / "hosts.ini"
    inventory.write_text(
        f"web1 ansible_host=127.0.0.1 ansible_port={server.port} ansible_user={USER}\n"
        "web2 ansible_host=127.0.0.1\nhere ansible_connection=local\n"
    )
    with Fleet(str(inventory)) as fleet:
        yield fleet


def test_files_go_and_come_and_commands_run(fleet: Fleet, home: Home) -> None:
    (home.path / "there").mkdir()
    with fleet.connection("web1") as connection:
        connection.put(io.BytesIO(b"one\n"), remote=f"{home.path}/there/file")
        done = connection.run(
            f"cat {home.path}/there/file; echo two >&2; exit 3", hide=True, warn=True, in_stream=False
        )
        got = io.BytesIO()
        connection.get(f"{home.path}/there/file", local=got)
        assert connection.is_connected
    assert (done.stdout, done.stderr, done.exited, got.getvalue()) == ("one\n", "two\n", 3, b"one\n")
    assert not connection.is_connected


def test_a_port_of_the_host_is_forwarded(fleet: Fleet) -> None:
    with socket.socket() as listener, fleet.connection("web1") as connection:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(patience(30))

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"hello")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local = free.getsockname()[1]
        with connection.forward_local(local, remote_port=listener.getsockname()[1]), socket.socket() as sock:
            # It is up a moment after fabric says so.
            until(lambda: sock.connect_ex(("127.0.0.1", local)) == 0, "fabric listens")
            sock.settimeout(patience(30))
            assert sock.recv(5) == b"hello"
        thread.join(patience(30))


@pytest.mark.skipif(os.getuid() != 0, reason="needs a sudo that asks for nothing")
def test_sudo_becomes_whom_the_inventory_names(fleet: Fleet, home: Home, server: Server) -> None:
    inventory = home.path / "become.ini"
    inventory.write_text(
        f"web1 ansible_host=127.0.0.1 ansible_port={server.port} ansible_user={USER} "
        "ansible_become=yes ansible_become_user=nobody\n"
    )
    with Fleet(str(inventory)) as fleet, fleet.connection("web1") as connection:
        assert connection.sudo("id -un", hide=True, in_stream=False).stdout == "nobody\n"


def test_it_is_the_same_login_with_the_same_checks(fleet: Fleet, home: Home) -> None:
    home.known_hosts.write_text("")
    connection = fleet.connection("web1")
    with pytest.raises(Unreachable) as caught:
        connection.run("true", hide=True, in_stream=False)
    assert caught.value.kind == "host-key"


def test_it_leads_to_one_host_and_not_to_this_machine(fleet: Fleet, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="selects 2"):
        fleet.connection("web*")
    with pytest.raises(UsageError, match="here is this machine"):
        fleet.connection("here")
