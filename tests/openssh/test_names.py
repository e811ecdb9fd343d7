"""Names that ssh refuses, because a shell would act on them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import Refused
from agentless.model.endpoint import Endpoint
from agentless.openssh import keywords
from agentless.openssh.jumps import parse_jumps
from agentless.openssh.names import canonical_name, check_host, check_user
from agentless.transport.host_connector import HostConnector
from tests.hosts import patience
from tests.transport.conftest import Home

HOSTS = [
    "-oProxyCommand=x",
    "x;id",
    "x`id`",
    "$(id)",
    "a b",
    "a\tb",
    "a\nb",
    "a|b",
    "a&b",
    "a<b",
    "a,b",
    "a\\b",
    "{a}",
    "'a'",
]
USERS = [
    "-lroot",
    "a -oProxyCommand=x",
    "x;id",
    "`id`",
    "$(id)",
    "${IFS}",
    "a|b",
    "a&b",
    "a>b",
    "'a",
    '"a"',
    "a\\",
    "a\nb",
    "{a}",
]


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_name_that_a_shell_would_act_on_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="ssh takes no such name"):
        check_host(name)


@pytest.mark.parametrize("name", USERS)
def test_a_user_name_that_a_shell_would_act_on_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="ssh takes no such name"):
        check_user(name)


def test_the_names_that_people_have_are_taken() -> None:
    for name in ("web1", "web-1.example.com", "10.0.0.1", "fe80::1%eth0", "web_1", "größe.example", ""):
        assert check_host(name) == name
    for name in ("ada", "DOM\\ada", "ada lovelace", "host$", "a.b-c@corp", ""):
        assert check_user(name) == name


# Of each name, what would make it run a command if it came to a shell as it is.
@pytest.mark.parametrize(
    "given",
    [
        {"address": "x;touch${IFS}MARK;"},
        {"address": "web", "user": "x;touch${IFS}MARK;"},
        {"address": "x;touch${IFS}MARK;@web"},
        {"address": "web", "options": ("hostname", "x;touch${IFS}MARK;")},
        {"address": "web", "options": ("hostname", "%h;touch${IFS}MARK;")},
        {"address": "web", "options": ("hostkeyalias", "x;touch${IFS}MARK;")},
        {"address": "alias"},
        {"address": "named"},
        {"address": "jumped"},
        {"address": "jumpuser"},
    ],
)
@pytest.mark.parametrize("command", ["ProxyCommand false %h %n %r %k", 'Match exec "false %h %n %r %k"\n User x'])
def test_no_name_runs_a_command(home: Home, given: dict[str, Any], command: str) -> None:
    mark = home.path / "mark"
    evil = f"x;touch${{IFS}}{mark};"
    home.config(
        f"Host alias\n HostName {evil}\nHost named\n User {evil}\n"
        f"Host jumped\n ProxyJump {evil}\nHost jumpuser\n ProxyJump {evil}@web\nHost *\n{command}\n"
    )
    values: dict[str, Any] = {
        key: value.replace("MARK", str(mark))
        if isinstance(value, str)
        else (keywords.read(value[0], value[1].replace("MARK", str(mark))),)
        for key, value in given.items()
    }
    connector = HostConnector(home=home.path, system_config=Path("/none"))
    with pytest.raises(Refused) as caught:
        connector.connect(Endpoint("web1", **values))
    assert caught.value.kind == "inventory"
    assert not mark.exists()


@pytest.mark.parametrize("jump", ["a;id", "-oProxyCommand=id@b", "b;id@c", "a`id`:22", "ssh://$(id)"])
def test_jumps_of_such_names_are_refused(jump: str) -> None:
    with pytest.raises(ValueError, match=r"ssh takes no such name|is not \[user@\]host"):
        parse_jumps(jump)


def test_a_name_that_does_not_exist_leads_nowhere() -> None:
    assert canonical_name("no-such-name.invalid", "any", time.monotonic() + patience(10)) is None
    assert canonical_name("localhost", "inet", time.monotonic() + patience(10)) == "localhost"
