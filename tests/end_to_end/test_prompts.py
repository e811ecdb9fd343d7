"""What a person is asked on a terminal, and what is said when the answer is wrong, is the same with a keeper."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.hosts import Nodes, Sshd, kill, until
from tests.hosts.client import Client
from tests.hosts.links import keepers
from tests.hosts.nodes import User

DIRECT, KEEPER = "0", "60"


class Person:
    """Who sits at a terminal, and has connections kept or not."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def environ(self, keep: str) -> dict[str, str]:
        return {**self.client.environ, "AGENTLESS_KEEP_CONNECTIONS": keep}

    def keepers(self) -> list[int]:
        return keepers(f"HOME={self.client.home}\0")

    def types(self, keep: str, *words: str, answers: tuple[tuple[str, str], ...]) -> tuple[int, str]:
        """The exit code and all that is shown; `answers` are prompts and what is typed then."""
        with Terminal(*words, environ=self.environ(keep)) as terminal:
            for prompt, answer in answers:
                terminal.until(prompt)
                terminal.type(answer)
            code = terminal.end()
        return code, re.sub(r"\d{20}|\d+(\.\d+)? s\b", "N", terminal.text)


@pytest.fixture
def locked(sshd: Sshd) -> Iterator[Person]:
    """Whose only key has a passphrase."""
    key = sshd.client.home / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "sesame", "-f", str(key)], check=True)
    with (sshd.directory / "authorized_keys").open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    host = {"ansible_host": "127.0.0.1", "ansible_port": sshd.port, "ansible_user": sshd.user}
    state = {name: {"agentless_state_dir": str(sshd.state_dir(name))} for name in ("host1", "host2")}
    hosts = {name: {**host, **state[name], "ansible_ssh_private_key_file": str(key)} for name in state}
    sshd.client.write_inventory(hosts)
    person = Person(sshd.client)
    assert not person.keepers()
    yield person
    kill(person.keepers())


def test_a_passphrase_is_asked_for_in_the_same_words_and_as_often(locked: Person) -> None:
    command = ("run", "host1", "--no-progress", "--", "echo hi")
    answers = (("Enter passphrase", "wrong\n"), ("Wrong. Enter passphrase", "sesame\n"))
    shown = [locked.types(keep, *command, answers=answers) for keep in (DIRECT, KEEPER)]
    assert shown[0] == shown[1]
    assert shown[0][0] == 0
    assert "sesame" not in shown[0][1]
    # The keeper has the connection, so nobody is asked again.
    assert locked.types(KEEPER, *command, answers=())[0] == 0


def test_who_does_not_answer_is_told_the_same(locked: Person) -> None:
    command = ("run", "host1", "--no-progress", "--", "echo hi")
    shown = [locked.types(keep, *command, answers=(("Enter passphrase", "\n"),)) for keep in (DIRECT, KEEPER)]
    assert shown[0] == shown[1]
    assert shown[0][0] == 3
    assert "locked" in shown[0][1]


@pytest.mark.parametrize("keep", [DIRECT, KEEPER])
def test_ctrl_c_at_a_passphrase_leaves_terminal_keeper_and_hosts_as_they_were(keep: str, locked: Person) -> None:
    """The shell has its terminal back, nothing was sent, and no keeper waits for the answer."""
    script = f"trap : INT; {sys.executable} -m agentless run host1,host2 -- echo hi; echo code=$?; stty -a"
    program = ("-c", f"import os; os.execv('/bin/sh', ['sh', '-c', {script!r}])")
    with Terminal(environ=locked.environ(keep), program=program) as terminal:
        terminal.until("Enter passphrase")
        terminal.type("\x03")
        terminal.until("code=130")
        assert terminal.end() == 0
    assert re.search(r"(?<!-)\becho\b", terminal.text), "the terminal echoes again"
    assert "2 not-started" in terminal.text
    # It has nothing to keep.
    until(lambda: not locked.keepers(), "the keeper ends")


PASSWORD = "correct horse"


@pytest.fixture
def secretive(start_nodes: Callable[..., Nodes]) -> Iterator[Person]:
    """Who logs in with a password."""
    nodes = start_nodes(1, users=[User("ada", password=PASSWORD)])
    node = nodes["node1"]
    node.write("/etc/sudoers.d/test", "ada ALL=(ALL) ALL\n", 0o440)
    nodes.client.write_inventory({"node1": {"ansible_host": node.address, "ansible_user": "ada"}})
    nodes.client.key.unlink()
    person = Person(nodes.client)
    yield person
    kill(person.keepers())


