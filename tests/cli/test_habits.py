"""Who types Ansible's ad-hoc lines is told the line to type here."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from agentless.cli.app import main
from agentless.cli.habits import translated

LINES = [
    ("web -m shell -a uptime -b", "agentless run web -b -- uptime"),
    ("run web -m shell -a 'df -h | tail -1'", "agentless run web -- 'df -h | tail -1'"),
    ("all -a 'uptime -p'", "agentless run all -- uptime -p"),
    ("all -m ansible.builtin.command -a 'uptime -p' -f 5", "agentless run all -f 5 -- uptime -p"),
    ("all -m ping", "agentless ping all"),
    ("web -m script -a 'backup.sh --full'", "agentless run web --script backup.sh -- --full"),
    ("web -B 60 -P 0 -a 'sleep 50'", "agentless run web --timeout 60 --detach -- sleep 50"),
    ("web -B 60 -P 5 -a 'sleep 50'", "agentless run web --timeout 60 -- sleep 50"),
    ("web -m async_status -a jid=123.456", "agentless jobs lookup 123.456 web"),
    ("async_status -a jid=20261122095039579207", "agentless jobs lookup 20261122095039579207"),
    ("web -b -m copy -a 'src=a.conf dest=/etc/a.conf mode=preserve'", "agentless put a.conf web:/etc/a.conf -b"),
    ("web -m fetch -a 'src=/etc/hosts dest=got'", "agentless get web:/etc/hosts got"),
    ("web --list-hosts", "agentless hosts web"),
    ("web -o -a id", "agentless run web --out table -- id"),
    ("web --tree /tmp/out -a id", "agentless run web --outdir /tmp/out -- id"),
    ("web -C -a id", "agentless run web --check -- id"),
    ("web -c local -a id", "agentless run web -e ansible_connection=local -- id"),
    ("shell web uptime", "agentless run web -- uptime"),
    ("command web -- uptime -p", "agentless run web -- uptime -p"),
    ("inventory --list", "agentless hosts --out json"),
    ("inventory --graph", "agentless hosts --graph"),
    ("inventory --host web1", "agentless hosts web1 --out json"),
    (
        "web -i hosts.ini -u ada --become-user=db -K -a id",
        "agentless run web -i hosts.ini -u ada --become-user db -K -- id",
    ),
    ("web -e site=ber -T 5 -mshell -a id", "agentless run web -e site=ber -T 5 -- id"),
    ("-m shell -a id", "agentless run TARGET -- id"),
]


@pytest.mark.parametrize(("typed", "here"), LINES, ids=[typed for typed, _ in LINES])
def test_a_line_of_ansibles_is_told_in_our_words(typed: str, here: str) -> None:
    assert translated(shlex.split(typed)) == here


@pytest.mark.parametrize("typed", ["web", "run web uptime", "jobs", "wbe -v", "web -m setup", "jobs lokup 1"])
def test_what_is_no_such_line_stays_what_it_is(typed: str) -> None:
    assert translated(shlex.split(typed)) is None


@pytest.mark.parametrize("typed", ["web -m shell -a uptime -b", "run web -m shell -a uptime -b"])
def test_the_error_names_the_line_to_type(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(typed)) == 2
    assert "agentless run web -b -- uptime" in capsys.readouterr().err


def test_the_translation_is_a_line_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is fit to be pasted: all its options exist."""
    (tmp_path / "hosts").write_text("web1 ansible_connection=local\n")
    typed = (
        f"web1 -i {tmp_path}/hosts -e a=b -T 5 --become-method su --ssh-common-args '-o Compression=yes' -C -a 'id -un'"
    )
    here = translated(shlex.split(typed))
    assert here is not None
    assert main(shlex.split(here)[1:]) == 0, capsys.readouterr().err


def test_options_that_are_ours_too_make_no_line_of_ansible_s() -> None:
    assert translated(["run", "all", "--diff", "--nosuch", "--", "true"]) is None
    assert translated(["run", "all", "--check", "--nosuch", "--", "true"]) is None
