"""A file that is wrong is refused whole, with file, line, key and reason."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agentless.errors import ScheduleError
from agentless.remote import evaluator
from agentless.schedule import schedule_file
from agentless.schedule.coming import coming
from agentless.schedule.schedule_file import load, parse
from tests.schedule.reading import ENTRY, FILE, read
from tests.schedule.walking import START, utc


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        ("", 2, "it never says when it runs"),
        ("minuets: 5", 6, "it: minuets: unknown key"),
        ("minutes: 5\nminutes: 6", 7, "a second time"),
        ("minutes: 5\nhours: 1\nwhen: 5pm", 8, "one way to say when"),
        ("when: 5pm\ncron: '* * * * *'", 7, "one way to say when"),
        ("minutes: 0", 6, "at least one second"),
        ("minutes: -1", 6, "a whole number from 0 on"),
        ("minutes: five", 6, "a whole number from 0 on"),
        ("cron: '61 * * * *'", 6, "not a cron line"),
        ("cron: '* * * *'", 6, "five fields, not 4"),
        ("cron: '0 0 30 2 *'", 6, "Bad day-of-month"),
        ("cron: '@reboot'", 6, "@reboot is no time"),
        ("when: tea", 6, "not a date"),
        ("when: [5pm, '2018']", 6, "neither a time of day"),
        ("when: 5pm CET", 6, "zone"),
        ("when: []", 6, "the list is empty"),
        ("once: 5pm", 6, "a full date is needed"),
        ("once: 2018\nonce_fmt: '%d.%m'", 6, "does not match"),
        ("minutes: 1\nonce_fmt: '%d.%m'", 7, "no `once`"),
        ("minutes: 5\nsplay: {start: 9, end: 3}", 7, "the end is before the start"),
        ("minutes: 5\nsplay: {start: 9}", 7, "needs both"),
        ("minutes: 5\nsplay: {start: 300, end: 400}", 7, "after the interval of 300 seconds"),
        ("minutes: 5\nrange: 5pm", 7, "a mapping"),
        ("minutes: 5\nrange: {start: 5pm}", 7, "`end` is missing"),
        ("minutes: 5\nrange: {start: 5pm, end: monday 5pm}", 7, "different kinds"),
        ("minutes: 5\nrange: {start: 5pm, end: 17:00}", 7, "the same"),
        ("minutes: 5\nrange: {start: 2018-01-02 1pm, end: 2018-01-01 1pm}", 7, "before the start"),
        ("minutes: 5\nskip_during_range: {start: 1pm, end: 2pm, invert: true}", 7, "unknown key"),
        ("minutes: 5\nafter: monday 5pm", 7, "a time of day"),
        ("minutes: 5\nmaxrunning: 0", 7, "from 1 on"),
        ("minutes: 5\nenabled: maybe", 7, "true or false"),
        ("minutes: 5\ntimezone: Europe/Berlim", 7, "no time zone 'Europe/Berlim'"),
        ("minutes: 5\nskip_explicit: [5pm]", 7, "a full date"),
        ("minutes: 5\ntimeout: soon", 7, "write seconds, or 90s"),
        ("minutes: 5\nreturn_job: some", 7, "nocache"),
        ("minutes: 5\nreturn_config: mysql", 7, "Salt's key"),
        ("minutes: 5\nruns_on: moon", 7, "host or controller"),
        ("minutes: 5\nkwargs: {runas: bob}", 7, "not known here"),
        ("minutes: 5\nkwargs: {cwt: /}", 7, "no such kwarg"),
        ("minutes: 5\nfunc: cmd.run", 7, "stands here already"),
        ("minutes: 5\nname: ''", 7, "text is needed"),
        ("minutes: [5", 7, "not YAML"),
        ("minutes: 5\nrun_after_skip_range: true", 7, "it: run_after_skip_range: there is no skip_during_range"),
        ("hours: 1\ndays: 1000000000000", 7, "from 0 to 3162240000 is needed, not 1000000000000"),
        ("hours: 1\ndays: 40000", 7, "it: days: an interval of more than 100 years"),
        ("cron: '* * * * *'\nsplay: 99999999999", 7, "from 0 to"),
        ("once: '17:00'\nonce_fmt: '%H:%M'", 6, "'%H:%M' has no year, month and day"),
        ("once: '12/24'\nonce_fmt: '%m/%d'", 6, "has no year"),
        ("once: '20300101'\nonce_fmt: '%Y%Y%m%d'", 6, "'%Y%Y%m%d' is no format of a date"),
        ("minutes: 5\nskip_explicit: {time: '1.1', time_fmt: '%d.%d'}", 7, "is no format of a date"),
        ("once: 9999-12-31T23:59:59", 6, "the year 9999 is not from 1902 to 9990"),
        ("once: '%Y'\nonce_fmt: '%%Y'", 6, "has no year"),
        ("minutes: 5\nskip_explicit: {time: '17:00', time_fmt: '%H:%M'}", 7, "has no year"),
        ("minutes: 5\nafter: 2027-01-01\nuntil: 2026-12-01", 8, "it: until: it is not later than `after`"),
        ("minutes: 5\nafter: 5pm\nuntil: 5pm", 8, "never fire"),
        ('minutes: 5\nmetadata: {}\nkwargs: {env: {A: "x\\0y"}}', 8, "it: kwargs: env: A: no program can"),
        ('minutes: 5\nkwargs: {env: {"A=B": x}}', 7, "no name for an environment variable"),
        ('minutes: 5\nkwargs: {cwd: "/\\0"}', 7, "it: kwargs: cwd: no program can"),
        ("minutes: 5\nruns_on: controller\nreturn_job: false", 8, "a job of its job cache"),
        ("minutes: 5\nruns_on: controller\nreturn_job: nocache", 8, "a job of its job cache"),
        ("minutes: 5\ntimezone: ../../etc/passwd", 7, "no time zone"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_key(lines: str, line: int, reason: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        read(ENTRY + "".join(f"    {each}\n" for each in lines.splitlines()))
    assert reason in str(caught.value)
    assert (caught.value.file, caught.value.line) == (FILE, line)
    assert f"{FILE}:{line}: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("scedule: {}", "unknown key"),
        ("schedule: []", "a mapping"),
        ("schedule: {it: 5}", "a mapping"),
        ("schedule: {it: {minutes: 5}}", "it has no function"),
        ("schedule: {it: {function: cmd.rum, minutes: 5}}", "no function of a schedule"),
        ("schedule: {it: {function: cmd.run, args: [x], minutes: 5}}", "needs a target"),
        ("schedule: {it: {function: cmd.run, target: all, minutes: 5}}", "needs args"),
        ("schedule: {it: {function: jobs.prune, target: all, minutes: 5}}", "has no target"),
        ("schedule: {it: {function: jobs.prune, runs_on: host, minutes: 5}}", "of the controller"),
        ("schedule: {it: {function: cmd.script, args: [no.sh], target: all, minutes: 5}}", "there is no script"),
        ("schedule: {a: {function: jobs.prune, hours: 1}, b: {function: jobs.prune, hours: 1, name: a}}", "another"),
        ('schedule: {it: {function: cmd.run, args: "a\\0b", target: all, minutes: 5}}', "it: args: no program can"),
        (
            "schedule: {it: {function: jobs.list_jobs, kwargs: {since: yesterdayy}, hours: 1}}",
            "since: 'yesterdayy' is not a time",
        ),
        ("schedule: {it: {function: jobs.list_jobs, kwargs: {state: borken}, hours: 1}}", "'borken' is no state"),
        ("schedule: {it: {function: cmd.run, args: ' ', target: all, minutes: 5}}", "it: args: there is no command"),
        (
            "schedule: {it: {function: cmd.run, args: x, kwargs: {cwd: ''}, target: all, minutes: 5}}",
            "it: kwargs: cwd: it is empty",
        ),
        ("schedule: {enabled: 5}", "true or false"),
        ("schedule: {splay: -1}", "a whole number"),
        ("whens: {tea: soon}", "not a date"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ("\0", "not YAML"),
    ],
)
def test_a_file_that_is_wrong_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        read(text)


def test_a_near_word_is_offered() -> None:
    with pytest.raises(ScheduleError) as caught:
        read(ENTRY + "    minuets: 5\n")
    assert "minutes" in (caught.value.hint or "")


def test_a_hint_is_short() -> None:
    """There are some 600 time zones."""
    with pytest.raises(ScheduleError) as caught:
        read(ENTRY + "    minutes: 5\n    timezone: ../../etc/passwd\n")
    assert caught.value.hint == "An IANA name is needed, such as Europe/Berlin."


@pytest.mark.parametrize("fmt", ["%d.%m.%Y", "%c", "%x", "%Y %j", "%d %b %y %H:%M", "%G %V %u"])
def test_a_format_with_a_full_date_is_taken(fmt: str) -> None:
    text = datetime(2031, 2, 3, 4, 5).strftime(fmt)
    assert read(ENTRY + f"    once: '{text}'\n    once_fmt: '{fmt}'\n").entry("it").timing["once"] == 1


def test_run_after_skip_range_may_be_about_the_range_of_all() -> None:
    keys = "    minutes: 5\n    run_after_skip_range: true\n  skip_during_range: {start: 5pm, end: 6pm}\n"
    assert read(ENTRY + keys).entry("it").timing["run_after"] == 1


def test_a_file_that_is_not_there_says_how_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(ScheduleError) as caught:
        load(tmp_path / "none.yaml", now=START)
    assert "schedule add" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["", "schedule:", "# nothing yet\n", "whens: {}\nschedule: {enabled: true}"])
def test_a_schedule_may_be_empty(text: str) -> None:
    assert read(text).entries == {}


def test_salts_words_and_ours(tmp_path: Path) -> None:
    (tmp_path / "backup.sh").write_text("true")
    path = tmp_path / "schedule.yaml"
    path.write_text(
        "whens: {tea time: 1:40pm}\n"
        "schedule:\n"
        "  splay: 30\n"
        "  one: {func: cmd.run, job_args: [a, 5, true], job_kwargs: {timeout: 5m, env: {A: 1}}, target: all,\n"
        "        when: tea time, metadata: {team: web}, return_job: nocache, jid_include: false}\n"
        "  two: {fun: cmd.script, args: [backup.sh, -v], target: db, cron: '@daily', name: nightly, splay: 0,\n"
        "        timezone: Europe/Berlin, timeout: 90}\n"
        "  three: {function: jobs.list_jobs, kwargs: {since: 1d}, seconds: 20}\n"
    )
    schedule = load(path, now=START)
    one, two, three = schedule.entries.values()
    assert (one.args, one.timeout, one.kwargs) == (("a", "5", "true"), 300, {"env": {"A": "1"}})
    assert (one.metadata, one.return_job, one.jid_include, one.runs_on) == ({"team": "web"}, "nocache", False, "host")
    assert one.timing["splay"] == [0, 30]
    assert (two.name, two.key, two.script) == ("nightly", "two", str(tmp_path / "backup.sh"))
    assert "splay" not in two.timing
    assert (two.timeout, two.timezone, list(schedule.zones)) == (90, "Europe/Berlin", ["Europe/Berlin"])
    assert (three.runs_on, three.target) == ("controller", None)


def test_the_switch_for_all_switches_each_entry_off() -> None:
    off = read(ENTRY + "    minutes: 5\n  enabled: false\n").entry("it")
    on = read(ENTRY + "    minutes: 5\n").entry("it")
    assert not off.enabled
    assert on.enabled
    assert on.timing["v"] != off.timing["v"]


def test_jids_end_in_digits_of_the_schedule_and_the_entry() -> None:
    text = ENTRY + "    minutes: 5\n"
    ids = {
        parse(text.replace("it:", f"{name}:"), file, now=START).entry(name).timing["id"]
        for name in ("it", "other")
        for file in ("/home/ada/schedule.yaml", "/home/bob/schedule.yaml")
    }
    assert len(ids) == 4
    assert all(len(each) == 6 and each.isdigit() for each in ids)


def test_a_global_splay_leaves_alone_what_comes_around_before_it() -> None:
    text = ENTRY + "    seconds: 5\n  splay: {start: 10, end: 15}\n"
    assert "splay" not in read(text).entry("it").timing


KEYS = st.dictionaries(
    st.sampled_from([*schedule_file.KEYS, "minuets", "func", ""]),
    st.one_of(
        st.none(), st.booleans(), st.integers(-10, 10**6), st.text(max_size=12), st.sampled_from(["5pm", "* * * * *"]),
        st.lists(st.text(max_size=8), max_size=3),
        st.dictionaries(st.sampled_from(["start", "end", "invert", "time"]), st.sampled_from(["5pm", 3, True])),
    ),
    max_size=8,
)  # fmt: skip


@given(entries=st.dictionaries(st.text(max_size=5), KEYS, max_size=3))
def test_any_entry_is_read_or_refused_and_what_is_read_can_be_evaluated(entries: dict[str, object]) -> None:
    try:
        schedule = read(yaml.safe_dump({"schedule": entries}))
    except ScheduleError as error:
        assert error.file == FILE  # noqa: PT017 -- raised or not, both are right
        return
    for entry in schedule.entries.values():
        assert json.loads(json.dumps(entry.timing)) == entry.timing
        evaluator.evaluate(entry.timing, None, START, "web1", utc)
        coming(schedule, entry, 3, now=START, host="web1")


@given(text=st.text(alphabet="schedule: it\n{}[],-&*!#|'\"%@?>é\t", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except ScheduleError as error:
        assert error.file == FILE  # noqa: PT017 -- raised or not, both are right
