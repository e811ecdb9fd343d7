"""A wrong call is an error in a sentence, a defect is no failed job, and what a verb does not need is not loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentless.cli.app import main
from agentless.fleet import Fleet
from tests.cli.conftest import Say


class Seen(Exception):
    """What a Fleet was made with, instead of a Fleet."""


def _instead(*arguments: Any, **options: Any) -> Fleet:
    raise Seen(arguments, options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "web1", "ls", "-l"], "what belongs to COMMAND goes behind --"),
        (["run", "web1", "ls", "-a"], "what belongs to COMMAND goes behind --"),
        (["run", "web1", "reboot", "--check"], "put -- in front of the command"),
        (["run", "web1", "tail", "-f", "5"], "put -- in front of the command"),
        (["run", "web1", "sudo", "--", "ls"], "put -- in front of the command"),
        (["run", "web1"], "there is no command to run"),
        (["run", "web1", "--", ""], "there is no command to run"),
        (["run"], "missing argument 'TARGET'"),
        (["run", "--", "true"], "missing argument 'TARGET'"),
        (["completion"], "missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish\n"),
        (["signal-job", "20261122095039579207", "²"], "'²' is not a signal"),
        (["run", "web1", "--detach", "--wait", "1", "--", "x"], "--detach leaves at once"),
        (["run", "web1", "--env", "X", "--", "x"], "this command's environment has no X"),
        (["run", "web1", "--batch", "0.5", "--", "x"], "neither a number of hosts nor a share"),
        (["run", "web1", "--batch", "101%", "--", "x"], "more than all hosts"),
        (["run", "web1", "--timeout", "soon", "--", "x"], "not a duration"),
        (["run", "web1", "--wait", "99999999999", "--", "x"], "is longer than 10000d"),
        (["jobs", "wait", "last", "--wait", "1200000d"], "is longer than 10000d"),
        *(
            (["hosts", "--connect-timeout", seconds], "seconds above 0 are needed, 86400 at most")
            for seconds in ("nan", "inf", "1e12", "0", "-1", "soon")
        ),
        (["jobs", "list", "--since", "0001-01-01"], "is not a time"),
        (["run", "web1", "--script", "/nonexistent/script"], "No such file or directory"),
        (["run", "web1", "--stdin", "/nonexistent/input", "--", "x"], "stdin /nonexistent/input: No such file"),
        (["-i", "web1,", "run", "web1", "--stdin", "/", "--", "x"], "stdin /: Is a directory"),
        (["jobs", "lookup", "../../etc/passwd"], "is not a JID"),
        (["jobs", "lookup", "latest"], "is not a JID"),
        (["job", "list"], "there is no verb 'job'; did you mean 'jobs'?"),
        (["jobs", "lst"], "there is no verb 'lst'; did you mean 'list' or 'last'?"),
        (["help", "jbos"], "there is no verb 'jbos'; did you mean 'jobs'?"),
        (["--frks", "3", "hosts"], "no such option"),
        (["running", "--out", "junit"], "--out junit does not fit here"),
        (["-i", "web1,", "hosts", "db"], "db"),
    ],
)
def test_a_wrong_call_exits_with_2_says_why_and_prints_no_result(say: Say, words: list[str], message: str) -> None:
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert err.startswith("agentless: ")
    assert message in err


def test_a_defect_shows_its_traceback_and_does_not_look_like_a_failed_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hosts", "--out", "json"], make_fleet=_instead, environ={}) == 70
    out, err = capsys.readouterr()
    assert "Traceback" in err
    told = json.loads(out)
    assert (told["error"]["kind"], told["exit_code"]) == ("internal", 70)


def test_a_cache_that_cannot_be_read_is_told_in_the_format_that_was_asked_for(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    code, out, err = say("jobs", "list", "--out", "json")
    told = json.loads(out)
    assert (code, told["exit_code"], told["error"]["kind"]) == (2, 2, "cache")
    assert told["error"]["message"] in err


def test_verbs_that_need_no_ssh_import_none(tmp_path: Path) -> None:
    code = (
        "import sys; from agentless.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'paramiko', 'fabric', 'cryptography', 'yaml', 'tabulate'} & set(sys.modules);"
        # --help reads the text of every verb, so also of those that run.
        "heavy |= {'agentless.runner.run'} & set(sys.modules) if 'jobs' in sys.argv else set();"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    for words in (["jobs", "list"], ["jobs", "list", "--out", "json"], ["jobs", "prune"], ["--help"], []):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], env=environ, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr.replace("no jobs\n", "").replace("nothing to remove\n", "")) == (0, ""), (
            words
        )


def test_what_sends_a_command_loads_none_of_what_it_seldom_needs() -> None:
    code = "import sys; from agentless.cli import run; from agentless import Fleet\n"
    code += "import agentless.runner.dispatcher, agentless.runner.spread, agentless.transport.host_connector\n"
    code += "import agentless.transport.keeper.client, agentless.inventory.groupfile\n"
    code += "seldom = {'logging', 'concurrent.futures', 'pickle', 'tempfile', 'subprocess', 'ctypes', 'configparser'}\n"
    code += "seldom |= {'decimal', 'random', 'getpass', 'traceback', 'paramiko', 'agentless.schedule.host_schedule'}\n"
    code += "print(sorted(seldom & set(sys.modules)))"
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("value", ["9" * 20, "9" * 5000, "1e400", "nan", "inf", "-1", "0x10", "", "\udcff", str(2**63)])
@pytest.mark.parametrize(
    "words",
    [
        ("jobs", "list", "-n"),
        ("jobs", "list", "--since"),
        ("jobs", "wait", "last", "--wait"),
        ("signal-job", "last"),
        ("find-job",),
        ("run", "l1", "--timeout"),
        ("run", "l1", "--wait"),
        ("run", "l1", "--batch"),
        ("run", "l1", "--max-fail"),
        ("run", "l1", "--connect-timeout"),
    ],
    ids=" ".join,
)
def test_an_absurd_value_is_an_error_in_a_sentence(words: tuple[str, ...], value: str, say: Say) -> None:
    command = ("--", "true") if words[0] == "run" else ()
    code, out, err = say("-i", "l1,", *words, value, *command)
    assert (code, out) == (2, "")
    assert err.startswith("agentless: ")


def test_a_path_or_text_that_nothing_can_hold_is_an_error_in_a_sentence(say: Say, tmp_path: Path) -> None:
    for option in ("--script", "--stdin", "--env-file", "--config", "--cwd", "--shell", "--env"):
        for value in ("a\0b", "\ud800", str(tmp_path)):
            if (option == "--cwd" and value != "a\0b") or (option == "--shell" and value != "a\0b"):
                continue
            code, out, err = say("-i", "l1,", "run", "l1", option, value, "--", "true")
            assert (code, out) == (2, ""), (option, value)
            assert err.startswith("agentless: ")
