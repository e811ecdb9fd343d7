"""ansible.cfg and `ANSIBLE_*`, found and read as Ansible does: side by side with it."""

from __future__ import annotations

import os
import stat
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentless.errors import ConfigError
from agentless.inventory.ansible_cfg import AnsibleSettings, load
from tests.hosts import need
from tests.hosts.needs import examples
from tests.inventory.oracle import Oracle

OURS_ALONE = {"file", "passed_over", "inventory_variable", "unhonoured"}


def read(directory: Path, environ: dict[str, str]) -> dict[str, Any] | None:
    """What agentless has of the settings, but for those that nobody sets; None where it refuses."""
    try:
        found = load(environ, directory)
    except ConfigError:
        return None
    names = [field.name for field in fields(AnsibleSettings) if field.name not in OURS_ALONE]
    values = {name: getattr(found, name) for name in names if getattr(found, name) is not None}
    return {"file": found.file, "set": {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}}


def agree(oracle: Oracle, directory: Path, environ: dict[str, str]) -> dict[str, Any]:
    theirs = oracle.settings(directory, environ)
    ours = read(directory, environ)
    if "error" in theirs:
        assert ours is None, theirs
        return {}
    assert ours == theirs
    return theirs


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "repo").mkdir()
    return tmp_path / "home"


@pytest.fixture
def repo(home: Path) -> Path:
    return home.parent / "repo"


EVERYTHING = """\
[defaults]
inventory = hosts/prod, ~/more ,$HOME/x/../y, /abs ; the fleet
remote_user = "ops"
remote_port = 2222
private_key_file = keys/id
host_key_checking = no
timeout=30
forks = 17
transport = smart
interpreter_python = /opt/python
hash_behaviour = merge
inventory_ignore_extensions = .bak, '.x'
inventory_ignore_patterns = ^old,new$
vault_password_file = ~/.vault
vault_identity_list = dev@pw, prod@prompt
ask_pass = True
playbook_dir = play
# a comment
[privilege_escalation]
become = yes
become_method = su
become_user = admin
become_ask_pass = 1
[ssh_connection]
ssh_args = -F ssh.config -o ControlMaster=auto
ssh_common_args = '-o ProxyJump=b'
ssh_extra_args =
timeout = 31
host_key_checking = yes
[inventory]
enable_plugins = yaml, ini
ignore_patterns = other
"""


def test_every_setting_of_a_file(oracle: Oracle, home: Path, repo: Path) -> None:
    (repo / "ansible.cfg").write_text(EVERYTHING)
    found = agree(oracle, repo, {"HOME": str(home)})["set"]
    assert found["inventory"] == [f"{repo}/hosts/prod", f"{home}/more", f"{home}/y", "/abs"]
    assert (found["remote_user"], found["timeout"], found["host_key_checking"]) == ("ops", 31, True)


def test_the_environment_is_stronger_than_the_file(oracle: Oracle, home: Path, repo: Path) -> None:
    (repo / "ansible.cfg").write_text(EVERYTHING)
    environ = {
        "HOME": str(home),
        "ANSIBLE_INVENTORY": "web1,./here,~/there",
        "ANSIBLE_REMOTE_USER": '"ada"',
        "ANSIBLE_REMOTE_PORT": "22.0",
        "ANSIBLE_PRIVATE_KEY_FILE": "key",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_HOST_KEY_CHECKING": "False",
        "ANSIBLE_TIMEOUT": "",
        "ANSIBLE_FORKS": "5",
        "ANSIBLE_SSH_ARGS": "",
        "ANSIBLE_BECOME": "perhaps",
        "ANSIBLE_HASH_BEHAVIOUR": "replace",
        "ANSIBLE_PYTHON_INTERPRETER": "auto",
    }
    agree(oracle, repo, environ)


def test_where_the_file_is_found(oracle: Oracle, home: Path, repo: Path) -> None:
    environ = {"HOME": str(home)}
    assert agree(oracle, repo, environ)["file"] in (None, "/etc/ansible/ansible.cfg")
    (home / ".ansible.cfg").write_text("[defaults]\ninventory = hosts\n")
    assert agree(oracle, repo, environ)["set"]["inventory"] == [f"{home}/hosts"]
    (repo / "ansible.cfg").write_text("[defaults]\ninventory = hosts\n")
    assert agree(oracle, repo, environ)["file"] == f"{repo}/ansible.cfg"
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ansible.cfg").write_text("[defaults]\ninventory = ../hosts\n")
    for named in (elsewhere, elsewhere / "ansible.cfg", "../elsewhere", "~/../elsewhere", "$HOME/../elsewhere"):
        found = agree(oracle, repo, {**environ, "ANSIBLE_CONFIG": str(named)})
        assert found["set"]["inventory"] == [f"{home.parent}/hosts"]
    for missing in ("/nonexistent", ""):
        agree(oracle, repo, {**environ, "ANSIBLE_CONFIG": missing})


def test_a_working_directory_that_everybody_can_write_is_passed_over(oracle: Oracle, home: Path, repo: Path) -> None:
    (repo / "ansible.cfg").write_text("[defaults]\nremote_user = mallory\n")
    repo.chmod(0o777)
    environ = {"HOME": str(home)}
    assert "remote_user" not in agree(oracle, repo, environ)["set"]
    assert load(environ, repo).passed_over == f"{repo}/ansible.cfg"
    named = {**environ, "ANSIBLE_CONFIG": str(repo / "ansible.cfg")}
    assert agree(oracle, repo, named)["set"]["remote_user"] == "mallory"
    assert load(named, repo).passed_over is None
    repo.chmod(stat.S_IRWXU)
    assert load(environ, repo).passed_over is None


