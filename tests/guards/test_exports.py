"""The public surface: what `agentless` exports, and that every `__all__` says the truth."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

import agentless
from tests.hosts.client import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it there

EXPORTS = {
    "Active",
    "ActiveJob",
    "AgentlessError",
    "AnotherJob",
    "Answered",
    "Become",
    "CacheError",
    "CarrierLost",
    "Change",
    "Changed",
    "CommandReturner",
    "Config",
    "ConfigError",
    "Connections",
    "Copied",
    "Copies",
    "Delivery",
    "Dispatched",
    "Editor",
    "Endpoint",
    "Entry",
    "Event",
    "ExitSuccess",
    "FabricConnection",
    "FileError",
    "FileFailure",
    "Fire",
    "Fleet",
    "Forecast",
    "Found",
    "HandedOver",
    "Helper",
    "HostError",
    "HostResult",
    "HostSchedule",
    "Hosts",
    "Inventory",
    "InventoryError",
    "InventoryHost",
    "JID",
    "Job",
    "JobCache",
    "JobError",
    "JobExists",
    "JobRow",
    "JobSpec",
    "KeptConnection",
    "Listed",
    "NoSession",
    "OnHost",
    "OnHosts",
    "Origin",
    "Output",
    "Overview",
    "Past",
    "Placed",
    "Pong",
    "PreparedJob",
    "Problem",
    "Process",
    "Pruned",
    "Pushed",
    "Refused",
    "Remains",
    "Report",
    "Retry",
    "Return",
    "Run",
    "Running",
    "Schedule",
    "ScheduleError",
    "ScheduleEvent",
    "Scheduler",
    "Schedules",
    "Script",
    "Secret",
    "SecretSource",
    "Seen",
    "Signal",
    "Signalled",
    "SqlReturner",
    "Standing",
    "State",
    "StreamOutput",
    "Survivor",
    "TargetError",
    "UnknownJob",
    "Unreachable",
    "Upcoming",
    "UsageError",
    "Watch",
    "WebhookReturner",
}


# These need the extra `sql`.
WITH_SQL = {f"agentless.returners.{name}" for name in ("register", "sql", "tables")}


def names() -> list[str]:
    return [
        info.name
        for info in pkgutil.walk_packages(agentless.__path__, "agentless.")
        # The helper runs on hosts, under its own name; a `__main__` runs when it is imported.
        if not info.name.startswith("agentless.remote") and not info.name.endswith("__main__")
    ]


def test_agentless_exports_exactly_this() -> None:
    """Whoever changes this list changes what other people's programs stand on: CHANGELOG, docs."""
    assert set(agentless.__all__) == EXPORTS


def test_nothing_else_looks_public() -> None:
    public = {
        name
        for name, value in vars(agentless).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("agentless")
    }
    assert public <= EXPORTS


def test_every_exported_name_exists() -> None:
    for name in names():
        if name in WITH_SQL and find_spec("sqlalchemy") is None:
            continue
        module = importlib.import_module(name)
        assert module.__doc__, name
        exported = getattr(module, "__all__", [])
        assert len(set(exported)) == len(exported), name
        for each in exported:
            assert hasattr(module, each), f"{name} exports {each} and has none"


def test_whatever_is_public_has_a_docstring() -> None:
    for name in sorted(EXPORTS):
        value = getattr(agentless, name)
        if not inspect.isclass(value):
            # An alias of types.
            continue
        assert value.__doc__, name
        for method, function in vars(value).items():
            if not method.startswith("_") and inspect.isfunction(function) and method != "to_json":
                assert function.__doc__, f"{name}.{method}"


def test_the_version_is_that_of_the_distribution() -> None:
    if "agentless_jobs" not in {name.replace("-", "_") for name in metadata.packages_distributions()["agentless"]}:
        pytest.skip("the tree is not installed under its name here: sh .ci/venv test")
    assert metadata.version("agentless-jobs") == agentless.__version__


def test_commands_that_need_no_ssh_load_no_ssh(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from agentless.cli import main
        main(['jobs', 'list'])
        print(sorted(sys.modules), file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    for heavy in ("paramiko", "fabric", "cryptography", "yaml", "rich", "textual", "jinja2", "asyncio", "sqlalchemy"):
        assert f"'{heavy}'" not in done.stderr


def test_lower_bounds_only() -> None:
    """A newer release of a library is taken; nothing is pinned. Of paramiko, private names are used."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    for wanted in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        assert "==" not in wanted
        assert "<" not in wanted or wanted == "paramiko>=5,<6"


def tops(distribution: str) -> set[str]:
    """The modules and packages that an installed distribution brings."""
    return {file.parts[0].removesuffix(".py") for file in metadata.distribution(distribution).files or ()}


def test_what_is_imported_is_declared() -> None:
    """Every library that the controller imports is in pyproject's dependencies or extras, and none is for nothing."""
    from tests.guards.test_floors import MODULES, imported

    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = [line for name in ("dask", "sql", "top") for line in project["optional-dependencies"][name]]
    declared = [*project["dependencies"], *extras]
    wanted = {line.split(">")[0].split("[")[0].strip().lower() for line in declared}
    providers = {top: name for name in wanted for top in tops(name)}
    used = set()
    for module in MODULES:
        for name in imported(module):
            top = name.split(".")[0]
            # `_sha2` is the standard library's from Python 3.12 on.
            if top not in sys.stdlib_module_names and top not in ("agentless", "__future__", "_sha2"):
                used.add(providers.get(top, top))
    assert used == wanted
