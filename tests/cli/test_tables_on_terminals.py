"""Lists on a real terminal: as wide as it is, coloured where that is wanted; into a pipe plain, whole and quick."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, agentless
from tests.hosts import need

COMMAND = "echo " + " ".join(f"word{number}" for number in range(10))
SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user of this machine alone, who has sent two jobs to it; one failed."""
    variables = alone(tmp_path_factory.mktemp("home"))
    agentless("run", "here", "--", COMMAND, environ=variables)
    agentless("run", "here", "--", "false [red]", environ=variables)
    return variables


def alone(tmp_path: Path) -> dict[str, str]:
    """The environment of a user of this machine alone, who has sent nothing."""
    variables = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TZ": "Europe/Berlin",
        "AGENTLESS_INVENTORY": str(tmp_path / "inventory.yaml"),
    }
    (tmp_path / "inventory.yaml").write_text(
        f"all:\n  hosts:\n    here:\n      ansible_connection: local\n      agentless_state_dir: {tmp_path}/state\n"
    )
    return variables


def shown(*words: str, environ: Mapping[str, str], columns: int = 80) -> list[str]:
    """The lines on a terminal when the command has ended, without what was wiped."""
    with Terminal(*words, environ=environ, columns=columns) as terminal:
        terminal.end()
        lines = terminal.text.replace("\r\n", "\n").split("\n")
        return [line for line in (line.rpartition("\x1b[K")[2] for line in lines) if line]


@pytest.mark.parametrize("columns", [80, 140])
def test_lists_are_as_wide_as_the_terminal(columns: int, environ: Mapping[str, str]) -> None:
    lines = [SGR.sub("", line) for line in shown("jobs", "list", environ=environ, columns=columns)]
    assert max(map(len, lines)) <= columns
    assert lines[2].endswith("…")
    assert ("STARTED" in lines[0]) == (columns == 140)
    assert "[red]" in lines[1]


@pytest.mark.parametrize(
    ("words", "variables", "coloured"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        (("--color", "never"), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        ((), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_colours_are_where_they_are_wanted(
    words: tuple[str, ...], variables: Mapping[str, str], coloured: bool, environ: Mapping[str, str]
) -> None:
    if len(words) + len(variables) > 1:
        need("many seconds")
    text = "\n".join(shown("jobs", "list", *words, environ={**environ, **variables}))
    assert ("\x1b[31mfailed" in text) == coloured


@pytest.mark.parametrize(
    ("words", "variables", "coloured"),
    [
        ((), {}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        (("--color", "always"), {}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
    ],
)
def test_a_pipe_gets_colours_only_when_asked(
    words: tuple[str, ...], variables: Mapping[str, str], coloured: bool, environ: Mapping[str, str]
) -> None:
    if len(words) + len(variables) > 1:
        need("many seconds")
    text = agentless("jobs", "list", *words, environ={**environ, **variables}).stdout
    assert ("\x1b[31mfailed" in text) == coloured
    assert COMMAND in text


def test_a_pipe_gets_whole_rows_and_never_rich(environ: Mapping[str, str]) -> None:
    code = "import sys; from agentless.cli import main; main(['jobs', 'list']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], env=dict(environ), capture_output=True, text=True, check=True)
    assert COMMAND in done.stdout
    assert "rich" not in done.stderr.split()


def listed(environ: Mapping[str, str], *words: str) -> int:
    done = agentless("jobs", "list", "--out", "jsonl", *words, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    return len(done.stdout.splitlines())


def test_lists_are_narrowed_by_host_functions_times_and_schedule(environ: Mapping[str, str]) -> None:
    assert listed(environ, "--host", "here", "--state", "failed") == 1
    assert listed(environ, "--host", "there") == 0
    assert listed(environ, "--function", "cmd.script,cmd.run", "--since", "2 hours ago", "--no-schedule") == 2
    assert listed(environ, "--schedule", "--since", "today") == 0
    assert listed(environ, "--until", "1h ago") == 0
    refused = agentless("jobs", "list", "--schedule", "nightly", "--no-schedule", environ=environ)
    assert refused.returncode == 2


def test_a_running_job_is_one_line_on_a_terminal_and_has_its_pid_with_v(tmp_path: Path) -> None:
    need("many seconds")
    environ = alone(tmp_path)
    jid = agentless("run", "here", "--detach", "--", "sleep 600", environ=environ).stdout.strip()
    try:
        for verb, folded in (("running", "HOSTS"), ("jobs active", "HOSTS")):
            lines = [SGR.sub("", line) for line in shown(*verb.split(), environ=environ)]
            assert folded in lines[0].split()
            assert "PID" not in "".join(lines).upper()
            text = "".join(SGR.sub("", line) for line in shown(*verb.split(), "-v", environ=environ, columns=140))
            assert "pid" in text.lower()
        assert "PID" in agentless("running", environ=environ).stdout
    finally:
        agentless("kill-job", jid, environ=environ)


def test_many_hosts_that_cannot_be_asked_are_one_line_with_one_hint(tmp_path: Path) -> None:
    """Whatever their addresses are; a pipe names each."""
    hosts = "".join(f"    web{n}: {{ansible_host: 127.0.0.{n % 50 + 1}, ansible_port: 1}}\n" for n in range(1, 61))
    (tmp_path / "inventory.yaml").write_text(f"all:\n  hosts:\n{hosts}")
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AGENTLESS_INVENTORY": f"{tmp_path}/inventory.yaml"}
    for verb in (["running"], ["jobs", "active"]):
        lines = [SGR.sub("", line) for line in shown(*verb, environ=environ)]
        said = " ".join(line.strip() for line in lines)
        assert "web[1-60] (60) | unreachable | connect: 127.0.0.… port 1: Connection refused" in said, verb
        assert len(lines) <= 5
        assert max(map(len, lines)) <= 80 or verb == ["jobs", "active"]
    assert len(agentless("running", environ=environ).stdout.splitlines()) == 61


def test_a_command_is_text_on_a_terminal_whatever_it_holds(tmp_path: Path) -> None:
    environ = alone(tmp_path)
    agentless("run", "here", "--", "true '\x1b]0;title\x07\x1b[2J[bold]:smile:'", environ=environ)
    text = "\n".join(shown("jobs", "list", environ=environ, columns=140))
    assert "^[]0;title^G^[[2J[bold]:smile:" in text
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
