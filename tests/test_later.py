"""A module that another imports at its head is loaded when it is used, and is the real one for everybody else."""

from __future__ import annotations

import subprocess
import sys

import pytest


def told(*lines: str) -> str:
    """What a Python of its own prints that runs these lines."""
    code = "\n".join(["import sys", "from agentless.later import later", *lines])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_it_is_loaded_for_the_first_that_is_used_of_it() -> None:
    lines = ["with later('colorsys'):", "    import colorsys as mine", "print('colorsys' in sys.modules)"]
    lines += ["print(mine.rgb_to_hsv(0, 0, 0), 'colorsys' in sys.modules)"]
    assert told(*lines).split("\n") == ["False", "(0.0, 0.0, 0) True"]


def test_modules_of_ours_are_loaded_one_by_one_as_they_are_used() -> None:
    lines = ["from agentless.later import lazy", "one, other = lazy('agentless.runner', 'frames', 'cores')"]
    loaded = "[name for name in sys.modules if name.startswith('agentless.runner.')]"
    lines += [f"print({loaded})", f"print(one.NOISE_KEPT, {loaded})", "import agentless.runner.frames as real"]
    lines += ["print(one.Decoder is real.Decoder, 'agentless.runner.cores' in sys.modules)"]
    assert told(*lines).split("\n") == ["[]", "4096 ['agentless.runner.frames']", "True False"]


def test_who_imports_it_afterwards_gets_the_real_one() -> None:
    lines = ["with later('colorsys'):", "    import colorsys as mine", "import colorsys"]
    assert told(*lines, "print(colorsys.__spec__.name, mine.rgb_to_hsv is colorsys.rgb_to_hsv)") == "colorsys True"


def test_what_is_taken_out_of_it_at_once_is_the_real_thing() -> None:
    lines = ["with later('colorsys'):", "    from colorsys import rgb_to_hsv"]
    assert told(*lines, "import colorsys; print(rgb_to_hsv is colorsys.rgb_to_hsv)") == "True"


def test_one_that_is_loaded_stays() -> None:
    lines = ["import colorsys as real", "with later('colorsys'):", "    import colorsys as mine"]
    assert told(*lines, "print(mine is real, sys.modules['colorsys'] is real)") == "True True"


@pytest.mark.parametrize("words", [["--version"], ["jobs", "list"], ["run", "web1", "--check", "--", "true"]])
def test_a_quick_command_loads_none_of_what_click_seldom_needs(words: list[str], tmp_path: object) -> None:
    code = "import sys; from agentless.__main__ import main; main();"
    code += "sys.exit(str(sorted({'inspect', 'ast', 'click.shell_completion'} & set(sys.modules))))"
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "AGENTLESS_INVENTORY": "web1,"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environ,
        cwd=str(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "[]", done.stderr
