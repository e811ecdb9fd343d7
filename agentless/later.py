"""Modules that are loaded when they are first used: ours, and those that another's package imports at its head."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["later", "lazy"]


class _Unloaded(ModuleType):
    """Has what the module has, which is loaded for the first of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def lazy(package: str, *names: str) -> Iterator[Any]:
    """Stand-ins for modules of a package, each of which is loaded when something of it is first used."""
    return (_Unloaded(f"{package}.{name}") for name in names)


@contextlib.contextmanager
def later(name: str) -> Iterator[None]:
    """Within, whoever imports this module gets a stand-in, unless it is loaded. Beyond, `import` loads it as ever.

    For one thread: the stand-in is where every thread's imports look.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in = _Unloaded(name)
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
