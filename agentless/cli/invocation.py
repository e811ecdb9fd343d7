"""One invocation of agentless: the shared options as given, and the fleet that they describe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from agentless.cli.interrupts import Interrupts
from agentless.cli.screen import Screen
from agentless.model.secret import Secret
from agentless.report.spelling import as_typed
from agentless.values import dataclass

if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.model.new_key import NewKey

__all__ = ["FORMATS", "Formats", "Invocation"]

FORMATS = ("table", "text", "json", "jsonl", "yaml", "junit", "html")
Formats = tuple[str, ...]
# Seconds for which connections are kept for a person at a terminal.
KEEP = 60.0


class SharedOptions(TypedDict, total=False):
    """The options that every verb accepts, by the names of their long forms; those that were given."""

    inventory: tuple[str, ...]
    limit: str
    extra_vars: tuple[str, ...]
    ask_vault_pass: bool
    vault_password_file: tuple[str, ...]
    vault_id: tuple[str, ...]
    config: Path
    user: str
    private_key: str
    ask_pass: bool
    connection_password_file: Path
    become: bool
    become_method: str
    become_user: str
    ask_become_pass: bool
    become_password_file: Path
    forks: int
    spread: str
    ssh_common_args: str
    connect_timeout: float
    keep: float
    host_key_checking: str
    out: str
    color: str
    progress: bool
    verbose: int
    quiet: bool


@dataclass(slots=True)
class Invocation:
    """The shared options of one command line, gathered while click reads it; verbs get it as their first argument.

    Args:
        screen: where to write.
        make_fleet: builds the Fleet; the seam by which tests put another one in.
        interrupts: what catches the signals that ask this command to end.
        environ: the environment of this command.
        given: values of the shared options that were given.
        began: when, on the monotonic clock.
    """

    screen: Screen
    make_fleet: Callable[..., Fleet]
    interrupts: Interrupts
    environ: Mapping[str, str]
    given: SharedOptions = field(default_factory=SharedOptions)
    began: float = field(default_factory=time.monotonic)
    _fleet: Fleet | None = None

    def take(self, name: str, value: Any) -> None:
        """Note a shared option. What comes later wins; inventories and -v add up."""
        if name == "inventory":
            value = (*self.given.get("inventory", ()), *value)
        elif name == "verbose":
            value = self.given.get("verbose", 0) + value
        self.given[name] = value  # type: ignore[literal-required]
        self.screen.quiet = self.given.get("quiet", False)
        self.screen.verbose = self.given.get("verbose", 0)
        self.screen.show_progress = self.given.get("progress")
        if name == "color":
            self.screen.colour(value)

    def out(self, default: str, formats: Formats = FORMATS) -> str:
        """The output format; raises UsageError for one that this verb can't give."""
        chosen = self.given.get("out", default)
        if chosen not in formats:
            raise click.UsageError(f"--out {chosen} does not fit here; there is {', '.join(formats)}")
        return chosen

    @property
    def fleet(self) -> Fleet:
        """The fleet; passwords are asked for when it is built, before anything is sent."""
        if self._fleet is None:
            given = self.given
            password, become_password = self._passwords()
            self._fleet = self.make_fleet(
                given.get("inventory"),
                config=given.get("config"),
                limit=given.get("limit"),
                user=given.get("user"),
                private_key=given.get("private_key"),
                forks=given.get("forks"),
                connect_timeout=given.get("connect_timeout"),
                become=given.get("become", False),
                become_user=given.get("become_user"),
                become_method=given.get("become_method"),
                ssh_common_args=given.get("ssh_common_args"),
                extra_vars=given.get("extra_vars") or (),
                password=password,
                become_password=become_password,
                host_key_checking=given.get("host_key_checking"),
                spread=given.get("spread"),
                keep=given.get("keep"),
                default_keep=KEEP if self.screen.attended else 0.0,
                vault_ids=self._vault_ids(),
                ask=self.screen.passphrase,
                warn=self.screen.warn,
                note=lambda line: self.screen.detail(f"agentless: {as_typed(line)}"),
                step=self.step,
                watch=self.screen.progress,
                trust=self._trust(),
            )
        return self._fleet

    def step(self, line: str) -> None:
        """Show what happens now, with the seconds since this command began, where `-vv` asks for it."""
        self.screen.detail(f"{time.monotonic() - self.began:8.3f} s  {line}", level=2)

    def refuse(self, options: Mapping[str, str]) -> None:
        """Raise UsageError where one of these shared options was given; the values say what to do instead."""
        for name, instead in options.items():
            if name in self.given:
                raise click.UsageError(f"--{name.replace('_', '-')} means nothing here: {instead}")

    def job(self, word: str) -> str:
        """The JID that a word on the command line means; who says `last` is told which job that is.

        Raises:
            UnknownJob: no job was sent from here.
        """
        if word != "last":
            return word
        from agentless.report.tables import command

        jid = self.fleet.last()
        report = self.fleet.cache.current(jid, outputs=False)
        self.screen.say(f"last is job {jid}: {command(report.job)}" if report else f"last is job {jid}")
        return jid

    def deliver(self) -> None:
        """Hand over to returners what they have not had, if this command contacted hosts."""
        if self._fleet is not None:
            self._fleet.deliver()

    def close(self) -> None:
        """Let go of the fleet's connections."""
        if self._fleet is not None:
            self._fleet.close()
            self._fleet = None

    def _trust(self) -> Callable[[Sequence[NewKey]], bool] | None:
        """Who is asked about unknown host keys: a person at a terminal, and never a pipeline's."""
        if self.environ.get("CI") or self.screen.quiet or not self.screen.can_ask():
            return None
        from agentless.cli.trust import trusts

        return partial(trusts, self.screen)

    def _vault_ids(self) -> list[str]:
        # With its label, a path may have an @.
        files = [f"default@{path}" for path in self.given.get("vault_password_file") or ()]
        prompts = ["default@prompt"] if self.given.get("ask_vault_pass") else []
        return [*(self.given.get("vault_id") or ()), *files, *prompts]

    def _passwords(self) -> tuple[Secret | None, Secret | None]:
        given, asks = self.given, self.given.get("ask_pass")
        password = _from_file("connection", given.get("connection_password_file"), "-k" if asks else "")
        if asks:
            password = self.screen.secret("SSH password: ", "--ask-pass")
        asks = given.get("ask_become_pass")
        become = _from_file("become", given.get("become_password_file"), "-K" if asks else "")
        if asks:
            same = " (empty: the SSH password)" if password else ""
            become = self.screen.secret(f"BECOME password{same}: ", "--ask-become-pass")
            if password is not None and become == Secret(""):
                become = password
        return password, become


def _from_file(what: str, path: Path | None, asking: str) -> Secret | None:
    """The password in a file; `asking` is the option that asks for the same one, where it was given."""
    if path is None:
        return None
    if asking:
        raise click.UsageError(f"--{what}-password-file goes without {asking}, which asks for the same password")
    from agentless.inventory.password_file import NoPassword, password_of

    try:
        return password_of(path, what)
    except NoPassword as error:
        raise click.UsageError(str(error)) from None
