from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentless.cache.json_line import DamagedRecord
from agentless.cache.outputs import OutputFile, StoredOutput
from agentless.cache.record_lines import encode_output
from agentless.errors import CacheError
from agentless.model.output import PIECE, InMemory


def written(path: Path, *outputs: tuple[str, bytes, bytes]) -> list[tuple[int, int]]:
    """A file of these hosts' outputs, and where each lies."""
    places = []
    with path.open("ab") as file:
        for host, out, err in outputs:
            data = b"".join(encode_output(host, InMemory(out), InMemory(err)))
            places.append((file.tell(), len(data)))
            file.write(data)
    return places


def opened(path: Path) -> OutputFile:
    return OutputFile(str(path), os.open(path, os.O_RDONLY))


def test_each_host_has_its_own_streams(tmp_path: Path) -> None:
    path = tmp_path / "outputs"
    long = os.urandom(3 * PIECE)
    first, second = written(path, ("web1", long, b"e"), ("web2", b"o", "é".encode() * PIECE))
    file = opened(path)
    path.unlink()  # pruned meanwhile: it can be read on
    assert StoredOutput(file, first, "web1", 1).read() == long
    assert StoredOutput(file, first, "web1", 2).read() == b"e"
    assert StoredOutput(file, second, "web2", 1).read() == b"o"
    assert StoredOutput(file, second, "web2", 2).read() == "é".encode() * PIECE
    assert max(map(len, StoredOutput(file, first, "web1", 1).pieces())) <= PIECE


@pytest.mark.parametrize(("offset", "length"), [(1, 0), (0, 1), (0, -1), (10**9, 0), (0, 10**9)])
def test_another_place_is_damage_and_not_another_s_output(tmp_path: Path, offset: int, length: int) -> None:
    path = tmp_path / "outputs"
    [(at, size), _] = written(path, ("web1", b"o", b"e"), ("web2", b"o", b"e"))
    file, place = opened(path), (at + offset, size + length)
    with pytest.raises(DamagedRecord):
        file.check(place, "web1")
    with pytest.raises(CacheError, match=r"the output of web1 in .*outputs cannot be read: "):
        StoredOutput(file, place, "web1", 1).read()


def test_the_output_of_another_host_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "outputs"
    [place] = written(path, ("web1", b"o", b"e"))
    with pytest.raises(CacheError, match="it is that of another host"):
        StoredOutput(opened(path), place, "web2", 1).read()


def test_the_descriptor_is_closed_with_the_last_that_has_it(tmp_path: Path) -> None:
    path = tmp_path / "outputs"
    [place] = written(path, ("web1", b"o", b""))
    descriptor = os.open(path, os.O_RDONLY)
    output = StoredOutput(OutputFile(str(path), descriptor), place, "web1", 1)
    assert output.read() == b"o"
    os.fstat(descriptor)
    del output
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
