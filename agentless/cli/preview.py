"""What `run --check` shows: the command, where it would go, and what each host would get of a template."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from agentless.cli.invocation import Invocation
from agentless.cli.rows import Sheet, tell_no_way
from agentless.errors import InventoryError
from agentless.hostlist import fold
from agentless.inventory.secrets import MASK, is_secret
from agentless.model.endpoint import Endpoint
from agentless.report import tables
from agentless.report.printable import one_line, plain
from agentless.runner.dispatcher import PreparedJob
from agentless.values import dataclass

__all__ = ["preview", "preview_json"]

_NOT_SHOWN = "(cannot be shown without the secrets in it)"


@dataclass(frozen=True, slots=True)
class _HostJob:
    """What a host would get of a template, with no secret in it.

    Args:
        command: None where there is no way to the host.
        script: None where none is sent.
        env: what the job's environment gets.
    """

    command: str | None
    script: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def shell_words(self) -> str:
        """Environment and command as a shell would be given both."""
        pairs = [f"{name}={shlex.quote(value)}" for name, value in self.env.items()]
        return " ".join([*pairs, self.command or ""])

    def fields(self) -> dict[str, object]:
        given = {"script": self.script, "env": dict(self.env) or None}
        return {"command": self.command, **{key: value for key, value in given.items() if value is not None}}


def preview(invocation: Invocation, prepared: PreparedJob, command: str, batch: str | None) -> int:
    """Show what would be run, and contact nobody.

    Args:
        command: as a shell would be given it.
        batch: as `--batch` was given.

    Returns:
        The exit code: 3 where there is no way to a host.
    """
    sheet = Sheet(invocation)
    endpoints = prepared.endpoints
    rendered = {name: _rendered(prepared, name) for name in endpoints} if prepared.rollout.spec.template else {}
    hosts = {
        name: {**_host_json(endpoint), **(rendered[name].fields() if rendered else {})}
        for name, endpoint in endpoints.items()
    }
    problems = {name: endpoint.problem for name, endpoint in endpoints.items() if endpoint.problem is not None}
    count = len(hosts) - len(problems)
    if sheet.rows:
        batches = f", {batch} at a time" if batch else ""
        invocation.screen.say(f"would run on {count} {'host' if count == 1 else 'hosts'}{batches}: {one_line(command)}")
    shown = tables.endpoints(endpoints)
    if rendered:
        rows = ((*row, rendered[row[0]].shell_words) for row in shown.rows)
        shown = tables.Table((*shown.headers, "COMMAND"), rows)
    sheet.show(preview_json(command, batch, hosts), shown, entries=hosts)
    if sheet.rows:
        _show_scripts(invocation, rendered)
    tell_no_way(invocation, problems)
    return 3 if problems else 0


def preview_json(command: str, batch: str | None, hosts: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """What would be run, and where; nobody was contacted.

    Keys:
        command (string): what the hosts' shell would get.
        batch (string or null): as `--batch` was given.
        hosts (object): by inventory name: `address` (string, null where there is no way to it), `port` (integer or
            null), `user` (string or null), `become` (string or null); with `--template` also what it would get:
            `command`, `script` and `env` where they are given.
    """
    return {"command": command, "batch": batch, "hosts": hosts}


def _host_json(endpoint: Endpoint) -> dict[str, object]:
    return {
        "address": None if endpoint.problem else endpoint.address,
        "port": endpoint.port,
        "user": endpoint.user,
        "become": tables.as_user(endpoint.become) or None,
    }


def _rendered(prepared: PreparedJob, host: str) -> _HostJob:
    try:
        spec = prepared.shown(host)
    except InventoryError:
        return _HostJob(None if prepared.endpoints[host].problem else _NOT_SHOWN)
    env = {key: MASK if is_secret(key) else value for key, value in spec.env.items()}
    if spec.script is None:
        return _HostJob(spec.command, env=env)
    return _HostJob(shlex.join(spec.arguments), spec.script.data.decode("utf-8", "backslashreplace"), env)


def _show_scripts(invocation: Invocation, rendered: Mapping[str, _HostJob]) -> None:
    """What each script came to, once for hosts that get the same."""
    alike: dict[str, list[str]] = {}
    for name, one in rendered.items():
        if text := plain(one.script or ""):
            alike.setdefault(text, []).append(name)
    for text, names in alike.items():
        invocation.screen.result(f"\n{one_line(fold(names))} |\n{text}" + ("" if text.endswith("\n") else "\n"))
