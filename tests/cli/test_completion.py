"""Completion in real shells: verbs, options, hosts, groups and JIDs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from agentless.cache import JobCache
from tests.cli.terminal import agentless
from tests.hosts import need, patience
from tests.hosts.needs import every

ROOT = Path(__file__).parents[2]
INVENTORY = """\
all:
  children:
    web: {hosts: {web1: , web2: }}
    db: {hosts: {database1: }}
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home with an inventory, a job, and `agentless` in the PATH."""
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    program = tmp_path / "bin" / "agentless"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m agentless \"$@\"\n")
    program.chmod(0o755)
    return {
        "HOME": str(tmp_path),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "AGENTLESS_INVENTORY": str(tmp_path / "inventory.yaml"),
        "LANG": "C.UTF-8",
    }


def job(environ: Mapping[str, str]) -> str:
    cache = JobCache(Path(environ["HOME"]) / ".cache" / "agentless" / "jobs", keep_jobs=24, max_bytes=1 << 30)
    return cache.create(function="cmd.run", arguments=("uptime",), target="web", hosts=("web1",), user="ada").jid


@cache
def script_for(shell: str) -> str:
    """What `agentless completion` prints, and the shell's start-up file has it evaluate."""
    return agentless("completion", shell, environ={"PATH": os.environ["PATH"]}).stdout


def complete(shell: str, line: str, environ: Mapping[str, str]) -> list[str]:
    """What the shell offers for the last word of a line, after it has read the completion script; sorted."""
    return sorted(word.split("\t")[0] for word in offered(shell, line, environ))


