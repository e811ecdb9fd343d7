"""What the words on the command line mean: options before and after the verb, durations, shares, errors, help."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.cli.app import cli, main
from agentless.cli.commands import VerbGroup
from agentless.cli.words import DURATION, JID, MOMENT, SHARE, pairs
from agentless.errors import UsageError
from agentless.fleet import Fleet
from agentless.model.requests import Delivery, JobSpec
from agentless.model.secret import Secret
from tests.report.values import quick

NAN = float("nan")
Say = Callable[..., tuple[int, str, str]]


class Seen(Exception):
    """What a Fleet was made with, instead of a Fleet."""


def _instead(*arguments: Any, **options: Any) -> Fleet:
    raise Seen(arguments, options)


def made(*words: str) -> dict[str, Any]:
    """The arguments with which a command line makes its Fleet."""
    seen: list[dict[str, Any]] = []

    def make(inventory: Any, **options: Any) -> Fleet:
        seen.append({"inventory": inventory, **options})
        raise click.UsageError("seen")

    main(words, make_fleet=make, environ={})
    return seen[0]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run a command line in this process, away from the user's own files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        code = main(words, environ={})
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


# --- options that every verb accepts ---
def test_they_are_seen_without_what_click_knows_of_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """click 8.4.0 notes it after it has called back: `-i` and all others before and behind the verb were lost."""
    monkeypatch.setattr(click.Context, "get_parameter_source", lambda self, name: None)
    options = made("-i", "a,", "-b", "running", "-l", "web")
    assert (options["inventory"], options["become"], options["limit"]) == (("a,",), True, "web")


@pytest.mark.parametrize(
    "words",
    [
        ["-i", "a,", "-l", "web", "-u", "ada", "-f", "7", "-b", "running"],
        ["running", "-i", "a,", "-l", "web", "-u", "ada", "-f", "7", "-b"],
        ["-i", "a,", "running", "-l", "web", "all", "-u", "ada", "-f7", "-b"],
        ["-i", "a,", "-f", "3", "-l", "no", "running", "-l", "web", "-u", "ada", "-f", "7", "--become"],
        ["-i", "a,", "-u", "ada", "jobs", "-l", "web", "active", "-f", "7", "-b"],
    ],
)
def test_shared_options_stand_before_or_after_the_verb_and_the_later_wins(words: list[str]) -> None:
    options = made(*words)
    assert [options[key] for key in ("inventory", "limit", "user", "forks", "become")] == [
        ("a,",),
        "web",
        "ada",
        7,
        True,
    ]


def test_inventories_add_up() -> None:
    assert made("-i", "a", "-i", "b", "hosts", "-i", "c")["inventory"] == ("a", "b", "c")
    assert made("hosts")["inventory"] is None


def test_a_verb_s_own_letter_wins() -> None:
    assert made("jobs", "tail", "last", "-f")["forks"] is None
    assert made("-f", "3", "jobs", "tail", "last", "-f", "--forks", "4")["forks"] == 4


def test_every_verb_accepts_every_shared_option() -> None:
    def verbs(group: VerbGroup, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
        ctx = click.Context(group)
        found = []
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            assert command is not None
            found.append(((*path, name), command))
            if isinstance(command, VerbGroup):
                found += verbs(command, (*path, name))
        return found

    assert isinstance(cli, VerbGroup)
    shared = {option for param in cli.params if getattr(param, "shared", False) for option in param.opts}
    for path, command in verbs(cli):
        if path[0] not in ("demo", "completion", "help"):
            missing = shared - {option for param in command.params for option in param.opts}
            assert not missing, path


# --- run ---
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
        (["run", "web1", "--stdin", "/nonexistent/input", "--", "x"], "--stdin /nonexistent/input: No such file"),
        (["-i", "web1,", "run", "web1", "--stdin", "/", "--", "x"], "--stdin /: Is a directory"),
        (["jobs", "lookup", "../../etc/passwd"], "is not a JID"),
        (["jobs", "lookup", "latest"], "is not a JID"),
        (["job", "list"], "there is no verb 'job'; did you mean 'jobs'?"),
        (["jobs", "lst"], "there is no verb 'lst'; did you mean 'list' or 'last'?"),
        (["help", "jbos"], "there is no verb 'jbos'"),
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


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--", "ls -l | wc"], "ls -l | wc"),
        (["--", "ls", "-l", "my file"], "ls -l 'my file'"),
        (["uptime"], "uptime"),
        (["--check", "uptime", "now"], "uptime now"),
        (["--", "git", "log", "--", "x"], "git log -- x"),
    ],
)
def test_check_shows_the_command_and_where_it_would_go(say: Say, words: list[str], command: str) -> None:
    code, out, err = say("-i", "web1,web2", "run", "web1", "--check", *words)
    assert (code, err) == (0, f"would run on 1 host: {command}\n")
    assert out.splitlines()[1].split() == ["web1", "web1"]


@pytest.mark.parametrize("share", ["0", "0%", "101%", "-1", "nan", "9" * 5000])
def test_check_refuses_what_the_run_would_refuse(say: Say, share: str) -> None:
    code, out, err = say("-i", "web1,web2", "run", "all", "--check", "--batch", share, "--", "true")
    assert (code, out) == (2, "")
    assert len(err) < 300


# --- words ---
@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("3h", 10800), ("2d", 172800), ("0.5", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@quick
@given(st.text())
def test_any_word_is_understood_or_refused(text: str) -> None:
    for kind in (DURATION, SHARE, JID, MOMENT):
        with contextlib.suppress(click.BadParameter):
            kind.convert(text, None, None)


def test_moments_are_local_unless_they_name_a_zone_or_a_duration_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert MOMENT.convert("2026-11-22T09:50", None, None) == MOMENT.convert("2026-11-22T00:50Z", None, None)
        assert MOMENT.convert("2026-11-22", None, None) == MOMENT.convert("2026-11-21T15:00+00:00", None, None)
        assert abs(time.time() - 7200 - MOMENT.convert("2h", None, None)) < 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_pairs_keep_equals_signs_and_empty_values() -> None:
    assert pairs("--env", ["A=b=c", "B="]) == {"A": "b=c", "B": ""}


# --- help ---
def test_alone_it_shows_an_overview_and_help_shows_everything(say: Say) -> None:
    code, out, err = say()
    assert (code, err) == (0, "")
    assert "agentless run" in out
    assert len(out.splitlines()) < 20
    assert say("help")[1] == say("--help")[1]
    assert say("help", "jobs", "list")[1] == say("jobs", "list", "-h")[1]
    assert say("jobs")[1] == say("jobs", "--help")[1]


def test_the_examples_of_the_help_are_command_lines_that_can_be_read(say: Say) -> None:
    """Each is parsed as it stands; only what it would do is left out."""
    import shlex

    def examples(command: click.Command, ctx: click.Context) -> list[str]:
        found = [line for line, _ in getattr(command, "examples", ())]
        if isinstance(command, VerbGroup):
            for name in command.list_commands(ctx):
                inner = command.get_command(ctx, name)
                assert inner is not None
                found += examples(inner, click.Context(inner, parent=ctx))
        return found

    lines = [line for line in examples(cli, click.Context(cli)) if line.startswith("agentless ")]
    assert len(lines) > 20
    Path("backup.sh").touch()
    for line in lines:
        words = shlex.split(re.split(r" > | && ", line)[0])[1:]
        if words[0] in ("demo", "completion", "help"):
            continue
        assert "inventory" in made(*words)


def test_a_page_of_help_fits_a_terminal(say: Say) -> None:
    for words in ([], ["run"], ["jobs"], ["jobs", "list"], ["hosts"], ["kill-job"], ["completion"]):
        out = say(*words, "--help")[1]
        assert max(map(len, out.splitlines())) <= 80, words


def test_a_defect_shows_its_traceback_and_does_not_look_like_a_failed_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hosts"], make_fleet=_instead, environ={}) == 70
    assert "Traceback" in capsys.readouterr().err


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


# --- absurd values ---
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


def test_a_fleet_takes_a_plain_password_and_shows_it_nowhere() -> None:
    fleet = Fleet("l1,", password="hunter2", become_password="hunter2")
    assert fleet.endpoints()["l1"].password == Secret("hunter2")
    assert "hunter2" not in repr(fleet.endpoints())


@pytest.mark.parametrize(
    "options",
    [
        {"forks": 0},
        {"forks": NAN},
        {"forks": True},
        {"forks": 10**5000},
        {"connect_timeout": NAN},
        {"connect_timeout": 0},
    ],
)
def test_a_fleet_refuses_numbers_by_which_it_would_wait_for_ever(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Fleet("l1,", **options)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, 10**30])
def test_a_time_that_never_comes_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError):
        JobSpec("true", timeout=seconds)
    with pytest.raises(UsageError):
        Delivery(wait=seconds)
