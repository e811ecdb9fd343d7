"""What mkdocs calls while it builds the site: `<!-- generate: NAME -->` in a page becomes what the code says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# mkdocs loads this file by its path.
sys.path.insert(0, str(ROOT))

from mkdocs.structure.pages import Page  # noqa: E402

from benchmarks import figures  # noqa: E402
from docs.generate import reference  # noqa: E402

SOURCE = "https://github.com/agentless-jobs/agentless/blob/main/"
_MARK = re.compile(r"^<!-- generate: (?P<name>[a-z-]+)(?: (?P<argument>\S+))? -->$", re.MULTILINE)
_LINK = re.compile(r"\]\((?P<to>[^)#:]+)(?P<anchor>#[^)]*)?\)")


# Pages of the repository's top that the site has, too.
_PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "README.md": "index.md",
    "changelog.d/README.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}


def _relinked(text: str, folder: PurePosixPath, page: PurePosixPath) -> str:
    """The text of a file in this folder of the repository as part of a page of the docs: its links lead to pages.

    Args:
        folder: relative to the repository's top.
        page: relative to the docs.
    """

    def link(found: re.Match[str]) -> str:
        to = PurePosixPath(os.path.normpath(folder / found["to"]))
        inside = to.relative_to("docs") if to.is_relative_to("docs") else None
        target = str(inside) if inside else _PAGES.get(str(to))
        if target is None:
            # Code is not part of the site.
            return f"]({SOURCE}{to})"
        return f"]({os.path.relpath(target, page.parent)}{found['anchor'] or ''})"

    return _LINK.sub(link, text)


def _include(name: str, page: PurePosixPath) -> str:
    """A file of the repository's top, without its heading."""
    text = (ROOT / name).read_text(encoding="utf-8").partition("\n")[2]
    return _relinked(text, PurePosixPath(name).parent, page)


def _figures(name: str) -> str:
    """A plot of the benchmarks, and its figures below it."""
    one = figures.load()[name]
    below = "\n".join(f"    {line}" for line in figures.table(one).splitlines())
    return f'![{one.title}](assets/benchmarks/{name}.svg)\n\n??? note "The figures"\n\n{below}\n'


def _changelog(page: PurePosixPath) -> str:
    """What is not released yet, from the fragments, and then what was."""
    new = subprocess.run([sys.executable, ROOT / ".ci/changelog"], stdout=subprocess.PIPE, text=True, check=True).stdout
    head = f"## Not released yet\n\n{new}\n" if new else ""
    return _relinked(head, PurePosixPath(), page) + _include("CHANGELOG.md", page)


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Put in what is generated, and lead links out of the docs to the pages that the site has for their files."""
    path = PurePosixPath(page.file.src_uri)
    makers: dict[str, Callable[..., str]] = {
        "json": reference.json_page,
        "exit-codes": reference.exit_codes_page,
        "changelog": lambda: _changelog(path),
        "figures": _figures,
        "include": lambda name: _include(name, path),
    }

    def made(mark: re.Match[str]) -> str:
        maker = makers[mark["name"]]
        return maker(mark["argument"]) if mark["argument"] else maker()

    return _MARK.sub(made, _relinked(markdown, "docs" / path.parent, path))
