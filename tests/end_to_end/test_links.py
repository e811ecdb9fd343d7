"""What a command does is the same over a connection of its own, over a master of ssh, and over one that is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Links, Proxy, Sshd, kill, need, over_every_link, patience, until
from tests.hosts.links import keepers

pytestmark = over_every_link


def children(pid: int) -> list[int]:
    done = subprocess.run(["pgrep", "-P", str(pid), "sshd"], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


class Linked:
    """Commands to host1 over one kind of link."""

    def __init__(self, sshd: Sshd, links: Links) -> None:
        self.sshd = sshd
        self.links = links
        self.kind = links.kind
        self.environ = sshd.client.environ

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.sshd.client.agentless(*arguments, env=self.environ)

    def document(self, *arguments: str) -> Any:
        done = self("--out", "json", *arguments)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def cut(self) -> None:
        """End every connection, and nothing that runs beside them."""
        watcher = self.sshd.watcher
        for listener in children(watcher):
            kill(children(listener))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return self.sshd.client.start(*arguments, env=self.environ)


@pytest.fixture
def linked(links: Links, sshd: Sshd) -> Linked:
    made = Linked(sshd, links)
    assert made("ping", "host1").returncode == 0
    logins = sshd.logins()
    assert made("ping", "host1").returncode == 0
    assert (sshd.logins() == logins) is (made.kind != "direct")
    return made


def test_streams_retcode_sections_and_lookup(linked: Linked) -> None:
    given = linked.sshd.directory / "given"
    given.write_bytes(os.urandom(300_000) + bytes(range(256)))
    words = ("run", "host1", "--env", "K=a b", "--stdin", str(given))
    document = linked.document(*words, "--", 'cksum; echo "$K" >&2; exit 3')
    host = document["hosts"]["host1"]
    wanted = subprocess.run(["cksum"], input=given.read_bytes(), capture_output=True, check=True).stdout.decode()
    assert (host["stdout"], host["stderr"], host["retcode"]) == (wanted, "a b\n", 3)
    assert linked.document("jobs", "lookup", "last") == document


def test_a_job_that_runs_is_found_followed_and_killed(linked: Linked) -> None:
    jid = linked("run", "host1", "--detach", "--", "echo so far; sleep 300 & wait").stdout.strip()
    until(lambda: "so far\n" in linked("jobs", "tail", jid).stdout, "it printed")
    assert linked.document("jobs", "active", "host1")[jid]["running"][0]["host"] == "host1"
    assert len(linked.document("kill-job", jid)["hosts"]["host1"]["delivered"]) >= 2
    assert linked.document("jobs", "wait", jid)["hosts"]["host1"]["signal"] == 9


def test_a_host_that_went_away_is_come_back_to_and_nothing_starts_twice(linked: Linked) -> None:
    go, starts = linked.sshd.directory / "go", linked.sshd.directory / "starts"
    process = linked.start(
        "run",
        "host1",
        "--live",
        "--",
        f"echo x >> {starts}; echo begun; until [ -e {go} ]; do sleep 0.05; done; echo done",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "host1 | begun\n"
    linked.cut()
    go.touch()
    out, errors = process.communicate(timeout=patience(90))
    assert (out, process.returncode) == ("host1 | done\n", 0), errors
    assert starts.read_text() == "x\n"


def test_what_fails_fails_in_the_same_words(linked: Linked) -> None:
    kinds = []
    for words in (["-e", "agentless_state_dir=/proc/none"], ["--cwd", "/proc/none"], ["--shell", "/proc/none"]):
        document = linked.document("run", "host1", *words, "--", "true")
        host = document["hosts"]["host1"]
        kinds.append((host["state"], host["error"] and host["error"]["kind"], document["exit_code"]))
    assert kinds == [("not-started", kind, 3) for kind in ("state-dir", "cwd", "shell")]


def test_an_interruption_ends_the_job_and_names_it(linked: Linked) -> None:
    process = linked.start(
        "run", "host1", "--out", "json", "--", "trap 'echo cleaned; exit 5' TERM; echo a; sleep 300 & wait"
    )
    until(lambda: linked("jobs", "tail", "last").stdout == "a\n", "its trap is set")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=patience(60))
    assert process.returncode == 130, errors
    host = json.loads(out)["hosts"]["host1"]
    assert (host["state"], host["retcode"], host["stdout"]) == ("returned", 5, "a\ncleaned\n")


# A process begins with the largest resident set of the one that started it (fork(2), execve(2)): a small one must.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "agentless", *sys.argv[1:]], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def test_much_output_is_in_nobody_s_memory(linked: Linked) -> None:
    """200 MB pass through the command, and the keeper where there is one; a reader that is slow changes nothing."""
    need("many seconds")
    done = subprocess.run(
        [sys.executable, "-S", "-c", MEASURE, "run", "host1", "--", "head -c 200000000 /dev/zero"],
        env=linked.environ,
        cwd=linked.sshd.client.home,
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=True,
    )
    assert int(done.stdout) < 120_000
    for pid in keepers(f"HOME={linked.sshd.client.home}\0"):
        (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        assert int(line.split()[1]) < 80_000


def test_a_host_that_cannot_be_reached_any_more_is_told_in_the_same_words(linked: Linked) -> None:
    linked.sshd.stop()
    host = linked.document("run", "host1", "--", "true")["hosts"]["host1"]
    assert (host["state"], host["error"]["kind"]) == ("unreachable", "connect")
    assert host["error"]["message"].endswith("Connection refused")
    assert linked.document("find-job", "last")["host1"]["error"]["kind"] == "connect"
    linked.sshd.start()
    assert linked.document("run", "host1", "--", "true")["exit_code"] == 0


@pytest.mark.parametrize("choice", ["detach", "kill"])
def test_an_interruption_does_to_the_job_what_was_asked_for(linked: Linked, choice: str) -> None:
    process = linked.start("run", "host1", "--live", "--on-interrupt", choice, "--", "echo up; exec sleep 300")
    assert process.stdout is not None
    assert process.stdout.readline() == "host1 | up\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=patience(60))
    assert process.returncode == 130
    assert linked("find-job", "last").returncode == (0 if choice == "detach" else 1)
    linked("kill-job", "last")
    assert linked.document("jobs", "lookup", "last")["hosts"]["host1"]["signal"] == 9


def test_every_verb_says_what_it_says(linked: Linked) -> None:
    """About schedules, templates, and signals, each of which sends something else."""
    assert list(linked.document("schedule", "status", "host1")) == ["host1"]
    document = linked.document("run", "host1", "--template", "--", "echo {{ inventory_hostname }}")
    assert document["hosts"]["host1"]["stdout"] == "host1\n"
    assert linked.document("ping", "host1")["host1"]["python"]
    jid = linked("run", "host1", "--detach", "--", "trap 'exit 4' USR1; echo up; sleep 300 & wait").stdout.strip()
    until(lambda: "up\n" in linked("jobs", "tail", jid).stdout, "it printed")
    assert linked("signal-job", jid, "USR1").returncode == 0
    assert linked.document("jobs", "wait", jid)["hosts"]["host1"]["retcode"] == 4


def test_a_host_behind_a_bastion_is_reached_through_it_and_only_through_it(
    linked: Linked, start_proxy: Callable[..., Proxy]
) -> None:
    """Here the bastion is an sshd behind a proxy, by which one sees who goes there."""
    sshd = linked.sshd
    proxy = start_proxy("127.0.0.1", sshd.port)
    sshd.client.trust({f"[127.0.0.1]:{proxy.port}": sshd.public_host_key})
    tree = linked.document("hosts", "host1")["host1"]["vars"]
    behind = {**tree, "ansible_ssh_common_args": f"-J {sshd.user}@127.0.0.1:{proxy.port}", "ansible_host": "localhost"}
    sshd.client.trust({f"[localhost]:{sshd.port}": sshd.public_host_key})
    bastion = {**tree, "ansible_port": proxy.port}
    sshd.client.write_inventory({"bastion": bastion, "behind": behind})
    key = sshd.client.home / ".ssh" / "config"
    with key.open("a") as file:
        file.write(f"Host *\n  IdentityFile {sshd.client.key}\n")
    if linked.kind == "master":
        linked.links.lay(sshd.client, "bastion")
    for number in range(2):
        seen = proxy.connections
        host = linked.document("run", "behind", "--", "echo hi; exit 3")["hosts"]["behind"]
        assert (host["stdout"], host["retcode"], host["error"]) == ("hi\n", 3, None)
        ridden = linked.kind == "master" or (linked.kind == "keeper" and number > 0)
        assert proxy.connections - seen == (0 if ridden else 1)
    proxy.cut()
    assert linked.document("run", "behind", "--", "echo again")["hosts"]["behind"]["stdout"] == "again\n"
