"""The schedule file: every key checked, and the whole refused where one is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from agentless.errors import ScheduleError
from agentless.files import read_file
from agentless.schedule import dates, timing, work
from agentless.suggest import one_of
from agentless.values import dataclass
from agentless.yamlfile import YamlItem, root

if TYPE_CHECKING:
    from agentless.remote.course import Timing

__all__ = ["ALIASES", "GLOBAL", "KEYS", "Entry", "Schedule", "load", "parse"]

ALIASES = {"func": "function", "fun": "function", "job_args": "args", "job_kwargs": "kwargs"}
KEYS = (
    *("function", "args", "kwargs", "target", "name", "metadata", "runs_on", "timeout", "jid_include", "return_job"),
    "returner",
    *timing.KEYS,
)
GLOBAL = ("enabled", "splay", "skip_during_range")
"""What stands beside the entries, and holds for all of them."""
_SALT_ONLY = {
    "return_config": "How a returner is reached stands in agentless's configuration.",
    "return_kwargs": "How a returner is reached stands in agentless's configuration.",
    "skip_function": "A skip is recorded with its reason: `agentless schedule status`.",
    "dry_run": "See `agentless schedule next`, and check a push before it is made.",
    "persist": "What is pushed stays on the host until it is purged.",
}
_NAME_MAX = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a schedule.

    Args:
        name: its name in `jobs list`; Salt's `name` where it is given, else the key.
        key: the key under `schedule:`.
        function: one of work.HOST_FUNCTIONS or work.CONTROLLER_FUNCTIONS.
        args: what it is called with; for `cmd.script` a path, relative to the schedule file, and its arguments.
        kwargs: of cmd.run and cmd.script `cwd`, `env`, `shell`, `stdin`.
        target: a pattern of hosts; None for functions of the controller.
        runs_on: `host` or `controller`: who fires it.
        timing: when, as remote/evaluator.py takes it: plain JSON.
        said: when, as the file writes it: text by key.
        metadata: what is searched by `jobs list --metadata`.
        timeout: seconds that a fire may run, or None.
        timezone: an IANA name, or None for the zone of the machine that fires.
        jid_include: Salt's; false leaves `maxrunning` uncounted.
        return_job: True, False (nothing comes home) or `nocache` (comes home, is not kept).
        returners: the names of those that get what its fires return, besides the job cache (`returner`).
        line, target_line, returner_line: where it, its target and its returners stand in the file.
        script: for `cmd.script`, the path of the script on the controller.
    """

    name: str
    key: str
    function: str
    args: tuple[str, ...]
    target: str | None
    runs_on: str
    timing: Timing
    kwargs: work.Kwargs = field(default_factory=work.Kwargs)
    metadata: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    timezone: str | None = None
    jid_include: bool = True
    return_job: bool | str = True
    line: int = field(default=0, compare=False)
    target_line: int = field(default=0, compare=False)
    returner_line: int = field(default=0, compare=False)
    returners: tuple[str, ...] = ()
    script: str | None = None
    said: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def enabled(self) -> bool:
        """Neither it nor the whole schedule is switched off."""
        return bool(self.timing.get("enabled", 1))

    @property
    def counted_on_hosts(self) -> bool:
        """An interval that each host counts from its own last fire: only the hosts know when it comes next."""
        return self.runs_on == "host" and "every" in self.timing


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule file that holds nothing wrong.

    Args:
        file: its path.
        entries: by name, in the file's order.
        zones: the tables of the zones that entries name, for `clock.Zone`.
        stated: the file has the key `schedule`, so that where no entry is, none is meant.
    """

    file: str
    entries: Mapping[str, Entry]
    zones: Mapping[str, list[list[int]]]
    stated: bool = True

    def entry(self, name: str) -> Entry:
        """An entry by its name.

        Raises:
            ScheduleError: there is none, with the near name.
        """
        if name not in self.entries:
            hint = one_of(name, self.entries)
            raise ScheduleError(f"there is no entry {name!r}", hint, file=self.file)
        return self.entries[name]


def load(path: str | os.PathLike[str], *, now: float) -> Schedule:
    """Read and check a schedule file.

    Args:
        now: Unix seconds; only its year counts, for the zones' tables.

    Raises:
        ScheduleError: it cannot be read or something in it is wrong, with file, line, key and reason.
    """
    file = os.fspath(path)
    try:
        data = read_file(file, 64)
    except OSError as error:
        hint = "Make one with `agentless schedule add`." if isinstance(error, FileNotFoundError) else ""
        raise ScheduleError(f"cannot be read: {error.strerror}", hint, file=file) from error
    return parse(data, file, now=now)


def parse(text: str | bytes, file: str, *, now: float) -> Schedule:
    """As `load`, from the text of a file; `file` is its name in errors, and scripts are beside it."""
    document = root(text, file, ScheduleError)
    top = document.fields() if document else {}
    for key, item in top.items():
        if key not in ("schedule", "whens"):
            raise item.error("unknown key", one_of(key, ("schedule", "whens")))
    whens = top["whens"].fields() if "whens" in top and not top["whens"].empty else {}
    for item in whens.values():
        try:
            dates.date(item.text)
        except ValueError as error:
            raise item.error(f"{item.text!r}: {error}") from error
    fields = top["schedule"].fields() if "schedule" in top and not top["schedule"].empty else {}
    enabled = fields["enabled"].flag() if "enabled" in fields else True
    if "splay" in fields:
        timing.read_splay(fields["splay"])
    if "skip_during_range" in fields:
        timing.read_span(fields["skip_during_range"])
    if "skip_function" in fields:
        raise fields["skip_function"].error("Salt's key is not known here", _SALT_ONLY["skip_function"])
    shared = {key: fields[key] for key in GLOBAL if key in fields}
    entries: dict[str, Entry] = {}
    for key, item in fields.items():
        if key in GLOBAL:
            continue
        entry = _entry(item, key, shared, enabled, os.path.abspath(file), whens)
        if entry.name in entries:
            raise item.error(f"there is another entry of the name {entry.name!r}")
        ids = {other.timing["id"]: other.name for other in entries.values()}
        if (same := ids.get(entry.timing["id"])) is not None:
            reason = f"its name gives its jobs the same six digits as {same!r}"
            raise item.error(reason, "Give one of them another name.")
        entries[entry.name] = entry
    named = sorted({entry.timezone for entry in entries.values() if entry.timezone})
    zones = {name: dates.zone(name, now) for name in named}
    return Schedule(file, entries, zones, stated="schedule" in top)


def _entry(
    item: YamlItem,
    key: str,
    shared: Mapping[str, YamlItem],
    enabled: bool,
    identity: str,
    whens: Mapping[str, YamlItem],
) -> Entry:
    fields = _known(item)
    name = _name(fields.get("name", item), fields["name"].text if "name" in fields else key)
    if "function" not in fields:
        raise item.error("it has no function", f"Known: {', '.join(work.KWARGS)}.")
    function = fields["function"].text
    if function not in work.KWARGS:
        raise fields["function"].error(f"{function!r} is no function of a schedule", one_of(function, work.KWARGS))
    on_hosts = function in work.HOST_FUNCTIONS
    runs_on = fields["runs_on"].text if "runs_on" in fields else "host" if on_hosts else "controller"
    if runs_on not in ("host", "controller"):
        raise fields["runs_on"].error("host or controller is needed", one_of(runs_on, ("host", "controller")))
    if runs_on == "host" and not on_hosts:
        raise fields["runs_on"].error(f"{function} is a function of the controller")
    if on_hosts and "target" not in fields:
        raise item.error(f"{function} needs a target")
    if "target" in fields and not on_hosts and function not in ("jobs.active", "jobs.collect"):
        raise fields["target"].error(f"{function} has no target")
    arguments = work.arguments(fields["args"]) if "args" in fields else ()
    if on_hosts and not arguments:
        raise item.error(f"{function} needs args", "args: ['uptime']" if function == "cmd.run" else "args: [backup.sh]")
    if on_hosts and not arguments[0].strip():
        raise fields["args"].error("there is no command to run")
    if arguments and not on_hosts:
        raise fields["args"].error(f"{function} has no args")
    kwargs = work.kwargs(fields["kwargs"], function) if "kwargs" in fields else work.Kwargs()
    inner = kwargs.pop("timeout", None)
    if inner is not None and "timeout" in fields:
        raise fields["timeout"].error("it stands in kwargs already")
    timeout = work.seconds(fields["timeout"]) if "timeout" in fields else inner
    if timeout is not None and not on_hosts:
        raise fields["timeout"].error(f"{function} has no timeout")

    returners = work.returners(fields["returner"]) if "returner" in fields else ()
    return_job = work.return_job(fields["return_job"], on_hosts and runs_on) if "return_job" in fields else True
    if returners and not on_hosts:
        raise fields["returner"].error(f"{function} returns nothing from hosts")
    if returners and return_job is not True:
        reason = f"with return_job: {fields['return_job'].text} there is nothing that it could get"
        raise fields["returner"].error(reason)

    timed = {**{name: shared[name] for name in ("splay", "skip_during_range") if name in shared}, **fields}
    if "splay" not in fields and "splay" in shared and not _fits(shared["splay"], fields):
        # A splay for all is not meant for what comes around before it.
        del timed["splay"]
    made = timing.timing(item, timed, name, identity, whens)
    if not enabled:
        made["enabled"] = 0
    made["v"] = timing.version(made)
    return Entry(
        name=name,
        key=key,
        function=function,
        args=arguments,
        target=fields["target"].text if "target" in fields else None,
        runs_on=runs_on,
        timing=made,
        kwargs=kwargs,
        metadata=work.metadata(fields["metadata"]) if "metadata" in fields else {},
        timeout=timeout,
        timezone=made.get("zone"),
        jid_include=fields["jid_include"].flag() if "jid_include" in fields else True,
        return_job=return_job,
        line=item.line,
        target_line=fields["target"].line if "target" in fields else item.line,
        returner_line=fields["returner"].line if "returner" in fields else item.line,
        returners=returners,
        said=timing.said(timed, whens),
        script=work.script(fields["args"], arguments[0]) if function == "cmd.script" else None,
    )


def _known(item: YamlItem) -> dict[str, YamlItem]:
    """The entry's fields by their first name; a value that is left empty is as if the key were not there."""
    fields: dict[str, YamlItem] = {}
    for key, value in item.fields().items():
        name = ALIASES.get(key, key)
        if name not in KEYS:
            if key in _SALT_ONLY:
                raise value.error("Salt's key is not known here", _SALT_ONLY[key])
            raise value.error("unknown key", one_of(key, KEYS))
        if name in fields:
            raise value.error(f"it is {name}, which stands here already")
        if not value.empty:
            fields[name] = value
    return fields


def _name(item: YamlItem, name: str) -> str:
    if len(name) > _NAME_MAX or not name.isprintable() or not name.strip():
        raise item.error(f"an entry's name is printable text of at most {_NAME_MAX} characters")
    return name


def _fits(splay: YamlItem, fields: Mapping[str, YamlItem]) -> bool:
    """Whether a splay ends before the entry comes around again; what has no interval comes at times of its own."""
    intervals = [fields[unit].whole(0) * size for unit, size in timing.UNITS.items() if unit in fields]
    drawn = timing.read_splay(splay)
    return not intervals or not drawn or drawn[0] < sum(intervals)
