"""Jinja in variables, rendered as Ansible renders it, with native types; its filters are in filters.py.

The sandbox changes nothing and calls nothing outside of itself: no lookup runs a command.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from jinja2 import nativetypes, sandbox
from jinja2.utils import missing

from agentless.inventory.filters import FILTERS, TESTS, TemplateProblem
from agentless.inventory.quoting import Safe, TemplateValue
from agentless.inventory.secrets import MASK, is_secret

__all__ = ["Renderer", "TemplateProblem", "check_syntax"]

R = TypeVar("R")


class _Undefined(jinja2.ChainableUndefined, jinja2.StrictUndefined):
    """An error where it is used, and yet `a.b.c | default(…)` is asked for in one go."""

    # The chainable one would be an empty text there.
    __str__ = __html__ = jinja2.StrictUndefined.__str__  # type: ignore[assignment]


def _concat(values: Iterable[Any]) -> Any:
    """One expression keeps its type; several, or text around one, make a text."""
    parts = [part.text if isinstance(part, TemplateValue) else part for part in values]
    if len(parts) == 1:
        return parts[0]
    return "".join("" if part is None else str(part) for part in parts) if parts else ""


class _HostContext(jinja2.runtime.Context):
    """Variables are looked up when a template names them."""

    def resolve_or_missing(self, key: str) -> Any:
        value = super().resolve_or_missing(key)
        if value is missing:
            variables: Mapping[str, Any] = self.environment.variables  # type: ignore[attr-defined]
            try:
                return variables[key]
            except KeyError:
                return value
        return value


class _CodeGenerator(nativetypes.NativeCodeGenerator):
    """What is known when the template is compiled keeps its type, too."""

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        return repr(_concat(group))


class _Environment(sandbox.ImmutableSandboxedEnvironment):
    code_generator_class = _CodeGenerator
    concat = staticmethod(_concat)
    context_class = _HostContext
    variables: Mapping[str, Any]


@jinja2.pass_context
def _value(context: jinja2.runtime.Context, value: Any) -> TemplateValue:
    """What an expression came to, told apart from the text around it; since it takes the context, constants, too."""
    if isinstance(value, jinja2.Undefined):
        str(value)
    if isinstance(value, (Safe, TemplateValue)):
        return value if isinstance(value, TemplateValue) else TemplateValue(value)
    return TemplateValue("" if value is None else str(value))


class _Template(nativetypes.NativeTemplate):
    environment_class = _Environment  # type: ignore[assignment]


_Environment.template_class = _Template


def check_syntax(text: str) -> None:
    """Raise TemplateProblem where a text cannot be read as `Renderer.parts` reads templates."""
    renderer = Renderer({}, {}, "")
    renderer._safely(renderer._compiled, text)


class Renderer:
    """Renders templates of one host.

    Args:
        variables: what a template may name, each rendered when it is looked up; KeyError where it is not set.
        environ: for `lookup('env', …)`.
        directory: what `lookup('file', …)` takes relative paths from.
        hides: show `********` for what lookups bring that may be a secret; the variables do so themselves.
    """

    def __init__(
        self, variables: Mapping[str, Any], environ: Mapping[str, str], directory: str, *, hides: bool = False
    ) -> None:
        self._environ = environ
        self._directory = directory
        self._hides = hides
        environment = _Environment(undefined=_Undefined)
        environment.variables = variables
        environment.filters.update(FILTERS)
        environment.tests.update(TESTS)
        environment.globals.update(lookup=self._lookup, query=self._query, q=self._query)
        self._jinja = environment

    def render(self, text: str) -> Any:
        """The value of a template.

        Raises:
            TemplateProblem: it cannot be rendered.
        """
        return self._safely(self._render, text)

    def parts(self, text: str) -> list[str | TemplateValue]:
        """The literal text and the values that a template comes to, in order, for who quotes the values.

        Jinja's comments are text here: in a shell, `${#x}` would begin one.

        Raises:
            TemplateProblem: it cannot be rendered.
        """
        return self._safely(self._parts, text)

    def _render(self, text: str) -> Any:
        value: object = self._jinja.from_string(self._natural(text)).render()
        if isinstance(value, _Undefined):
            # To use it is what makes it say what is missing.
            value.__str__()
        return value

    def _compiled(self, text: str) -> jinja2.Template:
        jinja = self._jinja.overlay(
            finalize=_value,
            keep_trailing_newline=True,
            comment_start_string="\0{#",
            comment_end_string="#}\0",
        )
        return jinja.from_string(self._natural(text))

    def _parts(self, text: str) -> list[str | TemplateValue]:
        template = self._compiled(text)
        parts: Iterable[Any] = template.root_render_func(template.new_context())
        return [part if isinstance(part, TemplateValue) else str(part) for part in parts]

    def _safely(self, work: Callable[[str], R], text: str) -> R:
        try:
            return work(text)
        except TemplateProblem:
            raise
        except jinja2.TemplateError as error:
            raise TemplateProblem(error.message or type(error).__name__) from None
        except RecursionError:
            raise TemplateProblem("it is nested too deeply, or leads to itself") from None
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
            raise TemplateProblem(f"{type(error).__name__}: {error}") from None

    def _natural(self, text: str) -> str:
        """The template with the backslashes in its texts doubled: regular expressions are written as they are."""
        if "\\" not in text:
            return text
        inside, parts = False, []
        for _, kind, token in self._jinja.lex(text):
            inside = (inside or kind == "variable_begin") and kind != "variable_end"
            parts.append(token.replace("\\", "\\\\") if inside and kind == "string" else token)
        return "".join(parts)

    def _lookup(self, plugin: str, *terms: Any, **options: Any) -> Any:
        values = self._query(plugin, *terms, **options)
        return values[0] if len(values) == 1 else ",".join(map(str, values))

    def _query(self, plugin: str, *terms: Any, **options: Any) -> list[Any]:
        name = plugin.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
        flat = [each for term in terms for each in (term if isinstance(term, list) else [term])]
        if name == "env":
            return [
                MASK
                if self._hides and is_secret(str(term)) and str(term) in self._environ
                else self._environ.get(str(term), options.get("default", ""))
                for term in flat
            ]
        if name == "file":
            return [self._file(str(term)) for term in flat]
        if name == "vars":
            return [self._variable(str(term), options) for term in flat]
        raise TemplateProblem(f"lookup({name!r}) is not done here: env, file and vars are")

    def _variable(self, name: str, options: Mapping[str, Any]) -> Any:
        try:
            return self._jinja.variables[name]
        except KeyError:
            if "default" in options:
                return options["default"]
            raise TemplateProblem(f"{name!r} is undefined") from None

    def _file(self, name: str) -> str:
        if self._hides:
            return MASK
        path = Path(self._directory, os.path.expanduser(name))
        try:
            return path.read_text(encoding="utf-8").rstrip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "this is no UTF-8"
            raise TemplateProblem(f"lookup('file', {name!r}): {why}") from None
