"""Salt's job management over SSH, without agents.

from agentless import Fleet

with Fleet("inventory.yaml") as fleet:
    report = fleet.run("web*", "uptime").check()
    print(report.results["web1"].ret.text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentless import errors
from agentless.errors import AgentlessError as AgentlessError
from agentless.errors import AnotherJob as AnotherJob
from agentless.errors import CacheError as CacheError
from agentless.errors import CarrierLost as CarrierLost
from agentless.errors import ConfigError as ConfigError
from agentless.errors import FileError as FileError
from agentless.errors import HostError as HostError
from agentless.errors import InventoryError as InventoryError
from agentless.errors import JobExists as JobExists
from agentless.errors import NoSession as NoSession
from agentless.errors import Refused as Refused
from agentless.errors import ScheduleError as ScheduleError
from agentless.errors import TargetError as TargetError
from agentless.errors import UnknownJob as UnknownJob
from agentless.errors import Unreachable as Unreachable
from agentless.errors import UsageError as UsageError

# What type checkers and editors see: `X as X` is how PEP 484 writes that a name is exported.
if TYPE_CHECKING:
    from agentless.cache import JobCache as JobCache
    from agentless.cache import Pruned as Pruned
    from agentless.config import Config as Config
    from agentless.fleet import Fleet as Fleet
    from agentless.inventory import Inventory as Inventory
    from agentless.model.answers import Helper as Helper
    from agentless.model.answers import Output as Output
    from agentless.model.connections import Connections as Connections
    from agentless.model.connections import KeptConnection as KeptConnection
    from agentless.model.copies import Copied as Copied
    from agentless.model.copies import Copies as Copies
    from agentless.model.copies import FileFailure as FileFailure
    from agentless.model.endpoint import Become as Become
    from agentless.model.endpoint import Endpoint as Endpoint
    from agentless.model.jid import JID as JID
    from agentless.model.job import Job as Job
    from agentless.model.job import JobError as JobError
    from agentless.model.job import JobRow as JobRow
    from agentless.model.job import Origin as Origin
    from agentless.model.job import Report as Report
    from agentless.model.job_spec import Delivery as Delivery
    from agentless.model.job_spec import JobSpec as JobSpec
    from agentless.model.job_spec import Script as Script
    from agentless.model.output import StreamOutput as StreamOutput
    from agentless.model.problem import Problem as Problem
    from agentless.model.process import Process as Process
    from agentless.model.process import Signal as Signal
    from agentless.model.process import Survivor as Survivor
    from agentless.model.results import Active as Active
    from agentless.model.results import ActiveJob as ActiveJob
    from agentless.model.results import Answered as Answered
    from agentless.model.results import ExitSuccess as ExitSuccess
    from agentless.model.results import Found as Found
    from agentless.model.results import Hosts as Hosts
    from agentless.model.results import InventoryHost as InventoryHost
    from agentless.model.results import Listed as Listed
    from agentless.model.results import Pong as Pong
    from agentless.model.results import Running as Running
    from agentless.model.results import Signalled as Signalled
    from agentless.model.returner import CommandReturner as CommandReturner
    from agentless.model.returner import SecretSource as SecretSource
    from agentless.model.returner import SqlReturner as SqlReturner
    from agentless.model.returner import WebhookReturner as WebhookReturner
    from agentless.model.returns import Remains as Remains
    from agentless.model.returns import Return as Return
    from agentless.model.secret import Secret as Secret
    from agentless.model.states import Dispatched as Dispatched
    from agentless.model.states import HostResult as HostResult
    from agentless.model.states import State as State
    from agentless.runner.contact import Watch as Watch
    from agentless.runner.dispatcher import PreparedJob as PreparedJob
    from agentless.runner.events import Changed as Changed
    from agentless.runner.events import Event as Event
    from agentless.runner.events import Standing as Standing
    from agentless.runner.retry import Retry as Retry
    from agentless.runner.run import Run as Run
    from agentless.runner.scheduler import Scheduler as Scheduler
    from agentless.runner.schedules import Schedules as Schedules
    from agentless.runner.sender import HandedOver as HandedOver
    from agentless.schedule.coming import Fire as Fire
    from agentless.schedule.coming import Forecast as Forecast
    from agentless.schedule.coming import Upcoming as Upcoming
    from agentless.schedule.difference import Change as Change
    from agentless.schedule.editing import Editor as Editor
    from agentless.schedule.history import Past as Past
    from agentless.schedule.host_schedule import HostSchedule as HostSchedule
    from agentless.schedule.host_schedule import OnHost as OnHost
    from agentless.schedule.host_schedule import Placed as Placed
    from agentless.schedule.host_schedule import Pushed as Pushed
    from agentless.schedule.host_schedule import ScheduleEvent as ScheduleEvent
    from agentless.schedule.host_schedule import Seen as Seen
    from agentless.schedule.overview import Overview as Overview
    from agentless.schedule.pushes import OnHosts as OnHosts
    from agentless.schedule.schedule_file import Entry as Entry
    from agentless.schedule.schedule_file import Schedule as Schedule
    from agentless.transport.ssh.fabric_connection import FabricConnection as FabricConnection

try:
    from agentless._version import version as _built

    __version__: str = _built
except ImportError:  # a tree that was never built or installed
    __version__ = "0+unknown"

_HOMES = {
    "agentless.cache": ("JobCache", "Pruned"),
    "agentless.config": ("Config",),
    "agentless.fleet": ("Fleet",),
    "agentless.inventory": ("Inventory",),
    "agentless.model.answers": ("Helper", "Output"),
    "agentless.model.copies": ("Copied", "Copies", "FileFailure"),
    "agentless.model.connections": ("Connections", "KeptConnection"),
    "agentless.model.endpoint": ("Become", "Endpoint"),
    "agentless.model.jid": ("JID",),
    "agentless.model.job": ("Job", "JobError", "JobRow", "Origin", "Report"),
    "agentless.model.job_spec": ("Delivery", "JobSpec", "Script"),
    "agentless.model.output": ("StreamOutput",),
    "agentless.model.problem": ("Problem",),
    "agentless.model.process": ("Process", "Signal", "Survivor"),
    "agentless.model.results": (
        "Active",
        "ActiveJob",
        "Answered",
        "ExitSuccess",
        "Found",
        "Hosts",
        "InventoryHost",
        "Listed",
        "Pong",
        "Running",
        "Signalled",
    ),
    "agentless.model.returner": ("CommandReturner", "SecretSource", "SqlReturner", "WebhookReturner"),
    "agentless.model.returns": ("Remains", "Return"),
    "agentless.model.secret": ("Secret",),
    "agentless.model.states": ("Dispatched", "HostResult", "State"),
    "agentless.runner.contact": ("Watch",),
    "agentless.runner.dispatcher": ("PreparedJob",),
    "agentless.runner.events": ("Standing", "Changed", "Event"),
    "agentless.runner.retry": ("Retry",),
    "agentless.runner.run": ("Run",),
    "agentless.runner.scheduler": ("Scheduler",),
    "agentless.runner.schedules": ("Schedules",),
    "agentless.runner.sender": ("HandedOver",),
    "agentless.schedule.coming": ("Fire", "Forecast", "Upcoming"),
    "agentless.schedule.schedule_file": ("Entry", "Schedule"),
    "agentless.schedule.editing": ("Editor",),
    "agentless.schedule.history": ("Past",),
    "agentless.schedule.pushes": ("OnHosts",),
    "agentless.schedule.difference": ("Change",),
    "agentless.schedule.host_schedule": (
        "HostSchedule",
        "OnHost",
        "Placed",
        "Pushed",
        "ScheduleEvent",
        "Seen",
    ),
    "agentless.schedule.overview": ("Overview",),
    "agentless.transport.ssh.fabric_connection": ("FabricConnection",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME, *errors.__all__])


def __getattr__(name: str) -> Any:
    # What a verb does not need is not loaded: `agentless jobs list` is not to wait for the runner.
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
