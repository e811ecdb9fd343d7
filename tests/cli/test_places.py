"""`TARGET:PATH` where targets have colons, too: one reading, or none."""

from __future__ import annotations

import pytest

from agentless.cli.places import place
from agentless.errors import UsageError


@pytest.mark.parametrize(
    ("word", "target", "path"),
    [
        ("web:/etc/x", "web", "/etc/x"),
        ("web:!db:/etc/x", "web:!db", "/etc/x"),
        ("web:&prod:!web3:/srv/", "web:&prod:!web3", "/srv/"),
        ("web[0:2]:/etc/x", "web[0:2]", "/etc/x"),
        ("web[0:2]:conf", "web[0:2]", "conf"),
        ("web:~db.*:/etc/x", "web:~db.*", "/etc/x"),
        ("~web[12]:/etc/x", "~web[12]", "/etc/x"),
        ("2001:db8::1:/etc/x", "2001:db8::1", "/etc/x"),
        ("web1,web2:x", "web1,web2", "x"),
        ("web:conf.d/x", "web", "conf.d/x"),
        ("web:", "web", ""),
        ("web:!db:./x", "web:!db", "./x"),
        ("web:!db:..", "web:!db", ".."),
        ("web:!db:~/x", "web:!db", "~/x"),
        ("web:!db:~", "web:!db", "~"),
        ("web:~ada/x", "web", "~ada/x"),
        ("web:/data/a:/b", "web", "/data/a:/b"),
        ("web:/data/2026-11-28T10:00:00", "web", "/data/2026-11-28T10:00:00"),
        ("web:./10:00", "web", "./10:00"),
        ("web:~ada/x:~bob/y", "web", "~ada/x:~bob/y"),
    ],
)
def test_the_path_begins_behind_the_colon_that_a_path_follows(word: str, target: str, path: str) -> None:
    assert place(word) == (target, path)


@pytest.mark.parametrize("word", ["web:!db:x", "web:x:y", "web:!db:", "::1:x", "web:!db:~x*"])
def test_what_has_two_readings_is_refused_with_the_way_to_write_it(word: str) -> None:
    with pytest.raises(UsageError, match="more than one way") as caught:
        place(word)
    assert f"{word.rpartition(':')[0]}:./" in caught.value.hint


@pytest.mark.parametrize("word", ["web", "/etc/x", "", ":/etc/x", " :/etc/x"])
def test_a_word_without_a_target_or_a_colon_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        place(word)
