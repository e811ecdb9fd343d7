"""Regular expressions that are compiled when they are first used.

A command loads a hundred of them and uses a dozen: to compile them all takes a tenth of what its start takes.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

__all__ = ["deferred", "regex"]

_compile: Any = re.compile
_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn")


class _LazyPattern:
    """Has the attributes of `re.Pattern`. The functions of `re` refuse it: its methods are what is called."""

    def __init__(self, pattern: str | bytes, flags: int = 0) -> None:
        self.pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        compiled = _compile(self.pattern, self._flags)
        # From now on, they are found without a detour.
        self.__dict__.update({method: getattr(compiled, method) for method in _METHODS})
        return getattr(compiled, name)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Within, what this thread compiles is compiled when it is first used: for the import of another's package."""
    me = threading.get_ident()

    def compile_later(pattern: Any, flags: int = 0) -> Any:
        return (_LazyPattern if threading.get_ident() == me else _compile)(pattern, flags)

    re.compile = compile_later
    try:
        yield
    finally:
        re.compile = _compile


if TYPE_CHECKING:
    regex = re.compile
else:
    regex = _LazyPattern
