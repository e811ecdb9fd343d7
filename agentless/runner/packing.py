"""The helper is packed: its sources without what only people and checkers read, in one piece that zlib likes.

Seldom: what is packed is kept (payload.py).
"""

from __future__ import annotations

import ast
import functools
import re
import zlib
from base64 import b64encode
from collections.abc import Sequence, Set
from pathlib import Path

from agentless import remote

__all__ = ["BEGIN", "TRAVELLING", "Pack", "build", "sources"]

Pack = tuple[bytes, int, dict[str, str], str, str]
"""See `payload.pack`."""
# Rooms of the helper that few calls need, by operation. Those have them in their requests, and add them to the helper.
FILES = frozenset({"get.py", "paths.py", "put.py"})
FURTHER = {
    "schedule": frozenset({"clock.py", "course.py", "crontab.py", "evaluator.py", "push.py", "tick.py"}),
    "put": FILES,
    "get": FILES,
}
# What is on the line of each call: a text that it runs, and one for when that does not do. Ahead of the second goes a
# room that is in the helper, too.
LOADER, BEGIN, UNPACK = "loader.py", "begin.py", "unpack.py"
TRAVELLING = (LOADER, UNPACK)
# zlib looks back no further than 32 KiB: rooms that are alike travel side by side. Found by trying; a room that is
# missing here travels last, and only costs some bytes.
ORDER = (
    *("clock", "evaluator", "course", "system", "disk", "records", "schedule_dir", "crontab", "sweep", "call", "start"),
    *("tick", "launch", "serve", "__init__", "node", "dispatch", "signalling", "output", "fetch", "follow", "push"),
    *("wire", "supervisor", "tree", "scope"),
)
# Spaces that only people need: beside what is no word, but for indents; strings are taken whole.
SPACES = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<=[^\w\s]) +|(?<=\S) +(?=[^\w\s])""")


def build() -> Pack:
    """Pack the helper: that takes a tenth of a second."""
    package, unpacked = _package(sources().keys() - frozenset().union(*FURTHER.values()) - set(TRAVELLING))
    loader, begin, unpack = (_squeeze(sources()[name].decode(), numbered=False) for name in (LOADER, BEGIN, UNPACK))
    rooms = {operation: b64encode(_package(names)[0]).decode() for operation, names in FURTHER.items()}
    further = b64encode(zlib.compress((begin + unpack).encode(), 9))
    return package, unpacked, rooms, b64encode(loader.encode()).decode(), further.decode()


def _package(names: Set[str]) -> tuple[bytes, int]:
    """Rooms as they travel, a dict for `eval` of files by name, and the bytes of the files together."""
    files = [(name, _squeeze(text.decode())) for name, text in sources().items() if name in names]
    files.sort(key=lambda file: ORDER.index(file[0][:-3]) if file[0][:-3] in ORDER else len(ORDER))
    package = ",".join(f"{name!r}:{_literal(text)}" for name, text in files)
    return zlib.compress(f"{{{package}}}".encode("ascii"), 9), sum(len(text) for _, text in files)


def _literal(text: str) -> str:
    """A bytes literal of source, with its lines as they are: repr has two characters for each `\\n`."""
    return "b'''" + text.replace("\\", r"\\") + "'''"


@functools.cache
def sources() -> dict[str, bytes]:
    """The helper's files, by name."""
    return {file.name: file.read_bytes() for file in sorted(Path(remote.__file__ or "").parent.glob("*.py"))}


def _squeeze(text: str, *, numbered: bool = True) -> str:
    """Source without docstrings, annotations, comments and spare spaces, indented by single ones; lines keep their
    numbers if asked to."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    lines = _untyped(text.splitlines(), nodes)
    for node in nodes:
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or ast.get_docstring(node) is None:
            continue
        expr = node.body[0]
        assert expr.end_lineno is not None
        lines[expr.lineno - 1 : expr.end_lineno] = [""] * (expr.end_lineno - expr.lineno + 1)
        if len(node.body) == 1:
            lines[expr.lineno - 1] = " " * expr.col_offset + "pass"
    lines = ["" if line.lstrip().startswith("#") else line.rstrip() for line in lines]
    lines = [
        re.sub("^(?:    )+", lambda indent: " " * (len(indent[0]) // 4), line) for line in lines if line or numbered
    ]
    return SPACES.sub(lambda match: match[1] or "", "\n".join(lines) + "\n")


def _untyped(lines: list[str], nodes: Sequence[ast.AST]) -> list[str]:
    """Source lines without what only checkers read: annotations, their comments and `if TYPE_CHECKING:`."""
    cuts: list[tuple[int, int, int]] = []
    for node in nodes:
        if isinstance(node, ast.arg) and (kind := node.annotation) is not None:
            assert node.lineno == kind.end_lineno
            assert kind.end_col_offset is not None
            cuts.append((node.lineno - 1, node.col_offset + len(node.arg), kind.end_col_offset))
        elif isinstance(node, ast.FunctionDef) and (kind := node.returns) is not None:
            assert kind.lineno == kind.end_lineno
            assert kind.end_col_offset is not None
            arrow = lines[kind.lineno - 1].rindex(" ->", 0, kind.col_offset)
            cuts.append((kind.lineno - 1, arrow, kind.end_col_offset))
        elif isinstance(node, ast.If | ast.Assign) and _is_for_types(node):
            assert node.end_lineno is not None
            cuts += [(number, 0, len(lines[number])) for number in range(node.lineno - 1, node.end_lineno)]
    for number, start, end in sorted(cuts, reverse=True):
        lines[number] = lines[number][:start] + lines[number][end:]
    return [re.sub("  # (?:type:|noqa|novm).*", "", line) for line in lines]


def _is_for_types(node: ast.If | ast.Assign) -> bool:
    name = node.test if isinstance(node, ast.If) else node.targets[0]
    return isinstance(name, ast.Name) and name.id == "TYPE_CHECKING"
