"""No two classes of the package have the same name: an error, a search and a reader mean one of them."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.guards.test_floors import PACKAGE, parsed


def test_every_class_has_a_name_of_its_own() -> None:
    modules = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                modules[node.name].add(str(path.relative_to(PACKAGE)))
    twins = {name: sorted(where) for name, where in modules.items() if len(where) > 1}
    assert twins == {}
