"""The section `returners:` of the configuration file, read and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agentless import durations
from agentless.model.returner import (
    NAME,
    AnyReturner,
    CommandReturner,
    SecretSource,
    SqlReturner,
    WebhookReturner,
)
from agentless.model.secret import Secret
from agentless.regex import regex
from agentless.suggest import one_of
from agentless.values import dataclass

if TYPE_CHECKING:
    from agentless.yamlfile import YamlItem

__all__ = ["PathBase", "read_returners"]

_EVERY_KIND = ("type", "on", "timeout")
_KINDS = {
    "sql": ("url", "url_file", "url_env"),
    "webhook": ("url", "url_file", "url_env", "headers_file", "headers_env"),
    "command": ("command",),
}
_RETURNER_TIMEOUT = 10.0
_RETURNER_LONGEST = 3600.0
_LOGIN_IN_URL = regex(r"[^:/?#]+://[^/?#]*:[^/?#]*@")


@dataclass(frozen=True, slots=True)
class PathBase:
    """What relative paths and `~` of a configuration file stand for."""

    directory: str
    home: str

    def path(self, text: str) -> str:
        """The path that a text of the file names."""
        if text == "~" or text.startswith("~/"):
            text = self.home + text[1:]
        return os.path.normpath(os.path.join(self.directory, text))


def read_returners(item: YamlItem, place: PathBase) -> dict[str, AnyReturner]:
    """The returners of the section, by name; raises ConfigError, with file, line and key."""
    return {} if item.empty else {name: _returner(name, one, place) for name, one in item.fields().items()}


def _returner(name: str, item: YamlItem, place: PathBase) -> AnyReturner:
    if not NAME.fullmatch(name):
        raise item.error("a returner's name is letters, digits, `_`, `.` and `-`, at most 64")
    fields = item.fields()
    if "type" not in fields:
        raise item.error("it has no type", f"Known: {', '.join(_KINDS)}.")
    kind = fields["type"].text
    if kind not in _KINDS:
        raise fields["type"].error(f"{kind!r} is no type of a returner", one_of(kind, _KINDS))
    for key, value in fields.items():
        if key not in (*_EVERY_KIND, *_KINDS[kind]):
            raise value.error(f"unknown key of a {kind} returner", one_of(key, (*_EVERY_KIND, *_KINDS[kind])))
    failures_only, timeout = False, _RETURNER_TIMEOUT
    if "on" in fields:
        if (when := fields["on"].text) not in ("failure", "return"):
            raise fields["on"].error(f"failure or return is needed, not {when!r:.80}")
        failures_only = when == "failure"
    if "timeout" in fields:
        timeout = _timeout(fields["timeout"])
    if kind == "command":
        return CommandReturner(name, failures_only, timeout, _argv(item, fields, place), place.directory)
    url = _source(fields, "url", place)
    if url is None:
        raise item.error("it has no URL", "Give url, url_file or url_env.")
    if url.text is not None and _LOGIN_IN_URL.match(url.text.reveal()):
        raise url.error("a password stands in it", "Put the URL into a file of yours, and give that as url_file.")
    if kind == "sql":
        return SqlReturner(name, failures_only, timeout, url)
    return WebhookReturner(name, failures_only, timeout, url, _source(fields, "headers", place))


def _timeout(item: YamlItem) -> float:
    try:
        seconds = durations.parse(item.text)
    except ValueError as error:
        raise item.error(str(error)) from error
    if not 0 < seconds <= _RETURNER_LONGEST:
        raise item.error(f"a time above 0 is needed, {_RETURNER_LONGEST:.0f} s at most")
    return seconds


def _source(fields: Mapping[str, YamlItem], key: str, place: PathBase) -> SecretSource | None:
    """What stands under `key`, in a file that `key_file` names, or in a variable that `key_env` names."""
    ways = {name: fields[name] for name in (key, f"{key}_file", f"{key}_env") if name in fields}
    for second in list(ways.values())[1:]:
        raise second.error(f"it stands beside {next(iter(ways))}, and one of them is enough")
    for name, item in ways.items():
        text = item.text
        if name.endswith("_file"):
            return SecretSource(item.key, path=place.path(text), file=item.file, line=item.line)
        if name.endswith("_env"):
            return SecretSource(item.key, variable=text, file=item.file, line=item.line)
        return SecretSource(item.key, text=Secret(text), file=item.file, line=item.line)
    return None


def _argv(item: YamlItem, fields: Mapping[str, YamlItem], place: PathBase) -> tuple[str, ...]:
    """The words of a command: those of a list, or one text for the shell."""
    if "command" not in fields:
        raise item.error("it has no command", "command: [./notify, --ops], or one text for /bin/sh")
    command = fields["command"]
    value = command.value
    if isinstance(value, str) and value.strip() and "\0" not in value:
        return ("/bin/sh", "-c", value)
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise command.error("a text for /bin/sh, or a list of words is needed")
    if not value[0] or any("\0" in word for word in value):
        raise command.error("its first word is empty, or a word has a NUL byte")
    return (place.path(value[0]) if "/" in value[0] else value[0], *value[1:])
