"""Which printer shows a job."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from agentless.cli.live import Live
from agentless.cli.printers import Blocks, Detached, Grouped, HostByHost, Solo, WholeReport
from agentless.cli.reports import printer, render
from agentless.cli.screen import Screen
from tests.report.values import JID, report, returned


@pytest.fixture
def screen() -> Screen:
    return Screen({}, stdout=io.TextIOWrapper(io.BytesIO()), stderr=io.TextIOWrapper(io.BytesIO()))


@pytest.mark.parametrize(
    ("hosts", "out", "options", "expected"),
    [
        (["a"], "text", {}, Blocks),
        (["a"], "text", {"group": True, "tail": True}, Solo),
        (["a", "b"], "text", {}, Blocks),
        (["a", "b"], "text", {"group": True}, Grouped),
        (["a", "b"], "text", {"tail": True}, Live),
        (["a"], "jsonl", {"tail": True}, HostByHost),
        (["a", "b"], "json", {"group": True}, WholeReport),
        (["a"], "table", {}, WholeReport),
        (["a", "b"], "text", {"detach": True, "group": True}, Detached),
        (["a"], "jsonl", {"detach": True}, HostByHost),
    ],
)
def test_the_format_counts_before_the_hosts_and_the_hosts_before_the_options(
    hosts: list[str], out: str, options: dict[str, bool], expected: type, screen: Screen
) -> None:
    job = replace(report().job, hosts=tuple(hosts))
    assert type(printer(screen, job, out, **options)) is expected


@pytest.mark.parametrize(("out", "begins"), [("json", "{"), ("yaml", "jid:"), ("junit", "<?xml"), ("table", "HOST")])
def test_a_report_is_one_text_in_each_format(out: str, begins: str, screen: Screen) -> None:
    text = "".join(render(screen, out)(report(web1=returned())))
    assert text.startswith(begins)
    assert "web1" in text


def test_json_in_a_pipe_is_on_one_line(screen: Screen) -> None:
    text = "".join(render(screen, "json")(report(web1=returned())))
    assert text.count("\n") == 1
    assert json.loads(text)["jid"] == JID
