"""Standing in an Ansible repository, agentless reaches the hosts that `ansible` reaches, as the same user, and how.

Ansible runs for real, against an `ssh` first on PATH that notes how it was called.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.hosts import need
from tests.hosts.client import ROOT

BIN = Path(sys.executable).parent
# Of a password that ansible hands to sshpass, no more than that there is one.
FAKE_SSH = """\
#!{python} -I
import json, os, re, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
token = re.search("BECOME-SUCCESS-[a-z]+", " ".join(sys.argv))
if token:
    print(token.group(), flush=True)
"""
FAKE_SSHPASS = '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n'
OURS = """\
import json, sys
from agentless import Fleet
options = json.loads(sys.argv[1])
warnings = []
with Fleet(**options, warn=warnings.append) as fleet:
    found = {}
    for name, each in fleet.endpoints("all").items():
        become = each.become
        found[name] = {
            "problem": each.problem.message if each.problem else None,
            "address": each.address, "port": each.port, "user": each.user, "key": list(each.key_files)[:1],
            "jump": [" ".join(words) for key, words in each.options if key in ("proxyjump", "proxycommand")],
            "config_file": each.config_file, "timeout": each.connect_timeout,
            "become": [become.method, become.user] if become else None,
            "become_password": bool(become and become.password), "password": bool(each.password),
            "checking": each.host_key_checking,
        }
