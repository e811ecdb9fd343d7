"""What an entry does: its function's args and kwargs, and the keys beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypedDict, cast

from agentless import durations
from agentless.model.states import STATE_WORDS
from agentless.suggest import one_of
from agentless.yamlfile import YamlItem, yaml

__all__ = [
    "CONTROLLER_FUNCTIONS", "HOST_FUNCTIONS", "KWARGS", "Kwargs",
    "arguments", "kwargs", "metadata", "return_job", "returners", "script", "seconds",
]  # fmt: skip

HOST_FUNCTIONS = ("cmd.run", "cmd.script")
CONTROLLER_FUNCTIONS = ("jobs.active", "jobs.list_jobs", "jobs.prune", "jobs.collect")
KWARGS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(HOST_FUNCTIONS, ("cwd", "env", "shell", "stdin", "timeout")),
    "jobs.active": (),
    "jobs.list_jobs": ("function", "target", "by", "since", "until", "metadata", "state"),
    "jobs.prune": (),
    "jobs.collect": (),
}


class Kwargs(TypedDict, total=False):
    """What stands under `kwargs`: of cmd.run and cmd.script, then of jobs.list_jobs; those have no others."""

    cwd: str
    env: dict[str, str]
    shell: str
    stdin: str
    timeout: float
    function: str
    target: str
    by: str
    since: str
    until: str
    metadata: dict[str, str]
    state: str


def _text(item: YamlItem) -> str:
    if not isinstance(item.node, yaml.ScalarNode):
        raise item.error("text is needed")
    return str(item.node.value)


def arguments(item: YamlItem) -> tuple[str, ...]:
    return tuple(_word(each) for each in item.each())


def kwargs(item: YamlItem, function: str) -> Kwargs:
    values: dict[str, object] = {}
    for key, value in item.fields().items():
        if key in ("runas", "user", "group"):
            raise value.error("not known here", "Who a job runs as is the inventory's ansible_user and ansible_become.")
        if key not in KWARGS[function]:
            known = KWARGS[function]
            raise value.error(f"{function} has no such kwarg", one_of(key, known) if known else "It has none.")
        values[key] = _READERS.get(key, _word)(value)
        if key in ("cwd", "shell") and not str(values[key]).strip():
            raise value.error("it is empty", "Left out, it is the home." if key == "cwd" else "Left out: /bin/sh.")
    return cast("Kwargs", values)


def _word(item: YamlItem) -> str:
    """Text that a program can be started with."""
    text = _text(item)
    if "\0" in text:
        raise item.error("no program can be given a NUL byte", "What stdin brings may have any.")
    return text


def _environment(item: YamlItem) -> dict[str, str]:
    environment = {}
    for name, each in item.fields().items():
        if not name or "=" in name or "\0" in name:
            raise each.error(f"{name!r} is no name for an environment variable")
        environment[name] = _word(each)
    return environment


def _past(item: YamlItem) -> str:
    text = _text(item)
    try:
        durations.past(text, 0)
    except ValueError as error:
        raise item.error(str(error)) from error
    return text


def _state(item: YamlItem) -> str:
    """As `jobs list --state` has it."""
    text = _text(item)
    if text not in STATE_WORDS:
        raise item.error(f"{text!r} is no state of a job's host", one_of(text, STATE_WORDS))
    return text


def metadata(item: YamlItem) -> dict[str, str]:
    return {key: _text(value) for key, value in item.fields().items()}


def seconds(item: YamlItem) -> float:
    """A duration: seconds, or a number with s, m, h or d."""
    try:
        seconds = durations.parse(item.text)
    except ValueError as error:
        raise item.error(str(error)) from error
    if not seconds:
        raise item.error("more than 0 seconds are needed")
    return seconds


_READERS: Mapping[str, Callable[[YamlItem], object]] = {
    "env": _environment,
    "metadata": metadata,
    "timeout": seconds,
    "since": _past,
    "until": _past,
    "state": _state,
    "stdin": _text,
}


def return_job(item: YamlItem, runs_on: str | bool) -> bool | str:
    if item.value != "nocache" and not isinstance(item.value, bool):
        raise item.error(f"true, false or nocache is needed, not {item.value!r}")
    if item.value is not True and runs_on == "controller":
        raise item.error("what the controller fires is a job of its job cache, and so is what comes back")
    return "nocache" if item.value == "nocache" else bool(item.value)


def returners(item: YamlItem) -> tuple[str, ...]:
    """Names; whether the configuration has them is for who sends something to find out."""
    names = tuple(each.text for each in item.each())
    if len(set(names)) < len(names):
        raise item.error("a returner is named a second time")
    return names


def script(item: YamlItem, name: str) -> str:
    path = os.path.join(os.path.dirname(os.path.abspath(item.file)), name)
    if not os.path.isfile(path):
        raise item.error(f"there is no script {path}", "It is looked for beside the schedule file.")
    return os.path.normpath(path)
