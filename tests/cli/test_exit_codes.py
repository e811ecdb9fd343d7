"""The exit code of every verb, as the contract lists them; and what `last` and a signal to nobody say."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import agentless
from tests.hosts.needs import need

need("many seconds")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two hosts that answer, `here` and `there`, and one that refuses every connection, `gone`."""
    home = tmp_path_factory.mktemp("home")
    local = f"ansible_connection: local, ansible_python_interpreter: {sys.executable}"
    (home / "inventory.yaml").write_text(f"""\
all:
  hosts:
    here: {{{local}, agentless_state_dir: {home}/here}}
    there: {{{local}, agentless_state_dir: {home}/there}}
    gone: {{ansible_host: 127.0.0.1, ansible_port: 1}}
""")
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AGENTLESS_INVENTORY": str(home / "inventory.yaml"),
        "LANG": "C.UTF-8",
    }


@pytest.fixture(scope="module")
def jobs(environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """JIDs by what became of them."""

    def send(target: str, command: str, *options: str) -> str:
        done = agentless("run", target, *options, "--out", "json", "--", command, environ=environ)
        return str(json.loads(done.stdout)["jid"])

    made = {
        "good": send("here,there", "true"),
        "failed": send("here,there", "exit 3"),
        "cut": send("here", "trap 'exit 0' TERM; sleep 60 & wait", "--timeout", "0.3"),
        "unreached": send("here,gone", "true"),
        "running": send("here,there", "sleep 6000", "--detach"),
        "unknown": "20200101000000000000",
    }
    yield made
    agentless("kill-job", made["running"], environ=environ)


# Verb, its words with a job's name for a JID, and the exit codes by job.
ON_A_JOB = {
    "jobs lookup": {"good": 0, "failed": 1, "cut": 1, "unreached": 3, "running": 4, "unknown": 3},
    "jobs show": {"good": 0, "failed": 1, "cut": 1, "unreached": 3, "running": 4, "unknown": 2},
    "jobs exit-success": {"good": 0, "failed": 1, "cut": 1, "unreached": 3, "running": 4},
    "jobs tail": {"good": 0, "failed": 1, "cut": 1, "running": 4},
    "jobs wait --wait 0.1": {"good": 0, "failed": 1, "cut": 1, "running": 4},
    "find-job": {"good": 1, "failed": 1, "running": 0, "unknown": 3},
    "signal-job CONT": {"good": 0, "running": 0, "unknown": 3},
    "term-job": {"good": 0, "failed": 0},
    "kill-job": {"good": 0, "cut": 0},
}
CASES = [(words, job, code) for words, codes in ON_A_JOB.items() for job, code in codes.items()]


@pytest.mark.parametrize(("words", "job", "code"), CASES)
def test_a_verb_on_a_job_exits_by_what_became_of_it(
    words: str, job: str, code: int, jobs: dict[str, str], environ: dict[str, str]
) -> None:
    verb, jid = words.split(), jobs[job]
    at = 2 if verb[0] == "jobs" else 1
    done = agentless(*verb[:at], jid, *verb[at:], environ=environ)
    assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("run here -- true", 0),
        ("run here -- exit 9", 1),
        ("run here --timeout 0.3 -- trap 'exit 0' TERM; sleep 60 & wait", 1),
        ("run here,gone -- exit 9", 3),
        ("run here,gone --detach -- true", 3),
        ("run here --detach -- exit 9", 0),
        ("run here --wait 0.1 -- sleep 60", 4),
        ("run here,gone --wait 0.1 -- sleep 60", 4),
        ("run nobody -- true", 2),
        ("run here", 2),
        ("run here --detach --wait 1 -- true", 2),
        ("run here --detach --batch 1 -- exit 9", 0),
        ("run gone,here --detach --batch 1 -- true", 3),
        ("run here --batch-wait 1 -- true", 2),
        ("run here --subset 0 -- true", 2),
        ("running here", 0),
        ("running", 3),
        ("running nobody", 2),
        ("ping here", 0),
        ("ping", 3),
        ("hosts", 0),
        ("hosts nobody", 2),
        ("jobs active here", 0),
        ("jobs active", 3),
        ("jobs list", 0),
        ("jobs prune", 0),
        ("jobs lookup nonsense", 2),
        ("nonsense", 2),
        ("help", 0),
        ("help nonsense", 2),
        ("completion bash", 0),
        ("", 0),
        ("--version", 0),
    ],
)
def test_a_verb_exits_by_what_its_hosts_said(words: str, code: int, environ: dict[str, str]) -> None:
    head, dashes, command = words.partition(" -- ")
    done = agentless(*head.split(), *(["--", command] if dashes else []), environ=environ)
    assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.parametrize(
    "words", ["jobs lookup", "jobs wait --wait 0.1", "jobs tail", "jobs exit-success", "find-job", "signal-job 0x"]
)
def test_a_limit_that_names_nobody_is_an_error_of_every_verb_on_a_job(
    words: str, jobs: dict[str, str], environ: dict[str, str]
) -> None:
    verb = words.split()
    at = 2 if verb[0] == "jobs" else 1
    for extra in (["-l", "nonsense"], ["-l", ""], ["nonsense"]):
        done = agentless(*verb[:at], jobs["good"], *verb[at:], *extra, environ=environ)
        assert (done.returncode, done.stdout) == (2, ""), extra


