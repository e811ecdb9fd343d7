"""A job whose command, script and environment are templates, as one host gets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentless.errors import InventoryError, UsageError
from agentless.inventory.quoting import CannotQuote, interpreter_of, joined, quoted
from agentless.inventory.templates import TemplateProblem, check_syntax
from agentless.inventory.variables import Variables
from agentless.model.job_spec import JobSpec

__all__ = ["check", "rendered"]

# Of a script: it is rendered for each host.
_SCRIPT_MAX = 1 << 20


def check(spec: JobSpec) -> None:
    """Raise UsageError where no host could get a job of these templates."""
    if spec.script is not None and len(spec.script.data) > _SCRIPT_MAX:
        raise UsageError(f"the script {spec.script.name} has more than 1 MiB, too much for a template")
    for what, text in _templates(spec):
        try:
            check_syntax(text)
        except TemplateProblem as problem:
            hint = "{{ '{{' }} stands for {{, and {% raw %} … {% endraw %} keeps what is between from being read."
            raise UsageError(f"{what} is no template: {problem}", hint) from None


def rendered(spec: JobSpec, variables: Variables) -> JobSpec:
    """The job as the host of these variables gets it: values quoted for the shell, where it is a shell that reads them.

    Raises:
        InventoryError: a template cannot be rendered for it.
    """
    try:
        script = spec.script
        if script is not None:
            shell = interpreter_of(script.data, spec.shell)
            script = replace(
                script,
                data=quoted(variables.parts(_decoded(script.data)), shell).encode("utf-8", "surrogateescape"),
                arguments=tuple(joined(variables.parts(word)) for word in script.arguments),
            )
        return replace(
            spec,
            command=quoted(variables.parts(spec.command), spec.shell),
            script=script,
            env={name: joined(variables.parts(text)) for name, text in spec.env.items()},
            template=False,
        )
    except (TemplateProblem, CannotQuote, UsageError) as problem:
        raise InventoryError(f"the job's template cannot be rendered: {problem}", _HINT) from None


_HINT = "`agentless hosts HOST --out json` shows its variables; {{ name | default(…) }} stands in for a missing one."


def _templates(spec: JobSpec) -> Sequence[tuple[str, str]]:
    texts = [("the command", spec.command)]
    if spec.script is not None:
        texts = [(f"the script {spec.script.name}", _decoded(spec.script.data))]
        texts += [(f"the argument {word!r}", word) for word in spec.script.arguments]
    return [*texts, *((f"the variable {name}", text) for name, text in spec.env.items())]


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("the script is no UTF-8, as a template must be", "Convert it with iconv.") from None
