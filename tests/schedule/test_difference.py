"""What of an entry differs between a host and the file, in the file's words."""

from __future__ import annotations

from agentless.schedule.difference import Change, differences, shown

JOB = {"fun": "cmd.run", "arg": ["uptime"], "tgt": "web*", "shell": "/bin/sh", "command": "uptime", "timeout": None}


def entry(**changes: object) -> dict[str, object]:
    return {"name": "it", "every": 60, "said": {"minutes": "1"}, "job": {**JOB, "hosts": ["web1", "web2"]}, **changes}


def test_an_entry_is_shown_by_the_keys_of_the_file_without_what_is_the_rule() -> None:
    assert shown(entry(enabled=0)) == {
        "minutes": "1",
        "enabled": "false",
        "function": "cmd.run",
        "args": "uptime",
        "target": "web*",
        "hosts": "web[1-2]",
    }


def test_a_script_is_its_hash_and_pairs_are_pairs() -> None:
    job = {"script": "ab" * 32, "metadata": {"team": "web"}, "jid_include": False}
    assert shown({"job": job}) == {"script": "sha256 abababababab", "metadata": "team=web", "jid_include": "false"}


def test_whatever_a_host_sends_in_place_of_an_entry_can_be_shown() -> None:
    for raw in ({}, {"said": 3, "job": []}, {"said": {"a": [1]}, "job": {"hosts": "x", "arg": {"b": None}}}):
        assert all(isinstance(text, str) for text in shown(raw).values())


def test_only_what_differs_is_told_and_a_key_that_one_lacks_has_no_value_there() -> None:
    old, new = shown(entry()), shown(entry(said={"cron": "* * * * *"}))
    assert differences(old, new) == (Change("cron", None, "* * * * *"), Change("minutes", "1", None))
    assert differences(old, old) == ()
