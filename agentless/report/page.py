"""A page of HTML: templates, which escape what they are given, and the policy that names its style and script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from agentless.model.times import iso, local
from agentless.report.printable import one_line, plain
from agentless.report.spelling import as_typed

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["page"]


def page(template: str, now: float, **context: Any) -> Iterator[str]:
    """A page of this template, in pieces of any size.

    Args:
        template: a file of the folder `templates`, which extends `page.html.j2`.
        now: Unix seconds; it is written down when the page was made.
        context: what else the template names.
    """
    from agentless import __version__

    environment, style, script = _environment(), _file("page.css"), _file("filter.js")
    return environment.get_template(template).generate(
        now=now,
        version=__version__,
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        **context,
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        line=lambda value: one_line(str(value)),
        lines=lambda value: plain(str(value)),
        typed=as_typed,
        iso=iso,
        local=local,
    )
    return environment


def _file(name: str) -> str:
    return (resources.files("agentless.report") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
