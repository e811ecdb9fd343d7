"""Rendering is pure and total: any bytes and any names become text that a terminal can be given."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agentless.model.endpoint import Become, Endpoint
from agentless.model.job import Job, JobRow, Report
from agentless.model.problem import Problem
from agentless.model.results import Listed
from agentless.model.states import Dispatched, HostResult, State
from agentless.report import tables
from agentless.report.documents import as_json, as_yaml, host_line, lines, report_json, report_yaml
from agentless.report.junit import as_junit
from agentless.report.names import fold, shorten
from agentless.report.printable import Printable, note, one_line, plain, printable
from agentless.report.text import PLAIN, Look, block, duration, groups, heading, paint, summary
from agentless.report.tree import tree
from tests.cli.values import JID, START, outputs, quick, report, reports, results, returned, texts

TERMINAL = Look(terminal=True, colour=True)
SGR = re.compile(r"\x1b\[[0-9;:]*m")
# What a terminal obeys; colours are taken out before.
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What is not seen, or moves other text: format characters but those that are seen, fillers, ends of lines.
SEEN_FORMATS = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
FILLERS = set("\u034f\u115f\u1160\u17b4\u17b5\u2065\u3164\uffa0")
HIEROGLYPHS = range(0x13430, 0x13456)
NO_XML = set("\ufffe\uffff")


def hidden(character: str) -> bool:
    formats = unicodedata.category(character) in ("Cf", "Zl", "Zp") and character not in SEEN_FORMATS
    return (formats and ord(character) not in HIEROGLYPHS) or character in FILLERS | NO_XML


def harmless(text: str) -> bool:
    return OBEYED.search(SGR.sub("", text)) is None and not any(map(hidden, text))


# --- control characters ---
@quick
@given(outputs)
def test_no_output_reaches_a_terminal_with_a_control_character_but_colour_tab_and_line_ends(data: bytes) -> None:
    assert harmless(printable(data))


@quick
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"])).filter(
        lambda text: not any(map(hidden, text))
    )
)
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text.encode()) == text


@quick
@given(outputs, st.lists(st.integers(1, 5)))
def test_output_in_pieces_is_shown_as_in_one(data: bytes, cuts: list[int]) -> None:
    stream, shown, at = Printable(), "", 0
    for cut in cuts:
        shown += stream.feed(data[at : at + cut])
        at += cut
    shown += stream.feed(data[at:], final=True)
    assert shown == Printable().feed(data, final=True)


def test_colours_pass_and_everything_else_becomes_visible() -> None:
    assert printable(b"\x1b[1;31mred\x1b[0m\n") == "\x1b[1;31mred\x1b[0m\n"
    assert printable(b"\x1b[2J\x07\x9b\x7f") == "^[[2J^G\\x9b^?"
    assert printable("\u202e\x85".encode()) == "\\u202e\\x85"
    assert one_line("we\u200bb\xad\ufeff1\U000e0041") == "we\\u200bb\\xad\\ufeff1\\U000e0041"


def test_every_hidden_character_is_made_visible_on_every_way() -> None:
    for character in filter(hidden, map(chr, range(0x110000))):
        for way in (one_line, plain, note, lambda text: printable(text.encode())):
            assert way(character) != character, hex(ord(character))


def test_a_carriage_return_never_takes_the_cursor_back() -> None:
    assert printable(b"10%\r20%\r\nweb2: \rweb1: ok") == "10%\n20%\nweb2: \nweb1: ok"
    assert plain("a\r\nb\rc") == "a\nb\nc"
    assert note("a\rb") == one_line("a\rb") == "a\\rb"


def test_a_note_is_painted_by_us_alone() -> None:
    assert note(f"job: {paint('2 failed', 'red', TERMINAL)}") == "job: \x1b[31m2 failed\x1b[0m"
    assert note("\x1b[8m\x1b[30;40mhidden") == "^[[8m^[[30;40mhidden"


def test_a_colour_left_on_is_switched_off_at_the_end() -> None:
    assert printable(b"\x1b[31mred") == "\x1b[31mred\x1b[0m"


@quick
@given(texts)
def test_a_name_never_breaks_its_line(text: str) -> None:
    line = one_line(text)
    assert harmless(line)
    assert "\x1b" not in line
    assert not re.search(r"[\t\n\r]", line)
    line.encode("utf-8")


# --- names ---
plain_names = st.text("ab.-0123456789:", min_size=1, max_size=8)


def unfold(text: str) -> list[str]:
    """The names behind a folded text, as ClusterShell reads it."""
    names: list[str] = []
    for stem, ranges, after in re.findall(r"([^\[\],]*)(?:\[([0-9,-]+)\]([^\[\],]*))?(?:,|$)", text):
        for part in ranges.split(","):
            low, dash, high = part.partition("-")
            width = len(low) if low.startswith("0") else 0
            digits = [f"{value:0{width}d}" for value in range(int(low), int(high) + 1)] if dash else [low]
            names += [f"{stem}{each}{after}" for each in digits]
    # Every name has at least one character; the last match is the empty one at the end.
    return [name for name in names if name]


@quick
@given(st.lists(plain_names))
def test_folded_names_unfold_to_the_same_set(names: list[str]) -> None:
    unfolded = unfold(fold(names))
    assert sorted(unfolded) == sorted(set(names))


@quick
@given(st.lists(texts))
def test_any_names_fold_without_loss_of_a_bracketed_one(names: list[str]) -> None:
    folded = fold(names)
    assert all(name in folded for name in names if set(name) & set("[],"))


def test_names_fold_as_people_write_them() -> None:
    assert fold(["web01", "web02", "web03", "db1", "web05"]) == "web[01-03,05],db1"
    assert fold([f"web{i}.example.com" for i in range(8, 13)]) == "web[8-12].example.com"
    assert fold(["web08", "web09", "web10"]) == "web[08-10]"
    assert fold(["dc1-web1", "dc1-web2", "dc2-web1"]) == "dc1-web[1-2],dc2-web1"
    assert fold(["10.0.0.1", "10.0.0.2"]) == "10.0.0.[1-2]"
    assert fold([]) == ""


def test_many_names_are_shortened_with_a_count() -> None:
    assert shorten(["web3"]) == "web3"
    assert shorten(["web3", "web7", "web8"]) == "web3, web7, web8"
    assert shorten(["web3", "web7", *"abcdefghijkl"]) == "web3, web7 and 12 more"


# --- text ---
@quick
@given(texts, results())
def test_a_block_for_a_terminal_is_harmless_and_ends_its_line(name: str, result: HostResult) -> None:
    text = block(name, result, TERMINAL).decode("utf-8")
    assert harmless(text)
    assert text.endswith("\n")


@quick
@given(texts, results())
def test_a_block_for_a_pipe_holds_the_output_byte_by_byte(name: str, result: HostResult) -> None:
    text = block(name, result, PLAIN)
    if result.ret is not None:
        assert result.ret.stdout in text
        for line in result.ret.stderr.removesuffix(b"\n").split(b"\n"):
            assert not result.ret.stderr or b"stderr: " + line + b"\n" in text


@quick
@given(reports())
def test_summaries_and_groups_of_any_report_are_harmless(some: Report) -> None:
    for line in summary(some, TERMINAL):
        assert harmless(line)
        assert "\n" not in line
    for text in groups(some.results, TERMINAL):
        assert harmless(text.decode("utf-8"))


@quick
@given(reports(names=plain_names))
def test_every_host_stands_in_exactly_one_group(some: Report) -> None:
    named = [re.split(r" \(\d+\) \| | \| ", text.decode(errors="replace"))[0] for text in groups(some.results)]
    unfolded = [name for names in named for name in unfold(names)]
    assert sorted(unfolded) == sorted(some.results)


def test_identical_results_share_a_heading_whatever_time_they_took() -> None:
    alike = {f"web{i}": returned(b"same\n") for i in range(1, 4)}
    assert list(groups({**alike, "db": returned(b"other", b"warned\n", 2)})) == [
        b"web[1-3] (3) | returned | retcode 0\nsame\n",
        b"db | returned | retcode 2\nother\nstderr: warned\n",
    ]


def test_headings_say_state_and_end() -> None:
    gone = HostResult(
        State.UNREACHABLE, problem=Problem("connect-timeout", "no answer from 10.0.0.9 in 10 s", "Is it up?")
    )
    assert heading("web1", returned()) == "web1 | returned | retcode 0 | 1.000 s"
    assert heading("web9", gone) == "web9 | unreachable | connect-timeout: no answer from 10.0.0.9 in 10 s"
    assert block("web9", gone).endswith(b"note: Is it up?\n")


def test_the_summary_counts_names_and_says_what_to_type() -> None:
    gone = HostResult(State.UNREACHABLE, Dispatched.YES, problem=Problem("connection-lost", "reset"))
    some = report(web1=returned(), web2=returned(retcode=1), web3=returned(retcode=1), db=gone)
    assert list(summary(some)) == [
        f"job {JID}: 4 hosts: 1 returned 0, 2 failed, 1 unreachable",
        "  failed: web[2-3]",
        "  unreachable: db",
        f"  to ask the unreachable hosts again: agentless jobs wait {JID}",
        f"  to run it again on those that failed: --limit @failed:{JID}",
    ]
    assert list(summary(report(web1=returned(), web2=returned()))) == [f"job {JID}: 2 hosts: 2 returned 0"]


def test_hosts_that_the_job_never_reached_are_not_waited_for_but_tried_again() -> None:
    gone = HostResult(State.UNREACHABLE, problem=Problem("auth", "permission denied"))
    assert list(summary(report(web1=returned(), db=gone)))[-1] == (
        f"  to run it on those that it did not reach: --limit @unreachable:{JID}"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "0.012 s"), (12.34, "12.3 s"), (200, "3m 20s"), (7500, "2h 05m"), (59.99, "60.0 s"), (3599.9, "1h 00m")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --- documents ---
@quick
@given(reports())
def test_json_yaml_and_lines_hold_the_same_and_are_ascii(some: Report) -> None:
    document = some.to_json()
    as_lines = [host_line(JID, name, result.to_json()) for name, result in some.results.items()]
    for text in (as_json(document), as_json(document, indent=True), as_yaml(document), *as_lines):
        text.encode("ascii")
        assert harmless(text)
    assert json.loads(as_json(document)) == document
    for indent in (False, True):
        assert "".join(report_json(some, indent=indent)) == as_json(document, indent=indent)
    assert [json.loads(line)["host"] for line in as_lines] == list(some.results)
    assert all(line.count("\n") == 1 for line in as_lines)


@quick
@given(reports(names=plain_names))
def test_yaml_holds_what_json_holds(some: Report) -> None:
    document = json.loads(as_json(some.to_json()))
    # YAML can't say a lone surrogate otherwise than JSON does; readers disagree about them.
    if "\\ud" not in json.dumps(document):
        assert yaml.safe_load(as_yaml(document)) == document
        assert yaml.safe_load("".join(report_yaml(some))) == document


def test_a_jid_is_a_string_in_yaml() -> None:
    assert yaml.safe_load(as_yaml({"jid": JID})) == {"jid": JID}


def test_an_entry_that_is_a_list_gets_a_name_in_lines() -> None:
    made = [json.loads(line) for line in lines({"web1": [], "web2": {"error": {}}}, key="host", value="jobs")]
    assert made == [{"host": "web1", "jobs": []}, {"host": "web2", "error": {}}]


# --- junit ---
@quick
@given(reports())
def test_any_report_is_well_formed_junit(some: Report) -> None:
    text = "".join(as_junit(some))
    assert harmless(text)
    assert "\x1b" not in text
    root = ElementTree.fromstring(text)
    cases = list(root.iter("testcase"))
    assert len(cases) == len(some.results) + len(some.unknown_hosts) == int(root.get("tests") or "")
    assert len(list(root.iter("failure"))) == some.summary["failed"] == int(root.get("failures") or "")
    bad = len(some.results) + len(some.unknown_hosts) - some.summary["returned"]
    assert len(list(root.iter("error"))) == bad == int(root.get("errors") or "")


def test_a_detached_job_that_runs_is_neither_a_failure_nor_an_error_in_junit() -> None:
    detached = replace(report(web1=HostResult(State.RUNNING, Dispatched.YES)), detached=True)
    root = ElementTree.fromstring("".join(as_junit(detached)))
    assert detached.exit_code == 0
    assert [root.get(name) for name in ("failures", "errors", "skipped")] == ["0", "0", "1"]


def test_junit_is_read_by_the_field_s_library() -> None:
    junitparser = pytest.importorskip("junitparser")
    gone = HostResult(State.LOST, problem=Problem("reboot", "the host rebooted"))
    xml = junitparser.JUnitXml.fromstring(
        "".join(as_junit(report(web1=returned(b"out", b"err"), web2=returned(retcode=3), db=gone))).encode()
    )
    cases = [case for suite in xml for case in suite]
    assert [(case.name, case.time, case.system_out, case.system_err) for case in cases] == [
        ("web1", 1.0, "out", "err"),
        ("web2", 1.0, None, None),
        ("db", None, None, None),
    ]
    assert [[(type(end).__name__, end.message) for end in case.result] for case in cases] == [
        [],
        [("Failure", "retcode 3")],
        [("Error", "lost: reboot: the host rebooted")],
    ]


# --- tables ---
@quick
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_tables_are_harmless_and_have_a_line_a_row(rows: list[tuple[str, str]]) -> None:
    for text in (tables.table(("ONE", "TWO"), rows), tables.tabbed(rows)):
        assert harmless(text)
        text.encode("utf-8")
    assert tables.table(("ONE", "TWO"), rows).count("\n") == len(rows) + 1
    assert tables.tabbed(rows).count("\n") == len(rows)


@quick
@given(st.lists(st.tuples(*[st.text("ab 0123456789.e-", max_size=6)] * 3), min_size=1, max_size=5))
def test_long_tables_look_like_short_ones(rows: list[tuple[str, str, str]]) -> None:
    many = rows * (tables.TABULATE_ROWS // len(rows) + 1)
    short = tables.table(("A", "B", "C"), many[: tables.TABULATE_ROWS]).split("\n")
    long = tables.table(("A", "B", "C"), many).split("\n")
    if len(rows) <= tables.TABULATE_ROWS:
        assert long[: len(rows)] == short[: len(rows)]


@quick
@given(reports())
def test_any_report_has_a_table(some: Report) -> None:
    assert (
        tables.table(tables.REPORT, tables.report(some)).count("\n") == len(some.results) + len(some.unknown_hosts) + 1
    )
    assert harmless(tables.head(some.job))


def test_job_lists_say_who_failed() -> None:
    job = Job(JID, "cmd.run", ("uptime",), "web*", ("web1",), "ada", START)
    summary = {**report(a=returned(), b=returned(retcode=1)).summary}
    assert list(tables.jobs(Listed([JobRow(job, summary, START)]))) == [
        (JID, "2026-11-22 09:50:39Z", "web*", "ada", "1 returned, 1 failed", "uptime")
    ]


def test_endpoints_show_no_password() -> None:
    endpoint = Endpoint("web1", "10.0.0.1", port=22, user="ada", become=Become("sudo", "root"))
    assert list(tables.endpoints({"web1": endpoint})) == [("web1", "10.0.0.1", "22", "ada", "sudo:root")]


def test_groups_are_drawn_as_ansible_draws_them() -> None:
    from agentless.inventory import Group

    made = {
        "all": Group("all", (), ("ungrouped", "web")),
        "ungrouped": Group("ungrouped", (), ()),
        "web": Group("web", ("web1", "web2"), ("prod",)),
        "prod": Group("prod", ("web3",), ()),
    }
    assert tree(made, ["web1", "web3"]) == "@all:\n  |--@web:\n  |  |--@prod:\n  |  |  |--web3\n  |  |--web1\n"
