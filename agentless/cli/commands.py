"""click's commands with our manners: options in sections, examples before them, verbs loaded when they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import click

from agentless.cli.invocation import Invocation
from agentless.suggest import nearest
from agentless.values import dataclass

__all__ = [
    "Command",
    "Example",
    "Left",
    "Option",
    "Verb",
    "VerbGroup",
    "meant",
    "option",
    "option_records",
    "show_help",
    "the_invocation",
]

Example = tuple[str, str]

_MORE = "The options for inventory, connection and output are accepted here too: `agentless --help` lists them."
_ALL = "There are more of these: `agentless --help` lists them. They are accepted before the verb, too."


class Left(Exception):
    """A verb was interrupted. No KeyboardInterrupt any more: click would write to stderr by itself, and forget why."""


def the_invocation(ctx: click.Context) -> Invocation:
    """That which is behind a context; there is one wherever a command runs."""
    invocation = ctx.find_object(Invocation)
    assert invocation is not None
    return invocation


def show_help(ctx: click.Context) -> int:
    """Write a command's help to stdout, where click's own way would make a full disk a defect."""
    the_invocation(ctx).screen.result(ctx.get_help() + "\n")
    return 0


def _help(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        ctx.exit(show_help(ctx))


class Option(click.Option):
    """An option that stands in a section of the help; `shared` ones are accepted by every verb."""

    def __init__(
        self, *args: Any, section: str = "Options", shared: bool = False, help: str | None = None, **attributes: Any
    ) -> None:
        super().__init__(*args, **attributes)
        # Ours has no indents, for whose sake click would load `inspect`.
        self.help = help
        self.section = section
        self.shared = shared


option = partial(click.option, cls=Option)


def option_records(command: click.Command, ctx: click.Context, *, shared: bool) -> dict[str, list[tuple[str, str]]]:
    """A command's own options, or those that all verbs share: by section, their names and their help."""
    by_section: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        # The text above describes the arguments.
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record is not None and getattr(param, "shared", False) is shared:
            by_section.setdefault(getattr(param, "section", "Options"), []).append(record)
    return by_section


def _records(command: click.Command, ctx: click.Context, names: Sequence[str]) -> list[tuple[str, str]]:
    """The help of these options, in this order; of a long one, the first sentence."""
    options = {name: param for param in command.get_params(ctx) for name in param.opts}
    records = (param.get_help_record(ctx) for name in names if isinstance(param := options[name], click.Option))
    return [(option, text.partition(". ")[0].rstrip(".") + ".") for option, text in filter(None, records)]


def _write(formatter: click.HelpFormatter, sections: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    for name, records in sections.items():
        with formatter.section(name):
            formatter.write_dl(records)


def _write_examples(formatter: click.HelpFormatter, examples: Sequence[Example]) -> None:
    if not examples:
        return
    with formatter.section("Examples"):
        for command, purpose in examples:
            formatter.write(f"{'':{formatter.current_indent}}{command}\n")
            formatter.write(f"{'':{formatter.current_indent + 4}}{purpose}\n")


class _Helped(click.Command):
    _own_help: Option | None = None

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        names = self.get_help_option_names(ctx)
        # One, for click finds options by their identity.
        if names and self._own_help is None:
            self._own_help = Option(
                [*names, "_help"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_help,
                help="Show this message and exit.",
            )
        return self._own_help if names else None


class Command(_Helped):
    """A verb. Its callback returns the exit code; `needed` names shared options that its help shows, too."""

    def __init__(
        self, *args: Any, examples: Sequence[Example] = (), needed: Sequence[str] = (), **attributes: Any
    ) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples
        self.needed = needed

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(formatter, self.examples)
        _write(formatter, option_records(self, ctx, shared=False))
        if option_records(self, ctx, shared=True):
            if self.needed:
                _write(formatter, {"Hosts, connection, output": _records(self, ctx, self.needed)})
            formatter.write_paragraph()
            formatter.write_text(_ALL if self.needed else _MORE)


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb is: `section` of the overview, the module that defines it, and the attribute there."""

    section: str
    module: str
    attribute: str


class VerbGroup(_Helped, click.Group):
    """Verbs that are imported when they are needed; a typo names the verb that was probably meant."""

    def __init__(
        self, *args: Any, verbs: Mapping[str, Verb], examples: Sequence[Example] = (), **attributes: Any
    ) -> None:
        super().__init__(*args, **attributes)
        self.verbs = verbs
        self.examples = examples

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:
            raise Left(str(interruption)) from interruption

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        verb = self.verbs.get(name)
        if verb is None:
            return None
        command = getattr(import_module(verb.module), verb.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.verbs and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"there is no verb {args[0]!r}{meant(args[0], self.verbs)}", ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        _write_examples(formatter, self.examples)
        _write(formatter, option_records(self, ctx, shared=False))
        if ctx.parent is None:
            _write(formatter, option_records(self, ctx, shared=True))
        else:
            formatter.write_paragraph()
            formatter.write_text(_MORE)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, verb in self.verbs.items():
            command = self.get_command(ctx, name)
            assert command is not None
            sections.setdefault(verb.section, []).append((name, command.get_short_help_str(100)))
        _write(formatter, sections)


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'jobs'?`, or nothing."""
    near = nearest(word, known)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
