"""Ansible's inventories, read as Ansible reads them: hosts, groups, variables, and what connects to a host."""

from agentless.inventory.connection import Overrides
from agentless.inventory.inventory import Group, Host, Inventory, load

__all__ = ["Group", "Host", "Inventory", "Overrides", "load"]
