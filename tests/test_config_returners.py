"""The section `returners:` of the configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless.config import load
from agentless.errors import ConfigError
from agentless.model.returner import CommandReturner, SqlReturner, WebhookReturner


def config_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_returners_are_read(tmp_path: Path) -> None:
    text = """
returners:
  archive: {type: sql, url: 'sqlite:////var/lib/register.db'}
  remote: {type: sql, url_file: secrets/url, timeout: 1m}
  hook:
    type: webhook
    url_env: HOOK
    headers_file: ~/headers
    on: failure
  page: {type: command, command: [./page, --ops]}
  log: {type: command, command: 'logger -t fleet', on: return}
returner: [archive, page]
"""
    config = load(config_file(tmp_path, text), {"HOME": "/home/ada"})
    assert list(config.returners) == ["archive", "remote", "hook", "page", "log"]
    assert config.returner == ("archive", "page")
    remote, hook = config.returners["remote"], config.returners["hook"]
    page, log = config.returners["page"], config.returners["log"]
    assert isinstance(remote, SqlReturner)
    assert (remote.url.path, remote.timeout, remote.failures_only) == (str(tmp_path / "secrets/url"), 60.0, False)
    assert isinstance(hook, WebhookReturner)
    assert hook.headers is not None
    assert (hook.url.variable, hook.headers.path, hook.failures_only) == ("HOOK", "/home/ada/headers", True)
    assert isinstance(page, CommandReturner)
    assert isinstance(log, CommandReturner)
    assert page.argv == (str(tmp_path / "page"), "--ops")
    assert log.argv == ("/bin/sh", "-c", "logger -t fleet")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("  a b: {type: sql}\n", 2, "returners: a b: a returner's name is letters"),
        ("  a: {url: x}\n", 2, "returners: a: it has no type"),
        ("  a: {type: sqlite, url: x}\n", 2, "'sqlite' is no type of a returner"),
        ("  a:\n    type: sql\n    urls: x\n", 4, "returners: a: urls: unknown key of a sql returner"),
        ("  a:\n    type: sql\n    headers_file: x\n    url: x\n", 4, "headers_file: unknown key of a sql returner"),
        ("  a:\n    type: sql\n", 2, "returners: a: it has no URL"),
        ("  a:\n    type: sql\n    url: x\n    url_env: y\n", 5, "url_env: it stands beside url"),
        ("  a:\n    type: sql\n    url: postgresql://u:pw-4711@h/d\n", 4, "url: a password stands in it"),
        ("  a:\n    type: webhook\n    url: https://u:pw-4711@h/d\n", 4, "url: a password stands in it"),
        ("  a:\n    type: sql\n    url: x\n    on: success\n", 5, "on: failure or return is needed"),
        ("  a:\n    type: sql\n    url: x\n    timeout: 0\n", 5, "timeout: a time above 0"),
        ("  a:\n    type: sql\n    url: x\n    timeout: soon\n", 5, "timeout: 'soon' is not a duration"),
        ("  a:\n    type: command\n", 2, "it has no command"),
        ("  a:\n    type: command\n    command: []\n", 4, "command: a text for /bin/sh, or a list of words"),
        ("  a:\n    type: command\n    command: [7]\n", 4, "command: a text for /bin/sh, or a list of words"),
        ('  a:\n    type: command\n    command: ["", x]\n', 4, "command: its first word is empty"),
        ("  a: {type: command, command: x}\n  a: {type: command, command: y}\n", 3, "stands here a second time"),
        ("  a: {type: command, command: x}\nreturner: b\n", 3, "returner: {file} has no returner 'b'"),
        (
            "  a: {type: command, command: x}\nreturner: [a, a]\n",
            3,
            "returner: the returner 'a' is given a second time",
        ),
        ("  - a\n", 1, "returners: a mapping of keys to values is needed"),
    ],
)
def test_a_returner_that_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = config_file(tmp_path, "returners:\n" + text)
    with pytest.raises(ConfigError) as caught:
        load(path, {"HOME": str(tmp_path)})
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert words.format(file=path) in caught.value.message
    assert "4711" not in caught.value.message + caught.value.hint
