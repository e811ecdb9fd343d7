"""The pages in a real browser: they render, complain of nothing, load nothing, and their filters work."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentless.model.job import JobRow, Report
from agentless.model.problem import Problem
from agentless.model.results import Listed
from agentless.model.states import HostResult, State
from agentless.report.html import jobs_html, report_html
from tests.hosts import until
from tests.report.browser import Browser, browser
from tests.report.test_html import HOSTILE, NOW, SHOWN, ran
from tests.report.values import START, report, returned


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


def some() -> Report:
    gone = HostResult(State.UNREACHABLE, problem=Problem("connect-timeout", "no answer", "Is the host up?"))
    hosts = {"web1": returned(b"fine\n"), "web2": returned(HOSTILE, b"<b>oops</b>", 3), "web3": returned(b"fine\n")}
    return report(**hosts, db1=gone, db2=ran(START, 4.0), lost=HostResult(State.RUNNING, started=START))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text("".join(report_html(some(), NOW)), encoding="utf-8")
    return path


SHOWN_ROWS = "[...document.querySelectorAll('[data-text]')].filter((row) => row.checkVisibility())"
VISIBLE = f"{SHOWN_ROWS}.map((row) => row.dataset.text)"
GROUPS = "[...document.querySelectorAll('details')].filter((one) => one.checkVisibility()).length"
FIND = """{
  const box = document.querySelector('input[type=search]');
  box.value = %r;
  box.dispatchEvent(new Event('input'));
}"""
# Whether each bar lies within its lane.
WITHIN = """[...document.querySelectorAll('td.lane rect')].map((bar) => {
  const [of, lane] = [bar, bar.parentNode].map((one) => one.getBoundingClientRect());
  return of.width > 2 && of.left >= lane.left - 1 && of.right <= lane.right + 1;
})"""
SCRIPT = """{
  const script = document.createElement('script');
  script.textContent = 'window.ran = 2';
  document.body.append(script);
}"""


def test_it_renders_and_complains_of_nothing(chromium: Browser, page: Path) -> None:
    opened = chromium.open(page)
    assert opened.evaluate("document.title") == "uptime: Of 6 hosts: 3 ok, 1 running, 1 unreachable, 1 failed"
    assert opened.evaluate(VISIBLE) == list(some().results)
    assert opened.evaluate("document.querySelector('pre.stdout').textContent") == SHOWN
    assert opened.evaluate("[document.images.length, document.scripts.length]") == [0, 1]
    assert opened.evaluate(WITHIN) == [True] * 5
    assert opened.complaints == []
    assert opened.requests == [page.as_uri()]


def test_its_filters_work(chromium: Browser, page: Path) -> None:
    opened = chromium.open(page)
    assert opened.evaluate(GROUPS) == 5
    opened.evaluate(FIND % "WEB")
    assert opened.evaluate(VISIBLE) == ["web1", "web2", "web3"]
    assert opened.evaluate(GROUPS) == 2
    assert opened.evaluate("document.querySelector('output').textContent") == "3 of 6 shown"
    opened.evaluate("document.querySelector('input[value=ok]').click()")
    assert opened.evaluate(VISIBLE) == ["web2"]
    opened.evaluate(FIND % "")
    assert opened.evaluate(VISIBLE) == ["web2", "db1", "lost"]
    opened.evaluate("document.querySelector('button[value=close]').click()")
    assert opened.evaluate("document.querySelectorAll('details[open]').length") == 0
    opened.evaluate("document.querySelector('tr[data-text=web2] a').click()")
    # The page is told by an event that it was led there.
    until(lambda: opened.evaluate("document.querySelector('details[open] strong')?.textContent") == "web2", "web2")
    assert opened.complaints == []


def test_without_its_script_it_is_whole(chromium: Browser, page: Path) -> None:
    opened = chromium.open(page, script=False)
    assert opened.evaluate(VISIBLE) == list(some().results)
    assert opened.evaluate("document.querySelector('.filters').checkVisibility()") is False
    assert "fine" in opened.evaluate("document.body.textContent")


def test_the_page_forbids_what_would_get_out_or_run(chromium: Browser, page: Path) -> None:
    """Were there a hole in the escaping, what came through could neither run nor tell anybody."""
    asked: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        opened = chromium.open(page)
        refused = opened.evaluate(f"fetch('{url}/fetch', {{mode: 'no-cors'}}).then(() => 'sent', () => 'refused')")
        planted = f"<img src={url}/img onerror='window.ran = 1'><link rel=stylesheet href={url}/css>"
        opened.evaluate(f"document.body.insertAdjacentHTML('beforeend', `{planted}<i style='position:fixed'>x</i>`)")
        opened.evaluate(SCRIPT)
        # Until the image has failed.
        opened.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
        assert refused == "refused"
        assert opened.evaluate("typeof window.ran") == "undefined"
        assert opened.evaluate("getComputedStyle(document.querySelector('i')).position") == "static"
        server.shutdown()
    assert asked == []


# The ratio that WCAG 2.1 wants of text (1.4.3).
CONTRAST = """
(() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((part) => {
      const value = part / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const ratios = {};
  for (const one of document.querySelectorAll('.state, .verdict, dt, dd, th, td, pre, .why, .soft, footer, b, label')) {
    if (!one.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
    const name = `${one.tagName}.${one.className}`;
    ratios[name] = Math.min(ratios[name] ?? 99, (a + 0.05) / (b + 0.05));
  }
  return ratios;
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_can_be_read_by_day_and_by_night(chromium: Browser, page: Path, dark: bool) -> None:
    opened = chromium.open(page, dark=dark)
    ratios = opened.evaluate(CONTRAST)
    assert len(ratios) > 10
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}
    background = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background.removeprefix("rgb(").rstrip(")").split(","))) < 200) is dark


def test_it_fits_a_telephone(chromium: Browser, page: Path) -> None:
    assert chromium.open(page, width=390).evaluate("document.documentElement.scrollWidth") <= 390


def test_jobs_of_a_list_can_be_filtered(chromium: Browser, tmp_path: Path) -> None:
    states = dict.fromkeys((state.value for state in State), 0)
    rows = [JobRow(report().job, {**states, "returned": 2, "failed": failed}, START) for failed in (0, 1)]
    path = tmp_path / "list.html"
    path.write_text("".join(jobs_html(Listed(rows), NOW)), encoding="utf-8")
    opened = chromium.open(path)
    assert len(opened.evaluate(VISIBLE)) == 2
    opened.evaluate("document.querySelector('input[value=ok]').click()")
    assert len(opened.evaluate(VISIBLE)) == 1
    assert opened.complaints == []
