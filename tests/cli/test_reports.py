"""Which printer shows a job."""

from __future__ import annotations

import io
import json
import os

import pytest

from agentless.cli.interrupts import Interrupts
from agentless.cli.invocation import Invocation
from agentless.cli.live import Live
from agentless.cli.printers import Blocks, Grouped, HostByHost, Solo, WholeReport
from agentless.cli.reports import printer, render
from agentless.cli.screen import Screen
from agentless.fleet import Fleet
from tests.report.values import JID, report, returned


@pytest.fixture
def invocation() -> Invocation:
    screen = Screen({}, stdout=io.TextIOWrapper(io.BytesIO()), stderr=io.TextIOWrapper(io.BytesIO()))
    return Invocation(screen, Fleet, Interrupts(), os.environ)


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
    ],
)
def test_the_format_counts_before_the_hosts_and_the_hosts_before_the_options(
    hosts: list[str], out: str, options: dict[str, bool], expected: type, invocation: Invocation
) -> None:
    assert type(printer(invocation, hosts, JID, out, **options)) is expected


@pytest.mark.parametrize(("out", "begins"), [("json", "{"), ("yaml", "jid:"), ("junit", "<?xml"), ("table", "HOST")])
def test_a_report_is_one_text_in_each_format(out: str, begins: str, invocation: Invocation) -> None:
    text = "".join(render(invocation, out)(report(web1=returned())))
    assert text.startswith(begins)
    assert "web1" in text


def test_json_in_a_pipe_is_on_one_line(invocation: Invocation) -> None:
    text = "".join(render(invocation, "json")(report(web1=returned())))
    assert text.count("\n") == 1
    assert json.loads(text)["jid"] == JID
