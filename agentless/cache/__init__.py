"""The controller's job cache: every job sent from here, and what its hosts gave back."""

from agentless.cache.record import JobRow
from agentless.cache.store import JobCache, Pruned

__all__ = ["JobCache", "JobRow", "Pruned"]
