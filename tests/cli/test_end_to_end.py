"""The command line as a person or a CI job meets it: real processes, a real sshd, a real terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import PATIENCE, Terminal, agentless
from tests.hosts import Sshd, until

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(sshd: Sshd) -> Cli:
    """agentless on these hosts; its stderr without the line that names `last`, about which other tests are."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        done = agentless(*arguments, environ=sshd.client.environ, **options)
        done.stderr = re.sub(r"\Alast is job .*\n", "", done.stderr)
        return done

    return run


def hosts(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)["hosts"]
    return found


def test_a_single_host_s_streams_and_retcode_come_through_and_lookup_gives_them_again(cli: Cli) -> None:
    done = cli("run", "host1", "--", "printf 'out\\377' | tr '\\377' x; echo err >&2; exit 3")
    assert (done.stdout, done.returncode) == ("outx", 1)
    assert done.stderr.startswith("err\njob 2")
    again = cli("jobs", "lookup", "last")
    assert (again.stdout, again.stderr, again.returncode) == (done.stdout, done.stderr, done.returncode)


def test_lookup_gives_the_blocks_the_json_and_the_exit_code_of_the_run(cli: Cli) -> None:
    command = 'echo "$AGENTLESS_JID"; echo oops >&2; exit $((RANDOM * 0))'
    ran = cli("run", "all", "--", command)
    looked_up = cli("jobs", "lookup", "last")
    assert sorted(ran.stdout.splitlines()) == sorted(looked_up.stdout.splitlines())
    assert [line.split(" | ")[0] for line in looked_up.stdout.splitlines() if " | " in line] == [
        "host1",
        "host2",
        "host3",
    ]
    assert ran.stderr == looked_up.stderr
    ran = cli("--out", "json", "run", "all", "--", "exit 1")
    looked_up = cli("jobs", "lookup", "last", "--out", "json")
    assert json.loads(ran.stdout) == json.loads(looked_up.stdout)
    assert (ran.returncode, looked_up.returncode, ran.stderr) == (1, 1, "")


def test_output_in_a_pipe_is_left_byte_by_byte_and_on_a_terminal_made_harmless(sshd: Sshd) -> None:
    command = ("run", "host1", "--", "printf '\\033]0;title\\007\\033[31mred\\033[0m\\n'")
    piped = agentless(*command, environ=sshd.client.environ)
    assert piped.stdout == "\x1b]0;title\x07\x1b[31mred\x1b[0m\n"
    with Terminal(*command, environ=sshd.client.environ) as terminal:
        assert terminal.end() == 0
        assert "^[]0;title^G\x1b[31mred\x1b[0m" in terminal.text


def test_no_color_is_honoured(sshd: Sshd) -> None:
    command = ("run", "host1", "--no-progress", "--", "true")
    with Terminal(*command, environ=sshd.client.environ) as terminal:
        terminal.end()
        assert "\x1b[32m" in terminal.text
    with Terminal(*command, environ={**sshd.client.environ, "NO_COLOR": "1"}) as terminal:
        terminal.end()
        assert "\x1b" not in terminal.text


def test_jsonl_has_a_line_a_host_and_nothing_else(cli: Cli) -> None:
    done = cli("run", "all", "--out", "jsonl", "--", "echo hi")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(line["host"] for line in lines) == ["host1", "host2", "host3"]
    assert {line["stdout"] for line in lines} == {"hi\n"}
    assert done.stderr == ""


def test_detach_prints_the_jid_alone_and_wait_shows_the_end(cli: Cli) -> None:
    detached = cli("run", "all", "--detach", "--", "sleep 1; echo slept")
    jid = detached.stdout.strip()
    assert (len(jid), detached.returncode, detached.stderr) == (20, 0, "")
    running = json.loads(cli("running", "--out", "json").stdout)
    assert all(process["jid"] == jid for processes in running.values() for process in processes)
    waited = cli("jobs", "wait", jid, "--group")
    assert waited.returncode == 0
    assert waited.stdout == "host[1-3] (3) | returned | retcode 0\nslept\n"


