"""What was given becomes a fleet."""

from __future__ import annotations

from tests.cli.conftest import Cli, made
from tests.cli.terminal import Terminal
from tests.hosts import Sshd


def test_inventories_add_up() -> None:
    assert made("-i", "a", "-i", "b", "hosts", "-i", "c")["inventory"] == ("a", "b", "c")
    assert made("hosts")["inventory"] is None


def test_passwords_are_asked_for_on_the_terminal_without_echo(sshd: Sshd) -> None:
    with Terminal("-k", "run", "host1", "--", "echo connected", environ=sshd.client.environ) as terminal:
        terminal.until("SSH password: ")
        terminal.type("hunter2\n")
        assert terminal.end() == 0
        assert "connected" in terminal.text
        assert "hunter2" not in terminal.text


def test_passwords_without_a_terminal_are_a_clear_error(cli: Cli) -> None:
    done = cli("run", "host1", "-K", "--", "true", stdin="hunter2\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--ask-become-pass needs a terminal" in done.stderr
