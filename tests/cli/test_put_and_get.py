"""`put` and `get` as they are typed: words, exit codes, documents, a terminal, Ctrl-C."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Say
from tests.cli.terminal import Terminal
from tests.hosts import until


class Home:
    """Two names of this machine, one that nothing leads to, and what a person types here."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder
        self.say = say
        self.environ = {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        lines = [
            f"      {name}: {{ansible_connection: local, agentless_state_dir: {folder}/{name}}}"
            for name in ("web1", "web2")
        ]
        lines += ["    db:\n      hosts:\n        db1: {ansible_host: db1.invalid}"]
        (folder / "inventory.yaml").write_text(
            "all:\n  children:\n    web:\n      hosts:\n  " + "\n  ".join(lines[:2]) + "\n" + lines[2] + "\n"
        )
        (folder / "a").write_text("hello\n")

    def __call__(self, *words: str, code: int = 0) -> str:
        exit_code, stdout, self.stderr = self.say(*words)
        assert exit_code == code, stdout + self.stderr
        return stdout


@pytest.fixture
def home(tmp_path: Path, say: Say) -> Home:
    return Home(tmp_path, say)


def test_a_file_goes_there_and_back(home: Home) -> None:
    out = home("put", "a", f"web:!web2:{home.folder}/drop/")
    assert "copied" in out
    assert "web2" not in out
    assert (home.folder / "drop" / "a").read_text() == "hello\n"
    home("get", f"web:{home.folder}/drop/a", "got")
    assert {path.read_text() for path in (home.folder / "got").glob("web?/a")} == {"hello\n"}


def test_documents_and_exit_codes(home: Home) -> None:
    document = json.loads(home("put", "a", f"web:{home.folder}/none/x", "--out", "json", code=1))
    assert document["summary"] == {"copied": 0, "failed": 2, "unreachable": 0}
    assert document["hosts"]["web1"]["error"]["kind"] == "no-such-directory"
    lines = home("put", "a", f"all:{home.folder}/x/", "--out", "jsonl", code=3).splitlines()
    states = {line["host"]: line["state"] for line in map(json.loads, lines)}
    assert states == {"web1": "copied", "web2": "copied", "db1": "unreachable"}
    assert json.loads(home("get", f"db:{home.folder}/x", "got", "--out", "json", code=3))["exit_code"] == 3
    assert home("put", "a", f"web:{home.folder}/x/", "-l", "web2", "--out", "yaml").count("state: copied") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("put", "a", "web"), "no colon"),
        (("put", "a", "web:x:y"), "more than one way"),
        (("put", "a", ":/x"), "names no target"),
        (("put", "missing", "web:/x"), "missing: No such file"),
        (("put", "a", "nobody:/x"), "nobody"),
        (("put", "a", ",:/x"), "names no host"),
        (("put", "a", "web:/x", "-l", ""), "names no host"),
        (("get", "web:/x", "db:/y", "got"), "several targets"),
        (("get", "web:", "got"), "names no file"),
        (("get", "web:/x", "-"), "not fetched to stdout"),
        (("put", "-", "web:/x"), "put sends files, and not stdin"),
        (("get", "web:/x"), "missing argument"),
        (("put", "web:/x"), "missing argument"),
        (("get", "web:/x", "got", "--out", "junit"), "does not fit"),
    ],
)
def test_a_wrong_call_is_told_and_does_nothing(home: Home, words: tuple[str, ...], message: str) -> None:
    assert home(*words, code=2) == ""
    assert message in home.stderr
    assert not (home.folder / "got").exists()


def test_every_file_that_failed_is_named(home: Home) -> None:
    home("get", f"web1:{home.folder}/x", f"web1:{home.folder}/y", "got", code=1)
    assert f"{home.folder}/x: No such file" in home.stderr
    assert f"{home.folder}/y: No such file" in home.stderr


@pytest.fixture
def slow(home: Home) -> Iterator[Path]:
    """A source that takes its time: a sparse file, which costs no disk until it is written."""
    big = home.folder / "big"
    with big.open("wb") as file:
        file.truncate(6 << 30)
    yield big
    big.unlink()


def test_on_a_terminal_it_says_how_far_it_is_and_ctrl_c_leaves_nothing_half(home: Home, slow: Path) -> None:
    drop = home.folder / "drop"
    with Terminal("-i", f"{home.folder}/inventory.yaml", "put", str(slow), f"web1:{drop}/", environ=home.environ) as it:
        it.until(" % · 0/1 · ")
        until(lambda: drop.exists() and [path.name[:5] for path in drop.iterdir()] == [".big."], "it comes in")
        it.type("\x03")
        assert it.end() == 130
    assert "interrupted; no host has all of it, and no file is half" in it.text

    until(lambda: not list(drop.iterdir()), "the host has taken away what had come")
