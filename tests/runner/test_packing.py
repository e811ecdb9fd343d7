"""The helper is packed: what travels is the same program, without what only people and checkers read."""

from __future__ import annotations

import ast
import base64
import re
import zlib

from agentless.runner import packing


def packed() -> dict[str, bytes]:
    package, size, rooms, _, _ = packing.build()
    files: dict[str, bytes] = ast.literal_eval(zlib.decompress(package).decode())
    assert sum(map(len, files.values())) == size
    for room in rooms.values():
        files |= ast.literal_eval(zlib.decompress(base64.b64decode(room)).decode())
    return files


def test_every_file_of_the_helper_travels_once_with_the_call_or_with_those_that_need_it() -> None:
    assert set(packed()) == packing.sources().keys() - set(packing.TRAVELLING)


def test_what_travels_compiles_line_by_line_as_its_source() -> None:
    for name, text in packed().items():
        source = packing.sources()[name].decode()
        assert text.count(b"\n") == source.count("\n"), name
        lines = {node.name: node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
        of_source = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
        assert lines == {node.name: node.lineno for node in of_source}, name


def test_no_docstring_annotation_or_comment_travels() -> None:
    for name, text in packed().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                assert ast.get_docstring(node) is None, name
            assert not (isinstance(node, ast.arg) and node.annotation), name
        assert not re.search(rb"^\s*#", text, re.MULTILINE), name


def test_each_room_that_is_ordered_by_hand_is_there() -> None:
    names = {name.removesuffix(".py") for name in packing.sources()}
    assert set(packing.ORDER) <= names
    assert {name.removesuffix(".py") for names_of in packing.FURTHER.values() for name in names_of} <= names
