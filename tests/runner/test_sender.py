"""A detached job goes on in batches without the command that sent it: real processes, and real kills."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentless import Delivery, Fleet, JobSpec
from agentless.cache import JobCache
from agentless.cli.app import main
from agentless.errors import UsageError
from agentless.model.jid import JID
from agentless.model.job import Report
from tests.cli.terminal import Terminal, agentless
from tests.hosts import hardened, kill, need, patience, until

HOSTS = [f"web{number}" for number in range(1, 7)]


class Desk:
    """Six names of this machine, and what a person types; each job waits for a file of its host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        hosts = "".join(
            f"    {name}: {{ansible_connection: local, agentless_state_dir: {folder}/s/{name}, me: {name}}}\n"
            for name in HOSTS
        )
        (folder / "inventory.yaml").write_text(f"all:\n  hosts:\n{hosts}")

    def __call__(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = agentless(*words, environ=self.environ, cwd=self.folder)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    @property
    def command(self) -> list[str]:
        """What each host runs: it says that it has begun, waits until it may go on, and exits as it is told."""
        here = self.folder
        script = f"touch {here}/began-$me; until [ -e {here}/go-$me -o -e {here}/go ]; do sleep 0.05; done"
        return ["--template", "--", f"me={{{{ me }}}}; {script}; exit $(cat {here}/code-$me 2>/dev/null || echo 0)"]

    def detach(self, *options: str, code: int = 0) -> str:
        return self("run", "all", "--detach", *options, *self.command, code=code).stdout.strip()

    def began(self) -> list[str]:
        return sorted(path.name.removeprefix("began-") for path in self.folder.glob("began-*"))

    def go(self, *names: str) -> None:
        for name in names:
            (self.folder / f"go-{name}").touch()

    def report(self, jid: str) -> Report:
        """What the job cache has, with who is not sent to any more."""
        cache = JobCache(self.folder / ".cache/agentless/jobs", keep_jobs=24, max_bytes=1 << 30)
        report = cache.current(JID(jid))
        assert report is not None
        return report

    def states(self, jid: str) -> dict[str, str]:
        return {name: result.state.value for name, result in self.report(jid).results.items()}

    def kinds(self, jid: str) -> dict[str, str | None]:
        results = self.report(jid).results
        return {name: result.problem.kind if result.problem else None for name, result in results.items()}

    def senders(self) -> list[int]:
        return hardened("agentless.runner.sender", f"HOME={self.folder}\0")

    def processes(self) -> list[int]:
        """What runs on its hosts, and what supervises that."""
        pids = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{self.folder}/".encode() in (process / "cmdline").read_bytes():
                    pids.append(int(process.name))
        return pids


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    assert not made.senders()
    yield made
    kill(made.senders())
    (tmp_path / "go").touch()
    until(lambda: not made.processes(), "its jobs have ended")


def test_the_command_leaves_at_once_and_the_batches_follow_each_other(desk: Desk) -> None:
    need("many seconds")
    words = " ".join(desk.command[:-1])
    script = f'x=$(agentless run all --detach --batch 2 {words} "$0" 2>err); echo "$? $x"'
    bin_folder = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["/bin/sh", "-c", script, desk.command[-1]],
        env={**desk.environ, "PATH": f"{bin_folder}:{desk.environ['PATH']}"},
        cwd=desk.folder,
        capture_output=True,
        text=True,
        timeout=patience(120),
    )
    code, jid = done.stdout.split()
    assert code == "0"
    assert "2 of 6 hosts have it" in (desk.folder / "err").read_text()
    assert f"agentless kill-job {jid}" in (desk.folder / "err").read_text()
    assert len(desk.senders()) == 1
    until(lambda: desk.began() == HOSTS[:2], "the first batch has begun")
    active = json.loads(desk("jobs", "active", "--out", "json").stdout)[jid]
    assert [one["host"] for one in active["running"]] == HOSTS[:2]
    assert active["pending"] == HOSTS[2:]
    desk.go("web2")
    until(lambda: desk.began() == HOSTS[:3], "the next one has the place that is free")

    def pending() -> object:
        return json.loads(desk("jobs", "active", "--out", "json").stdout)[jid]["pending"]

    until(lambda: pending() == HOSTS[3:], "nobody else has one")
    (desk.folder / "go").touch()
    done = desk("jobs", "wait", jid, "--out", "json")
    assert json.loads(done.stdout)["summary"]["returned"] == 6
    until(lambda: not desk.senders(), "it has nothing more to do")


def test_it_holds_nothing_of_the_commands(desk: Desk) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    desk_run = subprocess.run(
        [sys.executable, "-m", "agentless", "run", "all", "--detach", "--batch", "1", *desk.command],
        env=desk.environ,
        cwd=desk.folder,
        stdout=write,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        timeout=patience(120),
    )
    os.close(write)
    assert desk_run.returncode == 0
    with os.fdopen(read) as pipe:
        assert len(pipe.read()) == 21, "the pipe ends with the command"
    (pid,) = desk.senders()
    assert os.getsid(pid) != os.getsid(0)
    streams = [os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)]
    assert streams == ["/dev/null"] * 3
    assert int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4]) == 0, "it has no terminal"


