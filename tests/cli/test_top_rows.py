"""The rows of `agentless top`, made of a snapshot."""

from __future__ import annotations

import dataclasses

import pytest

from agentless.cli.snapshot import ComingFire, HostPart, JobPart, Note, Snapshot
from agentless.cli.top_rows import TopRow, age, fires, heading, rows, status, widths
from agentless.model.jid import JID, jid_time
from agentless.model.job import Job

JID_1, JID_2 = JID("20261122095039579207"), JID("20261122095000000000")
NOW = jid_time(JID_1) + 125


def job(jid: JID, command: str, **fields: object) -> Job:
    made = Job(jid, "cmd.run", (command,), "web*", ("web1",), "ada", jid_time(jid))
    return dataclasses.replace(made, **fields)  # type: ignore[arg-type]


SNAPSHOT = Snapshot(
    (
        JobPart(
            job(JID_1, "./deploy.sh --all"),
            ok=9,
            failed=1,
            running=1,
            pending=4,
            hosts=(
                HostPart("web1", "running", "yellow", True, NOW - 70, None, "step 3 of 9"),
                HostPart("web2", "failed (3)", "red", False, NOW - 90, 12.4, "no space left"),
                *(HostPart(f"web{n}", "ok", "green", False, NOW - 90, 1.0, "done") for n in range(3, 12)),
                *(HostPart(f"web{n}", "pending", "yellow") for n in range(12, 16)),
            ),
        ),
        JobPart(
            job(JID_2, "backup", schedule="nightly"),
            ok=2,
            failed=0,
            running=0,
            pending=0,
            hosts=tuple(HostPart(f"db{n}", "ok", "green", False, NOW - 150, 3.0, "") for n in (1, 2)),
        ),
    ),
    (ComingFire(NOW + 75, "nightly", "db*"),),
    hosts=20,
    asked=18,
    problems={"web20": "connect-timeout: no answer"},
)


def test_a_job_has_its_own_row_and_below_it_the_hosts_that_say_most() -> None:
    shown = [(row.host, *row.cells[1:], row.colour) for row in rows(SNAPSHOT, NOW)]
    assert shown == [
        (None, "1 failed, 1 running", "2m05s", "━━━━╌╌ 10/15, 4 pending by ada", "red"),
        ("web1", "running", "1m10s", "step 3 of 9", "yellow"),
        ("web2", "failed (3)", "12s", "no space left", "red"),
        *((f"web{n}", "pending", "", "", "yellow") for n in range(12, 16)),
        (None, "2 ok", "2m44s", "━━━━━━ 2/2 by schedule nightly", "green"),
        ("db1", "ok", "3s", "", "green"),
        ("db2", "ok", "3s", "", "green"),
    ]
    assert rows(SNAPSHOT, NOW)[0].cells[0].endswith(" ./deploy.sh --all")


@pytest.mark.parametrize(
    ("words", "hosts"),
    [
        ("deploy failed", [None, "web2"]),
        ("db1", [None, "db1"]),
        ("NIGHTLY", [None, "db1", "db2"]),
        (JID_2, [None, "db1", "db2"]),
        ("nothing like it", []),
    ],
)
def test_a_filter_takes_words_of_jobs_and_of_hosts(words: str, hosts: list[str | None]) -> None:
    assert [row.host for row in rows(SNAPSHOT, NOW, words)] == hosts


def test_hosts_that_do_not_answer_are_not_called_running() -> None:
    part = dataclasses.replace(SNAPSHOT.jobs[0], ok=14, failed=0, running=0, pending=0, unreachable=1)
    shown = rows(Snapshot((part,)), NOW)[0]
    assert shown.cells[1:] == ("1 unreachable", "2m05s", "━━━━━╌ 14/15 by ada")
    assert shown.colour == "red"


def test_hosts_that_wait_for_their_batch_say_which_one_is_under_way() -> None:
    part = dataclasses.replace(SNAPSHOT.jobs[0], job=job(JID_1, "./deploy.sh", batch=4))
    assert rows(Snapshot((part,)), NOW)[0].cells[3] == "━━━━╌╌ 10/15, 4 pending (batch 3 of 4) by ada"
    over = dataclasses.replace(part, ok=14, pending=0, running=0)
    assert "batch" not in rows(Snapshot((over,)), NOW)[0].cells[3]


def test_what_is_more_than_fits_is_counted() -> None:
    shown = rows(SNAPSHOT, NOW, "deploy ok")
    assert len(shown) == 10
    assert shown[-1].cells[0] == "  … 1 more hosts"


def test_names_and_outputs_show_no_control_characters() -> None:
    part = JobPart(
        job(JID_1, "a\x1b[2J"), 0, 0, 1, 0, (HostPart("h\x07", "running", "yellow", True, None, None, "\x1b]0;x"),)
    )
    for row in rows(Snapshot((part,)), NOW):
        assert "\x1b" not in "".join(row.cells)
        assert "\x07" not in "".join(row.cells)


def test_the_lines_around_say_what_runs_who_has_answered_and_what_comes() -> None:
    assert heading(SNAPSHOT, NOW, "web*").startswith(
        "agentless top web* · 1 running · 20 hosts, 18 asked · 1 not reached · "
    )
    assert fires(SNAPSHOT, NOW).endswith(" nightly (in 1m15s)")
    assert fires(Snapshot(), NOW) == ""
    assert status(SNAPSHOT, NOW) == "web20: connect-timeout: no answer"
    noted = dataclasses.replace(SNAPSHOT, notes=(Note(NOW, "killed"),))
    assert status(noted, NOW + 1) == "killed"
    assert status(noted, NOW + 60) == "web20: connect-timeout: no answer"


def test_ages_are_short() -> None:
    assert [age(seconds) for seconds in (-1, 59.9, 61, 3661, 90_000)] == ["0s", "59s", "1m01s", "1h01m", "1d"]


@pytest.mark.parametrize(
    ("columns", "said", "expected"),
    [
        (80, "ok", (23, 12, 7, 28)),
        (80, "1 unreachable, 2 running", (16, 24, 7, 23)),
        (80, "1 failed, 100 unreachable, 200 running", (14, 26, 7, 23)),
        (60, "4 running", (17, 12, 0, 23)),
        (40, "1 unreachable, 2 running", (10, 24, 0, 0)),
        (20, "1 unreachable, 2 running", (1, 24, 0, 0)),
        (140, "ok", (38, 12, 7, 73)),
    ],
)
def test_a_state_is_whole_on_narrow_terminals_too(columns: int, said: str, expected: tuple[int, ...]) -> None:
    sizes = widths(columns, [TopRow("1", "1", None, ("a", said, "1s", "x"), "")])
    assert sizes == expected
    if columns > 20:
        assert sum(sizes) + 2 * sum(size > 0 for size in sizes) + 2 == columns
