"""One call of agentless: the options that every verb accepts, and the fleet that they describe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentless.cli.commands import Option
from agentless.cli.screen import Screen
from agentless.endpoint import Secret

if TYPE_CHECKING:
    from agentless.fleet import Fleet

__all__ = ["Call", "Formats", "shared_options"]

FORMATS = ("table", "text", "json", "jsonl", "yaml", "junit")
Formats = tuple[str, ...]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Call:
    """What the command line said, gathered while click reads it; verbs get it as their first argument.

    Args:
        screen: where to write.
        make_fleet: builds the Fleet; the seam by which tests put another one in.
        given: values of the shared options that were given.
    """

    screen: Screen
    make_fleet: Callable[..., Fleet]
    given: dict[str, Any] = field(default_factory=dict)
    _fleet: Fleet | None = None

    def take(self, name: str, value: Any) -> None:
        """Note a shared option. What comes later wins; inventories and -v add up."""
        if name == "inventory":
            value = (*self.given.get(name, ()), *value)
        elif name == "verbose":
            value = self.given.get(name, 0) + value
        self.given[name] = value
        self.screen.quiet = self.given.get("quiet", False)
        self.screen.verbose = self.given.get("verbose", 0)

    def out(self, default: str, formats: Formats = FORMATS) -> str:
        """The output format; raises UsageError for one that this verb can't give."""
        chosen: str = self.given.get("out", default)
        if chosen not in formats:
            raise click.UsageError(f"--out {chosen} does not fit here; there is {', '.join(formats)}")
        return chosen

    @property
    def progress(self) -> bool | None:
        return self.given.get("progress")

    @property
    def fleet(self) -> Fleet:
        """The fleet; passwords are asked for when it is built, before anything is sent."""
        if self._fleet is None:
            given = self.given
            password, become_password = self._passwords()
            self._fleet = self.make_fleet(
                given.get("inventory") or None,
                config=given.get("config"),
                limit=given.get("limit"),
                user=given.get("user"),
                private_key=given.get("private_key"),
                forks=given.get("forks"),
                connect_timeout=given.get("connect_timeout"),
                become=given.get("become", False),
                become_user=given.get("become_user"),
                password=password,
                become_password=become_password,
                host_key_checking=given.get("host_key_checking"),
                ask=self.screen.passphrase,
                warn=self.screen.warn,
            )
        return self._fleet

    def close(self) -> None:
        """Let go of the fleet's connections."""
        if self._fleet is not None:
            self._fleet.close()
            self._fleet = None

    def _passwords(self) -> tuple[Secret | None, Secret | None]:
        password = become = None
        if self.given.get("ask_pass"):
            password = self.screen.secret("SSH password: ", "--ask-pass")
        if self.given.get("ask_become_pass"):
            same = " (empty: the SSH password)" if password else ""
            become = self.screen.secret(f"BECOME password{same}: ", "--ask-become-pass")
            if password is not None and become == Secret(""):
                become = password
        return password, become


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    source = ctx.get_parameter_source(param.name or "")
    if isinstance(ctx.obj, Call) and source is click.core.ParameterSource.COMMANDLINE:
        ctx.obj.take(param.name or "", value)


_INVENTORY = "Inventory"
_CONNECTION = "Connection"
_OUTPUT = "Output"


def _declarations() -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    from agentless.cli.completion import complete_target

    return [
        (("-i", "--inventory"), {"section": _INVENTORY, "multiple": True, "metavar": "PATH|HOSTS", "type": click.Path(),
          "help": "Inventory file, directory or executable, or host names with commas; may be given again. "
                  "Default: $AGENTLESS_INVENTORY, ./inventory.yaml, then the one in your config directory."}),
        (("-l", "--limit"), {"section": _INVENTORY, "metavar": "PATTERN", "shell_complete": complete_target,
          "help": "Only these of the hosts: a pattern, @FILE, or @failed:JID and @unreachable:JID of an earlier job."}),
        (("--config",), {"section": _INVENTORY, "type": click.Path(exists=True, dir_okay=False, path_type=Path),
          "metavar": "FILE", "help": "Configuration file instead of the one in your config directory."}),
        (("-u", "--user"), {"section": _CONNECTION, "metavar": "NAME", "help": "Log in as this user."}),
        (("--private-key",), {"section": _CONNECTION, "type": click.Path(), "metavar": "FILE",
          "help": "Log in with this key."}),
        (("-k", "--ask-pass"), {"section": _CONNECTION, "is_flag": True, "help": "Ask for the SSH password."}),
        (("-b", "--become"), {"section": _CONNECTION, "is_flag": True,
          "help": "Run as another user: root, unless --become-user says else."}),
        (("--become-user",), {"section": _CONNECTION, "metavar": "NAME", "help": "The user to become."}),
        (("-K", "--ask-become-pass"), {"section": _CONNECTION, "is_flag": True,
          "help": "Ask for the password of sudo, su or doas."}),
        (("-f", "--forks"), {"section": _CONNECTION, "type": click.IntRange(min=1), "metavar": "N",
          "help": "Hosts that are contacted at once (100). A job that only runs on takes no place."}),
        (("--connect-timeout",), {"section": _CONNECTION, "type": click.FloatRange(min=0, min_open=True),
          "metavar": "SECONDS",
          "help": "For connecting to one host, all its phases together (10)."}),
        (("--host-key-checking",), {"section": _CONNECTION, "type": click.Choice(["strict", "accept-new"]),
          "help": "accept-new adds the keys of unknown hosts to known_hosts; a changed key is always refused."}),
        (("--out",), {"section": _OUTPUT, "type": click.Choice(FORMATS), "help": "How results are written to stdout."}),
        (("--progress/--no-progress",), {"section": _OUTPUT, "default": None,
          "help": "Name the hosts still waited for, on stderr. Default: on a terminal."}),
        (("-v", "--verbose"), {"section": _OUTPUT, "count": True, "help": "Say more on stderr."}),
        (("-q", "--quiet"), {"section": _OUTPUT, "is_flag": True, "help": "No summaries and hints on stderr."}),
    ]  # fmt: skip


def shared_options(*, taken: str = "") -> Callable[[F], F]:
    """Let a verb accept the shared options, but without the letters that it has `taken` for itself."""

    def decorate(function: F) -> F:
        for names, attributes in reversed(_declarations()):
            kept = [name for name in names if name.lstrip("-") not in set(taken) or name.startswith("--")]
            function = click.option(
                *kept, cls=Option, shared=True, expose_value=False, callback=_remember, **attributes
            )(function)
        return function

    return decorate
