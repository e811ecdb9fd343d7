"""Where a controller stands in each host's sequence of scheduled jobs."""

from __future__ import annotations

from pathlib import Path

from agentless.cache.cursors import SEQUENCES, Cursors


def test_a_place_only_goes_forward_and_each_sequence_has_its_own(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path / "cursors")
    assert cursors.seen("web1") == {}
    cursors.advance("web1", "a", 3)
    cursors.advance("web1", "b", 1)
    cursors.advance("web1", "a", 2)
    cursors.advance("../web1\udcff", "a", 7)
    again = Cursors(tmp_path / "cursors")
    assert (again.seen("web1"), again.seen("../web1\udcff")) == ({"a": 3, "b": 1}, {"a": 7})
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "cursors"}


def test_sequences_that_were_seen_long_ago_go_first(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    for number in range(SEQUENCES + 5):
        cursors.advance("web1", "first" if number % 2 else str(number), number)
    assert len(cursors.seen("web1")) <= SEQUENCES
    assert "first" in cursors.seen("web1")


def test_a_torn_file_lets_everything_come_once_more(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    cursors.advance("web1", "a", 3)
    (file,) = tmp_path.glob("*.json")
    file.write_text('{"seen": {"a"')
    assert cursors.seen("web1") == {}
    cursors.advance("web1", "a", 1)
    assert cursors.seen("web1") == {"a": 1}
