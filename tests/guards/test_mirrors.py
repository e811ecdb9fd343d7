"""The test of a module is found by its name: of agentless/ROOM/MODULE.py it is tests/ROOM/test_MODULE.py.

Some modules are seen only through others; their tests stand here, with the reason.
"""

from __future__ import annotations

from tests.hosts.client import ROOT

SEEN_THROUGH = {
    # What is kept is shown and closed where something is kept.
    "cli/connections": "tests/end_to_end/test_kept.py",
    # What they show is seen where it is asked for: on a command's screen, and on that of `top`.
    "cli/progress_bar": "tests/cli/test_progress.py",
    "cli/top_screens": "tests/cli/test_top_app.py",
    # A kept connection is right where commands ride it.
    "transport/ssh/kept": "tests/transport/keeper/test_conversation.py",
}

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


def test_a_module_has_a_test_of_its_name_or_says_through_which_it_is_seen() -> None:
    for module in sorted(MODULES):
        if not of_its_name(module):
            wanted = f"tests/{module.replace('/', '/test_', 1)}.py"
            assert module in SEEN_THROUGH, f"write {wanted}, or name what tests {module}"
            assert (ROOT / SEEN_THROUGH[module]).exists(), f"{SEEN_THROUGH[module]} is not there"


def test_no_module_that_is_gone_stands_on_the_list() -> None:
    assert not SEEN_THROUGH.keys() - MODULES
