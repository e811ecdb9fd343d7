"""What `put` sends: names as rsync gives them, looked at before anything is sent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agentless.errors import UsageError
from agentless.runner.parcel import Parcel, pack


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "index").write_text("hello")
    (tmp_path / "site" / "sub" / "x").write_text("")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "a.txt").chmod(0o4755)
    return tmp_path


def names(parcel: Parcel) -> list[str]:
    return [item.name for item in parcel.items]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a.txt", ["a.txt"]),
        ("site", ["site", "site/index", "site/sub", "site/sub/x"]),
        ("site/", ["index", "sub", "sub/x"]),
        ("site/.", ["index", "sub", "sub/x"]),
        ("site/sub/..", ["index", "sub", "sub/x"]),
        ("site/sub/x", ["x"]),
    ],
)
def test_a_directory_goes_by_its_name_and_with_a_slash_as_what_is_in_it(
    tree: Path, source: str, wanted: list[str]
) -> None:
    parcel = pack([source], into=False)
    assert names(parcel) == wanted
    assert parcel.into is parcel.make is (source not in ("a.txt", "site/sub/x"))


def test_several_files_need_a_directory_that_is_there(tree: Path) -> None:
    parcel = pack(["a.txt", "site/index"], into=False)
    assert (parcel.into, parcel.make, parcel.files, parcel.size) == (True, False, 2, 6)


def test_permissions_are_kept_and_what_makes_a_file_run_as_its_owner_is_not(tree: Path) -> None:
    assert pack(["a.txt"], into=False).items[0].mode == 0o755


def test_links_are_followed_and_a_loop_is_told(tree: Path) -> None:
    (tree / "site" / "link").symlink_to("../a.txt")
    parcel = pack(["site/"], into=False)
    assert next(item.size for item in parcel.items if item.name == "link") == 1
    (tree / "site" / "sub" / "up").symlink_to("..")
    with pytest.raises(UsageError, match="site/sub/up is a link that leads back"):
        pack(["site"], into=False)


def test_what_cannot_be_read_is_told_before_anything_is_sent(tree: Path) -> None:
    (tree / "site" / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "site" / "pipe")
    with pytest.raises(UsageError) as caught:
        pack(["site", "missing", "a.txt/"], into=False)
    for part in ("site/dangling: No such file", "site/pipe is neither", "missing: No such file", "a.txt/: Not a dir"):
        assert part in caught.value.message
    assert caught.value.hint == "Nothing was sent."


@pytest.mark.parametrize("source", ["", "a\0b"])
def test_an_empty_name_is_refused(tree: Path, source: str) -> None:
    with pytest.raises(UsageError):
        pack([source], into=False)


def test_two_files_of_one_name_are_refused_and_directories_join(tree: Path) -> None:
    (tree / "other" / "site").mkdir(parents=True)
    (tree / "other" / "site" / "more").write_text("")
    assert "site/more" in names(pack(["site", "other/site"], into=False))
    (tree / "other" / "a.txt").write_text("")
    with pytest.raises(UsageError, match=r"both become a\.txt"):
        pack(["a.txt", "other/a.txt"], into=False)


def test_the_stream_tells_how_far_it_is_and_when_a_file_has_gone(tree: Path) -> None:
    (tree / "site" / "index").write_bytes(b"x" * 300_000)
    parcel = pack(["site/"], into=True)
    sent: list[int] = []
    whole = b"".join(parcel.stream(sent.append))
    assert sum(sent) == 300_000
    assert whole.endswith(b"\n")
    assert json.loads(whole.partition(b"\n")[0]) == {"path": "index", "mode": parcel.items[0].mode, "size": 300_000}
    (tree / "site" / "index").unlink()
    assert b"\xff\xff\xff\xff" in b"".join(parcel.stream(sent.append))
