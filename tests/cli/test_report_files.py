"""What a CI server reads besides the log, of real jobs on hosts of this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.terminal import agentless
from tests.hosts.client import Client, printed
from tests.hosts.needs import need
from tests.report.test_html import check

Run = Callable[..., "subprocess.CompletedProcess[str]"]
JID = re.compile(r"\b20\d{18}\b")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """agentless on web1 and web2, which are this machine, and db, where nothing listens."""
    client = Client(tmp_path / "home")
    here = {
        name: {"ansible_connection": "local", "agentless_state_dir": str(tmp_path / name)} for name in ("web1", "web2")
    }
    client.write_inventory({**here, "db": {"ansible_host": "127.0.0.1", "ansible_port": 1}}, {"web": ["web1", "web2"]})

    def call(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return agentless(*words, environ={**client.environ, **environ}, cwd=tmp_path)

    return call


FAILS = "echo out; echo 'gone wrong' >&2; exit 3"


def test_a_failure_says_in_junit_how_it_ended_what_it_wrote_and_what_shows_the_rest(run: Run, tmp_path: Path) -> None:
    done = run("run", "all", "--junit", "report.xml", "--", FAILS)
    assert done.returncode == 3
    assert "web1 | failed (3)" in done.stdout
    jid = JID.findall(done.stderr)[0]
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failure = cases["web1"].find("failure")
    assert failure is not None
    assert failure.text is not None
    head, *lines = failure.text.splitlines()
    assert head.startswith("web1 | failed (3) | ")
    assert lines == ["out", "stderr: gone wrong", f"agentless jobs lookup {jid} web1"]
    error = cases["db"].find("error")
    assert error is not None
    assert (error.text or "").splitlines()[-1] == f"agentless jobs lookup {jid} db"
    assert root.attrib.items() >= {"tests": "3", "failures": "2", "errors": "1"}.items()


def test_steps_of_a_pipeline_are_classes_of_their_own(run: Run, tmp_path: Path) -> None:
    need("many seconds")
    names = []
    for words in (["--", "true"], ["--", "./a.sh", "v1.2"], ["--metadata", "step=deploy", "--", "true"]):
        run("run", "web1", "--junit", "report.xml", *words)
        names += [case.get("classname") for case in ElementTree.parse(tmp_path / "report.xml").iter("testcase")]
    assert names == ["agentless.true", "agentless._/a_sh v1_2", "agentless.deploy"]


def test_a_summary_is_appended_and_holds_no_markup_of_hosts(run: Run, tmp_path: Path) -> None:
    need("many seconds")
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    assert run("run", "web", "--summary", "summary.md", "--", "true").returncode == 0
    assert (
        run("run", "all", "--summary", "summary.md", "--", "echo '```<b>`'; printf '\\033[2J'; exit 1").returncode == 3
    )
    text = summary.read_text()
    assert text.startswith("before\n### ✅ <code>true</code>\n\njob ")
    assert "2 hosts: 2 ok" in text
    assert "<details><summary>web1 &#124; failed &#40;1&#41;" in text
    assert "````text\n```<b>`\n^[[2J\nagentless jobs lookup " in text
    assert "\x1b" not in text


def test_lookup_and_wait_write_the_files_of_the_run(run: Run, tmp_path: Path) -> None:
    need("many seconds")
    run("run", "web", "--junit", "run.xml", "--", FAILS)
    for verb in ("lookup", "wait"):
        done = run("jobs", verb, "last", "--junit", f"{verb}.xml", "--html", f"{verb}.html", "--out", "json")
        assert done.returncode == 1
        assert json.loads(done.stdout)["exit_code"] == 1
        assert (tmp_path / f"{verb}.xml").read_text() == (tmp_path / "run.xml").read_text()
        assert "gone wrong" in (tmp_path / f"{verb}.html").read_text()


def test_a_page_for_people_stands_beside_the_text_or_in_its_place(run: Run, tmp_path: Path) -> None:
    need("many seconds")
    done = run("run", "all", "--html", "report.html", "--metadata", "ticket=<OPS>", "--", FAILS)
    assert done.returncode == 3
    assert "web1 | failed (3)" in done.stdout
    page = (tmp_path / "report.html").read_text()
    check(page)
    for text in (JID.findall(done.stderr)[0], "gone wrong", "failed (3)", "&lt;OPS&gt;", "unreachable", "Is "):
        assert text in page, text
    # In a locale that has no signs, too: the page says of itself that it is UTF-8.
    looked_up = run("jobs", "lookup", "last", "--out", "html", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert looked_up.returncode == 3
    assert check(looked_up.stdout).having("data-text") == ["web1", "web2", "db"]
    assert "✗ failed (3)" in looked_up.stdout
    listed = check(run("jobs", "list", "--out", "html").stdout)
    assert listed.having("data-state") == ["failed"]
    for words in (("running",), ("ping",), ("hosts",)):
        assert "--out html does not fit here" in run(*words, "--out", "html").stderr


def test_github_is_told_who_failed_ten_at_most(run: Run) -> None:
    need("many seconds")
    done = run("run", "all", "--", "echo '100%'; exit 3", GITHUB_ACTIONS="true")
    said = [line for line in done.stderr.splitlines() if line.startswith("::")]
    assert [line.split(" | ")[0] for line in said] == [
        f"::error title=agentless::{name}" for name in ("web1", "web2", "db")
    ]
    assert "::" not in run("run", "all", "--", "exit 3").stderr
    assert "::" not in run("run", "web", "--", "true", GITHUB_ACTIONS="true").stderr


@pytest.mark.parametrize("option", ["--junit", "--html", "--summary"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(run: Run, tmp_path: Path, option: str) -> None:
    need("many seconds")
    for path, reason in (("missing/report", "there is no directory missing"), (str(tmp_path), "it is a directory")):
        done = run("run", "web1", option, path, "--", f"touch {tmp_path}/ran")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"agentless: {option} {path}: {reason}" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert run("jobs", "list", "--out", "json").stdout == "{}\n"


def test_dash_is_no_file_and_two_reports_are_not_written_into_one(run: Run, tmp_path: Path) -> None:
    one, same = str(tmp_path / "report"), f"{tmp_path}/./report"
    for words, reason in (
        (("--junit", "-"), "--junit writes a file, and - is none"),
        (("--summary", "-"), "--summary writes a file, and - is none"),
        (("--junit", one, "--html", same), f"--html {one}: --junit goes into the same file"),
        (("--html", one, "--summary", one), f"--summary {one}: --html goes into the same file"),
    ):
        done = run("run", "web1", *words, "--", f"touch {tmp_path}/ran")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"agentless: {reason}" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_disk_that_is_full_by_then_is_told_beside_the_results(run: Run) -> None:
    done = run("run", "web1", "--summary", "/dev/full", "--", "echo here")
    assert (done.returncode, printed(done)) == (2, "here\n")
    assert "agentless: --summary /dev/full: No space left on device" in done.stderr


def test_the_job_is_named_before_anything_can_be_lost(run: Run) -> None:
    need("many seconds")
    done = run("run", "web", "--out", "json", "--", "true")
    first = done.stderr.splitlines()[0]
    assert first == f"job {json.loads(done.stdout)['jid']}: sending it to 2 hosts"
    assert run("-q", "run", "web", "--", "true").stderr == ""


def test_a_report_goes_into_a_pipe_or_device_and_never_in_its_place(run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for option in ("--junit", "--html", "--summary"):
        done = run("run", "web1", option, "pipe", "--", "true")
        assert (done.returncode, pipe.is_fifo()) == (2, True), option
        assert f"{option} pipe: " in done.stderr
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run("run", "web1", "--junit", "pipe", "--", "true").returncode == 0
        assert os.read(reader, 65536).startswith(b"<?xml")
    finally:
        os.close(reader)
    done = run("run", "web1", "--junit", "/dev/stdout", "-q", "--", "true")
    assert done.stdout.rstrip().endswith("</testsuites>")
    done = run("run", "web1", "--html", "/dev/full", "--", "true")
    assert (done.returncode, Path("/dev/full").is_char_device()) == (2, True)
