"""What a person or a program is shown of a run on a real sshd, in a pipe and on a terminal."""

from __future__ import annotations

import json

from tests.cli.conftest import Cli
from tests.cli.terminal import Terminal, agentless
from tests.hosts import Sshd
from tests.hosts.client import printed


def test_output_in_a_pipe_is_left_byte_by_byte_and_on_a_terminal_made_harmless(sshd: Sshd) -> None:
    command = ("run", "host1", "--", "printf '\\033]0;title\\007\\033[31mred\\033[0m\\n'")
    piped = agentless(*command, environ=sshd.client.environ)
    assert printed(piped) == "\x1b]0;title\x07\x1b[31mred\x1b[0m\n"
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


def test_output_that_is_not_kept_is_owned_up_to_in_the_same_words_by_run_and_lookup(cli: Cli) -> None:
    note = "14,514,240 bytes were dropped from the middle of stdout"
    ran = cli("run", "host1", "--", "head -c 25000000 /dev/zero")
    assert (ran.stdout + ran.stderr).count(note) == 1
    looked_up = cli("jobs", "lookup", "last")
    assert (looked_up.stdout, looked_up.stderr, looked_up.returncode) == (ran.stdout, ran.stderr, 0)
    assert cli("-q", "jobs", "lookup", "last").stdout == ran.stdout
    quiet = cli("-q", "jobs", "tail", "last")
    assert len(quiet.stdout) == 25_000_000 - 14_514_240
    assert quiet.stderr == f"agentless: warning: host1: {note}\n"


def test_on_a_terminal_what_is_said_begins_a_line(sshd: Sshd) -> None:
    flag = sshd.directory / "go-on"
    for command, shown in (
        ("printf x", "x\r\njob 2"),
        ("printf '\\033[31mx\\n\\033[0m'", "x\r\n\x1b[0m\x1b[0mjob 2"),
        (f"printf x; until [ -e {flag} ]; do sleep 0.1; done; echo err >&2", "xerr\r\njob 2"),
    ):
        words = ("--no-progress", "run", "host1", "--", command)
        flag.unlink(missing_ok=True)
        with Terminal(*words, environ=sshd.client.environ) as terminal:
            terminal.until("x")
            flag.touch()
            assert terminal.end() == 0
            assert shown in terminal.text
    # Wide enough for the line that names the job with its command.
    with Terminal("jobs", "lookup", "last", environ=sshd.client.environ, columns=300) as terminal:
        assert terminal.end() == 0
        named, _, text = terminal.text.partition("\r\n")
        assert named.startswith("last is job 2")
        assert text.startswith("x\r\nerr\r\njob 2")
