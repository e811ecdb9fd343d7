"""Sources that need a plugin are read by ansible-inventory, all of them together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentless.errors import InventoryError
from agentless.inventory import Inventory, Overrides, load
from agentless.inventory.sources import Scripts
from agentless.inventory.vault import Vault, identity
from agentless.model.secret import Secret
from tests.hosts.needs import need
from tests.inventory.oracle import need_current_ansible

BIN = Path(sys.executable).parent
STATIC = "[web]\nweb1 ansible_host=10.0.0.1 site=ber\nweb2 site=muc\n"
CONSTRUCTED = """\
plugin: constructed
strict: true
compose:
  ansible_user: "'user-' ~ site"
groups:
  berlin: site == 'ber'
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a static inventory and a constructed one, and ansible-inventory on PATH."""
    monkeypatch.setenv("PATH", f"{BIN}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "inventory"
    directory.mkdir()
    (directory / "hosts.ini").write_text(STATIC)
    (directory / "z_constructed.yml").write_text(CONSTRUCTED)
    return directory


def read(source: Path, **options: object) -> Inventory:
    return load([str(source)], directory=str(source.parent), **options)  # type: ignore[arg-type]


def test_a_constructed_source_builds_on_the_static_one_beside_it(tree: Path) -> None:
    need_current_ansible()
    inventory = read(tree)
    assert [host.name for host in inventory.select("berlin")] == ["web1"]
    found = {name: inventory.endpoint(host, Overrides()) for name, host in inventory.hosts.items()}
    assert {name: (each.address, each.user) for name, each in found.items()} == {
        "web1": ("10.0.0.1", "user-ber"),
        "web2": ("web2", "user-muc"),
    }


def test_without_ansible_the_error_says_what_to_export(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InventoryError, match="'constructed'") as caught:
        read(tree)
    assert "ansible-inventory -i" in caught.value.hint


def test_completion_runs_no_plugin(tree: Path) -> None:
    with pytest.raises(InventoryError, match="'constructed'"):
        read(tree, scripts=Scripts.NEVER)


def test_what_a_plugin_cannot_read_is_told(tree: Path) -> None:
    (tree / "z_constructed.yml").write_text("plugin: no.such.plugin\n")
    (tree / "hosts.ini").unlink()
    warnings: list[str] = []
    inventory = read(tree, warn=warnings.append)
    assert not inventory.hosts
    assert any("no.such.plugin" in line or "z_constructed" in line for line in warnings), warnings


def test_vaulted_variables_connect_and_are_not_shown(tree: Path, tmp_path: Path) -> None:
    need("many seconds")
    need_current_ansible()
    (tree / "group_vars").mkdir()
    (tree / "group_vars/web.yml").write_text("ansible_password: s3cret\n")
    password = tmp_path / "password"
    password.write_text("sesame\n")
    subprocess.run(
        [
            str(BIN / "ansible-vault"),
            "encrypt",
            "--vault-password-file",
            str(password),
            str(tree / "group_vars/web.yml"),
        ],
        check=True,
        capture_output=True,
    )
    inventory = read(tree, vault=Vault([identity(str(password))], lambda prompt: None))
    host = inventory.hosts["web1"]
    assert inventory.endpoint(host, Overrides()).password == Secret("s3cret")
    assert "s3cret" not in repr(dict(host.vars))


def test_one_broken_file_of_a_directory_is_told_and_the_others_are_served(tmp_path: Path) -> None:
    directory = tmp_path / "inventory"
    directory.mkdir()
    (directory / "broken.yml").write_text("a: [\n")
    (directory / "hosts.ini").write_text("web1\n")
    warnings: list[str] = []
    inventory = read(directory, warn=warnings.append)
    assert list(inventory.hosts) == ["web1"]
    assert any("broken.yml" in line and "left out" in line for line in warnings)
