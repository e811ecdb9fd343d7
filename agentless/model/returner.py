"""Returners as the configuration describes them: where the returns of jobs go besides the job cache (Salt's word)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agentless.errors import ConfigError
from agentless.model.secret import Secret
from agentless.regex import regex
from agentless.values import dataclass

__all__ = ["NAME", "AnyReturner", "CommandReturner", "Returner", "SecretSource", "SqlReturner", "WebhookReturner"]

NAME = regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
"""What a returner may be called: its name stands in records, and in the name of a lock."""


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where something that may be secret comes from. It is read when it is used, and shown nowhere.

    Args:
        key: the key of the configuration that says it, as errors name it: `returners: archive: url_file`.
        text: what stands in the configuration itself.
        path: a file that holds it.
        variable: an environment variable that holds it.
        file, line: where the key stands.
    """

    key: str
    text: Secret | None = None
    path: str | None = None
    variable: str | None = None
    file: str = ""
    line: int | None = None

    def read(self, environ: Mapping[str, str]) -> Secret:
        """The text without blanks around it.

        Raises:
            ConfigError: the file cannot be read, the variable is not set, or nothing stands there.
        """
        if self.text is not None:
            return self.text
        if self.variable is not None:
            text = environ.get(self.variable, "").strip()
            if not text:
                raise self.error(f"the environment variable {self.variable} is not set")
            return Secret(text)
        try:
            with open(self.path or "", encoding="utf-8") as file:
                text = file.read().strip()
        except OSError as error:
            raise self.error(f"{self.path} cannot be read: {error.strerror}") from error
        except ValueError:
            raise self.error(f"{self.path} is no text in UTF-8") from None
        if not text:
            raise self.error(f"{self.path} is empty")
        return Secret(text)

    def error(self, reason: str, hint: str = "") -> ConfigError:
        """The error that names the key, with file and line."""
        return ConfigError(f"{self.key}: {reason}", hint, file=self.file, line=self.line)


@dataclass(frozen=True, slots=True)
class Returner:
    """What every kind of returner has.

    Args:
        name: its name.
        failures_only: it gets only hosts that did not return with success (`on: failure`).
        timeout: seconds for one delivery, tried again within them where that helps.
    """

    name: str
    failures_only: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class SqlReturner(Returner):
    """Two tables of a database: a register that `jobs list` and `jobs lookup` read with `--from`.

    Args:
        url: SQLAlchemy's URL.
    """

    url: SecretSource


@dataclass(frozen=True, slots=True)
class WebhookReturner(Returner):
    """A POST of each host's JSON object.

    Args:
        url: `https://…` or `http://…`.
        headers: further header lines, `Name: value`.
    """

    url: SecretSource
    headers: SecretSource | None


@dataclass(frozen=True, slots=True)
class CommandReturner(Returner):
    """A command of this machine, started for each host's JSON object, which it gets on stdin.

    Args:
        argv: its words.
        directory: where it is started.
    """

    argv: tuple[str, ...]
    directory: str


AnyReturner = SqlReturner | WebhookReturner | CommandReturner
