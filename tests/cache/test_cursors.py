"""Where a controller stands in each host's sequence of scheduled jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless.cache.cursors import SEQUENCES, Cursors
from agentless.errors import CacheError


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def cursors(tmp_path: Path, warnings: list[str]) -> Cursors:
    return Cursors(tmp_path / "cursors", warnings.append)


def test_a_place_only_goes_forward_and_each_sequence_has_its_own(cursors: Cursors, tmp_path: Path) -> None:
    assert cursors.seen("web1") == {}
    cursors.advance("web1", "a", 3)
    cursors.advance("web1", "b", 1)
    cursors.advance("web1", "a", 2)
    cursors.advance("../web1\udcff", "a", 7)
    again = Cursors(tmp_path / "cursors", print)
    assert (again.seen("web1"), again.seen("../web1\udcff")) == ({"a": 3, "b": 1}, {"a": 7})
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "cursors"}


def test_sequences_that_were_seen_long_ago_go_first(cursors: Cursors) -> None:
    for number in range(SEQUENCES + 5):
        cursors.advance("web1", "first" if number % 2 else str(number), number)
    assert len(cursors.seen("web1")) <= SEQUENCES
    assert "first" in cursors.seen("web1")


@pytest.mark.parametrize(
    "content",
    [
        *(
            '{"seen": {"a"',
            "",
            "[]",
            "null",
            "{}",
            '{"seen": 1}',
            '{"seen": []}',
            '{"seen": {"a": "3"}}',
            "[" * 100_000,
        ),
        *('{"seen": {"a": true}}', '{"seen": {"a": -1}}', '{"seen": {"a": 1e400}}', f'{{"seen": {{"a": {10**30}}}}}'),
    ],
)
def test_a_damaged_file_is_set_aside_and_named_and_everything_comes_once_more(
    cursors: Cursors, warnings: list[str], tmp_path: Path, content: str
) -> None:
    cursors.advance("web1", "a", 3)
    cursors.advance("web2", "a", 4)
    path = cursors._path("web1")
    path.write_text(content)
    assert (cursors.seen("web1"), cursors.seen("web2")) == ({}, {"a": 4})
    (warning,) = warnings
    assert path.name in warning
    assert (tmp_path / "cursors" / "set-aside" / path.name).read_text() == content
    cursors.advance("web1", "a", 1)
    assert cursors.seen("web1") == {"a": 1}
    assert len(warnings) == 1


def test_what_is_no_file_harms_its_own_host_alone(cursors: Cursors, warnings: list[str]) -> None:
    cursors.advance("web2", "a", 4)
    cursors._path("web1").mkdir()
    assert (cursors.seen("web1"), cursors.seen("web2")) == ({}, {"a": 4})
    assert len(warnings) == 1


def test_where_it_cannot_be_written_that_is_a_cache_error(cursors: Cursors, tmp_path: Path) -> None:
    (tmp_path / "cursors").write_text("in the way")
    assert cursors.seen("web1") == {}
    with pytest.raises(CacheError, match="is no directory"):
        cursors.advance("web1", "a", 1)
