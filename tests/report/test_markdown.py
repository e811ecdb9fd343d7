from __future__ import annotations

import re

from hypothesis import given

from agentless.model.job import Report
from agentless.report.markdown import as_markdown
from tests.report.harmless import harmless
from tests.report.values import quick, report, reports, returned

FENCE = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)


@quick
@given(reports())
def test_any_report_is_harmless_and_each_fence_is_closed(some: Report) -> None:
    text = "".join(as_markdown(some))
    assert harmless(text)
    opened = ""
    for line in text.split("\n"):
        fence = FENCE.match(line)
        if not opened:
            opened = fence[1] if fence else ""
        elif fence and len(fence[1]) >= len(opened) and not line.strip().strip("`"):
            opened = ""
    assert not opened


def test_of_many_failures_the_first_are_shown_and_the_others_named() -> None:
    text = "".join(as_markdown(report(**{f"web{number}": returned(b"x", retcode=1) for number in range(1, 31)})))
    assert text.count("<details>") == 20
    assert "… and 10 more: web&#91;21-30&#93;\n" in text


def test_all_is_well_in_three_lines() -> None:
    text = "".join(as_markdown(report(web1=returned(), web2=returned())))
    assert re.fullmatch(r"### ✅ <code>uptime</code>\n\njob \d{20}: 2 hosts: 2 ok\n\n", text)
