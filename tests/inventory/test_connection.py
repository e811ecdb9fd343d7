"""From variables to an Endpoint: names old and new, what the command line adds, and what cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless.errors import InventoryError
from agentless.inventory import Inventory, Overrides, load
from agentless.inventory.vault import Vault, identity
from agentless.model.endpoint import Become, Endpoint
from agentless.model.secret import Secret

Endpoints = Callable[..., Endpoint]


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Inventory]:
    def read(text: str, **files: str) -> Inventory:
        (tmp_path / "hosts.yml").write_text(text)
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return load([str(tmp_path / "hosts.yml")], directory=str(tmp_path))

    return read


@pytest.fixture
def endpoint(read: Callable[[str], Inventory]) -> Endpoints:
    """The endpoint of a host `web1` with these variables."""

    def endpoint(variables: dict[str, Any], overrides: Overrides | None = None, name: str = "web1") -> Endpoint:
        inventory = read(yaml.safe_dump({"all": {"hosts": {name: variables}}}))
        (host,) = inventory.hosts.values()
        return inventory.endpoint(host, overrides or Overrides())

    return endpoint


def test_a_bare_host_leaves_all_to_the_ssh_configuration(endpoint: Endpoints) -> None:
    assert endpoint({}) == Endpoint(name="web1", address="web1")


def test_all_connection_variables(endpoint: Endpoints) -> None:
    found = endpoint(
        {
            "ansible_host": "10.0.0.1",
            "ansible_port": "2222",
            "ansible_user": "ada",
            "ansible_password": 12345,
            "ansible_ssh_private_key_file": "/keys/k",
            "ansible_python_interpreter": "/opt/python",
            "agentless_state_dir": "/srv/state",
            "ansible_become": "yes",
            "ansible_become_user": "app",
            "ansible_become_method": "ansible.builtin.su",
            "ansible_become_password": "s3cret",
            "ansible_ssh_common_args": "-o HostKeyAlias=web -i /keys/second",
            "ansible_ssh_extra_args": "-J jump -o HostName=%h.internal",
            "ansible_ssh_timeout": 3,
        }
    )
    assert found == Endpoint(
        name="web1",
        address="10.0.0.1",
        port=2222,
        user="ada",
        password=Secret("12345"),
        key_files=("/keys/k", "/keys/second"),
        options=(("hostkeyalias", ("web",)), ("proxyjump", ("jump",)), ("hostname", ("%h.internal",))),
        python="/opt/python",
        state_dir="/srv/state",
        become=Become("su", "app", Secret("s3cret")),
        connect_timeout=3.0,
    )


def test_the_old_names_still_work_and_win_as_in_ansible(endpoint: Endpoints) -> None:
    found = endpoint(
        {
            "ansible_ssh_host": "old",
            "ansible_host": "new",
            "ansible_ssh_port": 22,
            "ansible_ssh_user": "olduser",
            "ansible_user": "newuser",
            "ansible_ssh_pass": "p",
            "ansible_become": True,
            "ansible_become_pass": "b",
            "ansible_sudo_user": "root2",
        }
    )
    assert (found.address, found.port, found.user, found.password) == ("old", 22, "olduser", Secret("p"))
    assert found.become == Become("sudo", "root2", Secret("b"))


def test_the_command_line_fills_what_the_inventory_leaves_open(endpoint: Endpoints) -> None:
    given = Overrides(
        user="cli",
        key_file="/cli/key",
        become=True,
        become_user="app",
        become_method="doas",
        password=Secret("k"),
        become_password=Secret("K"),
        connect_timeout=4,
        host_key_checking="accept-new",
    )
    found = endpoint({}, given)
    assert (found.user, found.key_files, found.password, found.connect_timeout) == (
        "cli",
        ("/cli/key",),
        Secret("k"),
        4,
    )
    assert (found.become, found.host_key_checking) == (Become("doas", "app", Secret("K")), "accept-new")
    own = endpoint(
        {
            "ansible_user": "inv",
            "ansible_ssh_private_key_file": "/inv/key",
            "ansible_password": "i",
            "ansible_become_method": "sudo",
            "ansible_become_user": "db",
            "ansible_become_password": "I",
        },
        given,
    )
    assert (own.user, own.key_files, own.password) == ("inv", ("/inv/key",), Secret("i"))
    assert own.become == Become("sudo", "db", Secret("I"))


@pytest.mark.parametrize(
    ("said", "asked", "becomes"),
    [
        (None, False, False),
        (None, True, True),
        (True, False, True),
        ("true", False, True),
        (False, True, False),
        ("no", True, False),
    ],
)
def test_ansible_become_decides_over_the_command_line(
    endpoint: Endpoints, said: Any, asked: bool, becomes: bool
) -> None:
    variables = {} if said is None else {"ansible_become": said}
    assert (endpoint(variables, Overrides(become=asked)).become is not None) is becomes


def test_a_user_in_the_name_is_the_weakest(endpoint: Endpoints) -> None:
    name = "ec2-user@203.0.113.7"
    found = endpoint({}, name=name)
    assert (found.name, found.address, found.user) == (name, "203.0.113.7", "ec2-user")
    assert endpoint({}, Overrides(user="cli"), name=name).user == "cli"
    assert endpoint({"ansible_user": "inv"}, Overrides(user="cli"), name=name).user == "inv"


@pytest.mark.parametrize("connection", ["ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh"])
def test_every_ssh_plugin_means_ssh(endpoint: Endpoints, connection: str) -> None:
    assert not endpoint({"ansible_connection": connection}).local


def test_local_connections_need_nothing_of_ssh(endpoint: Endpoints) -> None:
    found = endpoint(
        {"ansible_connection": "local", "ansible_user": "{{ lookup('env', 'USER') }}", "ansible_port": "?"}
    )
    assert found.local
    assert found.user is None


def test_the_implicit_localhost_is_this_machine(tmp_path: Path) -> None:
    inventory = load(["web1,"], directory=str(tmp_path))
    (host,) = inventory.select("localhost")
    found = inventory.endpoint(host, Overrides())
    assert (found.name, found.local, found.python) == ("localhost", True, sys.executable)
    assert list(inventory.hosts) == ["web1"]
    assert inventory.find("localhost") is host
    assert inventory.find("web1") is inventory.hosts["web1"]
    assert inventory.find("127.0.0.1") is inventory.find("web2") is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ansible_host": "{{ inventory_hostname }}"}, "web1"),
        ({"ansible_host": "{{ip}}", "ip": "10.0.0.9"}, "10.0.0.9"),
        ({"ansible_host": "{{ a }}.{{ b }}", "a": "x", "b": "{{ c }}", "c": "y"}, "x.y"),
        ({"ansible_host": {"__ansible_unsafe": "{{ literal }}"}}, "{{ literal }}"),
    ],
)
def test_plain_references_are_followed(endpoint: Endpoints, variables: dict[str, Any], expected: str) -> None:
    assert endpoint(variables).address == expected


def test_the_controllers_python_and_the_inventorys_directory_can_be_referred_to(
    endpoint: Endpoints, tmp_path: Path
) -> None:
    found = endpoint(
        {
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "ansible_ssh_private_key_file": "{{ inventory_dir }}/key",
        }
    )
    assert found.python == sys.executable
    assert found.key_files == (str(tmp_path / "key"),)


def test_auto_finds_a_python(endpoint: Endpoints) -> None:
    assert endpoint({"ansible_python_interpreter": "auto_silent"}).python is None


JINJA = """\
all:
  hosts:
    web1:
      ansible_host: 10.0.0.1
      ansible_user: "{{ lookup('pipe', 'whoami') }}"
