"""Salt's job management over SSH, without agents.

    from agentless import Fleet

    with Fleet("inventory.yaml") as fleet:
        report = fleet.run("web*", "uptime")
        print(report.exit_code, report.results["web1"].ret.stdout)
"""

from __future__ import annotations

from agentless.errors import AgentlessError
from agentless.fleet import Fleet
from agentless.job import HostResult, Job, Problem, Report, Return, State
from agentless.runner.run import Changed, Output, Run

__all__ = [
    "AgentlessError",
    "Changed",
    "Fleet",
    "HostResult",
    "Job",
    "Output",
    "Problem",
    "Report",
    "Return",
    "Run",
    "State",
]

__version__ = "0.1.0"