def offered(shell: str, line: str, environ: Mapping[str, str]) -> list[str]:
    """The same in the shell's order; fish tells descriptions behind a tab."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    if shell == "bash":
        script = (
            'compopt() { :; }; eval "$SCRIPT"; COMP_LINE=$1; COMP_POINT=${#1}; COMP_WORDBREAKS=$2;'
            '_agentless_completion agentless; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        # What readline has by default (bash(1), COMP_WORDBREAKS).
        command = ["bash", "--norc", "-c", script, "bash", line, " \t\n\"'@><=;|&(:"]
    elif shell == "fish":
        command = ["fish", "--no-config", "-c", "echo $SCRIPT | source; complete -C $argv[1]", line]
    else:
        # The line editor of zsh needs a terminal: what it would be given is asked for instead, but for files.
        script = (
            'autoload -U compinit; compinit -D; eval "$SCRIPT";'
            "compadd() { while [[ $1 != -a ]]; do shift; done; print -l -- ${(P)2} };"
            "_path_files() { : };"
            "_describe() { print -l -- ${${(P)3}%%:*} };"
            'words=("$@"); CURRENT=$#; _agentless_completion'
        )
        command = ["zsh", "-f", "-c", script, "zsh", *line.split(" ")]
    environ = {**environ, "SCRIPT": script_for(shell)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=patience(120))
    assert done.stderr == ""
    return [word for word in done.stdout.splitlines() if word]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_verbs_options_hosts_groups_and_jids_complete(shell: str, environ: dict[str, str]) -> None:
    if shell != "bash":
        need("every shell")
    jid = job(environ)
    assert complete(shell, "agentless ki", environ) == ["kill-job"]
    assert "lookup" in complete(shell, "agentless jobs l", environ)
    assert complete(shell, "agentless run --batch", environ) == ["--batch", "--batch-wait"]
    assert complete(shell, "agentless run we", environ) == ["web", "web1", "web2"]
    assert complete(shell, "agentless -i other,one run o", environ) == ["one", "other"]
    assert complete(shell, "agentless jobs lookup ", environ) == [jid, "last"]
    assert complete(shell, "agentless jobs tail last dat", environ) == ["database1"]
    assert complete(shell, "agentless signal-job last US", environ) == ["USR1", "USR2"]


def test_jobs_come_newest_first_with_their_commands(environ: dict[str, str]) -> None:
    need("every shell")
    jids = [job(environ) for _ in range(3)]
    shown = offered("fish", "agentless jobs lookup ", environ)
    assert [word.split("\t")[0] for word in shown] == ["last", *reversed(jids)]
    assert shown[1].split("\t")[1:] == ["web: uptime"]
    assert offered("zsh", "agentless jobs lookup ", environ) == ["last", *reversed(jids)]
    assert "_describe -V unsorted" in agentless("completion", "zsh", environ=environ).stdout


def test_entries_of_the_schedule_complete(environ: dict[str, str], tmp_path: Path) -> None:
    text = "schedule:\n  nightly: {function: cmd.run, args: [df -h], target: web, hours: 1}\n"
    (tmp_path / "schedule.yaml").write_text(text)
    (tmp_path / "other.yaml").write_text(text.replace("nightly", "weekly"))
    lines = ("schedule run ", "schedule next n", "schedule delete ", "schedule disable ", "jobs list --schedule ")
    for words in every(lines):
        assert complete("bash", f"agentless {words}", environ) == ["nightly"], words
    assert complete("bash", "agentless schedule add n", environ) == []
    other = f"agentless schedule run --schedule-file {tmp_path}/other.yaml "
    assert complete("bash", other, environ) == ["weekly"]


def test_a_pattern_completes_behind_its_marks(environ: dict[str, str]) -> None:
    need("many seconds")
    for shell in ("bash", "zsh", "fish"):
        assert complete(shell, "agentless run web,!data", environ) == ["web,!database1"]


def test_a_pattern_with_colons_completes_unquoted_in_bash(environ: dict[str, str]) -> None:
    """readline has ended a word at the colon, so only what comes behind it is replaced."""
    need("many seconds")
    assert complete("bash", "agentless run web:data", environ) == ["database1"]
    assert complete("bash", "agentless run web:!data", environ) == ["!database1"]
    assert complete("bash", "agentless -i other,one run o", environ) == ["one", "other"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_places_of_put_and_get_complete_to_their_colon(shell: str, environ: dict[str, str]) -> None:
    if shell != "bash":
        need("every shell")
    for words, offers in every(
        (
            ("put here.txt there.txt we", ["web1:", "web2:", "web:"]),
            ("put here.txt data", ["database1:"]),
            ("put we", []),
            ("put here.txt ./we", []),
            ("get we", ["web1:", "web2:", "web:"]),
            ("get web1,da", ["web1,database1:"]),
            ("get web:", []),
            ("get web:da", []),
            ("get web:/etc/da", []),
        )
    ):
        assert complete(shell, f"agentless {words}", environ) == offers, words


def test_an_option_completes_what_it_may_be_given(environ: dict[str, str], tmp_path: Path) -> None:
    jid = job(environ)
    (tmp_path / "agentless.yaml").write_text("returners: {archive: {type: command, command: [cat]}}\n")
    for shell, words, offers in every(
        (
            ("bash", "hosts -l @failed:", [jid, "last"]),
            ("bash", "hosts -l @f", ["@failed:"]),
            ("fish", "hosts -l @failed:", [f"@failed:{jid}", "@failed:last"]),
            ("fish", "hosts -l @", ["@failed:", "@unreachable:"]),
            ("fish", "hosts -l data", ["database1"]),
            ("fish", "jobs list --host we", ["web1", "web2"]),
            ("fish", "jobs list --target we", ["web", "web1", "web2"]),
            ("fish", "jobs list --function ", ["cmd.run", "cmd.script"]),
            ("fish", "--spread c", ["cores"]),
            ("fish", f"--config {tmp_path}/agentless.yaml run web --return ", ["archive"]),
            ("fish", "schedule add nightly func", ["function="]),
            ("fish", "schedule add nightly function=jobs.p", ["function=jobs.prune"]),
            ("fish", "schedule modify nightly target=data", ["target=database1"]),
            ("fish", "help jo", ["jobs"]),
            ("fish", "help jobs loo", ["lookup"]),
        )
    ):
        assert complete(shell, f"agentless {words}", environ) == offers, words


def test_a_broken_inventory_completes_to_nothing_and_says_nothing(environ: dict[str, str]) -> None:
    Path(environ["AGENTLESS_INVENTORY"]).write_text("{")
    assert complete("bash", "agentless run we", environ) == []


def test_the_script_names_the_shell_it_is_for(environ: dict[str, str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        done = agentless("completion", shell, environ=environ)
        assert (done.returncode, done.stderr) == (0, "")
        assert "_AGENTLESS_COMPLETE" in done.stdout


def test_words_that_a_prompt_cannot_show_are_not_offered(environ: dict[str, str]) -> None:
    Path(environ["AGENTLESS_INVENTORY"]).write_text('all: {hosts: {web1: , "web\\u200b2": , "web\\e3": }}\n')
    need("every shell")
    for shell in ("bash", "zsh", "fish"):
        assert complete(shell, "agentless run we", environ) == ["web1"]


def test_a_job_that_nobody_described_completes_all_the_same(environ: dict[str, str]) -> None:
    need("every shell")
    cache = JobCache(Path(environ["HOME"]) / ".cache" / "agentless" / "jobs", keep_jobs=24, max_bytes=1 << 30)
    jid = cache.create(function="", arguments=(), target="a\x1b[2J\nb", hosts=("web1",), user="").jid
    for shell in ("bash", "zsh", "fish"):
        assert complete(shell, "agentless jobs lookup ", environ) == [jid, "last"]
