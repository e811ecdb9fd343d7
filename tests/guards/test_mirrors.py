"""The test of a module is found by its name: of agentless/ROOM/MODULE.py it is tests/ROOM/test_MODULE.py.

Scenarios may run through many modules; the edges of each are pinned by a test that its name leads to.
"""

from __future__ import annotations

from tests.hosts.client import ROOT

MODULES = {
    str(path.relative_to(ROOT / "agentless").with_suffix(""))
    for path in (ROOT / "agentless").rglob("*.py")
    if path.stem not in ("__init__", "__main__", "_version") and path.parent.name != "remote"
}


def of_its_name(module: str) -> bool:
    """Whether there is a test of this name; a package within a room (`transport/ssh`) may share the room's tests."""
    *rooms, name = module.split("/")
    folders = [ROOT / "tests" / "/".join(rooms), ROOT / "tests" / "/".join(rooms[:1])]
    return any((folder / f"test_{name}.py").exists() for folder in folders)


def test_a_module_has_a_test_of_its_name() -> None:
    missing = [f"tests/{module.replace('/', '/test_', 1)}.py" for module in sorted(MODULES) if not of_its_name(module)]
    assert missing == []
