"""What hosts had of a schedule when they were last pushed to, or checked, from here."""

from __future__ import annotations

from pathlib import Path

from agentless.schedule.pushes import OnHosts, Pushes, digest


def pushes(tmp_path: Path, warned: list[str] | None = None) -> Pushes:
    heard: list[str] = [] if warned is None else warned
    return Pushes(tmp_path / "kept", tmp_path / "schedule.yaml", heard.append)


def test_the_hosts_that_have_it_are_told_with_the_time_that_is_longest_ago(tmp_path: Path) -> None:
    one = pushes(tmp_path)
    assert one.of("it", "d1", ["web1"]) == OnHosts((), ("web1",), None)
    one.note("/", {"web1": {"it": "d1"}}, 100.0, other={})
    one.note("/", {"web2": {"it": "d1"}, "web3": {"it": "d0"}}, 200.0, other={})
    assert one.of("it", "d1", ["web1", "web2", "web3", "web4"]) == OnHosts(("web1", "web2"), ("web3", "web4"), 100.0)


def test_one_user_of_a_host_that_has_it_is_enough(tmp_path: Path) -> None:
    one = pushes(tmp_path)
    one.note("/", {"web1": {}}, 100.0, other={})
    one.note("/sudo:root", {"web1": {"it": "d1"}}, 50.0, other={})
    assert one.of("it", "d1", ["web1"]) == OnHosts(("web1",), (), 50.0)


def test_a_look_that_finds_another_keeps_what_it_does_not_deny(tmp_path: Path) -> None:
    """The file was edited, and is as it was again: the host has had it all the time."""
    one = pushes(tmp_path)
    one.note("/", {"web1": {"it": "d1"}}, 100.0, other={})
    one.note("/", {"web1": {}}, 200.0, other={"web1": {"it": "d2"}})
    assert one.of("it", "d1", ["web1"]).same == ("web1",)
    one.note("/", {"web1": {}}, 300.0, other={"web1": {"it": "d1"}})
    assert one.of("it", "d1", ["web1"]).same == ()
    one.note("/", {"web1": {"it": "d1"}}, 100.0, other={})
    one.note("/", {"web1": {}}, 300.0, other={"web1": {"it": ""}})
    assert one.of("it", "d1", ["web1"]).same == ()


def test_what_is_damaged_is_as_if_nothing_had_been_pushed(tmp_path: Path) -> None:
    one = pushes(tmp_path)
    one.note("/", {"web1": {"it": "d1"}}, 100.0, other={})
    (file,) = (tmp_path / "kept").glob("*.json")
    for text in ("", "[]", "{", '{"web1": 3}'):
        file.write_text(text)
        assert one.of("it", "d1", ["web1"]) == OnHosts((), ("web1",), None)


def test_where_it_cannot_be_noted_that_is_told_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("in the way")
    warned: list[str] = []
    pushes(tmp_path, warned).note("/", {"web1": {}}, 1.0, other={})
    assert "cannot be noted" in warned[0]


def test_a_digest_is_of_all_but_the_moment_from_which_it_counts() -> None:
    assert digest({"every": 60, "since": 1}) == digest({"since": 2, "every": 60}) != digest({"every": 61, "since": 1})
