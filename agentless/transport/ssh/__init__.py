"""Connections over SSH: fabric holds what ~/.ssh/config says, paramiko's transport and channels are beneath.

The only room that knows either. One deadline holds for all phases of a connection, and every key that a host shows is
judged before anything is sent to it.
"""

from __future__ import annotations

from agentless.transport.ssh.connector import Connector

__all__ = ["Connector"]
