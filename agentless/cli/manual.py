"""Manual pages, one a verb, made from the commands themselves: man(7) source.

`setup.py` puts them into the package, and `agentless help --man` prints one.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from agentless.cli.commands import option_records
from agentless.regex import regex

__all__ = ["manual", "manuals"]

_AS_TYPED = {
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    "^": "\\(ha",
    "~": "\\(ti",
    "\b": "\\&",
    "\n": " ",
}
_CODE = regex(r"`([^`]+)`")


def manuals(root: click.Command, version: str, name: str = "agentless") -> dict[str, str]:
    """All pages of a program, by file name: `agentless.1`, `agentless-run.1`, `agentless-jobs-list.1`, …

    Args:
        root: the program's command; groups are walked.
        version: stands in the footer of each page.
    """
    pages: dict[str, str] = {}

    def walk(ctx: click.Context) -> None:
        pages[f"{_page(ctx)}.1"] = manual(ctx, version)
        for child in _children(ctx):
            walk(child)

    walk(click.Context(root, info_name=name, **root.context_settings))
    return pages


def manual(ctx: click.Context, version: str) -> str:
    """The page of one command, in man(7).

    Args:
        ctx: of the command, below the contexts of its groups.
        version: as for `manuals`.
    """
    return "\n".join(_lines(ctx, version)) + "\n"


def _page(ctx: click.Context) -> str:
    return ctx.command_path.replace(" ", "-")


def _children(ctx: click.Context) -> Iterator[click.Context]:
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None
            yield click.Context(command, info_name=name, parent=ctx)


def _lines(ctx: click.Context, version: str) -> Iterator[str]:
    command = ctx.command
    yield f'.TH "{_page(ctx).upper()}" 1 "" "agentless {version}" "agentless"'
    yield ".SH NAME"
    yield f"{_text(_page(ctx))} \\- {_text(command.get_short_help_str(200).rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield f"\\fB{_text(ctx.command_path)}\\fR {_text(' '.join(command.collect_usage_pieces(ctx)))}"
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate(inspect.cleandoc(command.help or "").split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith("\b\n"):
            yield from (".nf", *map(_line, paragraph.splitlines()[1:]), ".fi")
        else:
            yield _line(" ".join(paragraph.split()))
    examples = getattr(command, "examples", ())
    if examples:
        yield ".SH EXAMPLES"
        for line, purpose in examples:
            yield from (".TP", f"\\fB{_text(line)}\\fR", *([_line(purpose)] if purpose else []))
    children = list(_children(ctx))
    if children:
        yield ".SH COMMANDS"
        for child in children:
            short = child.command.get_short_help_str(200)
            yield from (".TP", f"\\fB{_text(child.info_name or '')}\\fR", _line(short))
    for shared in (False, True):
        options = option_records(command, ctx, shared=shared)
        if shared and ctx.parent is not None:
            if options:
                yield from (".SH COMMON OPTIONS", "Those for inventory, connection and output: \\fBagentless\\fR(1).")
            continue
        for title, records in options.items():
            yield f'.SH "{_text(title.upper())}"'
            for names, meaning in records:
                yield from (".TP", f"\\fB{_text(names)}\\fR", _line(meaning))
    yield ".SH SEE ALSO"
    related = [ctx.parent] if ctx.parent is not None else []
    yield ", ".join(f"\\fB{_text(_page(other))}\\fR(1)" for other in [*related, *children]) or "ssh(1)"


def _line(text: str) -> str:
    """A line of text, which man(7) does not take for a request; what stands between backticks is bold."""
    escaped = _CODE.sub(lambda found: f"\\fB{found[1]}\\fR", _text(text))
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def _text(text: str) -> str:
    """Text whose hyphens, quotes and tildes are those that a person types, also where they are copied from the page."""
    return "".join(_AS_TYPED.get(each) or (each if each.isascii() else f"\\[u{ord(each):04X}]") for each in text)
