"""Salt's job management over SSH, without agents.

from agentless import Fleet

with Fleet("inventory.yaml") as fleet:
    report = fleet.run("web*", "uptime")
    print(report.exit_code, report.results["web1"].ret.stdout)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentless.errors import AgentlessError
    from agentless.fleet import Fleet
    from agentless.model.answers import Output
    from agentless.model.job import Job, Report
    from agentless.model.problem import Problem
    from agentless.model.requests import Delivery, JobSpec, Script
    from agentless.model.returns import Return
    from agentless.model.states import HostResult, State
    from agentless.runner.run import Changed, Run

__all__ = [
    "AgentlessError",
    "Changed",
    "Delivery",
    "Fleet",
    "HostResult",
    "Job",
    "JobSpec",
    "Output",
    "Problem",
    "Report",
    "Return",
    "Run",
    "Script",
    "State",
]

try:
    from agentless._version import version as _built

    __version__: str = _built
except ImportError:  # a tree that was never built or installed
    __version__ = "0+unknown"

_HOMES = {
    "agentless.errors": ("AgentlessError",),
    "agentless.fleet": ("Fleet",),
    "agentless.model.answers": ("Output",),
    "agentless.model.job": ("Job", "Report"),
    "agentless.model.problem": ("Problem",),
    "agentless.model.requests": ("Delivery", "JobSpec", "Script"),
    "agentless.model.returns": ("Return",),
    "agentless.model.states": ("HostResult", "State"),
    "agentless.runner.run": ("Changed", "Run"),
}


def __getattr__(name: str) -> Any:
    # What a verb does not need is not loaded: `agentless jobs list` is not to wait for the runner.
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
