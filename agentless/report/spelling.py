"""How parameters of the API, which errors and problems name in backquotes, are spelled on the command line.

`connect_timeout` is typed --connect-timeout there, and `inventory=FILE` is typed -i FILE.
"""

from __future__ import annotations

import re

from agentless.regex import regex

__all__ = ["OPTIONS", "as_typed"]

OPTIONS = {
    "inventory": "-i",
    "limit": "--limit",
    "user": "--user",
    "private_key": "--private-key",
    "forks": "--forks",
    "connect_timeout": "--connect-timeout",
    "become": "--become",
    "become_user": "--become-user",
    "ssh_common_args": "--ssh-common-args",
    "extra_vars": "-e",
    "password": "-k",
    "become_password": "-K",
    "host_key_checking": "--host-key-checking",
    "vault_ids": "--vault-id",
    "keep": "--keep",
    "max_fail": "--max-fail",
    "wait": "--wait",
    "shell": "--shell",
    "env": "--env",
    "spread": "--spread",
    "skip": "--skip",
    "target": "--target",
    "list_jobs": "jobs list",
    "source": "--from",
}
"""By parameter, or method, the option or verb."""

# Where a parameter alone is named, and several options give it.
_SEVERAL = {"vault_ids": "--ask-vault-pass, --vault-password-file FILE or --vault-id LABEL@SOURCE"}
_NAMED = regex(rf"`({'|'.join(OPTIONS)})(?:=([^`]*))?`")


def as_typed(text: str) -> str:
    """An error's or a problem's text, for who types options."""
    if "`" not in text:
        return text
    return _NAMED.sub(_option, text)


def _option(named: re.Match[str]) -> str:
    name, value = named.groups()
    return f"{OPTIONS[name]} {value}" if value else _SEVERAL.get(name, OPTIONS[name])
