"""Modules that another's package imports at its head, and loads here when it uses them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["later"]


class _Unloaded(ModuleType):
    """Has what the module has, which is loaded for the first of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


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