@pytest.mark.parametrize("words", ["jobs list -l here", "jobs prune -l here", "hosts --graph --out json", "-b demo"])
def test_an_option_that_a_verb_could_only_ignore_is_refused(words: str, environ: dict[str, str]) -> None:
    done = agentless(*words.split(), environ=environ)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_cut_off_job_has_failed_in_every_format(jobs: dict[str, str], environ: dict[str, str]) -> None:
    def lookup(*options: str) -> str:
        return agentless("jobs", "lookup", jobs["cut"], *options, environ=environ).stdout

    assert "<failure" in lookup("--out", "junit")
    assert "timed out" in lookup("--out", "table")
    assert json.loads(lookup("--out", "json"))["summary"]["failed"] == 1
    assert agentless("run", "all", "-l", f"@failed:{jobs['cut']}", "--check", "--out", "text", "--", "true",
                     environ=environ).stdout.startswith("here\t")  # fmt: skip
    listed = agentless("jobs", "list", "--state", "failed", "--out", "json", environ=environ)
    assert jobs["cut"] in json.loads(listed.stdout)


def test_last_is_named_with_its_command_on_stderr(environ: dict[str, str]) -> None:
    jid = json.loads(agentless("run", "here", "--out", "json", "--", "echo its command", environ=environ).stdout)["jid"]
    for verb in (["jobs", "lookup"], ["jobs", "wait"], ["jobs", "tail"], ["jobs", "exit-success"], ["find-job"],
                 ["term-job"], ["kill-job"]):  # fmt: skip
        done = agentless(*verb, "last", environ=environ)
        assert f"last is job {jid}: echo its command" in done.stderr, verb


@pytest.mark.parametrize("verb", ["term-job", "kill-job"])
def test_a_signal_to_a_job_that_runs_nowhere_says_that_nothing_was_signalled(
    verb: str, jobs: dict[str, str], environ: dict[str, str]
) -> None:
    done = agentless(verb, jobs["good"], "-q", "--out", "json", environ=environ)
    assert done.returncode == 0
    assert f"nothing was signalled: job {jobs['good']} does not run" in done.stderr


def test_where_no_host_answered_a_signal_claims_nothing_of_the_job(
    jobs: dict[str, str], environ: dict[str, str]
) -> None:
    for where, why in (("gone", "no host answered"), ("here,gone", "does not run on the hosts that answered")):
        done = agentless("kill-job", jobs["unreached"], where, environ=environ)
        assert done.returncode == 3
        assert "nothing was signalled: " in done.stderr
        assert why in done.stderr