def test_a_terminal_that_is_closed_ends_neither_the_job_nor_its_batches(desk: Desk) -> None:
    need("many seconds")
    words = ("-i", f"{desk.folder}/inventory.yaml", "run", "all", "--detach", "--batch", "1", *desk.command)
    with Terminal(*words, environ=desk.environ) as terminal:
        terminal.until("1 of 6 hosts have it")
        assert terminal.end() == 0
    (desk.folder / "go").touch()
    jid = desk("jobs", "list", "--out", "json").stdout[2:22]
    assert json.loads(desk("jobs", "wait", jid, "--out", "json").stdout)["exit_code"] == 0


def test_its_death_is_told_of_the_hosts_that_it_had_not_sent_to(desk: Desk) -> None:
    need("many seconds")
    jid = desk.detach("--batch", "2")
    until(lambda: desk.began() == HOSTS[:2], "the first batch has begun")
    (pid,) = desk.senders()
    waiting = subprocess.Popen(
        [sys.executable, "-m", "agentless", "jobs", "wait", jid, "--out", "json"],
        env=desk.environ,
        cwd=desk.folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.kill(pid, signal.SIGKILL)
    until(lambda: set(desk.states(jid).values()) == {"running", "not-started"}, "its end is seen")
    assert {desk.kinds(jid)[name] for name in HOSTS[2:]} == {"controller-gone"}
    assert desk.began() == HOSTS[:2]
    (desk.folder / "go").touch()
    out, _ = waiting.communicate(timeout=patience(120))
    document = json.loads(out)
    assert (waiting.returncode, document["summary"]["returned"], document["summary"]["not-started"]) == (3, 2, 4)
    again = json.loads(desk("run", "all", "-l", f"@failed:{jid}", "--out", "json", "--", "true").stdout)
    assert list(again["hosts"]) == HOSTS[2:]


def test_as_when_the_machine_is_reset_nobody_is_left_and_the_next_command_tells_all(desk: Desk) -> None:
    """The process and what its hosts (on this machine) run die together, and nobody tidies up."""
    need("many seconds")
    jid = desk.detach("--batch", "3")
    until(lambda: desk.began() == HOSTS[:3], "the first batch has begun")

    def doomed() -> list[int]:
        found = desk.senders()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"AGENTLESS_JID={jid}".encode() in (process / "environ").read_bytes() or (
                    f"{desk.folder}/s/".encode() in (process / "cmdline").read_bytes()
                ):
                    found.append(int(process.name))
        return found

    # What is started while this looks through the others is met by the next look.
    until(lambda: not kill(doomed()), "nobody is left")

    def running() -> int:
        count = json.loads(desk("jobs", "lookup", jid, "--out", "json", code=None).stdout)["summary"]["running"]
        assert isinstance(count, int)
        return count

    until(lambda: not running(), "they are gone")
    states = desk.states(jid)
    assert {states[name] for name in HOSTS[3:]} == {"not-started"}
    assert {states[name] for name in HOSTS[:3]} <= {"lost", "returned"}
    assert desk("jobs", "active").stdout == ""


@pytest.mark.parametrize("verb", ["kill-job", "term-job"])
def test_a_signal_ends_it_and_no_later_batch_starts(desk: Desk, verb: str) -> None:
    jid = desk.detach("--batch", "2")
    until(lambda: desk.began() == HOSTS[:2], "the first batch has begun")
    answers = json.loads(desk(verb, jid, "--out", "json").stdout)["hosts"]
    assert [name for name, one in answers.items() if one["delivered"]] == HOSTS[:2]
    assert "is not sent any more" in answers["web3"]["message"]
    until(lambda: not desk.senders(), "the process has ended")
    assert desk.began() == HOSTS[:2]
    assert desk.states(jid) == {**dict.fromkeys(HOSTS[:2], "returned"), **dict.fromkeys(HOSTS[2:], "not-started")}
    assert set(desk.kinds(jid).values()) == {None, "signalled"}


def test_kill_job_ends_it_also_while_it_pauses(desk: Desk) -> None:
    need("many seconds")
    (desk.folder / "go").touch()
    jid = desk.detach("--batch", "1", "--batch-wait", "1h")
    until(lambda: desk.states(jid)["web1"] == "returned", "the first one has ended")
    assert set(desk.states(jid).values()) == {"returned", "pending"}
    desk("kill-job", jid)
    until(lambda: not desk.senders(), "it does not sleep on")
    assert desk.began() == ["web1"]


def test_max_fail_holds(desk: Desk) -> None:
    (desk.folder / "go").touch()
    (desk.folder / "code-web2").write_text("7")
    jid = desk.detach("--batch", "1", "--max-fail", "0", "--batch-wait", "0.1")
    until(lambda: not desk.senders(), "it has ended")
    assert desk.began() == HOSTS[:2]
    assert set(desk.kinds(jid).values()) == {None, "max-fail"}
    assert desk("jobs", "wait", jid, code=3).returncode == 3


def test_many_may_wait_for_it_and_see_it_to_its_end(desk: Desk) -> None:
    need("many seconds")
    jid = desk.detach("--batch", "50%", "--batch-wait", "0.2s")
    waiting = [
        subprocess.Popen(
            [sys.executable, "-m", "agentless", "jobs", "wait", jid, "--out", "json"],
            env=desk.environ,
            cwd=desk.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert desk("jobs", "wait", jid, "--wait", "0.5", code=4).returncode == 4
    (desk.folder / "go").touch()
    for one in waiting:
        out, _ = one.communicate(timeout=patience(120))
        assert json.loads(out)["summary"]["returned"] == 6
        assert one.returncode == 0


def test_the_record_says_which_job_it_repeats(desk: Desk) -> None:
    for host in HOSTS[:3]:
        (desk.folder / f"code-{host}").write_text("3")
    (desk.folder / "go").touch()
    jid = json.loads(desk("run", "all", "--batch", "2", "--out", "json", *desk.command, code=1).stdout)["jid"]
    again = desk("jobs", "retry", jid, "--detach").stdout.strip()
    assert desk.report(again).job.retry_of == jid
    assert list(desk.report(again).results) == HOSTS[:3]
    desk("jobs", "wait", again, code=1)


def test_a_batch_of_all_needs_nobody_who_stays(desk: Desk) -> None:
    desk.detach("--batch", "100%")
    assert desk.senders() == []
    until(lambda: desk.began() == HOSTS, "all have begun")


def test_what_cannot_be_sent_is_told_and_leaves_neither_job_nor_process(desk: Desk) -> None:
    (desk.folder / ".cache").write_text("in the way")
    done = desk("run", "all", "--detach", "--batch", "1", "--", "true", code=2)
    assert done.stdout == ""
    assert "agentless: " in done.stderr
    assert desk.senders() == []
    (desk.folder / ".cache").unlink()
    assert desk("jobs", "list", "--out", "json").stdout == "{}\n"


@pytest.mark.parametrize("options", [("--detach", "--wait", "5"), ("--batch-wait", "5"), ("--subset", "0")])
def test_nonsense_is_refused(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-i", "web1,", "run", "all", *options, "--", "true"], environ={}) == 2
    assert capsys.readouterr().out == ""


def test_a_pause_keeps_the_place_of_a_host_that_has_ended(desk: Desk) -> None:
    """Attached, too; and the last host is not waited for."""
    need("many seconds")
    began = time.monotonic()
    words = ("--batch", "1", "--batch-wait", "1", "--out", "json", "--", "true")
    document = json.loads(desk("run", "web1:web2:web3", *words).stdout)
    starts = [host["started"] for host in document["hosts"].values()]
    finished = [host["finished"] for host in document["hosts"].values()]
    assert time.monotonic() - began >= 2.0
    for end, start in zip(finished, starts[1:], strict=False):
        assert _seconds(start) - _seconds(end) >= 0.9


def _seconds(iso: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(iso).timestamp()


def test_a_subset_is_picked_and_told(desk: Desk) -> None:
    done = desk("run", "all", "--subset", "2", "--out", "json", "--", "true")
    document = json.loads(done.stdout)
    hosts = list(document["hosts"])
    assert len(hosts) == 2
    assert hosts == [name for name in HOSTS if name in hosts], "in the inventory's order"
    assert "subset of 2 of 6 hosts, picked at random" in done.stderr
    assert list(desk.states(document["jid"])) == hosts
    checked = desk("run", "all", "--subset", "3", "--check", "--out", "json", "--", "true")
    assert len(json.loads(checked.stdout)["hosts"]) == 3
    assert "picks anew" in checked.stderr


def test_each_subset_is_picked_at_random(desk: Desk) -> None:
    with Fleet(desk.folder / "inventory.yaml") as fleet:

        def pick(number: int) -> tuple[str, ...]:
            return tuple(fleet.prepare("all", JobSpec("true"), Delivery(subset=number)).endpoints)

        picks = {pick(2) for _ in range(20)}
        assert len(picks) > 1
        for hosts in picks:
            assert len(hosts) == 2
            assert list(hosts) == [name for name in HOSTS if name in hosts], "in the inventory's order"
        assert list(pick(9)) == HOSTS


def test_the_python_api_hands_it_over_as_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    need("many seconds")
    for name, value in desk.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(desk.folder)
    with Fleet("inventory.yaml") as fleet:
        report = fleet.run("all", f"until [ -e {desk.folder}/go ]; do sleep 0.05; done", detach=True, batch=2)
        assert report.detached
        assert report.exit_code == 0
        assert report.summary["pending"] >= 2
        (desk.folder / "go").touch()
        with fleet.wait(report.job.jid) as run:
            for _ in run:
                pass
            assert run.report().summary["returned"] == 6
        with pytest.raises(UsageError):
            fleet.start("all", JobSpec("true"), Delivery(detach=True, batch=1))
        for wrong in ({"batch_wait": 1}, {"batch": 1, "batch_wait": -1}, {"subset": 0}, {"subset": True}):
            with pytest.raises(UsageError):
                Delivery(**wrong)
