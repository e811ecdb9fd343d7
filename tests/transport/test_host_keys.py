"""Which host keys are taken, against real servers and every kind of line in known_hosts."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import Unreachable
from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh.algorithms import adjust
from tests.hosts.needs import need
from tests.transport.conftest import Home, Server, Start, keygen


def refused(connector: HostConnector, home: Home, server: Server, **changes: Any) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        connector.connect(home.to(server, **changes))
    assert caught.value.kind == "host-key"
    assert "Accepted" not in server.log, "it logged in before the key was judged"
    return caught.value


def shown(key: Path) -> str:
    """The fingerprint as ssh-keygen has it."""
    return subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True).stdout.split()[1]


@pytest.fixture
def certified(home: Home, start_sshd: Start, tmp_path: Path) -> Callable[..., Server]:
    """A server whose host key is signed by the authority at `home.path / 'ca'`."""

    def start(*options: str, principals: str = "127.0.0.1", type_: str = "ed25519") -> Server:
        ca = keygen(home.path / "ca", type_=type_)
        key = keygen(tmp_path / "signed")
        names = ["-n", principals] if principals else []
        subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", "web1", "-h", *names, *options, f"{key}.pub"], check=True)
        return start_sshd(f"HostKey {key}", f"HostCertificate {key}-cert.pub", authorized=home.key)

    return start


def authority(home: Home, name: str = "*") -> str:
    return f"@cert-authority {name} {' '.join((home.path / 'ca.pub').read_text().split()[:2])}"


def test_an_unknown_key_is_refused_with_its_fingerprint_and_the_line_to_add(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server = start_sshd(authorized=home.key)
    error = refused(connector, home, server)
    assert shown(server.directory / "host_ed25519.pub") in error.message
    subprocess.run(error.hint.split(" or: ")[1], shell=True, check=True)
    HostConnector(home=home.path, system_config=Path("/none")).connect(home.to(server)).close()


def test_a_changed_key_shows_both_fingerprints_the_line_and_the_command(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server, other = start_sshd(authorized=home.key), start_sshd()
    home.knows("# a comment", server.known_line().split()[0] + " ssh-ed25519 " + other.host_keys["ssh-ed25519"])
    for checking in ("strict", "accept-new"):
        error = refused(connector, home, server, host_key_checking=checking)
        assert shown(server.directory / "host_ed25519.pub") in error.message
        assert shown(other.directory / "host_ed25519.pub") in error.message
        assert f"{home.known_hosts}:2" in error.message
    command = error.hint.split("anew: ")[1]
    assert command.startswith("ssh-keygen -R")
    subprocess.run(command, shell=True, check=True, capture_output=True)
    assert server.known_line().split()[0] not in home.known_hosts.read_text()


def test_a_host_that_hides_its_known_key_behind_another_type_is_refused_even_by_accept_new(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server, other = start_sshd(authorized=home.key), start_sshd(types=("ecdsa",))
    type_ = "ecdsa-sha2-nistp256"
    home.knows(f"[127.0.0.1]:{server.port} {type_} {other.host_keys[type_]}")
    assert "has changed" in refused(connector, home, server, host_key_checking="accept-new").message


@pytest.mark.parametrize("type_", ["ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"])
def test_the_known_type_is_the_one_that_is_asked_for(
    home: Home, connector: HostConnector, start_sshd: Start, type_: str
) -> None:
    server = start_sshd(authorized=home.key, types=("ed25519", "ecdsa", "rsa"))
    home.knows(server.known_line(type_=type_))
    connector.connect(home.to(server)).close()


def test_hashed_wildcard_and_portless_lines_know_a_host(home: Home, start_sshd: Start) -> None:
    server = start_sshd(authorized=home.key)
    key = f"ssh-ed25519 {server.host_keys['ssh-ed25519']}"
    for line in (f"[127.0.0.*]:{server.port} {key}", f"127.0.0.1 {key}", f"other,[127.0.0.1]:{server.port} {key}"):
        home.known_hosts.write_text(line + "\n")
        HostConnector(home=home.path, system_config=Path("/none")).connect(home.to(server)).close()
    home.known_hosts.write_text(server.known_line() + "\n")
    subprocess.run(["ssh-keygen", "-H", "-f", home.known_hosts], check=True, capture_output=True)
    assert home.known_hosts.read_text().startswith("|1|")
    HostConnector(home=home.path, system_config=Path("/none")).connect(home.to(server)).close()


def test_a_negated_pattern_does_not_know_a_host(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(f"*,![127.0.0.1]:{server.port},!127.0.0.1 ssh-ed25519 {server.host_keys['ssh-ed25519']}")
    assert "not known" in refused(connector, home, server).message


def test_a_revoked_key_is_refused_though_another_line_knows_it(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line(), f"@revoked * ssh-ed25519 {server.host_keys['ssh-ed25519']}")
    for checking in ("strict", "accept-new"):
        assert "revoked" in refused(connector, home, server, host_key_checking=checking).message


def test_a_line_of_an_authority_is_never_taken_for_a_plain_key(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(f"@cert-authority * ssh-ed25519 {server.host_keys['ssh-ed25519']}")
    for checking in ("strict", "accept-new"):
        refused(connector, home, server, host_key_checking=checking)


@pytest.mark.parametrize("type_", ["ed25519", "rsa", "ecdsa"])
def test_a_certificate_of_a_known_authority_is_taken(
    home: Home, connector: HostConnector, certified: Callable[..., Server], type_: str
) -> None:
    server = certified(type_=type_)
    home.knows(authority(home))
    connector.connect(home.to(server)).close()


@pytest.mark.parametrize(
    ("options", "principals", "complaint"),
    [
        (("-V", "20200101:20200102"), "127.0.0.1", "expired"),
        (("-V", "20400101:20400102"), "127.0.0.1", "not valid yet"),
        ((), "web2", "it is for web2"),
        ((), "", "no host at all"),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused_with_the_reason(
    home: Home,
    connector: HostConnector,
    certified: Callable[..., Server],
    options: tuple[str, ...],
    principals: str,
    complaint: str,
) -> None:
    server = certified(*options, principals=principals)
    home.knows(authority(home))
    for checking in ("strict", "accept-new"):
        assert complaint in refused(connector, home, server, host_key_checking=checking).message


def test_a_certificate_of_another_or_a_revoked_authority_is_refused(
    home: Home, connector: HostConnector, certified: Callable[..., Server]
) -> None:
    server = certified()
    other = keygen(home.path / "other")
    home.knows(f"@cert-authority * {' '.join(other.with_suffix('.pub').read_text().split()[:2])}")
    assert "signed by another" in refused(connector, home, server).message
    home.knows(authority(home), authority(home).replace("@cert-authority", "@revoked"))
    fresh = HostConnector(home=home.path, system_config=Path("/none"))
    assert "revoked" in refused(fresh, home, server).message


def test_accept_new_writes_the_key_and_strict_takes_it_from_then_on(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server = start_sshd(authorized=home.key)
    home.known_hosts.write_text("somewhere ssh-ed25519 AAAA")
    connector.connect(home.to(server, host_key_checking="accept-new")).close()
    connector.connect(home.to(server)).close()
    assert home.known_hosts.read_text().splitlines()[1:] == [server.known_line()]


def test_accept_new_hashes_names_where_the_configuration_says_so(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server = start_sshd(authorized=home.key)
    home.config("HashKnownHosts yes\n")
    connector.connect(home.to(server, host_key_checking="accept-new")).close()
    assert home.known_hosts.read_text().startswith("|1|")
    connector.connect(home.to(server)).close()


@pytest.mark.parametrize(
    ("given", "file", "taken"),
    [
        (None, "", False),
        (None, "ask", False),
        (None, "yes", False),
        (None, "accept-new", True),
        (None, "no", True),
        (None, "off", True),
        ("strict", "accept-new", False),
        ("accept-new", "yes", True),
    ],
)
def test_strict_host_key_checking_of_the_file_is_followed_where_nothing_is_given(
    home: Home, connector: HostConnector, start_sshd: Start, given: str | None, file: str, taken: bool
) -> None:
    server = start_sshd(authorized=home.key)
    home.config(f"Host *\n StrictHostKeyChecking {file}\n" if file else "")
    if not taken:
        refused(connector, home, server, host_key_checking=given)
        return
    connector.connect(home.to(server, host_key_checking=given)).close()
    assert home.known_hosts.read_text().split()[0] == f"[127.0.0.1]:{server.port}"


def test_checking_that_the_file_turns_off_is_told_and_a_changed_key_is_still_refused(
    home: Home, start_sshd: Start
) -> None:
    lines: list[str] = []
    server, other = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    home.config("StrictHostKeyChecking no\n")
    home.knows(other.known_line(f"[127.0.0.1]:{server.port}"))
    with contextlib.closing(HostConnector(home=home.path, system_config=Path("/none"), warn=lines.append)) as connector:
        for _ in range(2):
            assert "has changed" in refused(connector, home, server).message
    (line,) = lines
    assert "StrictHostKeyChecking is off for 127.0.0.1" in line


def test_files_and_names_are_those_of_the_configuration(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server = start_sshd(authorized=home.key)
    (home.path / "mine").write_text(f"# nothing\n{server.known_line('db-key')}\n")
    home.config(
        f"Host db\n HostName 127.0.0.1\n Port {server.port}\n HostKeyAlias db-key\n UserKnownHostsFile ~/none %d/mine\n"
    )
    connector.connect(home.to(server, address="db", port=None)).close()


def test_old_servers_are_told_apart_and_the_option_that_is_named_lets_them_in(home: Home, start_sshd: Start) -> None:
    rsa = keygen(home.path / ".ssh" / "id_rsa", type_="rsa")
    server = start_sshd(
        "HostKeyAlgorithms ssh-rsa",
        "KexAlgorithms diffie-hellman-group14-sha1",
        "PubkeyAcceptedAlgorithms ssh-rsa",
        authorized=rsa,
        types=("rsa",),
    )
    home.knows(server.known_line(type_="ssh-rsa"))
    options: list[tuple[str, str]] = []
    for keyword in ("KexAlgorithms", "HostKeyAlgorithms"):
        connector = HostConnector(home=home.path, system_config=Path("/none"))
        with pytest.raises(Unreachable) as caught:
            connector.connect(home.to(server, options=tuple(options), key_files=(str(rsa),)))
        assert caught.value.kind == "connect"
        given = caught.value.hint.split(f"-o {keyword}=")[1].split()[0]
        options.append((keyword.lower(), given))
    options.append(("pubkeyacceptedalgorithms", "+ssh-rsa"))
    connector = HostConnector(home=home.path, system_config=Path("/none"))
    connector.connect(home.to(server, options=tuple(options), key_files=(str(rsa),))).close()


def test_ten_processes_lose_no_line(home: Home) -> None:
    need("many seconds")
    program = (
        "import sys; from agentless.openssh.known_hosts import KnownHosts\n"
        "known = KnownHosts()\n"
        "key = len('ssh-ed25519').to_bytes(4, 'big') + b'ssh-ed25519'\n"
        "for n in range(20): known.append([sys.argv[1]], f'host{sys.argv[2]}-{n}', 'ssh-ed25519', key, hashed=False)\n"
        "known.append([sys.argv[1]], 'same', 'ssh-ed25519', key, hashed=False)\n"
    )
    root = Path(__file__).parents[2]

    def append(number: int) -> int:
        command = [sys.executable, "-c", program, str(home.known_hosts), str(number)]
        return subprocess.run(command, cwd=root, check=True).returncode

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert not any(pool.map(append, range(10)))
    names = [line.split()[0] for line in home.known_hosts.read_text().splitlines()]
    assert len(names) == len(set(names)) == 201


def test_options_of_algorithms_add_remove_and_reorder() -> None:
    possible = ("a", "b", "c", "d")
    assert adjust(("a", "b"), "", possible) == ("a", "b")
    assert adjust(("a", "b"), "+d,x", possible) == ("a", "b", "d")
    assert adjust(("a", "b"), "-a*", possible) == ("b",)
    assert adjust(("a", "b"), "^b,c", possible) == ("b", "c", "a")
    assert adjust(("a", "b"), "c,a", possible) == ("c", "a")


def test_keys_that_go_to_dev_null_are_taken_and_forgotten(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    """The usual `-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no` of inventories."""
    server = start_sshd(authorized=home.key)
    lock = Path("/dev/null.lock")
    lock.unlink(missing_ok=True)
    nowhere = home.to(server, host_key_checking="accept-new", options=(("userknownhostsfile", "/dev/null"),))
    for _ in range(2):
        connector.connect(nowhere).close()
    assert not lock.exists()
    error = refused(HostConnector(home=home.path), home, start_sshd(), options=(("userknownhostsfile", "/dev/null"),))
    assert "/dev/null" not in error.hint
    assert "UserKnownHostsFile" in error.hint


def test_lines_that_cannot_be_read_may_revoke_any_key(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    for _ in range(2):
        error = refused(connector, home, server, options=(("globalknownhostsfile", str(home.path)),))
        assert f"{home.path} cannot be read" in error.message
        assert "GlobalKnownHostsFile" in error.hint


def test_a_line_that_is_broken_or_not_ascii_makes_nothing_known_and_stops_nobody(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    server, other = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    name, key = f"[127.0.0.1]:{server.port}", server.host_keys["ssh-ed25519"]
    broken = [
        f"{name} ssh-ed25519 {key[:-4]}é===",
        f"{name} ssh-ed25519 \udcff{key}",
        f"{name} ssh-ed25519é {key}",
        f"{name} ssh-rsa {key}",
        f"{name} ssh-ed25519 {key[:-3]}",
        f"@revoked {name} ssh-ed25519 é{key}",
        f"|1|é|é ssh-ed25519 {key}",
        "größe ssh-ed25519 größe",
        "\0\0 \0 \0",
    ]
    with home.known_hosts.open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{line}\n" for line in broken)
    home.knows(other.known_line())
    connector.connect(home.to(other)).close()
    assert "is not known" in refused(connector, home, server).message
    home.knows(server.known_line())
    with contextlib.closing(HostConnector(home=home.path, system_config=Path("/none"))) as again:
        again.connect(home.to(server)).close()


@pytest.mark.parametrize("hashed", [False, True])
def test_thousands_of_known_hosts_are_read_once_and_quickly(
    home: Home, connector: HostConnector, start_sshd: Start, hashed: bool
) -> None:
    """paramiko #2251: 24 s for 7,000 lines, and that for each connection."""
    server = start_sshd(authorized=home.key)
    head = base64.b64decode(server.host_keys["ssh-ed25519"])[:-32]
    keys = (base64.b64encode(head + os.urandom(32)).decode() for _ in range(7000))
    home.knows(*(f"web{number},10.0.{number % 250}.1 ssh-ed25519 {key}" for number, key in enumerate(keys)))
    home.knows(server.known_line())
    if hashed:
        subprocess.run(["ssh-keygen", "-H", "-f", home.known_hosts], check=True, capture_output=True)
    began = time.process_time()
    for _ in range(5):
        connector.connect(home.to(server)).close()
    assert time.process_time() - began < 10
