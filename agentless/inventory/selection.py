"""Which hosts a word selects, and how each of them is reached: the inventory with what the person asked for on top."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from agentless.errors import AgentlessError, InventoryError, TargetError, UsageError
from agentless.inventory import Host, Inventory, Overrides, load
from agentless.inventory.ansible_cfg import AnsibleSettings
from agentless.inventory.password_file import NoPassword, password_of
from agentless.inventory.retry_lists import is_retry_list, not_ended, picked_of
from agentless.inventory.search import Sources
from agentless.inventory.secrets import masked, unmasked
from agentless.inventory.sources import Scripts
from agentless.inventory.vault import Vault
from agentless.model.endpoint import Endpoint
from agentless.model.job import Job, Report
from agentless.model.job_spec import JobSpec, shown
from agentless.model.problem import Problem
from agentless.model.results import Hosts, InventoryHost
from agentless.model.secret import Secret

__all__ = ["Places", "Selection", "pattern"]

NOTHING_SET = AnsibleSettings()
GONE_FROM_INVENTORY = Problem(
    "not-in-inventory",
    "the job was sent to this host, and the inventory does not name it any more",
    "Give the inventory that has it: `inventory=FILE`.",
)


def pattern(target: object) -> str:
    """A target as a program gives it.

    Raises:
        TargetError: it is no text: None is not everybody where a target is needed.
    """
    if isinstance(target, str):
        return target
    hint = (
        "Write all where you mean all hosts."
        if target is None
        else "Several hosts have commas between them: web1,web2."
    )
    raise TargetError(f"a target is a pattern, not {shown(target)}", hint)


class Places(NamedTuple):
    """Where to look for a job.

    Args:
        missing: hosts of the job that the inventory does not name any more.
        strangers: hosts of the target that the job was not sent to.
    """

    endpoints: dict[str, Endpoint]
    missing: dict[str, Problem]
    strangers: tuple[str, ...] = ()


class Selection:
    """The hosts that this command may act on.

    Args:
        sources: tells which inventories count, when that is first needed.
        overrides: what the command line and the configuration say about connections.
        limit: a pattern, `@file`, `@failed:JID` or `@unreachable:JID` that narrows every target; None narrows nothing.
        report: what the job cache knows of a job, for the retry lists.
        warn: told what the inventory and the retry lists have to say, one line each.
        extra_vars: variables above the inventory's, as `-e` takes them.
        note: told which inventory and which ansible.cfg count, before anything else.
        ask: shows a prompt for a password that ansible.cfg wants asked for; None where nobody answers.
    """

    def __init__(
        self,
        sources: Callable[[], Sources],
        overrides: Overrides,
        limit: str | None,
        report: Callable[[str], Report],
        warn: Callable[[str], None],
        vault: Vault,
        extra_vars: Sequence[str] = (),
        ansible: AnsibleSettings = NOTHING_SET,
        note: Callable[[str], None] = lambda line: None,
        ask: Callable[[str], Secret | None] = lambda prompt: None,
    ) -> None:
        self._sources = sources
        self._overrides = overrides
        self.limit = limit
        self._report = report
        self._warn = warn
        self._vault = vault
        self._extra_vars = extra_vars
        self._ansible = ansible
        self._note = note
        self._ask = ask
        self._warned: set[str] = set()
        self._rendering = threading.Lock()
        self._retries: dict[str, Report] = {}

    @cached_property
    def sources(self) -> Sources:
        """Which inventories count; raises InventoryError where there is none."""
        return self._sources()

    @cached_property
    def inventory(self) -> Inventory:
        """The inventory, read once; raises InventoryError."""
        scripts = Scripts.RUN if self.sources.named else Scripts.IF_ONLY_OURS
        for line in self._decided:
            self._note(line)
        if self._ansible.passed_over:
            self._warn(f"{self._ansible.passed_over} does not count: everybody can write its directory")
        for line in self._ansible.unhonoured:
            self._warn(f"{self._ansible.file or 'the environment'}: {line}")
        return load(
            self.sources.names,
            warn=self._warn,
            scripts=scripts,
            vault=self._vault,
            extra_vars=self._extra_vars,
            ansible=self._ansible,
        )

    @cached_property
    def _to_contact(self) -> Overrides:
        """The overrides with the passwords that ansible.cfg wants, asked for or read from files; raises UsageError."""
        overrides, ansible = self._overrides, self._ansible
        if overrides.password is None:
            if ansible.ask_pass:
                overrides = replace(overrides, password=self._asked("SSH password: ", "ask_pass", "`password`"))
            elif ansible.connection_password_file:
                overrides = replace(overrides, password=_read(ansible.connection_password_file, "connection"))
        if overrides.become_password is None:
            if ansible.become_ask_pass:
                answer = self._asked(
                    "BECOME password (empty: the SSH password): ", "become_ask_pass", "`become_password`"
                )
                overrides = replace(overrides, become_password=overrides.password if answer == Secret("") else answer)
            elif ansible.become_password_file:
                overrides = replace(overrides, become_password=_read(ansible.become_password_file, "become"))
        return overrides

    def _asked(self, prompt: str, setting: str, option: str) -> Secret | None:
        answer = self._ask(prompt)
        if answer is None:
            where = self._ansible.file or "the environment"
            self._warn(f"{where}: {setting}: there is no terminal to ask on: {option} gives it")
        return answer

    @property
    def origins(self) -> list[str]:
        """Where the inventory and Ansible's settings come from, a line each; raises InventoryError.

        None where there is but one inventory that could count, and no ansible.cfg.
        """
        return self._decided if self._ansible.file or self.sources.passed_over else []

    @property
    def _decided(self) -> list[str]:
        """The same, whether there was anything to decide or not."""
        sources = self.sources
        over = f"; not {', '.join(sources.passed_over)}" if sources.passed_over else ""
        lines = [f"inventory: {', '.join(sources.names)} ({sources.origin}){over}"]
        return [*lines, f"settings: {self._ansible.file}"] if self._ansible.file else lines

    def names(self, *, groups: bool = True) -> list[str]:
        """What a target may name: `all`, groups that have hosts, and hosts. No script is run for it."""
        inventory = load(self.sources.names, scripts=Scripts.NEVER, ansible=self._ansible)
        if not groups:
            return list(inventory.hosts)
        named = [name for name in inventory.groups if inventory.members(name)]
        return list(dict.fromkeys(["all", *named, *inventory.hosts]))

    def _retried(self, word: str) -> Report:
        """The job of a retry list, as it was before this command did anything."""
        if word not in self._retries:
            self._retries[word] = self._report(word.partition(":")[2])
        return self._retries[word]

    def select(self, target: str | None) -> tuple[Host, ...]:
        """The hosts that a pattern or a retry list selects, in the inventory's order; None selects all.

        Raises:
            TargetError: the pattern cannot be read, it comes to no pattern at all, or it selects nothing.
        """
        names = self._match(target)
        return tuple(host for name in names if (host := self.inventory.find(name)) is not None)

    def narrow(self, report: Report, target: str | None) -> Report:
        """A job on those of its hosts that the limit and a target leave; every verb on a JID narrows by this.

        Hosts that the inventory does not name any more can be selected by their names, and by `all`.

        Args:
            report: the job; its `unknown_hosts` are narrowed, too.
            target: a pattern or a retry list; None leaves it to the limit.

        Raises:
            TargetError: as `select`; or the job was sent to none of them.
        """
        if target is None and self.limit is None:
            return report
        names = frozenset(self._selected(report, target))
        left = tuple(name for name in report.job.hosts if name in names)
        if not left:
            hint = f"Its hosts: {', '.join(report.job.hosts)}"
            raise TargetError(f"job {report.job.jid} was not sent to {self._named(target)}", hint)
        return replace(
            report,
            job=replace(report.job, hosts=left),
            results={name: result for name, result in report.results.items() if name in names},
            unknown_hosts={name: problem for name, problem in report.unknown_hosts.items() if name in names},
        )

    def _selected(self, report: Report, target: str | None) -> Sequence[str]:
        """What a target and the limit select, of the inventory's hosts and the job's."""
        words = ("" if target is None else pattern(target)).split(",")
        if self.limit is None and all(word in report.job.hosts for word in words):
            # Names of the job's hosts need no inventory, which may be gone.
            return words
        return self._match(target, report.job.hosts)

    def _match(self, target: str | None, beside: Sequence[str] = ()) -> list[str]:
        """The names that a target and the limit select, of the inventory's hosts and of those `beside` it."""
        if target is not None:
            pattern(target)
        retries = {word: self._retried(word) for word in (target, self.limit) if is_retry_list(word)}
        wanted = "all" if target is None or target in retries else target
        limit = None if self.limit in retries else self.limit
        picked = [picked_of(word, report) for word, report in retries.items()]
        matched = self.inventory.match(wanted, limit, beside)
        names = [name for name in matched if all(name in names for names in picked)]
        left_out = [text for text in map(not_ended, retries.values()) if text]
        if not names:
            raise TargetError(f"no host is left of {self._named(target)}", "\n".join(left_out))
        for text in left_out:
            if text not in self._warned:
                self._warned.add(text)
                self._warn(text)
        return names

    def _named(self, target: str | None) -> str:
        """The target with the limit, as an error names them."""
        return repr(target or "all") + (f" limited to {self.limit!r}" if self.limit is not None else "")

    def hosts(self, target: str | None, *, passwords: bool = False) -> Hosts:
        """What a target selects, with settings, groups and variables; nobody is contacted.

        Args:
            passwords: show them; else they are masked.
        """
        return Hosts({host.name: self._listed(host, passwords) for host in self.select(target)})

    def _listed(self, host: Host, passwords: bool) -> InventoryHost:
        endpoint = self._endpoint(host, self._overrides)
        try:
            variables = unmasked(host.vars) if passwords else masked(host.vars)
        except InventoryError:
            # A file of its variables cannot be read, as the endpoint's problem says.
            variables = {}
        return InventoryHost(endpoint, host.groups, variables)

    def endpoints(self, target: str | None) -> dict[str, Endpoint]:
        """What a target selects, with the connection settings."""
        return {host.name: self._endpoint(host, self._to_contact) for host in self.select(target)}

    def endpoint(self, name: str) -> Endpoint:
        """The one host of this name; TargetError where there is none, or more than one."""
        endpoints = self.endpoints(pattern(name))
        if len(endpoints) != 1:
            raise TargetError(f"a connection leads to one host, and {name!r} selects {len(endpoints)}")
        return endpoints.popitem()[1]

    def _endpoint(self, host: Host, overrides: Overrides) -> Endpoint:
        """How a host is reached; what cannot be resolved is the problem of this host, and never of the others."""
        try:
            return self.inventory.endpoint(host, overrides)
        except InventoryError as error:
            return Endpoint(host.name, host.name, problem=Problem("inventory", error.message, error.hint))

    def check_template(self, spec: JobSpec) -> None:
        """Raise UsageError where no host could get a job of these templates."""
        from agentless.inventory.job_templates import check

        check(spec)

    def rendered(self, spec: JobSpec, name: str, *, hides: bool = False) -> JobSpec:
        """As `Inventory.rendered`, for the host of this name; from any thread."""
        host = self.inventory.find(name)
        if host is None:
            raise InventoryError(f"the inventory does not name {name} any more")
        with self._rendering:
            return self.inventory.rendered(host, spec, hides=hides)

    @property
    def sender(self) -> tuple[str | None, str]:
        """The `login` and `become` of a job that is sent now."""
        return self._overrides.sender

    def sent_alike(self, job: Job) -> bool:
        """Whether a job was sent as who would send one now, so that its record lies where we look."""
        return (job.login, job.become) == self.sender

    def learned(self, names: Sequence[str], target: str) -> tuple[str, ...]:
        """The inventory's hosts of a job that a host has told of.

        Args:
            names: what it calls them; a name that the inventory lacks counts for nothing.
            target: the pattern that it was sent to, which stands in where no names are told.
        """
        try:
            if names:
                return tuple(dict.fromkeys(name for name in names if self.inventory.find(name) is not None))
            # A host may say anything: no file is read for it, and no expression tried.
            return () if set(target) & set("@~") else tuple(self.inventory.match(target))
        except AgentlessError:
            return ()

    def places(self, report: Report | None, target: str | None) -> Places:
        """The hosts to look for a job on: those that it was sent to, else (it is not known) the target's, else all.

        Raises:
            TargetError: it was sent to none of the target's.
        """
        if report is None:
            return Places(self.endpoints(target), {})
        endpoints, missing = self.of_job(report.job, self.narrow(report, target).results)
        wider = () if target is None else self._selected(report, target)
        return Places(endpoints, missing, tuple(name for name in wider if name not in report.results))

    def of_job(self, job: Job, names: Iterable[str]) -> tuple[dict[str, Endpoint], dict[str, Problem]]:
        """Some of a job's hosts, reached as the user that it was sent as, and those that the inventory lacks."""
        names = list(names)
        overrides = self._to_contact if names else self._overrides
        if job.login is not None:
            overrides = replace(overrides, user=job.login)
        if job.become is not None:
            method, _, user = job.become.partition(":")
            overrides = replace(overrides, become=bool(method), become_method=method or None, become_user=user or None)
        endpoints: dict[str, Endpoint] = {}
        missing: dict[str, Problem] = {}
        for name in names:
            host = self.inventory.find(name)
            if host is None:
                missing[name] = GONE_FROM_INVENTORY
            else:
                endpoints[name] = self._endpoint(host, overrides)
        return endpoints, missing


def _read(path: str, what: str) -> Secret:
    try:
        return password_of(Path(path), what)
    except NoPassword as error:
        raise UsageError(str(error)) from None
