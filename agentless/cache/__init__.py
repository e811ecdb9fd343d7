"""The controller's job cache: every job sent from here, and what its hosts gave back."""

from agentless.cache.job_filter import JobFilter
from agentless.cache.pruning import Pruned
from agentless.cache.store import JobCache

__all__ = ["JobCache", "JobFilter", "Pruned"]
