"""Host certificates, as ssh-keygen makes them."""

from __future__ import annotations

import base64
import subprocess
import time
from pathlib import Path

import pytest

from agentless.openssh.certificates import CERT, HostCertificate, type_of
from tests.hosts.client import make_key
from tests.hosts.needs import need


def sign(directory: Path, *options: str, kind: str = "ed25519") -> bytes:
    """The blob of a certificate that a new authority made with these options of ssh-keygen."""
    make_key(directory / "ca")
    make_key(directory / "key", kind)
    command = ["ssh-keygen", "-q", "-s", str(directory / "ca"), "-I", "an id", *options, str(directory / "key.pub")]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return base64.b64decode((directory / "key-cert.pub").read_text().split()[1])


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_says_which_key_was_signed_by_whom_for_whom(tmp_path: Path, kind: str) -> None:
    need("many seconds")
    blob = sign(tmp_path, "-h", "-n", "web1,*.example.com", kind=kind)
    certificate = HostCertificate.read(blob)
    assert certificate.key_id == "an id"
    assert certificate.principals == ("web1", "*.example.com")
    assert certificate.plain == base64.b64decode((tmp_path / "key.pub").read_text().split()[1])
    assert certificate.authority == base64.b64decode((tmp_path / "ca.pub").read_text().split()[1])
    assert certificate.signed + len(certificate.signature).to_bytes(4, "big") + certificate.signature == blob
    assert type_of(blob).endswith(CERT)
    assert certificate.fault("web1", time.time()) == ""
    assert certificate.fault("a.example.com", time.time()) == ""


@pytest.mark.parametrize(
    ("options", "name", "fault"),
    [
        (("-h", "-n", "web1"), "web2", "it is for web1"),
        (("-h",), "web1", "it is for no host at all"),
        (("-n", "ada"), "ada", "it is a user's certificate, not a host's"),
        (("-h", "-n", "web1", "-V", "20000101:20010101"), "web1", "it is expired"),
        (("-h", "-n", "web1", "-V", "20900101:20910101"), "web1", "it is not valid yet"),
    ],
)
def test_what_is_wrong_with_one_is_said(tmp_path: Path, options: tuple[str, ...], name: str, fault: str) -> None:
    assert HostCertificate.read(sign(tmp_path, *options)).fault(name, time.time()) == fault


def test_one_that_is_cut_or_goes_on_is_none(tmp_path: Path) -> None:
    blob = sign(tmp_path, "-h", "-n", "web1")
    for torn in (*(blob[:length] for length in range(0, len(blob), 7)), blob + b"x"):
        with pytest.raises(ValueError, match="certificate"):
            HostCertificate.read(torn)
