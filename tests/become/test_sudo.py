"""sudo as people have it: with and without password, with its options, and with what goes wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentless.model.states import State
from tests.become.conftest import PASSWORD, Host, refused
from tests.cli.terminal import agentless
from tests.hosts import patience, until
from tests.hosts.client import printed
from tests.hosts.fleet import out
from tests.shells.view import programs

RULE = "ada ALL=(ALL) ALL"


def test_a_password_of_any_characters_is_typed_as_it_is(host: Host) -> None:
    assert out(host.run(ansible_become_password=PASSWORD)) == "root\n"


def test_a_password_comes_from_a_file_of_the_command_line_or_of_ansible_cfg(host: Host, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with host.fleet():
        inventory = str(host.inventory)
    words = ("-i", inventory, "run", "web1", "-b", "--", "id", "-un")
    done = agentless("--become-password-file", f"{tmp_path}/password", *words, environ=os.environ)
    assert printed(done) == "root\n"
    (tmp_path / "ansible.cfg").write_text("[defaults]\nbecome_password_file = ./password\n")
    assert printed(agentless(*words, environ=os.environ, cwd=tmp_path)) == "root\n"
    (tmp_path / "password").unlink()
    done = agentless(*words, environ=os.environ, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the become password file {tmp_path}/password is not there" in done.stderr


def test_where_no_password_is_wanted_one_does_no_harm(host: Host) -> None:
    host.sudoers("ada ALL=(ALL) NOPASSWD: ALL")
    assert out(host.run()) == "root\n"
    assert out(host.run(ansible_become_password="whatever")) == "root\n"


def test_a_missing_password_is_told_with_the_ways_to_give_it(host: Host) -> None:
    message, hint = refused(host.run())
    assert message == "sudo asks for a password to become root"
    assert "`become_password`" in hint
    assert "ansible_become_password" in hint


def test_a_wrong_password_is_tried_once(host: Host) -> None:
    host.sudoers(RULE, "Defaults logfile=/var/log/sudo.log, passwd_tries=3")
    result = host.run(ansible_become_password="wrong")
    assert result.state is State.UNREACHABLE
    message, hint = refused(result)
    assert message == "sudo refused the password for becoming root: it wants that of ada"
    assert "ada's password" in hint
    log = host.node.path("/var/log/sudo.log")
    until(lambda: log.exists() and "incorrect password attempt" in log.read_text().replace("\n    ", " "), "sudo's log")
    assert " : 1 incorrect password attempt ;" in log.read_text().replace("\n    ", " ")


@pytest.mark.parametrize(
    "defaults",
    ["passwd_tries=1", "badpass_message=Nein.", "insults", "!passprompt_override", "lecture=always", "pwfeedback"],
)
def test_a_wrong_password_is_known_whatever_sudo_says(host: Host, defaults: str) -> None:
    host.sudoers(RULE, f"Defaults {defaults}")
    assert "sudo refused the password" in refused(host.run(ansible_become_password="wrong"))[0]


@pytest.mark.parametrize(
    "defaults",
    [
        "requiretty",
        "requiretty, use_pty",
        "!use_pty",
        "lecture=always",
        "passprompt=Passwort von %u: ",
        "!passprompt_override",
        "passprompt=Passwort von %u: , passprompt_override",
        "timestamp_timeout=0",
        "pwfeedback",
        "log_output",
        "env_reset, !use_pty, requiretty",
    ],
)
def test_the_options_of_sudoers_make_no_difference(host: Host, defaults: str) -> None:
    host.sudoers(
        RULE, f"Defaults {defaults.replace('=Passwort von %u: ', chr(61) + chr(34) + 'Passwort von %u: ' + chr(34))}"
    )
    assert (
        out(host.run("id -un; tty || true", ansible_become_password=PASSWORD, job={"shell": "/bin/sh"}))
        == "root\nnot a tty\n"
    )


def test_requiretty_without_a_password(host: Host) -> None:
    host.sudoers("ada ALL=(ALL) NOPASSWD: ALL", "Defaults requiretty")
    assert out(host.run()) == "root\n"


@pytest.mark.parametrize(("option", "owner", "password"), [("rootpw", "root", "root's"), ("targetpw", "bob", "bob's")])
def test_another_users_password_may_be_wanted_and_the_error_says_whose(
    host: Host, option: str, owner: str, password: str
) -> None:
    host.sudoers(RULE, f"Defaults {option}")
    assert out(host.run(ansible_become_user="bob", ansible_become_password=password)) == "bob\n"
    host.node.run("rm -rf /run/sudo")
    message, _ = refused(host.run(ansible_become_user="bob", ansible_become_password=PASSWORD))
    assert message == f"sudo refused the password for becoming bob: it wants that of {owner}"


def test_a_ticket_of_an_earlier_sudo_does_no_harm(host: Host) -> None:
    host.sudoers(RULE, "Defaults timestamp_type=global")
    assert out(host.run(ansible_become_password=PASSWORD)) == "root\n"
    assert out(host.run(ansible_become_password=PASSWORD)) == "root\n"
    assert out(host.run()) == "root\n"


def test_a_user_without_a_rule_is_told_what_rule_it_takes(host: Host) -> None:
    message, hint = refused(host.run(user="eve", ansible_become_password="eve's"))
    assert "eve is not in the sudoers file" in message
    assert "USER ALL=(root) ALL" in hint


def test_a_rule_for_other_commands_only_is_told_without_our_command_line(host: Host) -> None:
    host.sudoers("ada ALL=(ALL) /usr/bin/systemctl")
    message, hint = refused(host.run(ansible_become_password=PASSWORD))
    assert "not allowed to execute /bin/sh as root" in message
    assert len(message) < 300
    assert "/bin/sh" in hint


@pytest.mark.parametrize("rules", [("ada ALL=(ALL) NOEXEC: ALL",), (RULE, "Defaults noexec")])
def test_a_rule_under_which_nothing_can_be_started_is_named(host: Host, rules: tuple[str, ...]) -> None:
    host.sudoers(*rules)
    message, hint = refused(host.run(ansible_become_password=PASSWORD))
    assert message.startswith("sudo let us become root, and start nothing then: ")
    assert "NOEXEC" in hint
    host.sudoers(*rules, "ada ALL=(ALL) EXEC: ALL")
    assert out(host.run(ansible_become_password=PASSWORD)) == "root\n"


def test_what_was_sent_is_in_no_error(host: Host) -> None:
    """sudo 1.9.13 under `Defaults intercept`, where it believes that the arguments changed, prints all of them."""
    mismatch = f'echo "sudo: argv[5] mismatch, expected \\"{"$sent" * 10}\\", got \\"$sent\\"" >&2'
    fake = f"#!/bin/sh\nfor sent; do [ ${{#sent}} -lt 2000 ] || {mismatch}; done; exit 1\n"
    with programs(host.node, without=["sudo"], scripts={"sudo": fake}):
        message, _ = refused(host.run(ansible_become_password=PASSWORD))
    assert message == 'sudo did not let us become root: sudo: argv[5] mismatch, expected "…", got "…"'


def test_a_user_that_does_not_exist_refuses_the_job(host: Host) -> None:
    result = host.run(ansible_become_user="nosuch", ansible_become_password=PASSWORD)
    assert result.state is State.NOT_STARTED
    message, hint = refused(result, "no-such-user")
    assert "there is no user nosuch" in message
    assert "`become_user`" in hint


def test_a_host_without_sudo_is_told_apart(host: Host) -> None:
    with programs(host.node, without=["sudo"]):
        message, hint = refused(host.run(ansible_become_password=PASSWORD))
    assert message.startswith("sudo is not installed on the host")
    assert "doas" in hint


def test_a_sudo_that_is_broken_is_told_in_its_own_words(host: Host) -> None:
    host.node.run("chmod o+w /etc/sudoers")
    try:
        message, hint = refused(host.run(ansible_become_password=PASSWORD))
    finally:
        host.node.run("chmod o-w /etc/sudoers")
    assert "/etc/sudoers is world writable" in message
    assert "sudo -u root id" in hint


def test_a_method_that_hangs_is_told_apart_from_a_wrong_password(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = round(patience(2 / 3), 1)
    monkeypatch.setattr("agentless.runner.bounds.Bounds.first_answer", seconds)
    with programs(host.node, without=["sudo"], scripts={"sudo": "#!/bin/sh\nexec sleep 1000\n"}):
        message, hint = refused(host.run(ansible_become_password=PASSWORD))
    assert message == f"sudo hangs: it said nothing within {seconds:g} s, and asked for no password"
    assert "sudo -u root id" in hint


def test_no_start_file_gets_the_password(host: Host) -> None:
    """Something that looks like a prompt before sudo has started is none."""
    host.start_file("echo -n 'Password: ' >&2; read -t 3 -r answer; echo \"$answer\" > /home/ada/got\n")
    assert out(host.run(ansible_become_password=PASSWORD)) == "root\n"
    assert host.node.path("/home/ada/got").read_text() == "\n"


def test_one_of_the_inventorys_words_for_the_password_is_as_good_as_another(host: Host) -> None:
    for variable in ("ansible_become_pass", "ansible_become_password", "ansible_sudo_pass"):
        assert out(host.run(job={}, **{variable: PASSWORD})) == "root\n"


def test_a_password_with_a_line_end_is_refused_before_anything_is_sent(host: Host) -> None:
    message, _ = refused(host.run(ansible_become_password="secret\n"))
    assert "contains a line end" in message
    assert "secret" not in message
