"""Jinja in variables, rendered as Ansible renders it: native types, and the filters that inventories use.

The sandbox changes nothing and calls nothing outside of itself: no lookup runs a command.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from jinja2 import nativetypes, sandbox
from jinja2.utils import missing

from agentless.inventory.cfg_values import FALSE, TRUE
from agentless.inventory.quoting import Safe, TemplateValue
from agentless.inventory.secrets import MASK, is_secret

__all__ = ["Renderer", "TemplateProblem", "check_syntax"]

R = TypeVar("R")


class TemplateProblem(Exception):
    """A template that cannot be rendered; its text says why."""


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
        environment.filters.update(_FILTERS)
        environment.tests.update(_TESTS)
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


# --- filters and tests as Ansible's documentation has them ---
def _bool(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in TRUE and word not in FALSE:
        raise TemplateProblem(f"{value!r} is neither true nor false")
    return word in TRUE


def _mandatory(value: Any, msg: str | None = None) -> Any:
    if isinstance(value, jinja2.Undefined):
        raise TemplateProblem(msg or f"the mandatory {value._undefined_name!r} is not defined")
    return value


def _flags(ignorecase: bool, multiline: bool) -> re.RegexFlag:
    return re.RegexFlag(re.IGNORECASE * ignorecase | re.MULTILINE * multiline)


def _regex_replace(
    value: Any,
    pattern: str = "",
    replacement: str = "",
    ignorecase: bool = False,
    multiline: bool = False,
    count: int = 0,
) -> str:
    return re.sub(pattern, replacement, str(value), count=count, flags=_flags(ignorecase, multiline))


def _regex_search(value: Any, pattern: str, *groups: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    match = re.search(pattern, str(value), _flags(ignorecase, multiline))
    if match is None:
        return None
    if not groups:
        return match.group()
    # `\\1` for a number, `\\g<name>` for a name.
    names = [re.sub(r"^\\g<(.*)>$|^\\(\d+)$", r"\1\2", group) for group in groups]
    return [match.group(int(name) if name.isdigit() else name) for name in names]


def _regex_findall(value: Any, pattern: str, multiline: bool = False, ignorecase: bool = False) -> list[Any]:
    return re.findall(pattern, str(value), _flags(ignorecase, multiline))


def _ipaddr(value: Any, query: str = "") -> Any:
    """The plain queries of ansible.utils.ipaddr; False where the value is no address."""
    try:
        interface = ipaddress.ip_interface(str(value))
    except ValueError:
        return False
    answers: dict[str, Callable[[], Any]] = {
        "": lambda: str(value),
        "address": lambda: str(interface.ip),
        "network": lambda: str(interface.network.network_address),
        "netmask": lambda: str(interface.netmask),
        "prefix": lambda: interface.network.prefixlen,
        "subnet": lambda: str(interface.network),
        "broadcast": lambda: str(interface.network.broadcast_address),
        "version": lambda: interface.version,
        "ipv4": lambda: str(value) if interface.version == 4 else False,
        "ipv6": lambda: str(value) if interface.version == 6 else False,
    }
    if re.fullmatch(r"-?\d+", str(query)):
        return f"{interface.network[int(query)]}/{interface.network.prefixlen}"
    if query not in answers:
        raise TemplateProblem(f"ipaddr({query!r}) is not done here: {', '.join(filter(None, answers))} and numbers are")
    return answers[query]()


def _ternary(value: Any, true: Any, false: Any, none: Any = None) -> Any:
    if value is None and none is not None:
        return none
    return true if value else false


def _combine(first: Mapping[str, Any], *others: Mapping[str, Any], recursive: bool = False) -> dict[str, Any]:
    combined = dict(first)
    for other in others:
        for key, value in other.items():
            both = recursive and isinstance(value, Mapping) and isinstance(combined.get(key), Mapping)
            combined[key] = _combine(combined[key], value, recursive=True) if both else value
    return combined


def _flatten(values: Sequence[Any], levels: int | None = None) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)) and levels != 0:
            flat.extend(_flatten(value, None if levels is None else levels - 1))
        elif value is not None:
            flat.append(value)
    return flat


def _unique(values: Iterable[Any]) -> list[Any]:
    unique: list[Any] = []
    for value in values:
        if value not in unique:
            unique.append(value)
    return unique


def _extract(key: Any, container: Any, morekeys: Any = None) -> Any:
    value = container[key]
    for further in morekeys if isinstance(morekeys, list) else [] if morekeys is None else [morekeys]:
        value = value[further]
    return value


def _dict2items(value: Mapping[str, Any], key_name: str = "key", value_name: str = "value") -> list[dict[str, object]]:
    return [{key_name: key, value_name: each} for key, each in value.items()]


def _items2dict(value: Iterable[Mapping[str, Any]], key_name: str = "key", value_name: str = "value") -> dict[Any, Any]:
    return {item[key_name]: item[value_name] for item in value}


def _searches(match: Callable[..., Any]) -> Callable[..., bool]:
    def test(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
        return match(pattern, str(value), _flags(ignorecase, multiline)) is not None

    return test


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "b64decode": lambda value: base64.b64decode(value).decode("utf-8"),
    "b64encode": lambda value: base64.b64encode(str(value).encode()).decode("ascii"),
    "basename": lambda value: os.path.basename(str(value)),
    "bool": _bool,
    "combine": _combine,
    "dict2items": _dict2items,
    "difference": lambda one, other: [value for value in _unique(one) if value not in other],
    "dirname": lambda value: os.path.dirname(str(value)),
    "expanduser": lambda value: os.path.expanduser(str(value)),
    "extract": _extract,
    "flatten": _flatten,
    "from_json": json.loads,
    "intersect": lambda one, other: [value for value in _unique(one) if value in other],
    "ipaddr": _ipaddr,
    "ipv4": lambda value: _ipaddr(value, "ipv4"),
    "ipv6": lambda value: _ipaddr(value, "ipv6"),
    "items2dict": _items2dict,
    "mandatory": _mandatory,
    "quote": lambda value: shlex.quote(str(value)),
    "realpath": lambda value: os.path.realpath(str(value)),
    "regex_escape": lambda value: re.escape(str(value)),
    "regex_findall": _regex_findall,
    "regex_replace": _regex_replace,
    "regex_search": _regex_search,
    "safe": lambda value: Safe(str(value)),
    "split": lambda value, separator=None: str(value).split(separator),
    "splitext": lambda value: os.path.splitext(str(value)),
    "ternary": _ternary,
    "to_json": lambda value: json.dumps(value),
    "union": lambda one, other: _unique([*one, *other]),
    "unique": _unique,
    "zip": lambda *values: [list(each) for each in zip(*values, strict=False)],
}
_FILTERS = {
    **_FILTERS,
    **{f"ansible.builtin.{name}": filter_ for name, filter_ in _FILTERS.items()},
    **{f"ansible.utils.{name}": _FILTERS[name] for name in ("ipaddr", "ipv4", "ipv6")},
    **{f"ansible.netcommon.{name}": _FILTERS[name] for name in ("ipaddr", "ipv4", "ipv6")},
}
_TESTS: Mapping[str, Callable[..., Any]] = {
    "contains": lambda value, one: one in value,
    "exists": lambda value: os.path.exists(str(value)),
    "falsy": lambda value: not value,
    "file": lambda value: os.path.isfile(str(value)),
    "directory": lambda value: os.path.isdir(str(value)),
    "match": _searches(re.match),
    "regex": _searches(re.search),
    "search": _searches(re.search),
    "subset": lambda one, other: set(one) <= set(other),
    "superset": lambda one, other: set(one) >= set(other),
    "truthy": lambda value: bool(value),
}
