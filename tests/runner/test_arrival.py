"""What a host sends lands in its own folder, whole, or nowhere; whatever the host says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from agentless.errors import HostError, Refused, Unreachable
from agentless.model.answers import Answer, Content, ContentEnd, FetchedItem, Gathered, Gathering
from agentless.runner.arrival import FetchedFiles, folder_name

END = ContentEnd(broken=False)
DONE = Gathered(0, ())


def arrive(folder: Path, *answers: Answer) -> FetchedFiles:
    arrival = FetchedFiles(folder)
    try:
        for answer in (Gathering(), *answers):
            assert arrival.take(answer)
    finally:
        arrival.close()
    return arrival


def all_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_files_and_directories_come_with_their_permissions(tmp_path: Path) -> None:
    answers = (FetchedItem("d", 0o555, None), FetchedItem("d/x", 0o640, 5), Content(b"he"), Content(b"llo"), END, DONE)
    arrival = arrive(tmp_path / "web1", *answers)
    assert (arrival.files, arrival.bytes) == (1, 5)
    file = tmp_path / "web1" / "d" / "x"
    assert file.read_text() == "hello"
    assert (file.stat().st_mode & 0o7777, file.parent.stat().st_mode & 0o7777) == (0o640, 0o555)


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "", "/etc/x", "d/../../x", "d/..", "a/x", "x\0y", "d//x", "n" * 256, "d/", "../web1-evil/x"],
)
@pytest.mark.parametrize("size", [None, 1])
def test_a_name_that_leads_elsewhere_ends_the_call(tmp_path: Path, name: str, size: int | None) -> None:
    folder = tmp_path / "got" / "web1"
    with pytest.raises(Unreachable) as caught:
        arrive(folder, FetchedItem("d", 0o755, None), FetchedItem(name, 0o644, size), Content(b"x"), END, DONE)
    assert caught.value.kind == "protocol"
    assert all_below(tmp_path) in (["got", "got/web1", "got/web1/d"], [])


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("mine")
    folder = tmp_path / "web1"
    folder.mkdir()
    (folder / "d").symlink_to(outside)
    with pytest.raises(Refused) as caught:
        arrive(folder, FetchedItem("d", 0o755, None), FetchedItem("d/x", 0o644, 1), Content(b"x"), END, DONE)
    assert caught.value.kind == "controller"
    (folder / "f").symlink_to(outside / "x")
    arrive(folder, FetchedItem("f", 0o644, 3), Content(b"new"), END, DONE)
    assert (folder / "f").read_text() == "new"
    assert not (folder / "f").is_symlink()
    assert (outside / "x").read_text() == "mine"


@pytest.mark.parametrize(
    "answers",
    [
        (FetchedItem("x", 0o644, 3), Content(b"four")),
        (FetchedItem("x", 0o644, 3), FetchedItem("y", 0o644, 3)),
        (FetchedItem("x", 0o644, 3), DONE),
        (Content(b"x"),),
        (END,),
    ],
)
def test_a_reply_out_of_order_ends_the_call_and_leaves_nothing(tmp_path: Path, answers: tuple[Answer, ...]) -> None:
    with pytest.raises(Unreachable) as caught:
        arrive(tmp_path / "web1", *answers)
    assert caught.value.kind == "protocol"
    assert all_below(tmp_path) in (["web1"], [])


def test_a_file_that_breaks_off_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    arrive(tmp_path, FetchedItem("x", 0o644, 100), Content(b"new"))
    arrive(tmp_path, FetchedItem("x", 0o644, 100), Content(b"new"), ContentEnd(broken=True), DONE)
    assert (tmp_path / "x").read_text() == "old"
    assert all_below(tmp_path) == ["x"]


def test_a_host_that_is_asked_anew_begins_anew(tmp_path: Path) -> None:
    half = (FetchedItem("x", 0o644, 4), Content(b"ha"), Gathering())
    arrival = arrive(tmp_path, *half, FetchedItem("x", 0o644, 4), Content(b"full"), END, DONE)
    assert (arrival.files, arrival.bytes, all_below(tmp_path)) == (1, 4, ["x"])


def test_more_than_there_is_room_for_is_refused_before_it_comes(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no room"):
        arrive(tmp_path, FetchedItem("x", 0o644, 1 << 60))
    assert all_below(tmp_path) == []


@pytest.mark.parametrize("there", ["d", "pipe"])
def test_a_directory_or_a_pipe_is_not_replaced_by_a_file(tmp_path: Path, there: str) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HostError):
        arrive(tmp_path, FetchedItem(there, 0o644, 1), Content(b"x"), END, DONE)
    assert all_below(tmp_path) == ["d", "pipe"]


def test_what_a_killed_command_left_is_taken_away_and_what_another_is_at_is_not(tmp_path: Path) -> None:
    old = tmp_path / ".x.0123.agentless-part"
    old.write_text("half")
    os.utime(old, (time.time() - 3600,) * 2)
    young = tmp_path / ".x.4567.agentless-part"
    young.write_text("half")
    other = FetchedFiles(tmp_path)
    assert other.take(FetchedItem("y", 0o644, 5))
    (held,) = set(tmp_path.glob(".y.*"))
    os.utime(held, (time.time() - 3600,) * 2)
    arrive(tmp_path, FetchedItem("x", 0o644, 1), Content(b"x"), END, DONE)
    assert all_below(tmp_path) == sorted(["x", young.name, held.name])
    other.close()


@pytest.mark.parametrize(
    ("host", "folder"),
    [
        ("web1.example.com", "web1.example.com"),
        ("../evil", "%2E.%2Fevil"),
        ("..", "%2E."),
        (".", "%2E"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("web 1", "web 1"),
        ("fe80::1", "fe80::1"),
        ("a\nb", "a%0Ab"),
    ],
)
def test_a_hosts_name_is_one_folder(host: str, folder: str) -> None:
    assert folder_name(host) == folder