def test_a_working_directory_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="working directory is gone"):
        load({}, Path())


@pytest.mark.parametrize(
    "text",
    [
        "[defaults]\nforks = many\n",
        "[defaults]\nremote_port = 2.5\n",
        "[defaults]\nhash_behaviour = both\n",
        "[defaults]\nforks =\n",
        "remote_user = no section\n",
        "[defaults]\nforks = 1\nforks = 2\n",
        "[defaults]\nnonsense\n",
        "[defaults\n",
    ],
)
def test_what_ansible_refuses_is_refused_with_the_file(oracle: Oracle, home: Path, repo: Path, text: str) -> None:
    (repo / "ansible.cfg").write_text(text)
    assert agree(oracle, repo, {"HOME": str(home)}) == {}
    with pytest.raises(ConfigError) as caught:
        load({"HOME": str(home)}, repo)
    assert caught.value.message.startswith(f"{repo}/ansible.cfg:")


@pytest.mark.parametrize(
    "line", ["forks = -1", "forks = 1e999999999", "timeout = -3", "remote_port = 99999", "forks = nan"]
)
def test_a_number_that_nothing_could_be_done_with_is_refused_with_the_file(home: Path, repo: Path, line: str) -> None:
    (repo / "ansible.cfg").write_text(f"[defaults]\n{line}\n")
    with pytest.raises(ConfigError, match="a whole number from") as caught:
        load({"HOME": str(home)}, repo)
    assert str(repo / "ansible.cfg") in str(caught.value)


def test_what_is_asked_for_and_not_done_is_named(home: Path, repo: Path) -> None:
    (repo / "ansible.cfg").write_text(
        "[defaults]\nexecutable = /bin/bash\nvars_plugins_enabled = host_group_vars\n"
        "[privilege_escalation]\nbecome_flags = -H -S\n[sudo_become_plugin]\nuser = x\n"
    )
    told = load({"HOME": str(home), "ANSIBLE_SSH_EXECUTABLE": "/opt/ssh"}, repo).unhonoured
    assert [line.partition(" is not")[0] for line in told] == [
        "ssh_executable",
        "executable",
        "[sudo_become_plugin] user",
    ]


def test_an_empty_place_among_inventories_is_none(home: Path, repo: Path) -> None:
    """Ansible takes it for the directory of the file, or for the working directory, and reads everything there."""
    (repo / "ansible.cfg").write_text("[defaults]\ninventory = hosts,\n")
    assert load({"HOME": str(home)}, repo).inventory == (f"{repo}/hosts",)
    assert load({"HOME": str(home), "ANSIBLE_INVENTORY": ""}, repo).inventory == ()


# --- generated ---
TEXTS = """yes|no|True|0|1|22|22.0|2.5|many|'q'|"q"|a, b|~/x|$HOME/x|${HOME}/y|$NONE/x|{{CWD}}/z|./x/../y|/abs|x ; c|x;c
x # c|%(x)s|%|ssh|merge|replace|-o A=b|é|'|a=b|a:b""".replace("\n", "|").split("|")
KEYS = {
    "defaults": "remote_user remote_port private_key_file host_key_checking timeout forks transport interpreter_python "
    "hash_behaviour inventory_ignore_extensions inventory_ignore_patterns vault_password_file vault_identity_list "
    "ask_pass Remote_User",
    "privilege_escalation": "become become_method become_user become_ask_pass",
    "ssh_connection": "ssh_args ssh_common_args ssh_extra_args timeout host_key_checking",
    "inventory": "enable_plugins ignore_extensions ignore_patterns",
}
NAMES = (
    "REMOTE_USER REMOTE_PORT PRIVATE_KEY_FILE FORKS HOST_KEY_CHECKING SSH_HOST_KEY_CHECKING TIMEOUT SSH_TIMEOUT "
    "SSH_ARGS SSH_COMMON_ARGS BECOME BECOME_METHOD HASH_BEHAVIOUR INVENTORY_ENABLED INVENTORY_IGNORE "
    "VAULT_PASSWORD_FILE "
    "PYTHON_INTERPRETER"
)
texts = st.sampled_from([*TEXTS, "", ",", "a,,b"])
inventories = st.sampled_from(TEXTS)


def section(name: str, keys: str) -> st.SearchStrategy[dict[str, str]]:
    pairs = st.dictionaries(st.sampled_from(keys.split()), texts, max_size=4)
    if name != "defaults":
        return pairs
    return st.builds(lambda some, more: {**some, **more}, pairs, st.dictionaries(st.just("inventory"), inventories))


cfgs = st.fixed_dictionaries({}, optional={name: section(name, keys) for name, keys in KEYS.items()})
variables = st.builds(
    lambda some, more: {f"ANSIBLE_{name}": text for name, text in {**some, **more}.items()},
    st.dictionaries(st.sampled_from(NAMES.split()), texts, max_size=3),
    st.dictionaries(st.just("INVENTORY"), inventories),
)


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cfgs, variables)
def test_any_file_and_environment(
    oracle: Oracle, home: Path, repo: Path, cfg: dict[str, dict[str, str]], environ: dict[str, str]
) -> None:
    need("many seconds")
    lines = [f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in pairs.items()) for section, pairs in cfg.items()]
    (repo / "ansible.cfg").write_text("".join(lines))
    agree(oracle, repo, {"HOME": str(home), "PATH": os.environ["PATH"], **environ})
