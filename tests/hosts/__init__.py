"""Real hosts for tests: `Sshd` without privileges, `Nodes` in namespaces as root, and a `Proxy` to put between."""

from __future__ import annotations

from tests.hosts.client import Client
from tests.hosts.needs import need
from tests.hosts.nodes import Node, Nodes, User
from tests.hosts.proxy import Proxy
from tests.hosts.sshd import Sshd
from tests.hosts.waiting import patience, until

__all__ = ["Client", "Node", "Nodes", "Proxy", "Sshd", "User", "need", "patience", "until"]