def test_wait_that_is_over_leaves_with_4_and_the_next_command(cli: Cli) -> None:
    done = cli("run", "host1", "--wait", "1", "--", "echo begun; sleep 60")
    jid = json.loads(cli("jobs", "list", "-n", "1", "--out", "jsonl").stdout)["jid"]
    assert done.returncode == 4
    assert f"agentless jobs wait {jid}" in done.stderr
    tail = cli("jobs", "tail", "last", "host1")
    assert (tail.stdout, tail.returncode) == ("begun\n", 4)
    killed = cli("kill-job", jid, "--out", "json")
    assert killed.returncode == 0
    assert json.loads(killed.stdout)["hosts"]["host1"]["delivered"]
    assert cli("find-job", jid).returncode == 1


def test_stdin_env_cwd_and_script_arrive(cli: Cli, sshd: Sshd) -> None:
    script = sshd.directory / "script"
    script.write_text('#!/bin/sh\npwd; echo "$1 $GREETING"; cat\n')
    done = cli(
        *("run", "host1", "--stdin", "-", "--env", "GREETING=a=b", "--cwd", "/", "--script", str(script), "--", "-x"),
        stdin="from stdin",
    )
    assert done.stdout == "/\n-x a=b\nfrom stdin"


def test_stdin_takes_what_can_be_read_but_once(sshd: Sshd) -> None:
    for source, given in (("<(echo once)", "once\n"), ("/dev/null", "")):
        command = f"exec {sys.executable} -m agentless run host1,host2 --group --stdin {source} -- 'cat; echo end'"
        done = subprocess.run(
            ["/bin/bash", "-c", command], env=sshd.client.environ, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.stdout == f"host[1-2] (2) | returned | retcode 0\n{given}end\n", done.stderr


def test_unreachable_hosts_are_results_with_exit_code_3(cli: Cli, sshd: Sshd) -> None:
    sources = ("-i", str(sshd.client.inventory), "-i", "127.0.0.1,")
    done = cli(*sources, "run", "all", "--connect-timeout", "5", "--out", "json", "-u", "nobody", "--", "true")
    assert done.returncode == 3
    assert hosts(done)["127.0.0.1"]["state"] == "unreachable"
    assert hosts(done)["host1"]["state"] == "returned"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_who_could_not_be_asked_about_another_controller_s_job_is_told_with_the_reason(
    sshd: Sshd, cli: Cli, count: int
) -> None:
    jid = "20200101000000000000"
    if count:
        jid = cli("run", ",".join(sshd.names[:count]), "--out", "json", "--", "echo said").stdout[9:29]
    environ = {**sshd.client.environ, "XDG_CACHE_HOME": str(sshd.directory / "other")}
    sources = ("-i", str(sshd.client.inventory), "-i", "127.0.0.1,", "-u", "nobody")

    def other(*words: str) -> subprocess.CompletedProcess[str]:
        done = agentless(*sources, *words, environ=environ)
        assert done.returncode == 3, done.stderr
        return done

    error = json.loads(other("jobs", "lookup", jid, "--out", "json").stdout)["unknown_hosts"]["127.0.0.1"]
    why = f"127.0.0.1 | unreachable | {error['kind']}: {error['message']}\n"
    for words in ((), ("--group",), ("-q",)):
        text = other("jobs", "lookup", jid, *words)
        assert why in (text.stdout if count else text.stderr)
        assert error["hint"] in (text.stdout if count else text.stderr)
        assert "-q" in words or "  could not be asked: 127.0.0.1\n" in text.stderr
        assert "0 hosts" not in text.stderr
    success = json.loads(other("jobs", "exit-success", jid, "--out", "json").stdout)
    assert success == {**dict.fromkeys(sshd.names[:count], True), "127.0.0.1": {"error": error}}
    table = other("jobs", "exit-success", jid)
    assert f"{error['kind']}: {error['message']}" in table.stdout
    assert error["hint"] in table.stderr


def test_output_that_is_not_kept_is_owned_up_to_in_the_same_words_by_run_and_lookup(cli: Cli) -> None:
    ran = cli("run", "host1", "--", "head -c 25000000 /dev/zero")
    assert ran.stderr.count("14,514,240 bytes were dropped from the middle of stdout") == 1
    looked_up = cli("jobs", "lookup", "last")
    assert (looked_up.stderr, looked_up.returncode) == (ran.stderr, 0)
    for verb in ("lookup", "tail"):
        quiet = cli("-q", "jobs", verb, "last")
        assert len(quiet.stdout) == 25_000_000 - 14_514_240
        warning = "agentless: warning: host1: 14,514,240 bytes were dropped from the middle of stdout\n"
        assert quiet.stderr == warning


def test_on_a_terminal_what_is_said_begins_a_line(sshd: Sshd) -> None:
    for command, shown in (
        ("printf x", "x\r\njob 2"),
        ("printf '\\033[31mx\\n\\033[0m'", "x\r\n\x1b[0m\x1b[0mjob 2"),
        ("printf x; sleep 0.5; echo err >&2", "xerr\r\njob 2"),
    ):
        words = ("--no-progress", "run", "host1", "--", command)
        with Terminal(*words, environ=sshd.client.environ) as terminal:
            assert terminal.end() == 0
            assert shown in terminal.text
    with Terminal("jobs", "lookup", "last", environ=sshd.client.environ) as terminal:
        assert terminal.end() == 0
        named, _, text = terminal.text.partition("\r\n")
        assert named.startswith("last is job 2")
        assert text.startswith("x\r\nerr\r\njob 2")


def test_the_retry_list_takes_up_those_that_failed(cli: Cli, sshd: Sshd) -> None:
    first = cli("run", "all", "--out", "json", "--", 'case "$0$(ls -d /nonexistent 2>&1)" in *) ;; esac; exit 1')
    jid = json.loads(first.stdout)["jid"]
    again = cli("run", "all", "--limit", f"@failed:{jid}", "--out", "json", "--", "true")
    assert list(hosts(again)) == ["host1", "host2", "host3"]
    none = cli("run", "all", "--limit", f"@unreachable:{jid}", "--", "true")
    assert none.returncode == 2
    assert none.stderr.startswith("agentless: ")


def test_a_retry_list_says_whom_it_cannot_know_yet_and_how_to_learn_it(cli: Cli, sshd: Sshd) -> None:
    flag = sshd.directory / "go-on"
    command = f'[ "$(basename "$HOME")" = x ]; until [ -e {flag} ]; do sleep 0.1; done; exit 3'
    jid = cli("run", "host1,host2", "--detach", "--", command).stdout.strip()
    nobody = cli("run", "all", "--limit", "@failed:last", "--", "true")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    said = f"of job {jid}, 2 hosts have not ended as far as is known here; to know first: agentless jobs wait {jid}"
    assert nobody.stderr == f"agentless: no host is left of 'all' limited to '@failed:last'\n  {said}\n"
    cli("kill-job", jid, "host1")
    until(lambda: cli("jobs", "lookup", jid, "--out", "jsonl").stdout.count("returned") == 1, "host1's end")
    some = cli("run", "all", "--limit", f"@failed:{jid}", "--out", "json", "--", "true")
    assert list(hosts(some)) == ["host1"]
    assert f"agentless: warning: of job {jid}, 1 host has not ended" in some.stderr
    flag.touch()
    cli("jobs", "wait", jid)
    both = cli("run", "all", "--limit", f"@failed:{jid}", "--out", "json", "--", "true")
    assert (list(hosts(both)), both.stderr) == (["host1", "host2"], "")


def test_a_target_outside_the_job_s_hosts_is_told_so_and_alone_it_is_an_error(cli: Cli) -> None:
    jid = cli("run", "host1", "--detach", "--", "exec sleep 300").stdout.strip()
    for words in (("find-job", "last"), ("term-job", "last"), ("signal-job", "last", "TERM"), ("kill-job", "last")):
        done = cli(*words, "host2:host3")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"agentless: job {jid} was not sent to 'host2:host3'\n  Its hosts: host1\n"
    found = json.loads(cli("find-job", "last", "host1:host2", "--out", "json").stdout)
    assert (found["host1"]["jid"], found["host2"]) == (jid, {})
    killed = cli("kill-job", "last", "host1:host2", "--out", "json")
    assert killed.returncode == 0
    assert hosts(killed)["host1"]["delivered"]
    assert hosts(killed)["host2"] == {
        "delivered": [],
        "survivors": [],
        "message": f"Job {jid} was not sent to host2",
    }


def test_a_target_and_the_limit_narrow_what_is_shown_of_a_job_and_its_exit_code(cli: Cli) -> None:
    jid = json.loads(cli("run", "host1,host2", "--out", "json", "--", "echo hi").stdout)["jid"]
    for words in (("lookup",), ("show",), ("wait",), ("tail", "-f")):
        for narrowed in (("host2",), ("-l", "host2"), ("host*", "--limit", "all:!host1")):
            done = cli("jobs", *words, jid, *narrowed, "--out", "json")
            assert (done.returncode, list(hosts(done))) == (0, ["host2"]), words
    assert json.loads(cli("jobs", "exit-success", jid, "host2", "--out", "json").stdout) == {"host2": True}
    for words in (("lookup",), ("show",), ("wait",), ("tail",), ("exit-success",)):
        for wrong in (("host3",), ("-l", "nonsense"), ("-l", ""), ("",), (",",)):
            done = cli("jobs", *words, jid, *wrong)
            assert (done.returncode, done.stdout) == (2, ""), (words, wrong)


def test_an_empty_target_limit_or_inventory_is_refused_before_anything_is_sent(cli: Cli) -> None:
    before = cli("jobs", "list", "--out", "json").stdout
    for words in (("",), (",",), ("all", "-l", ""), ("all", "-l", "!"), ("all", "-l", ","), ("all", "-i", "")):
        done = cli("run", *words, "--", "true")
        assert (done.returncode, done.stdout) == (2, ""), words
    assert cli("jobs", "list", "--out", "json").stdout == before


# --- interruption ---
def begin(sshd: Sshd, *options: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "agentless", "run", "host1", *options, "--", "echo begun; exec sleep 300"],
        env=sshd.client.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    return process


def state(environ: Mapping[str, str]) -> tuple[str, int | None]:
    host = hosts(agentless("jobs", "lookup", "last", "--out", "json", environ=environ))["host1"]
    return host["state"], host["signal"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_an_interruption_ends_the_job_and_waits_for_its_return(sshd: Sshd, number: int) -> None:
    process = begin(sshd)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"job 2" in stderr
    assert state(sshd.client.environ) == ("returned", 15)


def test_a_closed_terminal_leaves_the_job_running_and_says_how_to_come_back(sshd: Sshd) -> None:
    process = begin(sshd)
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"agentless jobs wait 2" in stderr
    assert state(sshd.client.environ) == ("running", None)
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_on_interrupt_decides(sshd: Sshd) -> None:
    process = begin(sshd, "--on-interrupt", "kill")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert state(sshd.client.environ) == ("returned", 9)


@pytest.mark.parametrize(
    ("reply", "ended"),
    [
        ("t\n", ("returned", 15)),
        ("kill\n", ("returned", 9)),
        ("x\nd\n", ("running", None)),
        ("\x03", ("running", None)),
    ],
)
def test_on_a_terminal_ctrl_c_asks(sshd: Sshd, reply: str, ended: tuple[str, int | None]) -> None:
    with Terminal("run", "host1", "--", "echo begun; exec sleep 300", environ=sshd.client.environ) as terminal:
        terminal.until("begun")
        terminal.type("\x03")
        terminal.until("[d]etach")
        terminal.type(reply)
        assert terminal.end() == 130
        # At the beginning of a line, also where the second Ctrl-C left the cursor behind the question.
        assert "\nagentless: interrupted; job 2" in terminal.text
    assert state(sshd.client.environ) == ended
    if ended[0] == "running":
        assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_in_its_first_moments_an_interrupted_command_leaves_without_a_word(tmp_path: Path, sshd: Sshd) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), int(os.environ['NUMBER']))\n")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        path = f"{tmp_path}:{sshd.client.environ['PYTHONPATH']}"
        done = agentless("hosts", environ={**sshd.client.environ, "PYTHONPATH": path, "NUMBER": str(int(number))})
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.fixture
def interrupting(sshd: Sshd) -> Path:
    """An inventory that interrupts who reads it, if `$NUMBER` is a signal."""
    path = sshd.directory / "interrupting"
    path.write_text("#!/bin/sh\n[ -z \"$NUMBER\" ] || { kill -$NUMBER $PPID; exec sleep 60; }\necho '{}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_before_there_is_a_job_it_says_that_nothing_was_sent(
    sshd: Sshd, cli: Cli, interrupting: Path, number: int
) -> None:
    environ = {**sshd.client.environ, "NUMBER": str(int(number))}
    done = agentless("-i", str(interrupting), "run", "host1", "--out", "json", "--", "true", environ=environ)
    assert done.returncode == 130
    assert json.loads(done.stdout)["error"]["message"] == "interrupted; nothing was sent"
    assert done.stderr == "agentless: interrupted; nothing was sent\n"
    assert cli("jobs", "list", "--out", "json").stdout == "{}\n"


