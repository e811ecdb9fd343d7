"""The cache against a dict: any interleaving of two users of one directory gives back what was recorded."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from agentless.cache import JobCache
from agentless.cache.record import NEWS
from agentless.cache.record_lines import TOLD
from agentless.model.jid import JID
from agentless.model.job import Job, Origin, Report
from agentless.model.states import LEARNED, Dispatched, HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import HOSTS, any_result, open_result
from tests.hosts.needs import examples

HOUR = 3600.0


class CacheMachine(RuleBasedStateMachine):
    """`model` holds what every reader must see; `last` the time of each job's last event."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.bench = Bench(Path(self.directory) / "jobs")
        self.users = (self.bench.cache, self.bench.another())
        self.model: dict[JID, Report] = {}
        self.last: dict[JID, float] = {}
        self.held: set[JID] = set()
        self.heard: dict[tuple[JID, str], float] = {}
        self.learned = 0

    def teardown(self) -> None:
        for jid in self.held:
            self.users[0].release(jid)
        shutil.rmtree(self.directory)

    user = st.integers(0, 1)

    some_hosts = st.lists(st.sampled_from(HOSTS), min_size=1, unique=True)

    @rule(target=jobs, hosts=some_hosts, keep=st.sampled_from([1.0, 168.0]))
    def create(self, hosts: list[str], keep: float) -> JID:
        job = self.bench.job(*hosts, release=False, keep_returns=keep)
        assert job.jid not in self.model
        self.model[job.jid] = Report(job, {host: HostResult(State.PENDING) for host in hosts})
        self.last[job.jid] = self.bench.now
        self.held.add(job.jid)
        return job.jid

    @rule(jid=jobs, results=st.dictionaries(st.sampled_from(HOSTS), any_result, min_size=1), user=user)
    def record(self, jid: JID, results: dict[str, HostResult], user: int) -> None:
        self._record(self.users[user], jid, results)

    @rule(jid=jobs, result=open_result, user=user)
    def record_open(self, jid: JID, result: HostResult, user: int) -> None:
        self._record(self.users[user], jid, dict.fromkeys(HOSTS, result))

    def _record(self, cache: JobCache, jid: JID, results: dict[str, HostResult]) -> None:
        if jid not in self.model:
            return
        report = self.model[jid]
        results = {host: result for host, result in results.items() if host in report.results}
        cache.record_many(jid, results)
        self._learned_again(jid, results)

    @rule(jid=jobs)
    def release(self, jid: JID) -> None:
        self.users[0].release(jid)
        self.held.discard(jid)

    @rule(target=jobs, hosts=some_hosts, user=user)
    def learn(self, hosts: list[str], user: int) -> str:
        # Never the JID of another one: a job that was pruned may be learned of again, but not as two at once.
        self.learned += 1
        jid = JID(f"20010101000000{self.learned:06}")
        job = Job(jid, "cmd.run", ("id",), "all", tuple(hosts), "eve", 978307200.0, origin=Origin.LEARNED)
        self.users[user].adopt(job, {})
        self.model[jid] = Report(job, dict.fromkeys(hosts, LEARNED))
        self.last[jid] = self.bench.now
        return jid

    @rule(jid=jobs, host=st.sampled_from(HOSTS), result=st.none() | any_result, user=user)
    def adopt(self, jid: JID, host: str, result: HostResult | None, user: int) -> None:
        """Whom a job was sent to is said by its sender, and for one that was learned of by every host that has it."""
        if jid not in self.model:
            return
        report = self.model[jid]
        self.users[user].adopt(replace(report.job, hosts=(host,)), {} if result is None else {host: result})
        if report.job.origin is Origin.LEARNED and host not in report.results:
            self.last[jid] = self.bench.now
            sent = result or LEARNED
            sent = HostResult(State.RUNNING, Dispatched.YES) if sent.state.final else sent
            job = replace(report.job, hosts=(*report.job.hosts, host))
            self.model[jid] = report = Report(job, {**report.results, host: sent})
        if result is not None and host in report.results:
            self._learned_again(jid, {host: result})

    def _learned_again(self, jid: JID, results: dict[str, HostResult]) -> None:
        after = dict(self.model[jid].results)
        for host, result in results.items():
            if after[host].state.final:
                continue
            again = after[host] == result and result.state is State.RUNNING
            if after[host] != result or (again and self.bench.now - self.heard.get((jid, host), 0.0) >= NEWS):
                after[host] = result
                self.last[jid] = self.bench.now
                if result.state in TOLD:
                    self.heard[jid, host] = self.bench.now
        self.model[jid] = Report(self.model[jid].job, after)

    @rule(hours=st.sampled_from([0.001, 1.0, 23.0, 25.0, 200.0]))
    def time_passes(self, hours: float) -> None:
        self.bench.now += hours * HOUR

    @rule(user=user)
    def prune(self, user: int) -> None:
        over = set()
        for jid, report in self.model.items():
            settled = all(result.settled for result in report.results.values())
            finished = settled and (jid not in self.held or all(r.state.final for r in report.results.values()))
            hours = 24.0 if finished else max(24.0, report.job.keep_returns)
            if self.last[jid] + hours * HOUR < self.bench.now and jid not in self.held:
                over.add(jid)
        pruned = self.users[user].prune(force=True)
        assert set(pruned.jobs) == over
        assert not pruned.set_aside
        for jid in over:
            del self.model[jid], self.last[jid]
            self.heard = {place: at for place, at in self.heard.items() if place[0] != jid}

    @rule(jid=consumes(jobs), user=user)
    def look_up(self, jid: JID, user: int) -> None:
        assert self.users[user].load(jid) == self.model.get(jid)

    @invariant()
    def rows_are_the_reports(self) -> None:
        rows = list(self.users[1].rows())
        assert [row.job for row in rows] == [self.model[jid].job for jid in sorted(self.model, reverse=True)]
        for row in rows:
            report = self.model[row.job.jid]
            assert row.summary == report.summary
            assert sum(row.summary[state.value] for state in State) == len(report.job.hosts)
            assert row.last_event == self.last[row.job.jid]
            loaded = self.users[0].load(row.job.jid)
            assert loaded is not None
            for host, result in loaded.results.items():
                if not result.state.final:
                    assert result.as_of == self.heard.get((row.job.jid, host))
            assert self.users[1].is_held(row.job.jid) is (row.job.jid in self.held)

    @invariant()
    def nothing_was_set_aside_and_no_job_has_more_than_two_files(self) -> None:
        assert self.bench.warnings == []
        if self.bench.root.exists():
            names = [name for name in self.bench.files() if name.endswith(".jsonl")]
            assert all(sum(name.startswith(jid) for name in names) <= 2 for jid in self.model)
            assert {name[:20] for name in names} == set(self.model)


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=examples(40), stateful_step_count=25, deadline=None)
