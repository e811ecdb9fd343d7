"""The parts of a fleet: each is made when it is first needed, and once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from agentless.config import Config
from agentless.errors import InventoryError
from agentless.inventory import Overrides
from agentless.inventory.search import Sources
from agentless.model.jid import JID
from agentless.runner.parts import Parts
from tests.runner.conftest import unwatched


def parts(inventory: str, folder: Path, **changes: object) -> Parts:
    """The parts of a fleet whose inventory has these lines."""
    path = folder / "hosts.ini"
    path.write_text(inventory + "\n")
    values: dict[str, object] = {
        "config": Config(),
        "given": Overrides(),
        "inventories": Sources((str(path),), "`inventory`"),
        "limit": None,
        "forks": None,
        "extra_vars": (),
        "vault_ids": (),
        "ask": lambda prompt: None,
        "warn": lambda line: None,
        "note": lambda line: None,
        "watch": lambda waiting, total: unwatched(),
        "keep": 0.0,
        **changes,
    }
    return Parts(**values)  # type: ignore[arg-type]


def test_each_part_is_made_once_and_shared(tmp_path: Path) -> None:
    with contextlib.closing(parts("web1", tmp_path)) as made:
        assert made.contact is made.dispatcher.contact
        assert made.selection is made.dispatcher.selection
        assert made.contact.cache is made.cache


def test_what_is_closed_is_made_anew_when_it_is_needed_again(tmp_path: Path) -> None:
    with contextlib.closing(parts("web1", tmp_path)) as made:
        before = made.contact
        made.close()
        assert made.contact is not before
        assert made.contact.cache is before.cache


@pytest.mark.parametrize(("forks", "counts"), [(3, 3), (None, 7)])
def test_the_callers_forks_count_before_the_configurations(forks: int | None, counts: int, tmp_path: Path) -> None:
    with contextlib.closing(parts("web1", tmp_path, forks=forks, config=Config(forks=7))) as made:
        assert made.contact.forks == counts


def test_an_inventory_that_is_wrong_is_read_only_by_who_needs_it(tmp_path: Path) -> None:
    with contextlib.closing(parts("[web", tmp_path)) as made:
        assert made.cache.current(JID("20200101000000000000")) is None
        assert "@" in made.controller
        with pytest.raises(InventoryError, match=r"hosts\.ini:1"):
            made.selection.endpoints("all")


def test_who_keeps_no_connection_needs_no_keeper(tmp_path: Path) -> None:
    with contextlib.closing(parts("web1", tmp_path)) as made:
        assert made._keeper() is None
