"""Real hosts for tests: `Sshd` unprivileged, `Nodes` in namespaces as root; a `Proxy` between, a `Master` of ssh."""

from __future__ import annotations

from tests.hosts.client import Client
from tests.hosts.killing import kill
from tests.hosts.links import Links, over_every_link
from tests.hosts.master import Master
from tests.hosts.needs import need
from tests.hosts.nodes import Node, Nodes, User
from tests.hosts.processes import Process, children, hardened
from tests.hosts.proxy import Proxy
from tests.hosts.servers import serving
from tests.hosts.sshd import Sshd
from tests.hosts.waiting import in_time, patience, soon, until

__all__ = [
    "Client",
    "Links",
    "Master",
    "Node",
    "Nodes",
    "Process",
    "Proxy",
    "Sshd",
    "User",
    "children",
    "hardened",
    "in_time",
    "kill",
    "need",
    "over_every_link",
    "patience",
    "serving",
    "soon",
    "until",
]
