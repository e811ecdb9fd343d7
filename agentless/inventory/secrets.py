"""Which variables hold passwords, and variables as they are shown to somebody who did not ask for passwords."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from agentless.regex import regex

__all__ = ["MASK", "is_secret", "masked", "unmasked"]

MASK = "********"
# What is nested more deeply than that is shown by nobody.
_DEEPEST = 100
_WORD = regex(r"[a-z0-9]+|[A-Z]+(?![a-z])|[A-Z][a-z0-9]*")
_SECRET = regex(
    r".*passw(or)?ds?|.*passphrases?|.*secrets?|.*tokens?|.*credentials?|.*apikeys?|p?pwd|.*vault"
    r"|(?!.*(?:by|com|tres|over|under|en)pass$).*pass"
)
# Words that are a secret only together.
_PAIRS = frozenset({("private", "key"), ("api", "key"), ("access", "key"), ("signing", "key"), ("encryption", "key")})
# What only says where a secret lies, how long it is, or what it is called.
_ABOUT = frozenset({"file", "files", "path", "dir", "directory", "prompt", "length", "min", "max", "id", "store"})
_IN_URL = regex(r"(://[^/\s:@'\"]*:)[^/\s@'\"]+(?=@)")
_SSHPASS = regex(r"(\bsshpass\s+(?:-\w\s+)*-p\s*)(?:'[^']*'|\"[^\"]*\"|\S+)")
_PEM = regex(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def is_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret: `ansible_become_pass`, `dbPassword`, `vault_api_key`."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _ABOUT:
        return False
    return any(map(_SECRET.fullmatch, words)) or any(pair in _PAIRS for pair in itertools.pairwise(words))


def masked(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables, with `********` in place of each secret: by name at any depth, under `!vault`, private keys, and
    passwords within URLs and behind `sshpass -p`."""
    return {name: _shown(value, _secret if is_secret(name) else _plain, 0) for name, value in variables.items()}


def unmasked(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables as they are, but for what is nested more deeply than anybody could show."""
    return {name: _shown(value, None, 0) for name, value in variables.items()}


_Mask = Callable[[Any], Any]


def _shown(value: Any, mask: _Mask | None, depth: int) -> Any:
    """The value with its texts and numbers masked; None masks nothing."""
    if depth > _DEEPEST or (mask and isinstance(value, dict) and "__ansible_vault" in value):
        return MASK
    if isinstance(value, dict):
        return {
            key: _shown(item, _secret if mask and is_secret(str(key)) else mask, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_shown(item, mask, depth + 1) for item in value]
    return mask(value) if mask else value


def _secret(value: Any) -> Any:
    """That there is none, or that there shall be one, is no secret."""
    return value if value is None or value == "" or isinstance(value, bool) else MASK


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _PEM.search(value):
        return MASK
    return _SSHPASS.sub(rf"\g<1>{MASK}", _IN_URL.sub(rf"\g<1>{MASK}", value))
