"""The home directory and the servers of the transport's tests: what files say is tried on real connections."""

from tests.transport.conftest import agent, connector, home, start_sshd

__all__ = ["agent", "connector", "home", "start_sshd"]
