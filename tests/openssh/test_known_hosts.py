"""known_hosts files: what they say about a host, and lines that are added."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from agentless.openssh.known_hosts import KnownHosts, fingerprint, lookup_name
from tests.hosts.client import make_key


@pytest.fixture
def public(tmp_path: Path) -> str:
    """`ssh-ed25519 AAAA…`."""
    return make_key(tmp_path / "key")


def blob(public: str) -> bytes:
    return base64.b64decode(public.split()[1])


def test_a_name_has_its_port_where_that_is_not_22() -> None:
    assert lookup_name("Web1", 22) == "web1"
    assert lookup_name("web1", 2222) == "[web1]:2222"


def test_a_fingerprint_is_that_of_ssh_keygen(tmp_path: Path, public: str) -> None:
    command = ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert fingerprint(blob(public)) == told.stdout.split()[1]


def test_all_lines_about_a_host_are_found_with_their_place(tmp_path: Path, public: str) -> None:
    file = tmp_path / "known_hosts"
    lines = [
        f"# {public}",
        f"web1,web2 {public} a comment",
        f"@revoked * {public}",
        "",
        "web1 torn AAAA",
        f"db {public}",
    ]
    file.write_text("\n".join(lines) + "\n")
    found = KnownHosts().find([str(file), str(tmp_path / "missing")], "web1")
    assert [(entry.line, entry.marker, entry.key == blob(public)) for entry in found] == [
        (2, "", True),
        (3, "@revoked", True),
    ]


def test_hashed_names_are_found_as_ssh_keygen_hashes_them(tmp_path: Path, public: str) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"web1 {public}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "web1" not in file.read_text()
    assert len(KnownHosts().find([str(file)], "web1")) == 1
    assert KnownHosts().find([str(file)], "web2") == ()


@pytest.mark.parametrize("hashed", [False, True])
def test_a_line_that_is_added_is_one_that_ssh_keygen_finds(tmp_path: Path, public: str, hashed: bool) -> None:
    file = tmp_path / ".ssh" / "known_hosts"
    file.parent.mkdir()
    file.write_text("# no newline at the end")
    known = KnownHosts()
    (entry,) = known.append([str(file)], "[web1]:2222", "ssh-ed25519", blob(public), hashed=hashed)
    assert (entry.line, entry.key) == (2, blob(public))
    command = ["ssh-keygen", "-F", "[web1]:2222", "-f", str(file)]
    assert public.split()[1] in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_what_another_process_was_quicker_to_write_is_given_back_instead(tmp_path: Path, public: str) -> None:
    file = tmp_path / "known_hosts"
    other = make_key(tmp_path / "other")
    known = KnownHosts()
    assert known.find([str(file)], "web1") == ()
    file.write_text(f"web1 {other}\n")
    (entry,) = known.append([str(file)], "web1", "ssh-ed25519", blob(public), hashed=False)
    assert entry.key == blob(other)
    assert file.read_text() == f"web1 {other}\n"


def test_where_nothing_is_to_be_remembered_nothing_is_written(public: str) -> None:
    (entry,) = KnownHosts().append(["/dev/null"], "web1", "ssh-ed25519", blob(public), hashed=False)
    assert entry.key == blob(public)


def test_known_hosts_passes_over_torn_lines(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(b"\n#x\nweb\n@odd web ssh-rsa AAAA\n|1|torn ssh-rsa AAAA\n\xff\xfe ssh-rsa AAAA\nweb ssh-rsa !!\n")
    assert KnownHosts().find([str(file)], "web") == ()