def test_a_password_is_asked_for_and_refused_in_the_same_words(secretive: Person, tmp_path: Path) -> None:
    command = ("run", "node1", "-k", "--no-progress", "--", "id -un")
    shown = {}
    for word, typed in (("right", PASSWORD), ("wrong", "battery staple"), ("empty", "")):
        answers = (("SSH password: ", f"{typed}\n"),)
        shown[word] = [secretive.types(keep, *command, answers=answers) for keep in (DIRECT, KEEPER)]
        assert shown[word][0] == shown[word][1], word
    assert [shown[word][0][0] for word in ("right", "wrong", "empty")] == [0, 3, 3]
    assert "ada" in shown["right"][0][1]
    assert "permission denied" in shown["wrong"][0][1]
    assert not any(PASSWORD in text for pair in shown.values() for _, text in pair)
    # Nothing but the right one rides what the right one has opened.
    assert secretive.types(KEEPER, *command, answers=(("SSH password: ", f"{PASSWORD}\n"),))[0] == 0
    assert secretive.types(KEEPER, *command, answers=(("SSH password: ", "battery staple\n"),))[0] == 3
    (pid,) = secretive.keepers()
    assert PASSWORD.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert PASSWORD.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_ctrl_c_at_a_password_sends_nothing(secretive: Person) -> None:
    shown = [
        secretive.types(keep, "run", "node1", "-k", "--", "id", answers=(("SSH password: ", "\x03"),))
        for keep in (DIRECT, KEEPER)
    ]
    assert shown[0] == shown[1]
    assert shown[0][0] == 130
    assert secretive.keepers() == []


# --- where other processes contact the hosts ---
CORES = ("--spread", "cores", "--no-progress")


def test_workers_get_a_passphrase_that_was_asked_for_once(locked: Person) -> None:
    command = ("run", "host1,host2", *CORES, "--", "echo hi")
    answers = (("Enter passphrase", "wrong\n"), ("Wrong. Enter passphrase", "sesame\n"))
    code, text = locked.types(DIRECT, *command, answers=answers)
    assert (code, text.count("assphrase for")) == (0, 2), text
    assert "sesame" not in text
    code, text = locked.types(DIRECT, *command, answers=(("Enter passphrase", "\n"),))
    assert (code, text.count("assphrase for")) == (3, 1), text


def test_ctrl_c_at_a_passphrase_that_workers_need_sends_nothing(locked: Person) -> None:
    command = ("run", "host1", *CORES, "--", "echo hi")
    code, text = locked.types(DIRECT, *command, answers=(("Enter passphrase", "\x03"),))
    assert (code, "not-started" in text) == (130, True), text


def test_workers_get_the_passwords_that_were_asked_for_once(secretive: Person) -> None:
    words = ("run", "node1", *CORES, "-k", "-K", "--become", "--", "id -un")
    answers = (("SSH password: ", f"{PASSWORD}\n"), ("BECOME password", "\n"))
    code, text = secretive.types(DIRECT, *words, answers=answers)
    assert (code, "root" in text) == (0, True), text
    assert PASSWORD not in text
    code, text = secretive.types(DIRECT, *words, answers=(("SSH password: ", "wrong\n"), ("BECOME password", "\n")))
    assert (code, "permission denied" in text) == (3, True), text


def test_an_unknown_key_is_asked_about_once_before_workers_contact_the_hosts(start_sshd: Callable[..., Sshd]) -> None:
    sshd = start_sshd(4, addresses=4)
    sshd.client.known_hosts.unlink()
    person = Person(sshd.client)
    words = ("run", "all", *CORES, "--", "echo hi")
    code, text = person.types(DIRECT, *words, answers=(("add 4 keys? [y/N]", "n\n"),))
    assert (code, text.count("[y/N]")) == (3, 1), text
    code, text = person.types(DIRECT, *words, answers=(("add 4 keys? [y/N]", "y\n"),))
    assert (code, text.count("[y/N]")) == (0, 1), text
    assert len(sshd.client.known_hosts.read_text().splitlines()) == 4
    assert person.types(DIRECT, *words, answers=())[0] == 0
