"""Live output of several hosts: whole lines, each behind its host, progress below them, and the summary at the end."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.cli.emulator import Emulator
from tests.cli.terminal import Terminal, agentless
from tests.hosts import Sshd, over_every_link, patience

# Pieces of lines, bytes that are no text, a progress bar, a colour that stays on, and no newline at the end.
CHATTY = (
    "for i in 1 2 3; do printf 'begin %s ' $i; sleep 0.05; printf 'end\\n'; done; printf '\\377\\n';"
    "printf '10%%\\r'; sleep 0.05; printf '100%%\\r\\n'; printf '\\033[31mred\\n'; echo oops >&2; printf last"
)
WHOLE = "host{n} | begin 1 end\nhost{n} | begin 2 end\nhost{n} | begin 3 end\nhost{n} | "


@over_every_link
def test_lines_of_several_hosts_are_whole_and_behind_their_names(sshd: Sshd) -> None:
    command = ["run", "all", "--live", "--", CHATTY]
    done = subprocess.run(
        sshd.client.command(*command), env=sshd.client.environ, capture_output=True, check=False, timeout=patience(120)
    )
    assert done.returncode == 0
    lines = done.stdout.split(b"\n")
    assert lines.pop() == b""
    assert all(re.match(rb"host[123] \| ", line) for line in lines)
    for n in "123":
        mark = f"host{n} | ".encode()
        own = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
        bar = b"10%\r" + mark + b"100%\r"
        assert own == [b"begin 1 end", b"begin 2 end", b"begin 3 end", b"\xff", bar, b"\x1b[31mred", b"last"]
        assert f"host{n} | stderr: oops\n".encode() in done.stderr
    assert b"3 hosts: " in done.stderr.splitlines()[-1]


def test_one_host_in_a_pipe_has_the_same_shape(sshd: Sshd) -> None:
    done = agentless("run", "host1", "--live", "--", "echo out", environ=sshd.client.environ)
    assert done.stdout == "host1 | out\n"


def test_on_a_terminal_the_bar_stands_below_and_leaves_nothing_behind(sshd: Sshd) -> None:
    go = sshd.directory / "go"
    command = f"{CHATTY}; echo; [ $AGENTLESS_HOST != host2 ] || exit 3; until [ -e {go} ]; do sleep 0.1; done"
    with Terminal("run", "all", "--live", "--batch", "2", "--", command, environ=sshd.client.environ) as terminal:
        terminal.until("1 failed")
        terminal.until("batch 2 of 2 · waiting for host")
        go.touch()
        assert terminal.end() == 1
    screen = Emulator()
    screen.feed(terminal.text)
    lines = [*screen.scrolled, *screen.lines]
    assert "host1 | begin 1 end" in lines
    assert {"host1 | 10%", "host1 | 100%", "host1 | red", "host1 | stderr: oops", "host1 | \\xff"} <= set(lines)
    assert not [line for line in lines if "━" in line or "waiting for" in line]
    last_output = max(at for at, line in enumerate(lines) if line.startswith("host"))
    assert "1 failed" in "".join(lines[last_output + 1 :])


@over_every_link
def test_tail_follows_several_hosts(sshd: Sshd) -> None:
    environ = sshd.client.environ
    sent = agentless("run", "all", "--detach", "--", "echo early; sleep 1; printf late; exit 2", environ=environ)
    done = agentless("jobs", "tail", "-f", sent.stdout.strip(), environ=environ)
    lines = done.stdout.splitlines()
    assert sorted(lines) == sorted(f"host{n} | {word}" for n in "123" for word in ("early", "late"))
    assert "3 failed" in done.stderr
    some = agentless("jobs", "tail", "last", "host2,host3", environ=environ)
    assert {line[:5] for line in some.stdout.splitlines()} == {"host2", "host3"}


@pytest.mark.parametrize("options", [["--group"], ["--detach"], ["--out", "json"]])
def test_what_shows_nothing_as_it_comes_excludes_it(sshd: Sshd, options: list[str]) -> None:
    done = agentless("run", "all", "--live", *options, "--", "true", environ=sshd.client.environ)
    assert done.returncode == 2
    assert options[0] in done.stderr