"""


def test_a_template_that_cannot_be_rendered_names_file_line_and_way_out(
    read: Callable[[str], Inventory], tmp_path: Path
) -> None:
    inventory = read(JINJA)
    with pytest.raises(InventoryError) as caught:
        inventory.endpoint(inventory.hosts["web1"], Overrides())
    assert str(caught.value).startswith(
        f"{tmp_path}/hosts.yml:5: ansible_user of web1 cannot be rendered: lookup('pipe')"
    )
    assert "`user`" in caught.value.hint
    assert inventory.endpoint(inventory.hosts["web1"], Overrides(user="ada")).user == "ada"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ansible_user": "{{ missing | default('deploy') }}"}, {"user": "deploy"}),
        ({"ansible_user": "{{ missing | default(omit) }}"}, {"user": None}),
        ({"ansible_port": "{{ base + 2 }}", "base": 2220}, {"port": 2222}),
        ({"ansible_host": "{{ inventory_hostname_short }}.internal"}, {"address": "web1.internal"}),
        ({"ansible_host": "{{ hostvars['web2'].ip }}"}, {"address": "10.0.0.2"}),
        ({"ansible_host": "{{ hostvars[groups['db'][0]]['ip'] }}"}, {"address": "10.0.0.2"}),
        ({"ansible_user": "{{ 'web' if 'web' in group_names else 'root' }}"}, {"user": "web"}),
        ({"ansible_host": "{{ a }}", "a": "{{ b }}", "b": "10.0.0.9"}, {"address": "10.0.0.9"}),
        (
            {
                "ansible_host": "{{ net.ip }}",
                "net": {"ip": "{{ prefix }}.7", "unused": "{{ nowhere | default(1) }}"},
                "prefix": "10.0.0",
            },
            {"address": "10.0.0.7"},
        ),
    ],
)
def test_templates_are_rendered_as_ansible_renders_them(
    read: Callable[[str], Inventory], variables: dict[str, Any], expected: dict[str, object]
) -> None:
    tree = {"web": {"hosts": {"web1": variables}}, "db": {"hosts": {"web2": {"ip": "10.0.0.2"}}}}
    inventory = read(yaml.safe_dump(tree))
    found = inventory.endpoint(inventory.hosts["web1"], Overrides())
    assert {name: getattr(found, name) for name in expected} == expected


def test_jinja_elsewhere_harms_nobody(endpoint: Endpoints) -> None:
    assert endpoint({"x": "{{ lookup('pipe', 'X') }}", "ansible_facts_x": "{% if %}"}).address == "web1"


VAULT = "$ANSIBLE_VAULT;1.1;AES256\n3133\n"


@pytest.mark.parametrize("variable", ["ansible_password", "ansible_become_password"])
def test_a_vaulted_password_is_an_error_unless_a_prompt_answers(
    read: Callable[[str], Inventory], variable: str, tmp_path: Path
) -> None:
    inventory = read(
        f"all:\n  hosts:\n    web1:\n      {variable}: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        3133\n"
    )
    host = inventory.hosts["web1"]
    with pytest.raises(InventoryError, match=rf"hosts\.yml:4: {variable} of web1 is encrypted by Ansible Vault"):
        inventory.endpoint(host, Overrides(become=True))
    prompted = Overrides(become=True, password=Secret("k"), become_password=Secret("K"))
    found = inventory.endpoint(host, prompted)
    assert (found.password, found.become) == (Secret("k"), Become(password=Secret("K")))


def test_a_become_password_is_not_needed_without_become(read: Callable[[str], Inventory]) -> None:
    inventory = read("all:\n  hosts:\n    web1:\n      ansible_become_password: '{{ vault_pw }}'\n")
    assert inventory.endpoint(inventory.hosts["web1"], Overrides()).become is None


def test_a_file_that_stays_closed_is_a_problem_of_the_hosts_it_is_about(
    read: Callable[..., Inventory], tmp_path: Path
) -> None:
    """What it says of the connection is unknown, and a guess could be another user."""
    text = "all:\n  children:\n    web: {hosts: {web1: }}\n    db: {hosts: {db1: }}\n"
    inventory = read(text, group_vars__web__vault=VAULT, group_vars__web__vars="ansible_user: ada\n")
    assert inventory.endpoint(inventory.hosts["db1"], Overrides()).user is None
    with pytest.raises(InventoryError) as caught:
        inventory.endpoint(inventory.hosts["web1"], Overrides(user="root"))
    assert str(caught.value).startswith(f"{tmp_path}/group_vars/web/vault: web1 needs this file, which is encrypted")
    assert "`vault_ids`" in caught.value.hint


def test_what_a_vault_keeps_connects_and_is_shown_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("web1 ansible_user='{{ secret_user }}'\n")
    (tmp_path / "group_vars/all").mkdir(parents=True)
    (tmp_path / "group_vars/all/vault.yml").write_text("secret_user: deploy\nansible_password: s3cret\n")
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    subprocess.run(
        [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", "--vault-password-file", str(password)]
        + [str(tmp_path / "group_vars/all/vault.yml")],
        check=True,
        capture_output=True,
    )
    vault = Vault([identity(str(password))], lambda prompt: None)
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path), vault=vault)
    found = inventory.endpoint(inventory.hosts["web1"], Overrides())
    assert (found.user, found.password) == ("deploy", Secret("s3cret"))
    shown = json.dumps(dict(inventory.hosts["web1"].vars))
    assert "deploy" not in shown
    assert "s3cret" not in shown
    wrong = Vault([identity(str(tmp_path / "hosts"))], lambda prompt: None)
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path), vault=wrong)
    with pytest.raises(InventoryError, match="no vault password opens it"):
        inventory.endpoint(inventory.hosts["web1"], Overrides())


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ansible_port": "http"}, "hosts.yml:4: ansible_port of web1 is no port: 'http'"),
        ({"ansible_port": 70000}, "ansible_port of web1 is no port"),
        ({"ansible_become": True, "ansible_become_method": "runas"}, "become method 'runas' is not supported"),
        ({"ansible_become": "perhaps"}, "ansible_become of web1 is neither true nor false"),
        ({"ansible_host": ["a"]}, "ansible_host of web1 is no text"),
        ({"ansible_password": ["a"]}, "hosts.yml:4: ansible_password of web1 is no text, but a list"),
        ({"ansible_become": True, "ansible_become_pass": {"a": "b"}}, "ansible_become_pass of web1 is no text"),
        ({"ansible_host": "{{ a }}", "a": "{{ ansible_host }}"}, "refers to itself"),
        ({"ansible_host": "{{ nowhere }}"}, "cannot be rendered: 'nowhere' is undefined: {{ nowhere }}"),
        ({"ansible_ssh_common_args": "-o 'X"}, "ansible_ssh_common_args cannot be read"),
        *(({"ansible_timeout": value}, "seconds above 0") for value in ("soon", "nan", "inf", 1e12, -1, True, False)),
        *(
            ({"agentless_state_dir": value}, "hosts.yml:4: agentless_state_dir of web1")
            for value in (5, ["/a"], {"/a": 1}, True, "", "state", "./state", "..", "/srv/../etc", "/a\0b", "/a\nb")
        ),
        *(
            ({name: True}, f"hosts.yml:4: {name} of web1 is no text, but true or false")
            for name in (
                "ansible_connection",
                "ansible_host",
                "ansible_password",
                "ansible_private_key_file",
                "ansible_python_interpreter",
                "ansible_ssh_common_args",
                "ansible_user",
            )
        ),
        *(
            ({name: ["a"]}, f"hosts.yml:4: {name} of web1 is no text, but a list")
            for name in ("ansible_connection", "ansible_python_interpreter", "ansible_ssh_args", "ansible_user")
        ),
        ({"ansible_port": True}, "ansible_port of web1 is no port: True"),
        ({"ansible_port": [22]}, "ansible_port of web1 is no port: [22]"),
        ({"ansible_private_key_file": "a\0b"}, "hosts.yml:4: ansible_private_key_file of web1 holds a NUL byte"),
        ({"ansible_python_interpreter": "/bin/python3;id"}, "holds characters that a login shell may change"),
        ({"ansible_become": True, "ansible_become_user": False}, "ansible_become_user of web1 is no text"),
        ({"ansible_become": True, "ansible_sudo_user": "-u root"}, "hosts.yml:5: become user '-u root' of web1"),
        ({"ansible_become": True, "ansible_become_user": "a\nb"}, "become user 'a\\nb' of web1 is no name"),
        ({"ansible_become": True, "ansible_become_method": ["su"]}, "ansible_become_method of web1 is no text"),
    ],
)
def test_values_that_cannot_be_used(endpoint: Endpoints, variables: dict[str, Any], message: str) -> None:
    with pytest.raises(InventoryError) as caught:
        endpoint(variables)
    assert message in str(caught.value)


@pytest.mark.parametrize("path", ["/srv/state", "~/state", "~ada/state", "~"])
def test_a_state_directory_is_absolute_or_below_a_home(endpoint: Endpoints, path: str) -> None:
    assert endpoint({"agentless_state_dir": path}).state_dir == path


def test_a_number_is_the_text_that_ansible_takes_it_for(endpoint: Endpoints) -> None:
    found = endpoint({"ansible_user": 5, "ansible_password": 0, "ansible_host": 10.5, "agentless_state_dir": None})
    assert (found.user, found.password, found.address, found.state_dir) == ("5", Secret("0"), "10.5", None)


def test_a_connection_of_another_kind_is_that_hosts_problem_alone(endpoint: Endpoints, tmp_path: Path) -> None:
    found = endpoint({"ansible_connection": "winrm", "ansible_become": True, "ansible_become_method": "runas"})
    assert found.problem is not None
    assert found.problem.kind == "inventory"
    where = f"{tmp_path}/hosts.yml:6: "
    assert found.problem.message == f"{where}ansible_connection 'winrm' of web1 is not supported: ssh and local are"
    assert "'all:!web1'" in found.problem.hint


def test_a_line_is_given_for_ini_and_for_group_vars(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("[web]\nweb1\nweb2 ansible_port=x\n[web:vars]\nansible_user={{ a | nofilter }}\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/web.yml").write_text("---\n\nansible_host: '{{ c | nofilter }}'\n")
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path))
    with pytest.raises(InventoryError, match=r"group_vars/web\.yml:3: ansible_host"):
        inventory.endpoint(inventory.hosts["web1"], Overrides(user="me"))
    (tmp_path / "group_vars/web.yml").unlink()
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path))
    with pytest.raises(InventoryError, match=r"hosts:5: ansible_user"):
        inventory.endpoint(inventory.hosts["web1"], Overrides())
    with pytest.raises(InventoryError, match=r"hosts:3: ansible_port"):
        inventory.endpoint(inventory.hosts["web2"], Overrides(user="me"))


def test_a_variable_that_connects_in_another_encoding_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes("web1 ansible_password=é\nweb2 note=é\n".encode("latin-1"))
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path))
    with pytest.raises(InventoryError) as caught:
        inventory.endpoint(inventory.hosts["web1"], Overrides())
    assert str(caught.value) == f"{tmp_path}/hosts:1: ansible_password of web1 is no UTF-8"
    assert inventory.endpoint(inventory.hosts["web2"], Overrides()) == Endpoint("web2", "web2")


def test_what_is_not_honoured_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("web1\nweb2\n[all:vars]\nansible_ssh_common_args=-A\nansible_become_flags=-H\n")
    told: list[str] = []
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path), warn=told.append)
    for host in inventory.hosts.values():
        inventory.endpoint(host, Overrides())
    assert sorted(told) == [
        "-o forwardagent=yes: this ssh argument of the inventory is not honoured",
        "ansible_become_flags of the inventory is not honoured",
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ansible_host", "x;touch${IFS}/tmp/P;"), ("ansible_user", "x;id"), ("ansible_ssh_common_args", "-l 'x;id'")],
)
def test_a_name_that_a_shell_would_act_on_is_that_hosts_problem(endpoint: Endpoints, variable: str, value: str) -> None:
    problem = endpoint({variable: value}).problem
    assert problem is not None
    assert problem.kind == "inventory"
    assert "web1: " in problem.message
    assert "ssh takes no such name" in problem.message


@pytest.mark.parametrize(
    "variables",
    [{"ansible_ssh_common_args": "-o StrictHostKeyChecking=no"}, {"ansible_host_key_checking": False}],
)
def test_host_key_checking_turned_off_becomes_accept_new_and_strict_on_the_command_line_stays(
    endpoint: Endpoints, variables: dict[str, Any]
) -> None:
    assert endpoint(variables).host_key_checking == "accept-new"
    assert endpoint(variables, Overrides(host_key_checking="strict")).host_key_checking == "strict"


def test_what_is_not_given_is_none_and_what_equals_a_default_is_given(endpoint: Endpoints) -> None:
    found = endpoint({})
    assert (found.connect_timeout, found.host_key_checking, found.port, found.user) == (None, None, None, None)
    found = endpoint(
        {"ansible_port": 22, "ansible_ssh_common_args": "-o StrictHostKeyChecking=yes"}, Overrides(connect_timeout=10.0)
    )
    assert (found.connect_timeout, found.host_key_checking, found.port) == (10.0, "strict", 22)


def test_a_password_in_a_template_shows_in_no_error(endpoint: Endpoints) -> None:
    with pytest.raises(InventoryError, match="ansible_password of web1 cannot be rendered") as caught:
        endpoint({"ansible_password": "{{ 's3cret' | nofilter }}"})
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_secrets_show_in_no_repr(endpoint: Endpoints, read: Callable[[str], Inventory]) -> None:
    assert "s3cret" not in repr(
        endpoint({"ansible_password": "s3cret", "ansible_become": 1, "ansible_become_pass": "s3cret"})
    )
    inventory = read("all: {hosts: {web1: {ansible_password: s3cret}}}")
    assert "s3cret" not in repr(inventory.hosts["web1"])
