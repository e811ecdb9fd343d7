"""`--outdir`: a file for each host and stream, whole, and none that is of another job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.cli.output_files import OutputFiles, file_name
from agentless.errors import UsageError
from tests.cli.terminal import agentless
from tests.hosts import Sshd
from tests.report.values import quick


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("web1.example.com", "web1.example.com"),
        ("[2001:db8::1]", "%5B2001:db8::1%5D"),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("-rf", "%2Drf"),
        ("..", "%2E."),
        ("bücher", "b%C3%BCcher"),
    ],
)
def test_names_of_hosts_are_safe_as_names_of_files(host: str, name: str) -> None:
    assert file_name(host) == name


@quick
@given(st.text(), st.text())
def test_no_two_hosts_share_a_file_and_none_leads_elsewhere(one: str, other: str) -> None:
    one, other = (text.encode("utf-8", "replace").decode() for text in (one, other))
    name = file_name(one)
    assert (name == file_name(other)) == (one == other)
    assert not set(name) & set("/\0\n")
    assert name[:1] not in (".", "-")
    assert len((name + ".stdout").encode()) <= 255
    assert len(file_name("ä" * 300)) <= 200
    assert file_name("ä" * 300) != file_name("ä" * 301)


@quick
@given(st.text("aAbB%ä"), st.text("aAbB%ä"))
def test_where_capitals_count_for_nothing_no_two_hosts_share_a_file_either(one: str, other: str) -> None:
    names = [file_name(host, caseless=True).lower() for host in (one, other)]
    assert (names[0] == names[1]) == (one == other)


def test_each_host_that_gave_output_has_a_file_for_each_stream(sshd: Sshd, tmp_path: Path) -> None:
    environ, directory = sshd.client.environ, tmp_path / "out"
    directory.mkdir()
    (directory / "host1.stdout").write_text("of an earlier job")
    (directory / "mine").write_text("stays")
    command = "printf 'no end\\377'; echo err of $AGENTLESS_HOST >&2; exit 3"
    done = agentless("run", "all", "--outdir", str(directory), "--out", "json", "--", command, environ=environ)
    assert done.returncode == 1, done.stderr
    assert (directory / "host1.stdout").read_bytes() == b"no end\xff"
    assert (directory / "host2.stderr").read_text() == "err of host2\n"
    there = set(os.listdir(directory))
    assert {"mine", "host1.stdout", "host1.stderr", "host2.stdout", "host2.stderr"} <= there
    assert not [name for name in there if name.endswith(".tmp")]
    again = tmp_path / "again"
    agentless("jobs", "lookup", "last", "host2", "--out", "json", "--outdir", str(again), environ=environ)
    assert sorted(os.listdir(again)) == ["host2.stderr", "host2.stdout"]


def test_a_host_that_gave_nothing_back_leaves_no_file_of_an_earlier_job(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "host1.stdout").write_text("of an earlier job")
    command = ("run", "host1", "--cwd", "/no/such", "--outdir", str(tmp_path), "--", "true")
    done = agentless(*command, environ=sshd.client.environ)
    assert done.returncode == 3
    assert os.listdir(tmp_path) == []


def test_a_directory_that_cannot_be_written_is_said_before_anything_is_sent(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, why in (("file", "no directory"), ("no/such", "there is no directory")):
        with pytest.raises(UsageError, match=why):
            OutputFiles.given(tmp_path / name)
    for options in (["--outdir", str(tmp_path)], ["--diff"]):
        done = agentless("run", "all", "--detach", *options, "--", "true", environ=sshd.client.environ)
        assert done.returncode == 2
        assert options[0] in done.stderr


def test_a_full_disk_is_an_error_and_the_results_are_shown_all_the_same(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "host1.stdout").mkdir()
    done = agentless("run", "host1,host2", "--outdir", str(tmp_path), "--", "echo hi", environ=sshd.client.environ)
    assert done.returncode == 2
    assert "hi" in done.stdout
    assert "host1.stdout: Is a directory" in done.stderr
    assert "jobs lookup" in done.stderr
    assert (tmp_path / "host2.stdout").read_text() == "hi\n"


def test_diff_shows_how_the_groups_differ(sshd: Sshd) -> None:
    command = "echo same; [ $AGENTLESS_HOST = host2 ] && echo other || echo one"
    done = agentless("run", "all", "--diff", "--", command, environ=sshd.client.environ)
    assert "host[1,3] (2) | ok\nsame\none\n" in done.stdout
    assert done.stdout.endswith("host2 | ok | differs from host[1,3] (2)\n@@ -1,2 +1,2 @@\n same\n-one\n+other\n")
    refused = agentless("jobs", "lookup", "last", "--diff", "--out", "json", environ=sshd.client.environ)
    assert refused.returncode == 2


def test_an_empty_directory_is_an_error_and_not_the_one_in_which_somebody_stands(sshd: Sshd, tmp_path: Path) -> None:
    done = agentless("run", "host1", "--outdir", "", "--", "true", environ=sshd.client.environ, cwd=tmp_path)
    assert done.returncode == 2
    assert "'--outdir': it is empty" in done.stderr
    assert os.listdir(tmp_path) == []
