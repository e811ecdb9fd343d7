"""The rooms of the tree: imports go down only, and what belongs to one room is in no other."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "agentless"

# From the top: a room imports from rooms below it, and from itself.
FLOORS: list[set[str]] = [
    {"cli", "__main__"},
    {"demo", "__init__"},
    {"fleet"},
    {"parameters"},
    {"report"},
    {"runner"},
    {"transport"},
    {"returners"},
    {"cache", "inventory"},
    {"openssh"},
    {"schedule"},
    {"config"},
    {"config_returners"},
    {"model"},
    {"background", "digests", "durations", "extras", "files", "hostlist", "last_words", "locks", "suggest", "yamlfile"},
    {"errors", "later", "regex", "values"},
]

# Libraries that one room has to itself: a room, a package in it, or a module.
KEPT_APART = {
    "paramiko": {"transport.ssh"},
    "fabric": {"transport.ssh"},
    "invoke": {"transport.ssh"},
    "click": {"cli"},
    "tabulate": {"report"},
    "sqlalchemy": {"returners"},
    "rich": {"report.cells", "report.drawing", "cli.progress_bar", "cli.top_app", "cli.top_screens"},
    "textual": {"cli.top_app", "cli.top_screens"},
    "tqdm": {"cli.progress"},
}

# What of the helper runs on both sides, and which room of ours has use for it.
BOTH_SIDES = {
    "runner": ("remote.wire", "remote.course", "remote.evaluator"),
    "schedule": ("remote.clock", "remote.course", "remote.evaluator"),
}

# cli.app is the process's own edge: it hands the environment on to what asks for NO_COLOR and TERM.
READS_ENVIRONMENT = {"config", "cli.app"}


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, for all guards of a worker."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


class Modules(Mapping[str, ast.Module]):
    """Syntax trees of the controller's modules, by the name below agentless; each is parsed when it is asked for."""

    def __init__(self) -> None:
        names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
        self._paths = {name: names[name] for name in sorted(names) if not name.startswith("remote.")}

    def __getitem__(self, name: str) -> ast.Module:
        return parsed(self._paths[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


MODULES = Modules()


def room(module: str) -> str:
    return module.split(".")[0]


@cache
def imported(module: str) -> tuple[str, ...]:
    """Full names of what a module imports, wherever in it, also inside functions and for types only."""
    package = ["agentless", *module.split(".")[:-1]]
    names = []
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(package[: len(package) - node.level + 1] + ([base] if base else []))
            names += [f"{base}.{alias.name}" for alias in node.names]
    return tuple(names)


def ours(module: str) -> Iterator[str]:
    """What of it is ours, by the name below agentless: `runner.frames.Decoder`."""
    for name in imported(module):
        if name == "agentless" or name.startswith("agentless."):
            yield name.removeprefix("agentless").lstrip(".")


def imports() -> Iterator[tuple[str, str]]:
    """Each module with each name of ours that it imports."""
    for module in MODULES:
        for name in ours(module):
            yield module, name


def level(of: str) -> int:
    for number, rooms in enumerate(FLOORS):
        if of in rooms:
            return number
    raise AssertionError(f"{of} has no floor: put it into FLOORS of {__file__}, and DESIGN's picture")


def test_imports_go_down_only() -> None:
    above = []
    for module, name in imports():
        own, other = room(module), room(name) if name else "__init__"
        if other in ("__version__", "_version", "remote"):
            continue
        if not (PACKAGE / other).is_dir() and not (PACKAGE / f"{other}.py").exists():
            other = "__init__"
        if other != own and level(own) > level(other):
            above.append(f"{module} imports {name}, which is above it")
    assert above == []


def test_of_the_helper_only_what_both_sides_need_is_known_here() -> None:
    # These read the helper's files, and run none of them.
    readers = {("runner.packing", "remote"), ("runner.payload", "remote")}
    used = [pair for pair in imports() if room(pair[1]) == "remote" and pair not in readers]
    assert used
    for module, name in used:
        shared = BOTH_SIDES.get(room(module), ())
        assert any(f"{name}.".startswith(f"{part}.") for part in shared), f"{module} imports {name}"


def test_no_module_imports_itself_through_others() -> None:
    graph = {
        module: {
            target
            for name in ours(module)
            for target in (name, name.rpartition(".")[0], f"{name}.__init__")
            if target in MODULES and target != module
        }
        for module in MODULES
    }
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        assert module not in path, f"a circle of imports: {' > '.join([*path[path.index(module) :], module])}"
        if module in done:
            return
        for target in sorted(graph[module]):
            visit(target, [*path, module])
        done.add(module)

    for module in graph:
        visit(module, [])


@pytest.mark.parametrize("library", KEPT_APART)
def test_a_library_stays_in_its_room(library: str) -> None:
    users = {module for module in MODULES if library in {name.split(".")[0] for name in imported(module)}}
    kept = KEPT_APART[library]
    assert not {module for module in users if not any(f"{module}.".startswith(f"{room}.") for room in kept)}


def test_the_helper_imports_the_standard_library_and_itself_only() -> None:
    for path in sorted((PACKAGE / "remote").glob("*.py")):
        for node in ast.walk(parsed(path)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in {*sys.stdlib_module_names, "remote"}, f"{path.name} imports {name}"


def nodes(allowed: Callable[[str], bool]) -> Iterator[tuple[str, ast.AST]]:
    """Each node of the modules that are not allowed to have what a test looks for, with its place."""
    for module, tree in MODULES.items():
        if not allowed(module):
            for node in ast.walk(tree):
                yield f"{module}:{getattr(node, 'lineno', 0)}", node


def test_the_environment_is_read_in_config_alone() -> None:
    for place, node in nodes(READS_ENVIRONMENT.__contains__):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr not in ("environ", "environb", "getenv", "getenvb"), place
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not {alias.name for alias in node.names} & {"environ", "environb", "getenv"}, place


def test_only_the_command_line_prints_and_asks_and_only_processes_of_our_own_exit() -> None:
    for place, node in nodes(lambda module: room(module) in ("cli", "__main__", "background")):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "input", "exit", "quit"), place
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            named = f"{node.value.id}.{node.attr}"
            assert named not in ("sys.exit", "os._exit", "sys.stdout", "sys.stderr", "sys.stdin"), place


def test_every_room_has_its_name() -> None:
    """No drawer for odds and ends."""
    names = {part for path in PACKAGE.rglob("*") for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base", "lib"}


def test_a_module_is_seldom_past_300_lines() -> None:
    """At most one in five, and none past 700: such a room holds more than one thing."""
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    long = sorted(((size, str(path)) for path, size in sizes.items() if size > 300), reverse=True)
    assert not [entry for entry in long if entry[0] > 700]
    assert len(long) * 5 <= len(sizes), long
