"""paramiko's private names: all that are used stand in one file and its list, and the installed paramiko has them."""

from __future__ import annotations

import ast
import inspect
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.auth_handler import AuthOnlyHandler
from paramiko.packet import Packetizer
from paramiko.transport import ServiceRequestingTransport

from agentless.transport.ssh import agent, fabric_connection, innards, link, packets, transport, userauth

ROOM = Path(innards.__file__).parent
MODULES = sorted(ROOM.glob("*.py"))


@pytest.fixture
def made() -> Iterator[dict[type, object]]:
    """paramiko's own objects, by class: some names are there only in one that was made."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        carrier = ServiceRequestingTransport(ours)
        yield {
            ServiceRequestingTransport: carrier,
            Packetizer: Packetizer(ours),
            AuthOnlyHandler: AuthOnlyHandler(carrier),
            paramiko.Channel: paramiko.Channel(0),
        }
        carrier.close()


def test_the_installed_paramiko_has_every_name(made: dict[type, object]) -> None:
    for class_, names in innards.PRIVATE.items():
        assert not {name for name in names if not hasattr(made[class_], name)}, class_


def test_what_is_overridden_takes_what_paramiko_gives_it() -> None:
    for ours in (innards.TransportInnards, innards.PacketInnards, innards.AuthInnards, packets.Packets, userauth.Login):
        for base in ours.__mro__[1:]:
            if not base.__module__.startswith("paramiko"):
                continue
            for name in vars(ours).keys() & vars(base).keys():
                mine, theirs = vars(ours)[name], vars(base)[name]
                if inspect.isfunction(mine) and inspect.isfunction(theirs) and name != "__init__":
                    count = [len(inspect.signature(one).parameters) for one in (mine, theirs)]
                    assert count[0] == count[1], f"{ours.__name__}.{name}"


def test_the_list_is_what_the_file_uses() -> None:
    """Every underscored name of the file is in the list, and the list has none that nothing uses."""
    listed = {name for names in innards.PRIVATE.values() for name in names if name.startswith("_")}
    names = set()
    for node in ast.walk(ast.parse((ROOM / "innards.py").read_text())):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    own = {"_opening", "_refused"}
    assert {name for name in names if name[0] == "_" and name[1] != "_"} - own == listed


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "innards.py"], ids=lambda path: path.stem)
def test_no_other_file_touches_a_private_name(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            assert isinstance(node.value, ast.Name), f"{path.name}:{node.lineno} {node.attr}"
            assert node.value.id in ("self", "cls"), f"{path.name}:{node.lineno} {node.attr}"


@pytest.mark.parametrize("module", [agent, fabric_connection, link, packets, transport, userauth])
def test_no_class_of_ours_overrides_a_private_name_by_accident(module: Any, made: dict[type, object]) -> None:
    for class_ in vars(module).values():
        if not inspect.isclass(class_) or class_.__module__ != module.__name__:
            continue
        bases = [base for base in class_.__mro__ if base.__module__.startswith("paramiko")]
        theirs = {name for base in bases for name in dir(made.get(base, base))}
        tree = ast.parse(inspect.getsource(class_))
        own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        private = {name for name in own & theirs if name[0] == "_" and not name.startswith("__")}
        assert not private, class_


def test_paramiko_comes_without_invoke_which_is_there_for_who_reads_an_ssh_config_with_it() -> None:
    code = """if True:
        import sys
        import agentless.transport.ssh.connector
        assert not {"invoke", "unittest"} & set(sys.modules), "they cost as much as paramiko itself"
        import paramiko
        config = paramiko.SSHConfig.from_text("Match exec true\\n  User bob\\n")
        assert config.lookup("web1")["user"] == "bob"
    """
    subprocess.run([sys.executable, "-c", code], check=True)
