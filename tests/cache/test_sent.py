"""What was sent with a job is kept whole, for its owner alone, and only as long as somebody may send it again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.cache import JobCache
from agentless.cache.json_line import DamagedRecord
from agentless.cache.sent import decode_sent, encode_sent
from agentless.errors import CacheError
from agentless.model.job import Job
from agentless.model.job_spec import JobSpec, Script, Sent
from agentless.model.states import HostResult, State
from tests.report.values import quick, returned

# With what stands for a byte that is not UTF-8 (PEP 383).
words = st.text(st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("\udc80\udcff"), max_size=5)
pairs = st.dictionaries(words.filter(lambda word: word and "=" not in word), words, max_size=2)
specs = st.builds(
    JobSpec,
    st.sampled_from(["uptime", "\udcff é"]),
    cwd=st.sampled_from([None, "/srv"]),
    env=pairs,
    stdin=st.none() | st.binary(max_size=9),
    timeout=st.none() | st.floats(0.5, 100),
    cap=st.none() | st.integers(1, 1 << 30),
    metadata=pairs,
    returners=st.lists(words, max_size=2).map(tuple),
    template=st.booleans(),
)
scripts = st.builds(Script, words, st.binary(max_size=9), st.lists(words, max_size=2).map(tuple))
shares = st.sampled_from([None, "10%", 3, "4"])


@quick
@given(st.builds(Sent, specs, shares, shares), st.none() | scripts)
def test_it_is_read_as_it_was_written(sent: Sent, script: Script | None) -> None:
    if script is not None:
        sent = dataclasses.replace(sent, spec=dataclasses.replace(sent.spec, command="", script=script))
    assert decode_sent(encode_sent(sent)) == sent


def test_every_field_of_a_job_is_kept_but_the_schedule_which_no_such_job_has() -> None:
    """Who adds an option to jobs is reminded that a retry has to have it."""
    kept = {field.name for field in dataclasses.fields(JobSpec)} - {"schedule"}
    assert all(f'"{name}' in encode_sent(Sent(JobSpec("x"))).decode() for name in kept)


@quick
@given(st.builds(Sent, specs, shares, shares), st.data())
def test_what_is_not_whole_is_refused(sent: Sent, data: st.DataObject) -> None:
    whole = encode_sent(sent)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with contextlib.suppress(DamagedRecord):
        assert decode_sent(whole[:cut]) == sent, "nothing that counts was cut off"


SECRET = Sent(JobSpec("deploy", env={"TOKEN": "hunter2"}, stdin=b"key"), batch="10%", max_fail=1)


@pytest.fixture
def cache(tmp_path: Path) -> JobCache:
    return JobCache(tmp_path / "jobs", keep_jobs=24, max_bytes=1 << 30)


def made(cache: JobCache, *, sent: Sent | None = SECRET) -> Job:
    return cache.create(
        function="cmd.run", arguments=["deploy"], target="all", hosts=["web1", "web2"], user="ada", become="", sent=sent
    )


def ends(cache: JobCache, job: Job, *codes: int) -> None:
    cache.record_many(job.jid, {f"web{n}": returned(retcode=code) for n, code in enumerate(codes, 1)})
    cache.release(job.jid)


def files(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "jobs").iterdir() if path.name.endswith(".sent")]


def test_it_is_kept_for_its_owner_alone_and_no_record_has_it(cache: JobCache, tmp_path: Path) -> None:
    job = made(cache)
    assert cache.sent(job.jid) == SECRET
    ends(cache, job, 0, 3)
    assert cache.sent(job.jid) == SECRET
    [name] = files(tmp_path)
    assert stat.S_IMODE(os.stat(tmp_path / "jobs" / name).st_mode) == 0o600
    others = [path for path in (tmp_path / "jobs").iterdir() if path.is_file() and path.name != name]
    assert all(b"hunter2" not in path.read_bytes() for path in others)
    assert "hunter2" not in repr(cache.load(job.jid))


def test_of_a_job_that_nobody_has_to_send_again_it_is_gone(cache: JobCache, tmp_path: Path) -> None:
    job = made(cache)
    ends(cache, job, 0, 0)
    assert cache.sent(job.jid) is None
    assert files(tmp_path) == []


def test_it_goes_with_its_record_and_alone_it_goes_too(cache: JobCache, tmp_path: Path) -> None:
    job = made(cache)
    ends(cache, job, 0, 3)
    (tmp_path / "jobs" / f"{job.jid}.jsonl").unlink()
    assert files(tmp_path)
    cache.prune(force=True)
    assert files(tmp_path) == []


def test_a_job_of_which_nothing_is_kept_has_nothing(cache: JobCache, tmp_path: Path) -> None:
    job = made(cache, sent=None)
    cache.record(job.jid, "web1", HostResult(State.NOT_STARTED))
    assert cache.sent(job.jid) is None
    assert files(tmp_path) == []


def test_one_that_was_damaged_is_an_error(cache: JobCache, tmp_path: Path) -> None:
    job = made(cache)
    (tmp_path / "jobs" / f"{job.jid}.sent").write_bytes(b"{}\n")
    with pytest.raises(CacheError, match="cannot be read"):
        cache.sent(job.jid)
