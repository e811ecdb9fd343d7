"""Five hosts whose keys nobody knows: one table, one question, and with a yes the command goes on."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping

import pytest

from tests.cli.terminal import Terminal, agentless
from tests.hosts import Sshd
from tests.hosts.client import make_key

QUESTION = "add 5 keys? [y/N]"


@pytest.fixture
def strangers(start_sshd: Callable[..., Sshd]) -> Sshd:
    """Five hosts with an address each, of which no known_hosts file has a word."""
    sshd = start_sshd(5, addresses=5)
    sshd.client.known_hosts.unlink()
    return sshd


def fingerprint(sshd: Sshd) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", sshd.host_key], capture_output=True, text=True, check=True)
    return shown.stdout.split()[1]


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("words", [("ping",), ("run", "all", "--", "echo met")])
def test_all_keys_are_asked_about_once_and_the_command_goes_on(
    strangers: Sshd, words: tuple[str, ...], columns: int
) -> None:
    key = fingerprint(strangers)
    with Terminal(*words, environ=strangers.client.environ, columns=columns) as terminal:
        terminal.until(QUESTION)
        asked = terminal.text.replace("\r\n", "\n")
        assert not strangers.client.known_hosts.exists()
        terminal.type("y\n")
        assert terminal.end() == 0
        assert terminal.text.count("[y/N]") == 1
    lines = [line for line in re.sub(r"[^\r\n]*\r\x1b\[K", "", asked).splitlines() if line]
    assert max(map(len, lines)) <= columns
    assert asked.count(key) == 5, "no key is torn"
    for name, address in zip(strangers.names, strangers.addresses, strict=False):
        assert re.search(rf"^  {name} +\[{re.escape(address)}\]:{strangers.port} +ed25519\b", asked, re.MULTILINE)
    assert asked.count("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub") == 1
    assert len(strangers.client.known_hosts.read_text().splitlines()) == 5
    again = agentless("ping", environ=strangers.client.environ)
    assert again.returncode == 0


@pytest.mark.parametrize("verb", [("jobs", "wait"), ("jobs", "tail", "-f")])
def test_who_comes_back_to_a_job_is_asked_about_hosts_that_became_unknown(
    start_sshd: Callable[..., Sshd], verb: tuple[str, ...]
) -> None:
    sshd = start_sshd(5, addresses=5)
    assert agentless("run", "all", "--detach", "--", "echo met", environ=sshd.client.environ).returncode == 0
    sshd.client.known_hosts.unlink()
    with Terminal(*verb, "last", environ=sshd.client.environ) as terminal:
        terminal.until(QUESTION)
        terminal.type("y\n")
        assert terminal.end() == 0
        assert terminal.text.count("[y/N]") == 1
    assert len(sshd.client.known_hosts.read_text().splitlines()) == 5


@pytest.mark.parametrize("answer", ["\n", "n\n", "\x04"])
def test_without_a_yes_nothing_is_added_and_nothing_is_sent(strangers: Sshd, answer: str) -> None:
    environ = strangers.client.environ
    with Terminal("run", "all", "--", "true", environ=environ) as terminal:
        terminal.until(QUESTION)
        terminal.type(answer)
        assert terminal.end() == 3
        assert terminal.text.count("[y/N]") == 1
        assert "host[1-5] (5) | " in terminal.text.replace("\x1b[31m", "")
        assert terminal.text.count("Compare it with") == 1
    assert not strangers.client.known_hosts.exists()
    document = json.loads(agentless("jobs", "lookup", "last", "--out", "json", environ=environ).stdout)
    assert {host["error"]["kind"] for host in document["hosts"].values()} == {"host-key"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [({"CI": "true"}, ()), ({}, ("--host-key-checking", "strict")), ({}, ("-q",))],
)
def test_a_pipeline_is_not_asked_nor_who_has_said_strict(
    strangers: Sshd, variables: Mapping[str, str], words: tuple[str, ...]
) -> None:
    with Terminal(*words, "ping", environ={**strangers.client.environ, **variables}) as terminal:
        assert terminal.end() == 3
        assert "[y/N]" not in terminal.text
    assert not strangers.client.known_hosts.exists()


def test_without_a_terminal_each_key_is_told_whole_and_nobody_is_asked(strangers: Sshd) -> None:
    done = agentless("run", "all", "--", "true", environ=strangers.client.environ, stdin="y\n")
    assert done.returncode == 3
    assert done.stdout.count(fingerprint(strangers)) == 5
    assert len(done.stdout.splitlines()) == 5
    assert done.stderr.count("Compare it with") == 1


def test_a_changed_key_is_never_asked_about(sshd: Sshd) -> None:
    sshd.stop()
    for file in (sshd.host_key, sshd.host_key.with_suffix(".pub")):
        file.unlink()
    make_key(sshd.host_key)
    sshd.start()
    before = sshd.client.known_hosts.read_text()
    with Terminal("ping", environ=sshd.client.environ) as terminal:
        assert terminal.end() == 3
        assert "[y/N]" not in terminal.text
    assert sshd.client.known_hosts.read_text() == before


def test_known_hosts_are_not_asked_about_beside_a_stranger(start_sshd: Callable[..., Sshd]) -> None:
    sshd = start_sshd(3, addresses=3)
    lines = sshd.client.known_hosts.read_text().splitlines(keepends=True)
    sshd.client.known_hosts.write_text("".join(lines[:2]))
    with Terminal("ping", environ=sshd.client.environ) as terminal:
        terminal.until("add this key? [y/N]")
        assert "host1" not in terminal.text
        terminal.type("yes\n")
        assert terminal.end() == 0
