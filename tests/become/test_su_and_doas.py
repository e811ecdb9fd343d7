"""su and doas: both read the password from a terminal."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from agentless.model.states import State
from tests.become.conftest import PASSWORD, Host, refused
from tests.hosts.fleet import out
from tests.shells.view import programs

SU: dict[str, Any] = {"ansible_become_method": "su"}
DOAS: dict[str, Any] = {"ansible_become_method": "doas"}


def catalogue(texts: dict[str, str]) -> bytes:
    """A message catalogue (gettext's .mo, little endian)."""
    pairs = sorted({"": "Content-Type: text/plain; charset=UTF-8\n", **texts}.items())
    tables, data = [b"", b""], b""
    at = 28 + 16 * len(pairs)
    for side in (0, 1):
        for pair in pairs:
            text = pair[side].encode()
            tables[side] += struct.pack("<2I", len(text), at + len(data))
            data += text + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head + tables[0] + tables[1] + data


# --- su ---
def test_su_takes_the_password_of_the_other_user(host: Host) -> None:
    assert out(host.run(**SU, ansible_become_password="root's")) == "root\n"
    assert out(host.run(**SU, ansible_become_user="bob", ansible_become_password="bob's")) == "bob\n"


def test_su_from_root_needs_none_and_no_login_shell(host: Host) -> None:
    assert out(host.run(user="root", **SU, ansible_become_user="ada")) == "ada\n"
    assert out(host.run(user="root", **SU, ansible_become_user="www")) == "www\n"
    assert out(host.run(user="root", **SU, ansible_become_user="www", ansible_become_password="unused")) == "www\n"


def test_su_with_a_wrong_or_without_a_password(host: Host) -> None:
    message, hint = refused(host.run(**SU, ansible_become_password="wrong"))
    assert message == "su refused the password for becoming root: it wants that of root"
    assert "root's password" in hint
    assert refused(host.run(**SU))[0] == "su asks for a password to become root"


def test_su_to_a_user_that_does_not_exist(host: Host) -> None:
    result = host.run(**SU, ansible_become_user="nosuch", ansible_become_password="x")
    assert result.state is State.NOT_STARTED
    assert "there is no user nosuch" in refused(result, "no-such-user")[0]


def test_su_to_a_user_without_a_login_shell_says_what_to_do(host: Host) -> None:
    host.node.run("chpasswd", stdin=None, input="www:www\n")
    message, hint = refused(host.run(**SU, ansible_become_user="www", ansible_become_password="www"))
    assert "no login shell" in message
    assert "sudo" in hint


def test_a_prompt_in_another_language_is_one(host: Host) -> None:
    """PAM's prompt in Japanese ends with a full-width colon and has no word of ours."""
    host.node.run("mount -t tmpfs -o mode=755 tmpfs /usr/share/locale; mkdir -p /usr/share/locale/ja/LC_MESSAGES")
    try:
        host.node.path("/usr/share/locale/ja/LC_MESSAGES/Linux-PAM.mo").write_bytes(
            catalogue({"Password: ": "パスワード："})
        )
        host.start_file("export LC_ALL=C.UTF-8 LANGUAGE=ja\n")
        assert host.node.run(". ~/.bashrc; echo x | su root", user="ada", check=False).stderr.startswith("パスワード：")
        assert out(host.run(**SU, ansible_become_password="root's")) == "root\n"
        assert "su refused" in refused(host.run(**SU, ansible_become_password="wrong"))[0]
        assert "su asks for a password" in refused(host.run(**SU))[0]
        host.sudoers("ada ALL=(ALL) ALL", "Defaults !passprompt_override")
        assert out(host.run(ansible_become_password=PASSWORD)) == "root\n"
    finally:
        host.node.run("umount -l /usr/share/locale")


# --- doas ---
def test_doas_takes_the_login_users_password(host: Host) -> None:
    assert out(host.run(**DOAS, ansible_become_password=PASSWORD)) == "root\n"
    assert out(host.run(**DOAS, ansible_become_user="www", ansible_become_password=PASSWORD)) == "www\n"


@pytest.mark.parametrize("rule", ["permit nopass ada", "permit nopass keepenv ada"])
def test_doas_without_a_password(host: Host, rule: str) -> None:
    host.node.write("/etc/doas.conf", rule + "\n", 0o600)
    assert out(host.run(**DOAS)) == "root\n"
    assert out(host.run(**DOAS, ansible_become_password="unused")) == "root\n"


def test_doas_that_persists(host: Host) -> None:
    host.node.write("/etc/doas.conf", "permit persist ada\n", 0o600)
    assert out(host.run(**DOAS, ansible_become_password=PASSWORD)) == "root\n"
    assert out(host.run(**DOAS, ansible_become_password=PASSWORD)) == "root\n"


def test_doas_with_a_wrong_or_without_a_password(host: Host) -> None:
    message, hint = refused(host.run(**DOAS, ansible_become_password="wrong"))
    assert message.startswith("doas refused the password for becoming root")
    assert "`become_password`" in hint
    assert refused(host.run(**DOAS))[0] == "doas asks for a password to become root"


def test_doas_without_a_rule_says_what_rule_it_takes(host: Host) -> None:
    message, hint = refused(host.run(user="eve", **DOAS, ansible_become_password="eve's"))
    assert "doas does not allow it" in message
    assert "/etc/doas.conf" in hint


def test_doas_to_a_user_that_does_not_exist(host: Host) -> None:
    result = host.run(**DOAS, ansible_become_user="nosuch", ansible_become_password=PASSWORD)
    assert "there is no user nosuch" in refused(result, "no-such-user")[0]


@pytest.mark.parametrize("method", ["su", "doas"])
def test_a_host_without_the_method(host: Host, method: str) -> None:
    with programs(host.node, without=[method]):
        message, _ = refused(host.run(ansible_become_method=method, ansible_become_password="x"))
    assert message.startswith(f"{method} is not installed on the host")
