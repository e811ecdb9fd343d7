"""The Python API keeps its promises: nothing is told twice that could differ, every type has a name to be imported by,
and errors speak of parameters."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import agentless
from agentless import Delivery, Fleet, JobSpec, Schedules
from agentless.report.spelling import OPTIONS
from tests.guards.test_exports import names
from tests.guards.test_floors import MODULES, room
from tests.hosts.client import ROOT

# --- run ---
# A fire of a schedule alone has an entry; of a script, `run` takes the file.
NOT_FOR_RUN = {"schedule"}
# What `run` takes besides what the field does: a sequence, a file's path, None for nothing.
WIDER = {
    "command": "str | Sequence[str]",
    "script": "str | Path | None",
    "stdin": "bytes | Path | None",
    "env": "Mapping[str, str] | None",
    "metadata": "Mapping[str, str] | None",
    "returners": "Sequence[str]",
}
EMPTY_DEFAULTS = {"command": (), "env": None, "metadata": None}


def test_run_takes_what_a_job_and_its_delivery_have_with_their_types_and_defaults() -> None:
    parameters = inspect.signature(Fleet.run).parameters
    fields = [*dataclasses.fields(JobSpec), *dataclasses.fields(Delivery)]
    wanted = {field.name: field for field in fields if field.name not in NOT_FOR_RUN}
    assert set(parameters) == {"self", "target", *wanted}
    for name, field in wanted.items():
        parameter = parameters[name]
        assert parameter.annotation == WIDER.get(name, field.type), name
        default = EMPTY_DEFAULTS.get(name, field.default)
        assert parameter.default == default, name
        assert parameter.kind is (parameter.POSITIONAL_OR_KEYWORD if name == "command" else parameter.KEYWORD_ONLY)


def test_each_parameter_and_field_is_documented() -> None:
    for of, text in (
        (Fleet.__init__, Fleet.__doc__),
        (Fleet.run, Fleet.run.__doc__),
        (JobSpec.__init__, JobSpec.__doc__),
        (Delivery.__init__, Delivery.__doc__),
    ):
        assert text is not None
        for name in set(inspect.signature(of).parameters) - {"self"}:
            assert re.search(rf"^\s+(\w+, )*{name}(, \w+)*: ", text, re.MULTILINE), f"{of.__qualname__}: {name}"


# --- types ---
# Machinery that the facade lends: its name is exported, what its methods take is not looked into.
LENT = {"FabricConnection", "Inventory", "JobCache", "PreparedJob"}
# Aliases that stand for what they name.
INNER = {"History", "Histories", "Kwargs", "Timing", "AnyReturner", "Sources", "Parts", "Option"}


def said_types(cls: type[Any]) -> Iterator[tuple[str, str]]:
    """What a class says of its public attributes and methods."""
    for base in cls.__mro__:
        if not base.__module__.startswith("agentless"):
            continue
        if dataclasses.is_dataclass(base):
            yield from ((field.name, str(field.type)) for field in dataclasses.fields(base))
        for name, value in vars(base).items():
            made = value.fget if isinstance(value, property) else getattr(value, "func", value)
            made = getattr(made, "__func__", made)
            public = not name.startswith("_") or name in ("__iter__", "__next__", "__enter__")
            if public and inspect.isfunction(made):
                yield from ((name, str(annotation)) for annotation in made.__annotations__.values())


def types_of_the_package() -> set[str]:
    found = set()
    for name in names():
        if name.startswith("agentless.returners"):
            continue
        module = importlib.import_module(name)
        found |= {
            key
            for key, value in vars(module).items()
            if inspect.isclass(value) and value.__module__.startswith("agentless")
        }
    return found


def test_every_type_that_a_method_takes_or_returns_is_exported() -> None:
    known = types_of_the_package()
    for name in agentless.__all__:
        value = getattr(agentless, name)
        if not inspect.isclass(value) or name in LENT:
            continue
        for where, annotation in said_types(value):
            used = set(re.findall(r"\b[A-Z]\w+", annotation)) & known
            assert used <= {*agentless.__all__, *INNER}, f"{name}.{where}: {annotation}"


def test_the_reference_has_every_name_that_is_exported() -> None:
    page = (ROOT / "docs/reference/api.md").read_text()
    assert set(re.findall(r"^::: agentless\.(\w+)", page, re.MULTILINE)) == set(agentless.__all__)


def test_dir_shows_what_is_loaded_only_when_it_is_used() -> None:
    assert set(agentless.__all__) <= set(dir(agentless))
    with pytest.raises(AttributeError, match="no attribute 'Flet'"):
        agentless.Flet  # noqa: B018


# --- errors ---
OURS = ("cli", "__main__", "report", "demo")


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The string constants of a module but its docstrings."""
    documentation: set[int] = set()
    # What a docstring belongs to comes before it.
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            if node.body and isinstance(node.body[0], ast.Expr):
                documentation.add(id(node.body[0].value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def command_line_options() -> dict[str, set[str]]:
    """By name, in a verb or in all, the spellings of each option of the command line."""
    import click

    from agentless.cli.app import cli

    found: dict[str, set[str]] = {}

    def walk(command: click.Command) -> None:
        for param in command.params:
            if isinstance(param, click.Option):
                found.setdefault(param.name or "", set()).update(param.opts)
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                inner = command.get_command(click.Context(command), name)
                if inner is not None:
                    walk(inner)

    walk(cli)
    return found


def test_errors_speak_of_parameters_and_never_of_options() -> None:
    """Where options are typed, `agentless/report/spelling.py` puts them in place of the parameters."""
    spellings = {option for options in command_line_options().values() for option in options}
    words = (option.removeprefix("--") for option in spellings if option.startswith("--"))
    long = "|".join(sorted(words, key=len, reverse=True))
    # A letter alone is an option of ssh, sudo or another program, too; these are ours in the sentences of hints.
    found = re.compile(rf"(?<![\w`])--(?:{long})(?![\w-])|(?:[Gg]ive|with|name it:|by) -[A-Za-z]\b")
    for module, tree in MODULES.items():
        if room(module) in OURS:
            continue
        for line, text in texts(tree):
            if "-" not in text or " " not in text.strip():
                # Another program's option stands alone.
                continue
            # A whole command in backquotes is for the shell that everybody has.
            match = found.search(re.sub("`[a-z-]+ [^`]*`", "", text))
            assert match is None, f"{module}:{line}: {match[0]} in {text!r}"


def test_each_parameter_that_is_spelled_as_an_option_is_one() -> None:
    spellings = {option for options in command_line_options().values() for option in options}
    parameters = {
        *inspect.signature(Fleet).parameters,
        *inspect.signature(Fleet.run).parameters,
        *inspect.signature(Fleet.list_jobs).parameters,
        *inspect.signature(Schedules.take).parameters,
    }
    for parameter, option in OPTIONS.items():
        assert option in spellings or option == "jobs list", option
        assert parameter in parameters or hasattr(Fleet, parameter), parameter
