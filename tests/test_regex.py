"""Regular expressions are those of `re`, and are compiled no sooner than somebody uses them."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from typing import Any

import pytest

from agentless.regex import deferred, regex
from tests.hosts import patience


def test_an_expression_does_what_that_of_the_library_does() -> None:
    ours, theirs = regex(r"(a)(b+)", re.IGNORECASE), re.compile(r"(a)(b+)", re.IGNORECASE)
    text = "xABBx ab"
    for name in ("match", "fullmatch", "search"):
        mine, other = getattr(ours, name)(text), getattr(theirs, name)(text)
        assert (mine and mine.groups()) == (other and other.groups())
    assert ours.sub("-", text) == theirs.sub("-", text)
    assert ours.split(text) == theirs.split(text)
    assert ours.findall(text) == theirs.findall(text)
    assert (ours.pattern, ours.groups, ours.flags) == (theirs.pattern, theirs.groups, theirs.flags)


def test_nothing_is_compiled_before_it_is_used() -> None:
    broken = regex("(")
    assert broken.pattern == "("
    with pytest.raises(re.error):
        broken.match("")


def test_what_another_package_compiles_is_deferred_in_this_thread_only() -> None:
    others: list[object] = []
    with deferred():
        mine: Any = re.compile("a(b)")
        thread = threading.Thread(target=lambda: others.append(re.compile("a(b)")))
        thread.start()
        thread.join(patience(10))
    assert not isinstance(mine, re.Pattern)
    assert mine.findall("ab") == ["b"]
    assert isinstance(others[0], re.Pattern)
    assert isinstance(re.compile("a(b)"), re.Pattern)


def test_what_a_command_loads_of_ours_and_of_yaml_has_compiled_none() -> None:
    code = "import re, sys\n"
    code += "import agentless.cli.app, agentless.cli.run, agentless.fleet, agentless.runner.run, agentless.inventory\n"
    code += "import agentless.transport.host_connector, agentless.yamlfile\n"
    code += "loaded = {n: vars(m) for n, m in sys.modules.items() if n.startswith(('agentless', 'yaml'))}\n"
    code += "print([n for n, names in loaded.items() if any(isinstance(one, re.Pattern) for one in names.values())])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
