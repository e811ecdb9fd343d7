"""The Python API: a fleet of hosts, and every verb of the command line that is not about a terminal.

Each verb is a function of `runner`, called with the parts that it needs; nothing is decided here.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from agentless import config as configuration
from agentless import parameters
from agentless.cache import JobCache, JobFilter, Pruned
from agentless.config import Config
from agentless.inventory import Inventory
from agentless.later import lazy
from agentless.model.connections import Connections
from agentless.model.copies import Copied, Copies, Paths, ignored
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Report
from agentless.model.job_spec import Delivery, JobSpec, Script, read_input, shell_text
from agentless.model.new_key import NewKey
from agentless.model.problem import Problem
from agentless.model.results import Active, ExitSuccess, Found, Hosts, Listed, Pong, Running, Signalled
from agentless.model.secret import Secret
from agentless.model.states import State
from agentless.runner import recorded
from agentless.runner.parts import Parts

# A verb loads what contacts hosts: listing jobs is not to wait for it, nor for paramiko.
if TYPE_CHECKING:
    from concurrent.futures import Executor

    from agentless.runner import (
        attach,
        connections,
        copying,
        lookup,
        procs,
        registers,
        retry,
        scheduler,
        schedules,
        sender,
    )
    from agentless.runner.contact import Watch
    from agentless.runner.dispatcher import PreparedJob
    from agentless.runner.retry import Retry
    from agentless.runner.run import Run
    from agentless.runner.scheduler import Scheduler
    from agentless.runner.schedules import Schedules
    from agentless.runner.sender import HandedOver
    from agentless.transport.ssh import fabric_connection
    from agentless.transport.ssh.fabric_connection import FabricConnection
else:
    attach, connections, copying, lookup, procs = lazy(
        "agentless.runner", "attach", "connections", "copying", "lookup", "procs"
    )
    registers, retry, scheduler, schedules, sender = lazy(
        "agentless.runner", "registers", "retry", "scheduler", "schedules", "sender"
    )
    (fabric_connection,) = lazy("agentless.transport.ssh", "fabric_connection")

__all__ = ["Fleet"]

AT_ONCE = Delivery()


class Fleet:
    """The hosts of an inventory, reached over SSH, and the jobs that were sent to them.

    A Fleet holds connections to bastions and the lock of a live run: close it, or use it as a context manager. Its
    methods may be called from any thread.

    Args:
        inventory: a path, a comma list of hosts (`web1,web2`), or several of them; None takes
            `$AGENTLESS_INVENTORY`, `$ANSIBLE_INVENTORY`, `./inventory.yaml`, that of ansible.cfg, of the configuration
            file, of the user's config directory, or /etc/ansible/hosts.
        config: a Config, or the path of a config file; None takes the user's.
        limit: a pattern that narrows every target (`web*`, `@file`, `@failed:JID`, `@unreachable:JID`).
        user: log in as this user. This and the next five give way to the inventory's variables for a host.
        private_key: log in with this key, a file.
        become: act as another user on hosts.
        become_user: as whom; None is root.
        become_method: `sudo`, `su` or `doas`; None is sudo.
        ssh_common_args: arguments of ssh, as Ansible takes them: `-o ProxyJump=bastion`.
        extra_vars: variables by name, or as Ansible takes them: `VAR=VALUE`, a mapping in YAML or JSON, or `@FILE`, one
            or several of them; they win over inventory variables.
        forks: calls in flight at once.
        connect_timeout: seconds for all phases of connecting together.
        password, become_password: for logging in, and for `become`; used where the inventory gives none. A plain `str`
            is made a `Secret`, which no traceback and no log shows.
        host_key_checking: `strict` or `accept-new`.
        spread: where hosts are contacted from: `threads` of this process, `cores` (a process for each core), the
            address of a Dask scheduler (`tcp://HOST:8786`, `tls://HOST:8786`), or `auto`: cores from 500 hosts on where
            there are four or more, else threads. None takes the configuration's, which is `auto` where it says nothing.
        executor: any `concurrent.futures.Executor` contacts the hosts instead, 25 or fewer of them in a task. It stays
            the caller's; its workers need agentless of this version, and what they log in with.
        keep: seconds for which connections are kept for the next operation or command, by a process of this user's; 0
            keeps none. None takes `$AGENTLESS_KEEP_CONNECTIONS`, else the configuration's `keep_connections`, else
            `default_keep`.
        default_keep: of `keep`, where nothing says otherwise.
        vault_ids: what opens Ansible Vault, as `--vault-id` takes it: `prompt`, a file or a script, or `LABEL@SOURCE`.
        ask: shows a prompt for a password or the passphrase of a key, and returns the answer; None where nobody
            answers.
        warn: shows a hint or a warning, one line.
        note, step: show what was decided and why (inventory, configuration, how each host was logged in to, whether its
            connection is kept), and each step on the way to a host.
        trust: shows host keys of which no known_hosts file has a word, and returns whether to add them, as `accept-new`
            does. None asks nobody, and nobody is asked where somebody has said that checking is strict.
        watch: makes the context manager that is entered around each request to many hosts. It gets `waiting()`, which
            lists the hosts that have not answered, and the number of all.

    Raises:
        ConfigError: the config file is wrong.
    """

    def __init__(
        self,
        inventory: str | Path | Sequence[str | Path] | None = None,
        *,
        config: Config | str | Path | None = None,
        limit: str | None = None,
        user: str | None = None,
        private_key: str | Path | None = None,
        forks: int | None = None,
        connect_timeout: float | None = None,
        become: bool = False,
        become_user: str | None = None,
        become_method: str | None = None,
        ssh_common_args: str | None = None,
        extra_vars: Mapping[str, object] | Sequence[str] = (),
        password: Secret | str | None = None,
        become_password: Secret | str | None = None,
        host_key_checking: str | None = None,
        spread: str | None = None,
        executor: Executor | None = None,
        keep: float | None = None,
        default_keep: float = 0.0,
        vault_ids: Sequence[str] = (),
        ask: Callable[[str], Secret | str | None] = lambda prompt: None,
        warn: Callable[[str], None] = lambda line: None,
        note: Callable[[str], None] = lambda line: None,
        watch: Watch = lambda waiting, total: nullcontext(),
        trust: Callable[[Sequence[NewKey]], bool] | None = None,
        step: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.config = config if isinstance(config, Config) else configuration.load(parameters.config_path(config))
        parameters.check_forks(forks)
        parameters.check_text("limit", limit, may_be_empty=True)
        parameters.check_executor(executor)
        overrides = parameters.overrides(
            user=user,
            private_key=private_key,
            become=become,
            become_user=become_user,
            become_method=become_method,
            ssh_common_args=ssh_common_args,
            password=password,
            become_password=become_password,
            connect_timeout=connect_timeout,
            host_key_checking=self.config.host_key_checking if host_key_checking is None else host_key_checking,
        )
        self._parts = Parts(
            self.config,
            overrides,
            parameters.sources(inventory),
            limit,
            forks,
            parameters.variables(extra_vars),
            parameters.each("vault_ids", vault_ids),
            lambda prompt: parameters.secret(ask(prompt)),
            warn,
            note,
            watch,
            configuration.keep_seconds(self.config, default_keep) if keep is None else parameters.keep(keep),
            trust,
            None if spread is None else configuration.check_spread(spread),
            executor,
            step,
        )

    @property
    def origins(self) -> list[str]:
        """Which inventory counts, who names it, what it stands above, and which ansible.cfg counts; a line each.

        Raises:
            InventoryError, ConfigError: there is none, or it cannot be read.
        """
        return self._parts.selection.origins

    @property
    def inventory(self) -> Inventory:
        """The inventory, read when it is first needed.

        Raises:
            InventoryError: it cannot be read, with file and line.
        """
        return self._parts.selection.inventory

    @property
    def cache(self) -> JobCache:
        """The job cache of this controller."""
        return self._parts.cache

    def deliver(self) -> None:
        """Hand over to returners what they have not had, where hosts were contacted; `warn` is told who takes nothing.

        It takes each returner's own time at most, and what is left is for the next time. Leaving the context without an
        error does so too.
        """
        self._parts.deliver()

    def close(self) -> None:
        """Let go of shared connections."""
        self._parts.close()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        try:
            if kind is None:
                self.deliver()
        finally:
            self.close()

    # --- targets ---
    def hosts(self, target: str | None = None, *, passwords: bool = False) -> Hosts:
        """The hosts of a target with their settings, groups and variables, in the inventory's order; None is all.

        Args:
            passwords: show them among the variables; else they are masked.

        Raises:
            TargetError: the pattern cannot be read, or selects nothing.
            InventoryError: the inventory cannot be read, with file and line. What is wrong with one host's variables
                is the `problem` of its endpoint.
        """
        return self._parts.selection.hosts(target, passwords=passwords)

    def endpoints(self, target: str | None = None) -> dict[str, Endpoint]:
        """The hosts of a target with their resolved connection settings; raises as `hosts`."""
        return self._parts.selection.endpoints(target)

    def connection(self, host: str) -> FabricConnection:
        """A `fabric.Connection` to one host, for put, get, run, sudo and forwarding by hand; nothing of it is a job.

        It connects at its first use, by the rules of every other connection, and is closed like any of fabric's.

        Raises:
            TargetError: no host, or more than one, has this name.
            UsageError: the host is this machine.
        """
        return fabric_connection.FabricConnection(self._parts.selection.endpoint(host), self._parts.contact.connector)

    # --- files ---
    def put(
        self,
        target: str,
        sources: Paths,
        destination: str | PurePath,
        *,
        done: Callable[[str, Copied], None] = ignored,
    ) -> Copies:
        """Send files and directories of this machine to hosts, each file whole or not at all; it is no job.

        Args:
            target: a pattern; there is no default.
            sources: paths here. A directory goes by its name with all that is in it; `directory/` is what is in it.
            destination: a path on each host, from the home where it is relative. With a `/` at its end it is a
                directory, made where it is missing; so it is where a directory is sent.
            done: told of each host when it is through.

        Raises:
            UsageError: something cannot be read here, or makes no sense; nothing was sent.
        """
        return copying.put(self._parts.contact, self._parts.selection, target, sources, destination, done)

    def get(
        self, target: str, sources: Paths, directory: str | Path, *, done: Callable[[str, Copied], None] = ignored
    ) -> Copies:
        """Fetch files and directories of hosts, each host's into a folder of its name in `directory`; as `put`.

        Args:
            sources: paths on each host, which may have wildcards; `directory/` is what is in it.
        """
        return copying.get(self._parts.contact, self._parts.selection, target, sources, directory, done)

    def target_names(self, *, groups: bool = True) -> list[str]:
        """What a target may name: `all`, groups that have hosts, and hosts. No inventory script is run for it.

        Args:
            groups: False leaves hosts alone.

        Raises:
            InventoryError: as `inventory`.
        """
        return self._parts.selection.names(groups=groups)

    # --- run ---
    def prepare(self, target: str, spec: JobSpec, how: Delivery = AT_ONCE) -> PreparedJob:
        """Check a job without sending it; its `send` does that, and gives the Run.

        So that an interruption finds either no job or the Run of one.

        Args:
            target: a pattern; there is no default.
            spec: what the job is.
            how: how it goes over its hosts, and what is waited for.

        Raises:
            UsageError: something cannot be read, or makes no sense.
        """
        parameters.check_job(spec, how)
        return self._parts.dispatcher.prepare(target, spec, how)

    def start(self, target: str, spec: JobSpec, how: Delivery = AT_ONCE) -> Run:
        """Send a job to hosts, and follow it; the arguments are those of `prepare`.

        The job and its hosts are in the job cache before the first packet leaves; what each host gives back is there
        as it arrives.

        Raises:
            UsageError: as `prepare`; nothing was sent.
            CacheError: the job cache cannot be written; nothing was sent.
        """
        prepared = self.prepare(target, spec, how)
        prepared.meet()
        return prepared.send()

    def hand_over(self, prepared: PreparedJob) -> HandedOver:
        """Have a process that outlives this one send a job in detached batches; it is in the job cache on return.

        Raises:
            AgentlessError: it could not be started, or could not make the job; nothing was sent.
        """
        prepared.meet()
        return sender.hand_over(self._parts, prepared)

    def run(
        self,
        target: str,
        command: str | Sequence[str] = (),
        *,
        script: str | Path | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | Path | None = None,
        shell: str = "/bin/sh",
        timeout: float | None = None,
        cap: int | None = None,
        metadata: Mapping[str, str] | None = None,
        returners: Sequence[str] = (),
        template: bool = False,
        detach: bool = False,
        wait: float | None = None,
        batch: str | int | None = None,
        max_fail: str | int | None = None,
        live: bool | None = None,
        batch_wait: float | None = None,
        subset: int | None = None,
    ) -> Report:
        """Send a job and wait for it: `start` for who wants no events.

        A detached one in batches is handed over (`hand_over`): what is `pending` in the report is sent later.

        What follows `stdin` is what the fields of `JobSpec` and `Delivery` are, which tell what each means.

        Args:
            target: a pattern; there is no default.
            command: one string for the shell as it stands, or words that are quoted and joined. With `script`: its
                arguments.
            script: a file of this machine that hosts run by its own `#!` interpreter, instead of a shell's command.
            stdin: bytes for the job's standard input, or the `Path` of a file of this machine.
            cwd, env, shell, timeout, cap, metadata, returners, template: what hosts run, and how: `JobSpec`.
            detach, wait, batch, max_fail, live, batch_wait, subset: how it goes over the hosts, and what is waited for:
                `Delivery`.

        Returns:
            what each host gave back; whatever that is, nothing is raised for it (`Report.check` does that).

        Raises:
            UsageError: a file cannot be read, or as `start`; nothing was sent.
            CacheError: as `start`.
        """
        words = parameters.each("command", command or ())
        spec = JobSpec(
            "" if script is not None else shell_text(words, template=template),
            script=None if script is None else Script.read(script, words),
            cwd=cwd,
            env=env or {},
            stdin=read_input(stdin) if isinstance(stdin, Path) else stdin,
            shell=shell,
            timeout=timeout,
            cap=cap,
            metadata=metadata or {},
            returners=tuple(parameters.each("returners", returners)),
            template=template,
        )
        prepared = self.prepare(target, spec, Delivery(detach, wait, batch, max_fail, live, batch_wait, subset))
        if prepared.in_detached_batches:
            with self.hand_over(prepared) as handed:
                handed.first_batch()
                return handed.report()
        prepared.meet()
        with prepared.send() as run:
            for _ in run:
                pass
            return run.report()

    def retry(
        self,
        jid: str,
        target: str | None = None,
        *,
        failed: bool = False,
        unreachable: bool = False,
        how: Delivery = AT_ONCE,
    ) -> Retry:
        """Prepare to send a job again, as it was, to those of its hosts that failed, never got it or were not reached.

        Hosts of which the end is not known are asked first; who may have the job still is left alone.

        Args:
            jid: a JID, or `last`.
            target: only these of its hosts.
            failed: only those that failed, are lost or never got it; with `unreachable`, those too.
            unreachable: only those that were not reached.
            how: detached or not, what is waited for, and whether output is live; batches are those of the job.

        Raises:
            UnknownJob: the job cache does not have it.
            UsageError: it was not sent from here with `run`, or what was sent with it is not kept.
            TargetError: as `lookup`.
        """
        lists = (*(("@failed",) if failed else ()), *(("@unreachable",) if unreachable else ()))
        return retry.prepare(self._parts.dispatcher, self._jid(jid), target, lists, how)

    # --- the proc system ---
    def running(self, target: str | None = None) -> Running:
        """Salt's `saltutil.running`: what the proc files of each host say runs there."""
        return procs.running(self._parts.contact, self.endpoints(target))

    def find_job(self, jid: str, target: str | None = None) -> Found:
        """Salt's `saltutil.find_job`: where the job runs. `target` None: the job's own hosts, else all."""
        return procs.find_job(self._parts.contact, self._parts.selection, self._jid(jid), target)

    def signal_job(self, jid: str, signal: str | int, target: str | None = None) -> Signalled:
        """Salt's `saltutil.signal_job`: a signal to the job's whole tree on each host.

        Where it is one that ends (HUP, INT, QUIT, KILL, TERM), hosts to which a live run has yet to send the job never
        get it.

        Args:
            signal: a number, or a name with or without `SIG`.
            target: None takes the job's own hosts, else all.

        Raises:
            UsageError: no such signal.
            UnknownJob: the cache and all hosts deny the job.
        """
        number = procs.signal_number(signal)
        return procs.signal_job(self._parts.contact, self._parts.selection, self._jid(jid), number, target)

    def term_job(self, jid: str, target: str | None = None) -> Signalled:
        """Salt's `saltutil.term_job`: SIGTERM, which leaves the job the chance to clean up."""
        return self.signal_job(jid, signals.SIGTERM, target)

    def kill_job(self, jid: str, target: str | None = None) -> Signalled:
        """Salt's `saltutil.kill_job`: SIGKILL, until nothing of the job's tree is left."""
        return self.signal_job(jid, signals.SIGKILL, target)

    # --- the jobs runner ---
    def _jid(self, word: str) -> JID:
        return recorded.jid_of(self.cache, word)

    def active(self, target: str | None = None) -> Active:
        """Salt's `jobs.active`: the jobs that run, and where each of their hosts stands."""
        return lookup.active(self._parts.contact, self._parts.selection, target)

    def lookup(self, jid: str, target: str | None = None, *, source: str | None = None) -> Report:
        """Salt's `jobs.lookup_jid`: what each host gave back.

        Hosts that are not final are asked, once; a JID that the cache doesn't know is asked of all hosts.

        Args:
            jid: a JID, or `last`.
            target: only these of its hosts.
            source: the register of the returner `sql` with this name is read, instead of the cache and hosts.

        Raises:
            TargetError: the pattern cannot be read, or the job was sent to none of its hosts.
            UnknownJob: the cache and all hosts deny it, or the register does not have it.
            UsageError: there is no such register.
        """
        if source is not None:
            return registers.look_up(self._parts, source, self._jid(jid), target)
        return lookup.look_up(self._parts.contact, self._parts.selection, self._jid(jid), target)

    def show(self, jid: str, target: str | None = None) -> Report:
        """The job as the job cache has it; no host is asked.

        Raises:
            TargetError: as `lookup`.
            UnknownJob: the cache doesn't have it.
        """
        return recorded.shown(self.cache, self._parts.selection, jid, target)

    def last(self) -> JID:
        """The JID of the newest job that a person or a script sent from here with `run`.

        Raises:
            UnknownJob: there is none.
        """
        return recorded.last(self.cache)

    def list_jobs(
        self,
        *,
        function: str | None = None,
        target: str | None = None,
        by: str | None = None,
        since: float | datetime | None = None,
        until: float | datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        state: State | str | None = None,
        schedule: str | None = None,
        host: str | None = None,
        limit: int | None = None,
        source: str | None = None,
    ) -> Listed:
        """Salt's `jobs.list_jobs`: the jobs of the cache, newest first; no host is asked.

        Args:
            function, target: shell patterns (`cmd.*`, `web*`); of functions several, with commas between them.
            by: who sent it.
            since, until: of the start time; Unix seconds, or an aware datetime.
            metadata: pairs that the job must carry.
            state: only jobs with a host in this state; `failed` is one too.
            schedule: a shell pattern; only fires of such entries of a schedule. Empty: only what no entry fired.
            host: a shell pattern; only jobs that were sent to such a host, which with `state` is in that state.
            limit: how many at most.
            source: the register of the returner `sql` with this name, instead of the cache.

        Raises:
            UsageError: `since`, `until`, `limit` or `source` make no sense.
            CacheError: the cache or the register cannot be read.
        """
        texts = {"function": function, "target": target, "by": by, "schedule": schedule, "host": host}
        for option, text in texts.items():
            parameters.check_text(option, text, may_be_empty=True)
        word = state.value if isinstance(state, State) else state
        job_filter = JobFilter(
            function,
            target,
            by,
            parameters.moment(since),
            parameters.moment(until),
            metadata or {},
            word,
            schedule,
            host,
        )
        if source is not None:
            with registers.opened(self._parts, source) as register:
                return recorded.listed(register.rows(), job_filter, limit, register.load)
        return recorded.listed(self.cache.rows(), job_filter, limit, lambda jid: self.cache.load(jid, outputs=False))

    def wait(self, jid: str, target: str | None = None, *, wait: float | None = None) -> Run:
        """Follow a job until every host, or every one of the target's, has settled, or `wait` seconds are over.

        A host that is out of reach is tried again until then, else for 45 s. So is one that could not be asked about a
        JID that the cache doesn't know; who is not reached by then is one of the report's `unknown_hosts`.

        Raises:
            TargetError: as `lookup`.
            UnknownJob: the cache and all hosts deny it; or by the Run's `report`, where the last host does so later.
        """
        return attach.attach(self._parts.contact, self._parts.selection, self._jid(jid), target, wait=wait)

    def tail(self, jid: str, target: str | None = None, *, follow: bool = False) -> Run:
        """The output of a job so far as `Output` events, and with `follow` on to its end.

        Args:
            target: only these of its hosts.

        Raises:
            TargetError, UnknownJob: as `wait`.
        """
        return attach.attach(
            self._parts.contact, self._parts.selection, self._jid(jid), target, live=True, once=not follow
        )

    def exit_success(self, jid: str, target: str | None = None) -> ExitSuccess:
        """Salt's `jobs.exit_success`: for each host, whether it returned 0; arguments and errors as of `lookup`."""
        return ExitSuccess(self.lookup(jid, target))

    def collect(self, target: str | None = None) -> dict[str, Problem]:
        """Bring home what hosts have for this controller: ends of jobs, and all that their schedules have fired.

        Returns:
            the hosts that could not be asked.
        """
        return lookup.collect(self._parts.contact, self.endpoints(target))

    def prune(self) -> Pruned:
        """Remove what the job cache no longer has to keep."""
        return self.cache.prune(force=True)

    # --- the schedule ---
    def schedule(self, path: str | Path | None = None) -> Schedules:
        """Salt's `schedule`.

        Args:
            path: the schedule file; None is what the configuration names, else `schedule.yaml` beside the inventory,
                else the one of the user's config directory.
        """
        return schedules.Schedules(self._parts, schedules.find(self._parts, path))

    def scheduler(self, log: Callable[[str], None], path: str | Path | None = None) -> Scheduler:
        """What fires the entries of a schedule file that run on the controller.

        Args:
            log: called with one line for each fire, skip and error.
            path: as for `schedule`.
        """
        return scheduler.Scheduler(self.schedule(path), self._parts.controller, log=log, deliver=self.deliver)

    # --- connections that are kept ---
    def connections(self, target: str | None = None) -> Connections:
        """The connections that are kept for the next operation; with a target or a `limit`, those to its hosts."""
        return connections.kept(self._parts, target)

    def close_connections(self, target: str | None = None) -> Connections:
        """Let go of the connections to the hosts of a target, or of all; what is under way goes on to its end.

        Returns:
            What was let go of.

        Raises:
            TargetError, InventoryError: as `hosts`.
        """
        return connections.close(self._parts, target)

    def ping(self, target: str | None = None) -> Pong:
        """Connect to each host, bring the helper, and say which Python answered."""
        return procs.ping(self._parts.contact, self.endpoints(target))
