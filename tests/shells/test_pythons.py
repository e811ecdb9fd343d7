"""Which Python runs the helper where a host has few, odd or unfit ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from agentless.model.states import Dispatched
from tests.hosts.fleet import out, problem
from tests.shells.conftest import Host
from tests.shells.view import programs

PYTHONS = ["python*", "pypy*"]
REAL = '#!/bin/sh\nexec /run/real/python3 "$@"\n'
OLD = """#!/bin/sh
echo "Unknown option: -I" >&2
echo "usage: python3 [option] ... [-c cmd | -m mod | file | -] [arg] ..." >&2
exit 2
"""
TOO_OLD = """#!/bin/sh
echo "python3: this Python is 3.4 and cannot do that" >&2
exit 1
"""


def executable(host: Host, **variables: Any) -> str:
    with host.fleet(**variables) as fleet:
        pong = fleet.ping()
    assert not pong.problems, pong.problems
    assert out(host.run(**variables)) == "bash\n"
    return pong.hosts["web1"].helper.executable


# root's home on the node is another one; this brings the machine's pyenv to where everybody may enter.
BRING_PYENV = """
mkdir -p /run/save /run/pyenv
mount --bind /root /run/save
umount -l /root
mount --bind /root/.pyenv/versions /run/pyenv || true
mount --bind /run/save /root
"""


def pythons(host: Host, version: str) -> str:
    """A script for the node's users: a Python of this version, or the system's where this machine has no such."""
    if os.path.isdir("/root/.pyenv/versions") and not host.node.path("/run/pyenv").exists():
        host.node.run(BRING_PYENV)
    found = sorted(Path("/root/.pyenv/versions").glob(f"{version}.*/bin/python{version}"))
    if not found:
        return '#!/bin/sh\nexec /run/real/python3 "$@"\n'
    home = f"/run/pyenv/{found[0].parts[-3]}"
    return f'#!/bin/sh\nexport LD_LIBRARY_PATH={home}/lib\nexec {home}/bin/{found[0].name} "$@"\n'


@pytest.mark.parametrize("name", ["python3.6", "python3.7", "python3.10", "python3.13"])
def test_a_python_under_a_versioned_name_alone_is_found(host: Host, name: str) -> None:
    with programs(host.node, without=PYTHONS, scripts={name: pythons(host, name[6:])}):
        assert executable(host)


def test_the_platforms_own_python_is_found(host: Host) -> None:
    with programs(host.node, without=PYTHONS):
        host.node.run("mount -t tmpfs -o mode=755 tmpfs /usr/libexec")
        try:
            host.node.write("/usr/libexec/platform-python", REAL, 0o755)
            assert executable(host)
        finally:
            host.node.run("umount -l /usr/libexec")


@pytest.mark.parametrize("unfit", [OLD, TOO_OLD, "#!/no/such/interpreter\n", "#!/bin/sh\nexit 127\n", "not a program"])
def test_an_unfit_python3_is_passed_over(host: Host, unfit: str) -> None:
    with programs(host.node, without=PYTHONS, scripts={"python3": unfit, "python3.9": REAL}):
        assert executable(host)


def test_a_python_2_7_is_passed_over(host: Host) -> None:
    two = pythons(host, "2.7")
    script = two if "/2.7" in two else OLD
    with programs(host.node, without=PYTHONS, scripts={"python3": script, "python": script, "python3.8": REAL}):
        assert executable(host)


def test_the_inventorys_python_comes_first_and_another_one_where_it_is_not_there(host: Host) -> None:
    with programs(host.node, without=PYTHONS, scripts={"mine": REAL + "# mine\n", "python3": REAL}):
        host.node.write("/usr/bin/mine", '#!/bin/sh\ntouch /tmp/mine\nexec /run/real/python3 "$@"\n', 0o755)
        assert executable(host, ansible_python_interpreter="/usr/bin/mine")
        assert host.node.path("/tmp/mine").exists()
        assert executable(host, ansible_python_interpreter="/no/such/python")


@pytest.mark.parametrize("become", [{}, {"ansible_become": True, "ansible_become_method": "doas"}])
def test_a_host_without_any_python_says_what_was_looked_for(host: Host, become: dict[str, Any]) -> None:
    host.node.write("/etc/doas.conf", "permit nopass bash\n", 0o600)
    with programs(host.node, without=PYTHONS):
        result = host.run(**become)
    message, hint = problem(result, "no-python")
    assert message.startswith("no Python 3.6 or newer was found; looked for: python3 ")
    assert "/usr/libexec/platform-python" in message
    assert "ansible_python_interpreter" in hint
    assert result.dispatched is Dispatched.NO
    assert result.settled


def test_the_words_of_an_unfit_python_are_told(host: Host) -> None:
    with programs(host.node, without=PYTHONS, scripts={"python3": TOO_OLD}):
        message, _ = problem(host.run(), "no-python")
    assert "this Python is 3.4" in message