def test_a_watched_job_is_shown_as_it_is_known_when_the_watching_is_interrupted_at_its_start(
    sshd: Sshd, cli: Cli, interrupting: Path
) -> None:
    jid = cli("run", "host1", "--detach", "--", "exec sleep 300").stdout.strip()
    environ = {**sshd.client.environ, "NUMBER": str(int(signal.SIGINT))}
    done = agentless("-i", str(interrupting), "jobs", "wait", jid, "--out", "json", environ=environ)
    assert done.returncode == 130
    assert (json.loads(done.stdout)["jid"], hosts(done)["host1"]["state"]) == (jid, "running")
    assert f"no longer watching; job {jid} goes on" in done.stderr
    assert cli("kill-job", jid).returncode == 0


# Interrupted when the job is made and its hosts are about to be reached.
EARLY = """
import os, signal, sys
from agentless.cli import main
from agentless.runner import dispatcher
from agentless.runner.dispatcher import PreparedJob

class Early(PreparedJob):
    def send(self):
        run = super().send()
        os.kill(os.getpid(), signal.SIGINT)
        return run

dispatcher.PreparedJob = Early
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("options", "states"), [(("--on-interrupt", "detach"), {"running"}), ((), {"returned", "not-started"})]
)
def test_interrupted_when_the_job_was_just_made_it_names_it_and_what_to_type(
    sshd: Sshd, options: Sequence[str], states: set[str]
) -> None:
    """A job that is to be ended may be ended before it reaches its host."""
    done = subprocess.run(
        [sys.executable, "-c", EARLY, "run", "host1", "--out", "json", *options, "--", "exec sleep 300"],
        env=sshd.client.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        start_new_session=True,
    )
    assert done.returncode == 130
    jid = json.loads(done.stdout)["jid"]
    assert hosts(done)["host1"]["state"] in states
    assert f"agentless: interrupted; job {jid} " in done.stderr
    assert state(sshd.client.environ)[0] == hosts(done)["host1"]["state"]
    if "running" in states:
        assert f"agentless jobs wait {jid}" in done.stderr
        assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_interrupted_when_the_job_was_just_made_it_asks_on_a_terminal(sshd: Sshd) -> None:
    words = ("run", "host1", "--", "exec sleep 300")
    with Terminal(*words, environ=sshd.client.environ, program=("-c", EARLY)) as terminal:
        terminal.until("[d]etach")
        terminal.type("d\n")
        assert terminal.end() == 130
        assert "goes on on host1" in terminal.text
    assert state(sshd.client.environ) == ("running", None)
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_a_reader_that_goes_away_ends_the_command_quietly_and_not_the_job(sshd: Sshd) -> None:
    command = "echo begun; for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.3; done; exec sleep 300"
    process = subprocess.Popen(
        [sys.executable, "-m", "agentless", "run", "host1", "--", command],
        env=sshd.client.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"begun\n"
    process.stdout.close()
    stderr = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=PATIENCE) == 141
    assert "goes on" in stderr
    assert "Traceback" not in stderr
    assert state(sshd.client.environ)[0] == "running"
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


def test_output_that_cannot_be_written_is_no_defect_and_the_job_goes_on(sshd: Sshd) -> None:
    run = ("run", "host1", "--", "echo begun; exec sleep 300")
    for words in (("jobs", "list"), run, ("hosts", "--out", "json"), ("--help",), ("hosts", "--help"), ("jobs",)):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "agentless", *words],
                env=sshd.client.environ,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE,
            )
        # An empty list writes nothing.
        assert done.returncode == (0 if words == ("jobs", "list") else 74)
        assert "Traceback" not in done.stderr
        assert words == ("jobs", "list") or "No space left on device" in done.stderr
    assert state(sshd.client.environ)[0] == "running"
    assert agentless("kill-job", "last", environ=sshd.client.environ).returncode == 0


@pytest.mark.parametrize("options", [(), ("--progress", "-q"), ("-v",)])
def test_a_stderr_that_takes_nothing_changes_no_exit_code(sshd: Sshd, options: Sequence[str]) -> None:
    cases = (
        (("run", "host1", "--", "true"), 0),
        (("run", "all", "--", "echo err >&2; exit 3"), 1),
        (("run", "nohost", "--", "true"), 2),
        (("jobs", "list", "--no-such-option"), 2),
    )
    for words, code in cases:
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "agentless", *options, *words],
                env=sshd.client.environ,
                stdout=subprocess.DEVNULL,
                stderr=full,
                timeout=PATIENCE,
            )
        assert done.returncode == code, words


def test_closed_standard_files_are_dev_null(sshd: Sshd) -> None:
    command = f"exec {sys.executable} -m agentless run host1 --stdin - -- cat"
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{command} {closed}"], env=sshd.client.environ, capture_output=True, timeout=PATIENCE
        )
        assert (done.returncode, done.stdout) == (0, b""), closed
        assert b"Traceback" not in done.stderr


def test_tail_f_follows_several_hosts_each_line_behind_its_host(sshd: Sshd, cli: Cli) -> None:
    flag = sshd.directory / "go-on"
    cli("run", "host1,host2", "--detach", "--", f"echo one; until [ -e {flag} ]; do sleep 0.1; done; echo two")
    process = subprocess.Popen(
        [sys.executable, "-m", "agentless", "jobs", "tail", "last", "-f"],
        env=sshd.client.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert sorted(process.stdout.readline() for _ in range(2)) == ["host1: one\n", "host2: one\n"]
    flag.touch()
    assert sorted(process.stdout.read().splitlines()) == ["host1: two", "host2: two"]
    assert process.wait(timeout=PATIENCE) == 0
    process.stdout.close()


# --- the terminal ---
def test_progress_names_whom_it_waits_for_and_leaves_no_trace(sshd: Sshd) -> None:
    flag = sshd.directory / "go-on"
    command = f"until [ -e {flag} ]; do sleep 0.1; done; echo done"
    with Terminal("run", "all", "--", command, environ=sshd.client.environ) as terminal:
        terminal.until("waiting for host1, host2, host3 · 0/3 · ")
        flag.touch()
        assert terminal.end() == 0
        shown = [line.rsplit("\r\x1b[K", 1)[-1] for line in terminal.text.replace("\r\n", "\n").split("\n")]
        assert not any("waiting for" in line for line in shown)


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


def test_an_ignored_hangup_stays_ignored(sshd: Sshd) -> None:
    """Under nohup, the command watches on."""
    flag = sshd.directory / "go-on"
    process = subprocess.Popen(
        [
            *("nohup", sys.executable, "-m", "agentless", "run", "host1", "--"),
            f"echo begun; until [ -e {flag} ]; do sleep 0.1; done; echo done",
        ],
        env=sshd.client.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGHUP)
    os.sched_yield()
    flag.touch()
    assert process.stdout.read() == b"done\n"
    assert process.wait(timeout=PATIENCE) == 0
    process.stdout.close()


def test_pruning_and_listing_contact_nobody(cli: Cli, sshd: Sshd) -> None:
    cli("run", "host1", "--", "true")
    until(lambda: sshd.logins() == 1, "one login")
    for verb in (("jobs", "list"), ("jobs", "show", "last"), ("jobs", "last"), ("jobs", "prune"), ("hosts",)):
        assert cli(*verb).returncode == 0
    assert sshd.logins() == 1
