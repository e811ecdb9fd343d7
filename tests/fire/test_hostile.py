"""A host that lies breaks its own answer and nothing else, in every verb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.hosts import Client, Sshd, patience

LIAR = Path(__file__).with_name("hostile_host.py")
# Far above what a command needs; a reply that is kept whole would pass it.
MEMORY_MAX = 400 << 20
SEEDS = range(int(os.environ.get("AGENTLESS_LIES", "4")))
VERBS = (
    ["run", "all", "--", "echo fine"],
    ["run", "all", "--detach", "--", "echo fine"],
    ["ping"],
    ["running"],
    ["find-job", "JID"],
    ["signal-job", "JID", "USR1"],
    ["jobs", "lookup", "JID"],
    ["jobs", "wait", "JID", "--wait", "5"],
    ["jobs", "active"],
    ["jobs", "tail", "JID"],
    ["schedule", "status"],
    ["schedule", "pull"],
)


class Mixed:
    """`liar` behind the lying command, `honest` on an sshd as it is; one controller."""

    def __init__(self, liar: Sshd, honest: Sshd, seed_file: Path) -> None:
        self._seed_file = seed_file
        self.client: Client = honest.client
        hosts = {"liar": _variables(liar), "honest": _variables(honest)}
        hosts["liar"]["ansible_ssh_private_key_file"] = str(liar.client.key)
        self.client.trust({f"[{address}]:{liar.port}": liar.public_host_key for address in liar.addresses})
        self.client.write_inventory(hosts)
        (self.client.home / "schedule.yaml").write_text(
            "schedule: {nightly: {function: cmd.run, args: ['true'], target: all, cron: '1 1 * * *'}}\n"
        )
        self.lie(0)
        started = self.client.agentless("run", "honest", "--detach", "--", "sleep 600")
        self.jid = started.stdout.strip()
        assert len(self.jid) == 20, started.stderr

    def lie(self, seed: int) -> None:
        """What the liar does in the next command."""
        self._seed_file.write_text(str(seed))

    def close(self) -> None:
        """End the job that the verbs ask about."""
        self.client.agentless("kill-job", self.jid)


def _variables(sshd: Sshd) -> dict[str, object]:
    tree = yaml.safe_load(sshd.client.inventory.read_text())
    variables: dict[str, object] = tree["all"]["hosts"]["host1"]
    return variables


# A process begins with the largest resident set of the one that started it (fork(2), execve(2)): a small one must.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def _run(client: Client, words: list[str]) -> tuple[int, str, str, int]:
    """Exit code, stdout, stderr, and the peak of its resident memory in bytes."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", MEASURE, *client.command(*words)],
            env=client.environ,
            cwd=client.home,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        watchdog = threading.Timer(patience(150), process.kill)
        watchdog.start()
        code = process.wait()
        watchdog.cancel()
        for stream in (stdout, stderr):
            stream.seek(0)
        *lines, memory = stderr.read().decode().splitlines()
        return code, stdout.read().decode(), "\n".join(lines), int(memory) << 10


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    seed_file = tmp_path_factory.mktemp("liar") / "seed"
    seed_file.write_text("0")
    command = f"ForceCommand {sys.executable} -I {LIAR} {seed_file}"
    with Sshd(1, config=command) as liar, Sshd(1) as honest:
        fleet = Mixed(liar, honest, seed_file)
        yield fleet
        fleet.close()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: "-".join(verb[:2]))
def test_a_lie_is_the_liars_problem(mixed: Mixed, verb: list[str]) -> None:
    """No defect of ours is reported, the honest host is served, and the output is whole and small."""
    client = mixed.client
    words = [mixed.jid if word == "JID" else word for word in verb]
    detached = "--detach" in words
    for seed in SEEDS:
        mixed.lie(seed)
        returncode, stdout, stderr, memory = _run(client, words if detached else ["--out", "json", *words])
        story = f"seed {seed}, exit {returncode}: {stderr[-2000:]}"
        assert memory < MEMORY_MAX, f"{memory >> 20} MiB: {story}"
        assert returncode in (0, 1, 3, 4), story
        assert "Traceback" not in stderr, story
        assert "internal" not in stderr, story
        assert "\x1b" not in stderr, story
        if not detached:
            document = json.loads(stdout)
            hosts = document.get("hosts", document)
            if verb[0] == "run":
                assert hosts["honest"]["stdout"] == "fine\n", story
            elif verb[0] in ("ping", "running", "find-job", "signal-job"):
                assert "error" not in hosts["honest"] or hosts["honest"]["error"] is None, story


def test_what_was_sent_from_here_is_still_found(mixed: Mixed) -> None:
    """Jobs that a host made up are never the last one, and push nothing out of the cache."""
    client = mixed.client
    mixed.lie(0)
    sent = client.agentless("run", "honest", "--", "echo mine")
    assert sent.returncode == 0, sent.stderr
    for seed in SEEDS:
        mixed.lie(seed)
        client.agentless("ping", "--out", "json")
    last = json.loads(client.agentless("jobs", "last", "--out", "json").stdout)
    assert last["arguments"] == ["echo mine"]
    listed = json.loads(client.agentless("jobs", "list", "--out", "json").stdout)
    assert {mixed.jid, last["jid"]} <= set(listed)
