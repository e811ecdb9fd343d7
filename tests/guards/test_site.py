"""The documentation as a site: it is built without a warning, and what it shows comes from nowhere else."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.hosts import need, patience
from tests.hosts.client import ROOT
from tests.report.browser import browser

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: sh .ci/venv test"
)
# What a browser loads by itself; a link is followed by a person.
LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
RELATIONS = {"canonical", "next", "prev", "edit", "author", "license"}


class Loads(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_style = tag == "style"
        if tag == "link" and given.get("rel") not in RELATIONS:
            self.addresses.append(given.get("href") or "")
        elif tag in LOADED and given.get(LOADED[tag]):
            self.addresses.append(given[LOADED[tag]] or "")
        if given.get("style"):
            self.styles.append(given["style"] or "")

    def handle_data(self, data: str) -> None:
        (self.styles if self._in_style else self.text).append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("half a minute, for the building")
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place / "site")],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(place), "NO_MKDOCS_2_WARNING": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(300),
    )
    assert done.returncode == 0, done.stderr
    return place / "site"


def loads(page: Path) -> Loads:
    parser = Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        found = loads(page)
        for address in found.addresses:
            assert not re.match(r"(\w+:)?//", address), f"{page.name} loads {address}"
            target = page.parent / address.partition("#")[0].partition("?")[0]
            assert address.startswith(("data:", "/")) or target.exists(), (page.name, address)
        for style in found.styles:
            assert not re.search(r"url\(\s*['\"]?(\w+:)?//", style), page.name
        # The theme asks the host of the sources for stars where it is told of one.
        assert 'data-md-component="source"' not in page.read_text(encoding="utf-8")


def test_no_style_or_picture_loads_anything_from_elsewhere(site: Path) -> None:
    for sheet in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(\s*['\"]?|@import\s+['\"]|href=['\"])(https?:)?//", text), sheet.name


def test_the_reference_is_on_the_site(site: Path) -> None:
    for page, words in {
        "reference/json.html": ["left_running", "stdout_base64", "exit_code"],
        "reference/exit-codes.html": ["130", "find-job"],
        "reference/errors.html": ["connect-timeout", "never-arrived"],
        "reference/commands.html": ["agentless jobs lookup", "--on-interrupt", "agentless schedule push"],
        "reference/api.html": ["Fleet", "HostResult", "connect_timeout"],
        "security.html": ["Out of scope"],
        "changelog.html": ["0.1.0"],
    }.items():
        text = " ".join(loads(site / page).text)
        for word in words:
            assert word in text, (page, word)
        assert "generate:" not in text
        # What a library calls nothing.
        assert "Sentinel" not in text


def test_every_page_can_be_found(site: Path) -> None:
    """By the navigation, and so from the first page."""

    def pages(value: object) -> list[str]:
        if isinstance(value, dict):
            return [page for item in value.values() for page in pages(item)]
        return [page for item in value for page in pages(item)] if isinstance(value, list) else [str(value)]

    told = re.split(r"^nav:\n", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)[1]
    named = set(pages(yaml.safe_load(told)))
    assert named == {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}


# The search's own box gets a word; what stands under it is read when there is an answer.
FOUND = """new Promise((resolve) => {
  const box = document.querySelector('.md-search__input');
  box.focus();
  const deadline = Date.now() + SECONDS * 1000;
  const look = () => {
    const found = document.querySelectorAll('.md-search-result__item').length;
    if (found || Date.now() > deadline) return resolve(found);
    box.value = 'become';
    box.dispatchEvent(new Event('keyup'));
    box.dispatchEvent(new Event('input'));
    setTimeout(look, 200);
  };
  look();
})"""


def test_the_search_finds_pages_also_where_the_site_is_opened_as_a_file(site: Path, tmp_path: Path) -> None:
    """`make docs` says to open site/index.html: there is no server then, and no Worker."""
    with browser(tmp_path) as chromium:
        page = chromium.open(site / "reference" / "json.html")
        assert page.evaluate(FOUND.replace("SECONDS", f"{patience(30):.0f}")) > 5
        assert not [address for address in page.requests if not address.startswith(("file:", "data:"))]
