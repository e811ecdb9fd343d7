"""A job of templates, as each host gets it, and as it may be shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentless.errors import InventoryError, UsageError
from agentless.inventory import Inventory, load
from agentless.inventory.job_templates import check
from agentless.inventory.vault import Identity, Vault
from agentless.model.job_spec import JobSpec, Script, shell_text

INVENTORY = """
all:
  vars:
    greeting: "it's $HOME"
    role: '{{ inventory_hostname }}-{{ port }}'
    db_password: hunter2
    url: 'postgres://u:{{ db_password }}@db/{{ sealed }}'
    nested: {api_token: hunter3, port: 5}
  hosts:
    web1: {port: 80}
    web2:
"""


def rendered(inventory: Inventory, command: str, host: str = "web1", **options: object) -> JobSpec:
    found = inventory.find(host)
    assert found is not None
    hides = bool(options.pop("hides", False))
    return inventory.rendered(found, JobSpec(command, template=True, **options), hides=hides)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    """With `sealed`, a variable that ansible-vault itself has encrypted: `hunter4`."""
    tmp_path = tmp_path_factory.mktemp("inventory")
    (tmp_path / "word").write_text("open\n")
    program = Path(sys.executable).with_name("ansible-vault")
    command = [str(program), "encrypt_string", "--vault-password-file", "word", "--name", "sealed", "hunter4"]
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True, text=True)
    indented = "".join(f"    {line}\n" for line in done.stdout.splitlines())
    (tmp_path / "hosts.yaml").write_text(INVENTORY.replace("  hosts:\n", indented + "  hosts:\n", 1))
    vault = Vault([Identity("default", str(tmp_path / "word"))], lambda prompt: None)
    return load([str(tmp_path / "hosts.yaml")], directory=str(tmp_path), vault=vault)


def test_values_are_quoted_for_the_shell_and_safe_ones_are_not(inventory: Inventory) -> None:
    spec = rendered(inventory, """echo {{ greeting }} "{{ greeting }}" {{ greeting | safe }} {{ role }}""")
    assert spec.command == """echo 'it'"'"'s $HOME' "it's \\$HOME" it's $HOME web1-80"""
    assert not spec.template


def test_several_words_stay_words_whatever_stands_in_braces(inventory: Inventory) -> None:
    text = shell_text(
        ["echo", "a b {{ missing | default('x y') }}", "{% if port == 80 %}-v{% endif %}", ""], template=True
    )
    done = subprocess.run(["sh", "-c", rendered(inventory, text).command], capture_output=True, check=True, text=True)
    assert done.stdout == "a b x y -v \n"


def test_the_environment_and_arguments_get_values_as_they_are(inventory: Inventory) -> None:
    spec = rendered(
        inventory,
        "",
        script=Script("s", b"echo {{ greeting }}\r\n", ("{{ greeting }}",)),
        env={"A": "<{{ greeting }}>"},
    )
    assert spec.script is not None
    assert (spec.script.arguments, spec.env) == (("it's $HOME",), {"A": "<it's $HOME>"})
    assert spec.script.data == b"""echo 'it'"'"'s $HOME'\n"""


def test_lengths_of_shell_arrays_begin_no_comment(inventory: Inventory) -> None:
    script = Script("s", b"#!/bin/bash\na=(1 2); echo ${#a[@]} {{ port }} ${a#}; echo '{# x #}'\n")
    done = rendered(inventory, "", script=script).script
    assert done is not None
    assert done.data == script.data.replace(b"{{ port }}", b"80")


def test_in_a_script_of_another_language_values_are_plain_or_marked(inventory: Inventory) -> None:
    script = Script("s", b"#!/usr/bin/env python3\nprint({{ port }}, {{ greeting | to_json | safe }})\n")
    done = rendered(inventory, "", script=script).script
    assert done is not None
    assert done.data.endswith(b'print(80, "it\'s $HOME")\n')
    with pytest.raises(InventoryError, match="python3, for which nothing is quoted"):
        rendered(inventory, "", script=Script("s", b"#!/usr/bin/python3\nprint('{{ greeting }}')\n"))


def test_what_is_undefined_is_an_error_of_the_host_that_lacks_it(inventory: Inventory) -> None:
    assert rendered(inventory, "echo {{ port }}").command == "echo 80"
    with pytest.raises(InventoryError, match="cannot be rendered: 'port' is undefined"):
        rendered(inventory, "echo {{ port }}", "web2")
    with pytest.raises(InventoryError, match=r"role of web2 .*'port' is undefined"):
        rendered(inventory, "echo {{ role }}", "web2")


@pytest.mark.parametrize(
    "template",
    [
        "{{ db_password }}",
        "{{ sealed }}",
        "{{ url }}",
        "{{ nested.api_token }} {{ nested }}",
        "{{ hostvars['web2'].sealed }}{{ hostvars.web2.db_password }}",
        "{{ lookup('vars', 'sealed') }}{{ lookup('env', 'SOME_TOKEN') }}",
        "{{ db_password | b64encode }}{{ sealed | upper }}",
        "{{ lookup('file', 'word') }}",
    ],
)
def test_no_secret_is_shown(inventory: Inventory, template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter5")
    shown = rendered(inventory, f"echo {template} {{{{ port }}}}", hides=True).command
    assert "hunter" not in shown.lower()
    assert "aHVudGVy" not in shown
    assert "open" not in shown
    assert shown.endswith(" 80")


def test_why_a_template_fails_shows_no_secret(inventory: Inventory) -> None:
    for template in ("{{ sealed | int + sealed }}", "{{ nested[db_password].x }}", "{{ hostvars.web2.sealed + 1 }}"):
        with pytest.raises(InventoryError) as caught:
            rendered(inventory, f"echo {template}")
        assert "hunter" not in str(caught.value)
    with pytest.raises(InventoryError, match="'missing' is undefined"):
        rendered(inventory, "echo {{ sealed }} {{ missing }}")


def test_a_template_runs_nothing_of_this_machine(inventory: Inventory) -> None:
    for template in ("{{ ''.__class__.__mro__ }}", "{{ lookup('pipe', 'id') }}", "{{ cycler.__init__.__globals__ }}"):
        with pytest.raises(InventoryError):
            rendered(inventory, f"echo {template}")


def test_what_no_host_could_get_is_said_before(inventory: Inventory) -> None:
    for spec in (
        JobSpec("echo {{ x", template=True),
        JobSpec("true", env={"A": "{% if %}"}, template=True),
        JobSpec(script=Script("s", b"\xff"), template=True),
        JobSpec(script=Script("s", b"#" * (1 << 20 | 1)), template=True),
    ):
        with pytest.raises(UsageError, match="template"):
            check(spec)
