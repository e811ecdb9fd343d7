"""A page names what it runs, escapes what it is given, and says when it was made."""

from __future__ import annotations

import jinja2
import pytest

from agentless import __version__
from agentless.report.page import page
from tests.report.test_html import check
from tests.report.values import START


def fires(**changes: object) -> str:
    """The page of a schedule without an entry."""
    context = {"title": "t", "verdict": "v", "controller": "c", "ticks": (), "entries": (), "fires": (), **changes}
    return "".join(page("fires.html.j2", START, **context))


def test_its_policy_names_its_own_style_and_script_and_nothing_else_runs() -> None:
    check(fires())


@pytest.mark.parametrize("text", ["<b>&amp;", "a\nb", "\x1b[31mred\u202e"])
def test_what_it_is_given_is_text_on_one_line(text: str) -> None:
    written = check(fires(controller=text)).text
    assert all(part in written for part in text.replace("\x1b", "^[").replace("\u202e", "\\u202e").split("\n"))


def test_it_says_which_version_made_it_and_when() -> None:
    written = check(fires()).text
    assert __version__ in written
    assert "2026-11-2" in written


def test_what_a_template_names_and_is_not_given_is_a_defect() -> None:
    with pytest.raises(jinja2.UndefinedError):
        "".join(page("fires.html.j2", START, title="t"))