print(json.dumps([found, warnings]))
"""


class Way(NamedTuple):
    """How a host is reached and who acts there; None is what neither side says."""

    address: str
    port: int | None
    user: str | None
    key: str | None
    jump: str | None
    config_file: str | None
    become: tuple[str, str] | None
    timeout: float


@dataclass(frozen=True)
class Repository:
    """A tree, and how its people call it.

    Args:
        files: their texts by path; `{home}` and `{repo}` are the directories, `x` behind the path makes it executable.
        vaulted: paths to encrypt, each with the label and the file of its password.
        environ: of the call.
        ansible: further words of ansible.
        options: the same for Fleet.
        problems: hosts that agentless cannot serve, with a part of what it says.
        warning: a part of what is told before anything runs.
    """

    files: Mapping[str, str]
    vaulted: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    ansible: Sequence[str] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    warning: str = ""


HOSTS = "[web]\nweb1 ansible_host=10.0.0.1\nweb2 ansible_host=10.0.0.2\n[db]\ndb1 ansible_host=10.0.1.1\n"
REPOSITORIES = {
    "everything-in-the-cfg": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\nremote_user = ops\nprivate_key_file = keys/ops\n"
            "timeout = 7\n"
            "[privilege_escalation]\nbecome = true\nbecome_user = deploy\n",
            "hosts": HOSTS,
        }
    ),
    "variables-and-become-in-the-cfg": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\n[privilege_escalation]\nbecome = true\n",
            "hosts": HOSTS,
            "group_vars/web.yml": "ansible_user: ada\nansible_ssh_private_key_file: '{{ inventory_dir }}/keys/web'\n",
            "group_vars/db.yml": "ansible_user: postgres\nansible_become: false\nansible_port: 2222\n",
        }
    ),
    "a-config-file-of-ssh": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\n"
            "[ssh_connection]\nssh_args = -F ssh.config -o ControlMaster=no\n",
            "ssh.config": "Host 10.0.0.*\n  User fromfile\n",
            "hosts": HOSTS,
        }
    ),
    "a-jump-with-a-condition": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\n",
            "hosts": HOSTS,
            "group_vars/all.yml": "bastion: bastion.example.com\n"
            "ansible_ssh_common_args: \"{% if 'web' in group_names %}-o ProxyJump=ops@{{ bastion }}{% endif %}\"\n",
        }
    ),
    "a-vaulted-user": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\nvault_password_file = .pass\n",
            "hosts": HOSTS,
            ".pass": "sesame\n",
            "group_vars/web/vault.yml": "vault_user: deploy\nansible_port: 2200\n",
            "group_vars/web/vars.yml": "ansible_user: '{{ vault_user }}'\n",
        },
        vaulted={"group_vars/web/vault.yml": ("", ".pass")},
    ),
    "a-vaulted-become-password": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\nvault_identity_list = prod@.pass\n"
            "[privilege_escalation]\nbecome = true\n",
            "hosts": HOSTS,
            ".pass": "sesame\n",
            "group_vars/all.yml": "ansible_become_password: s3cret\n",
        },
        vaulted={"group_vars/all.yml": ("prod", ".pass")},
    ),
    "a-client-script": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\nvault_identity_list = prod@keyring-client.sh\n",
            "hosts": HOSTS,
            ".pass": "secret-prod\n",
            "keyring-client.sh x": '#!/bin/sh\necho "secret-$2"\n',
            "group_vars/web.yml": "ansible_user: deploy\n",
        },
        vaulted={"group_vars/web.yml": ("prod", ".pass")},
    ),
    "a-directory-of-sources": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = inventory\n",
            "inventory/a-hosts.ini": HOSTS,
            "inventory/b-broken.yml": "all: [\n",
            "inventory/z-constructed.yml": "plugin: constructed\n"
            "compose:\n  ansible_user: \"'user-' ~ inventory_hostname\"\n",
        }
    ),
    "a-script-beside": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts,cloud.sh\n",
            "hosts": HOSTS,
            "cloud.sh x": '#!/bin/sh\necho \'{"cloud": {"hosts": ["c1"], "vars": {"ansible_user": "ec2"}}}\'\n',
        }
    ),
    "host-keys-unchecked": Repository(
        {"ansible.cfg": "[defaults]\ninventory = hosts\nhost_key_checking = False\n", "hosts": HOSTS}
    ),
    "a-personal-inventory-elsewhere": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\n",
            "hosts": HOSTS,
            "{home}/.config/agentless/inventory.yaml": "all: {hosts: {mine: }}\n",
        }
    ),
    "variables-that-merge": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\nhash_behaviour = merge\n",
            "hosts": HOSTS,
            "group_vars/all.yml": "net: {user: ada, port: 22}\n"
            "ansible_user: '{{ net.user }}'\nansible_port: '{{ net.port }}'\n",
            "group_vars/web.yml": "net: {port: 2222}\n",
        }
    ),
    "hosts-of-other-kinds-among-them": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\n",
            "hosts": HOSTS + "[windows]\nwin1 ansible_connection=winrm\n[odd]\nodd1 ansible_user='{{ nowhere }}'\n",
        },
        problems={"win1": "winrm", "odd1": "nowhere"},
    ),
    "a-cfg-elsewhere": Repository(
        {
            "conf/ansible.cfg": "[defaults]\ninventory = ../hosts\nprivate_key_file = keys/ops\nremote_user = ops\n",
            "hosts": HOSTS,
        },
        environ={"ANSIBLE_CONFIG": "conf/ansible.cfg"},
    ),
    "a-cfg-at-home-only": Repository(
        {
            "{home}/.ansible.cfg": "[defaults]\ninventory = {repo}/hosts\nremote_user = me\nremote_port = 2022\n",
            "hosts": HOSTS,
        }
    ),
    "the-environment-wins": Repository(
        {"ansible.cfg": "[defaults]\ninventory = hosts\nremote_user = ops\n", "hosts": HOSTS},
        environ={"ANSIBLE_REMOTE_USER": "env", "ANSIBLE_BECOME": "1", "ANSIBLE_BECOME_METHOD": "su"},
    ),
    "the-command-line-is-weaker-than-variables": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\nremote_user = ops\n",
            "hosts": HOSTS,
            "group_vars/db.yml": "ansible_user: postgres\n",
        },
        ansible=["-u", "cli", "-b", "--become-user", "app"],
        options={"user": "cli", "become": True, "become_user": "app"},
    ),
    "extra-variables-win": Repository(
        {
            "ansible.cfg": "[defaults]\ninventory = hosts\n",
            "hosts": HOSTS,
            "group_vars/db.yml": "ansible_user: postgres\n",
        },
        ansible=["-e", "ansible_user=extra"],
        options={"extra_vars": ["ansible_user=extra"]},
    ),
    "ssh-arguments-of-the-command-line": Repository(
        {"ansible.cfg": "[defaults]\ninventory = hosts\n", "hosts": HOSTS},
        ansible=["--ssh-common-args=-o ProxyJump=jump.example.com"],
        options={"ssh_common_args": "-o ProxyJump=jump.example.com"},
    ),
}


class Checkout:
    """A repository on disk, with a home beside it and the fake ssh first on PATH."""

    def __init__(self, of: Repository, directory: Path) -> None:
        self.of = of
        self.home = directory / "home"
        self.repo = directory / "repo"
        self.log = directory / "ssh.log"
        bin_ = directory / "bin"
        for made in (self.home, self.repo, bin_):
            made.mkdir()
        self._write(bin_ / "ssh", FAKE_SSH.format(python=sys.executable, log=str(self.log)), True)
        self._write(bin_ / "sshpass", FAKE_SSHPASS, True)
        for name, text in of.files.items():
            path, _, executable = name.partition(" ")
            places = {"{home}": str(self.home), "{repo}": str(self.repo)}
            for mark, place in places.items():
                path, text = path.replace(mark, place), text.replace(mark, place)
            self._write(self.repo / path, text, bool(executable))
        self.environ = {
            "HOME": str(self.home),
            "PATH": f"{bin_}:{BIN}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
            **of.environ,
        }
        for name, (label, password) in of.vaulted.items():
            secret = str(self.repo / password)
            words = ["--vault-id", f"{label}@{secret}", "--encrypt-vault-id", label] if label else []
            words = words or ["--vault-password-file", secret]
            # Not from where the repository's own settings hold: they would add their identities.
            self._run([str(BIN / "ansible-vault"), "encrypt", *words, str(self.repo / name)], self.home)

    @staticmethod
    def _write(path: Path, text: str, executable: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if executable else 0o600)

    def _run(self, argv: Sequence[str], directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            argv,
            cwd=directory or self.repo,
            env=self.environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode in (0, 2, 3, 4), done.stderr + done.stdout
        return done

    def theirs(self) -> dict[str, Way]:
        """How `ansible -m raw` called ssh, by address."""
        self._run([str(BIN / "ansible"), "all", "-m", "raw", "-a", "true", *self.of.ansible])
        calls = [json.loads(line) for line in self.log.read_text().splitlines()]
        return {way.address: way for way in map(_way, calls)}

    def ours(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """The endpoints of all hosts by name, and the warnings."""
        done = self._run([sys.executable, "-c", OURS, json.dumps(dict(self.of.options))])
        assert done.returncode == 0, done.stderr
        found, warnings = json.loads(done.stdout)
        return found, warnings


def _way(argv: Sequence[str]) -> Way:
    options: dict[str, str] = {}
    words = iter(argv)
    rest: list[str] = []
    for word in words:
        if word == "-o":
            key, _, value = next(words).partition("=")
            options.setdefault(key.lower(), value.strip('"'))
        elif word == "-F":
            options["config_file"] = next(words)
        elif not word.startswith("-"):
            rest = [word, *words]
    host, *command = rest
    become = re.match(r"(sudo|doas)\b.*?-u (\S+)|(su)\s+(\S+)", " ".join(command))
    return Way(
        host,
        int(options["port"]) if "port" in options else None,
        options.get("user"),
        options.get("identityfile"),
        options.get("proxyjump"),
        options.get("config_file"),
        (become[1] or become[3], become[2] or become[4]) if become else None,
        float(options["connecttimeout"]),
    )


def _our_way(found: Mapping[str, Any]) -> Way:
    return Way(
        found["address"],
        found["port"],
        found["user"],
        next(iter(found["key"]), None),
        next(iter(found["jump"]), None),
        found["config_file"],
        tuple(found["become"]) if found["become"] else None,
        # Ansible's own default, which nobody asked for.
        found["timeout"] or 10.0,
    )


@pytest.fixture(params=REPOSITORIES, scope="module")
def checkout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    if list(REPOSITORIES).index(request.param) % 4:
        need("many seconds")
    return Checkout(REPOSITORIES[request.param], tmp_path_factory.mktemp(request.param))


def test_the_same_hosts_are_reached_as_the_same_user_by_the_same_way(checkout: Checkout) -> None:
    need("many seconds")
    found, _ = checkout.ours()
    problems = {name: each["problem"] for name, each in found.items() if each["problem"]}
    assert set(problems) == set(checkout.of.problems), problems
    for name, part in checkout.of.problems.items():
        assert part in problems[name]
    ours = {each["address"]: _our_way(each) for each in found.values() if not each["problem"]}
    assert ours == checkout.theirs()


def test_passwords_from_vaults_are_used_and_shown_nowhere(tmp_path: Path) -> None:
    checkout = Checkout(REPOSITORIES["a-vaulted-become-password"], tmp_path)
    found, _ = checkout.ours()
    assert all(each["become_password"] for each in found.values())
    shown = checkout._run([sys.executable, "-m", "agentless", "hosts", "--out", "json"])
    assert "s3cret" not in shown.stdout + shown.stderr
    assert json.loads(shown.stdout)


def test_unchecked_host_keys_mean_new_ones_are_accepted(tmp_path: Path) -> None:
    found, warnings = Checkout(REPOSITORIES["host-keys-unchecked"], tmp_path).ours()
    assert {each["checking"] for each in found.values()} == {"accept-new"}
    assert any("host key" in line for line in warnings)


def test_the_cfg_that_counts_is_named(tmp_path: Path) -> None:
    checkout = Checkout(REPOSITORIES["everything-in-the-cfg"], tmp_path)
    named = checkout._run([sys.executable, "-m", "agentless", "hosts"])
    assert f"{checkout.repo}/ansible.cfg" in named.stderr
    verbose = checkout._run([sys.executable, "-m", "agentless", "run", "web1", "--check", "-v", "--", "true"])
    assert f"{checkout.repo}/ansible.cfg" in verbose.stderr


def test_a_vault_that_stays_closed_is_never_a_silent_other_user(tmp_path: Path) -> None:
    need("many seconds")
    of = REPOSITORIES["a-vaulted-user"]
    checkout = Checkout(of, tmp_path)
    checkout._write(checkout.repo / "ansible.cfg", "[defaults]\ninventory = hosts\n", False)
    found, _ = checkout.ours()
    assert {name for name, each in found.items() if each["problem"]} == {"web1", "web2"}
    assert (
        "--ask-vault-pass"
        in checkout._run(shlex.split(f"{sys.executable} -m agentless run web1 --check -- true")).stderr
    )


def test_nothing_of_this_needs_ansible(tmp_path: Path) -> None:
    """Only sources that need a plugin do."""
    checkout = Checkout(REPOSITORIES["everything-in-the-cfg"], tmp_path)
    alone = {**checkout.environ, "PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, "-m", "agentless", "hosts", "--out", "json"],
        cwd=checkout.repo,
        env=alone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert {host["user"] for host in json.loads(done.stdout).values()} == {"ops"}
