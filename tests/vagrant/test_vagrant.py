"""The virtual machines of vagrant/: no hypervisor runs here, so all but the machines themselves is tried out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.hosts import Node, Nodes, patience, until
from tests.hosts.client import ROOT, make_key

VAGRANT = ROOT / "vagrant"

SSHD_CONFIG = "HostKey /etc/ssh/node_key\nPasswordAuthentication no\nUsePAM no\n"

# Enough of Vagrant to run a Vagrantfile and tell what it asks for.
STAND_IN = """
require "json"
class Recorder
  attr_reader :told
  def initialize; @told = {"networks" => [], "provisions" => [], "machines" => {}, "folders" => []}; end
  def vm; self; end
  def synced_folder(*args, **options); @told["folders"] << [args, options]; end
  def define(name); machine = Recorder.new; yield machine; @told["machines"][name] = machine.told; end
  def box=(name); @told["box"] = name; end
  def hostname=(name); @told["hostname"] = name; end
  def network(kind, **options); @told["networks"] << [kind, options]; end
  def provision(kind, **options); @told["provisions"] << [kind, options]; end
  def provider(name); yield Provider.new; end
end
class Provider; attr_accessor :memory, :cpus; end
module Vagrant
  def self.configure(version); config = Recorder.new; yield config; puts JSON.generate(config.told); end
end
load ARGV[0]
"""


def ruby() -> str:
    path = shutil.which("ruby")
    if path is None:
        pytest.skip("no ruby on this machine")
    return path


def test_the_vagrantfile_is_ruby() -> None:
    done = subprocess.run([ruby(), "-wc", VAGRANT / "Vagrantfile"], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("Syntax OK", "")


def test_vagrantfile_and_inventory_say_the_same(tmp_path: Path) -> None:
    """What the Vagrantfile makes is what the inventory reaches: names, addresses, account and key."""
    place = tmp_path / "vagrant"
    shutil.copytree(VAGRANT, place, ignore=shutil.ignore_patterns(".vagrant"))
    done = subprocess.run(
        [ruby(), "-e", STAND_IN, place / "Vagrantfile"], capture_output=True, text=True, check=True, cwd=place
    )
    machines = json.loads(done.stdout)["machines"]
    inventory = yaml.safe_load((VAGRANT / "inventory.yaml").read_text())["all"]
    shared = inventory["vars"]
    key = tmp_path / shared["ansible_ssh_private_key_file"]
    assert key.stat().st_mode & 0o777 == 0o600
    assert list(machines) == list(inventory["hosts"])
    assert len({machine["box"] for machine in machines.values()}) == 3
    for name, machine in machines.items():
        assert machine["hostname"] == name
        assert machine["networks"] == [["private_network", {"ip": inventory["hosts"][name]["ansible_host"]}]]
        public = key.with_suffix(".pub").read_text().strip()
        assert machine["provisions"] == [["shell", {"path": "provision.sh", "args": [shared["ansible_user"], public]}]]
    before = key.read_text()
    subprocess.run([ruby(), "-e", STAND_IN, place / "Vagrantfile"], capture_output=True, check=True, cwd=place)
    assert key.read_text() == before


def test_the_inventory_stands_by_itself() -> None:
    """Also where there is no ruby: every host has an address of VirtualBox's own network, and stands in one group."""
    inventory = yaml.safe_load((VAGRANT / "inventory.yaml").read_text())["all"]
    addresses = [host["ansible_host"] for host in inventory["hosts"].values()]
    assert len(set(addresses)) == 3
    assert all(address.startswith("192.168.56.") for address in addresses)
    grouped = [name for group in inventory["children"].values() for name in group["hosts"]]
    assert sorted(grouped) == sorted(inventory["hosts"])
    assert "host_key_checking" not in json.dumps(inventory)
    assert "StrictHostKeyChecking" not in json.dumps(inventory)


def test_its_key_and_known_hosts_are_never_committed() -> None:
    shared = yaml.safe_load((VAGRANT / "inventory.yaml").read_text())["all"]["vars"]
    assert "/.vagrant/" in shared["ansible_ssh_private_key_file"]
    assert "/.vagrant/known_hosts" in shared["ansible_ssh_common_args"]
    assert ".vagrant/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.fixture
def node(start_nodes: Callable[..., Nodes]) -> Node:
    """A host with a home, an /etc and processes of its own: what the script changes is gone with it."""
    node = start_nodes(1)["node1"]
    node.write("/root/provision.sh", (VAGRANT / "provision.sh").read_text())
    # As on a machine with OpenSSH's server as it comes; this one's own may have been changed.
    node.write("/etc/ssh/sshd_config", f"{SSHD_CONFIG}MaxStartups 10:30:100\n")
    return node


def provision(
    node: Node, user: str, key: str, shell: str = "sh", path: str = "$PATH"
) -> subprocess.CompletedProcess[str]:
    return node.run(f"PATH={path} {shell} /root/provision.sh '{user}' '{key}'", check=False)


@pytest.mark.parametrize(
    "shell", [shell for shell in ("dash", "bash --posix", "busybox sh") if shutil.which(shell.split()[0])]
)
def test_provisioned_host_lets_the_key_in_and_become_root(node: Node, tmp_path: Path, shell: str) -> None:
    make_key(tmp_path / "key")
    public = (tmp_path / "key.pub").read_text().strip()
    first = provision(node, "grace", public, shell)
    assert first.returncode == 0, first.stderr
    assert "account grace made" in first.stdout
    again = provision(node, "grace", public, shell)
    assert again.returncode == 0, again.stderr
    assert "account grace is there" in again.stdout
    assert "sshd is set up" in again.stdout
    assert node.path("/home/grace/.ssh/authorized_keys").read_text() == public + "\n"
    assert node.run("grep -c agentless: /etc/ssh/sshd_config").stdout == "2\n"
    assert node.run("sshd -T | grep ^maxstartups").stdout == "maxstartups 100:30:200\n"

    node.run("/usr/sbin/sshd -p 2222")
    (tmp_path / "known_hosts").write_text(f"[{node.address}]:2222 {node.public_host_key}\n")
    options = ["-i", str(tmp_path / "key"), "-p", "2222", "-o", f"UserKnownHostsFile={tmp_path / 'known_hosts'}"]

    def ssh(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", *options, f"grace@{node.address}", command],
            capture_output=True,
            text=True,
            timeout=patience(60),
        )

    assert until(lambda: (done := ssh("id -un")).returncode == 0 and done.stdout, "sshd answers") == "grace\n"
    for method in ("sudo", "doas"):
        if shutil.which(method):
            done = ssh(f"{method} -n id -un")
            assert done.stdout == "root\n", done.stderr
    assert not Path("/home/grace").exists()
    assert "grace" not in Path("/etc/passwd").read_text()
    assert not os.path.exists("/etc/sudoers.d/grace")


def test_a_host_without_python_is_told_what_was_looked_for(node: Node) -> None:
    """And nothing can be installed: a PATH with neither a Python nor a package manager."""
    node.run(
        "mkdir /run/bin; for tool in grep cut useradd chpasswd mkdir touch chmod chown id sed cmp cat rm sshd mv; do"
        " ln -s $(command -v $tool) /run/bin/; done; for python in /usr/bin/python3* /usr/local/bin/python3*"
        " /usr/libexec/platform-python; do if [ -e $python ]; then mount --bind /dev/null $python; fi; done"
    )
    done = provision(node, "grace", "ssh-ed25519 AAAA test", "/bin/sh", path="/run/bin")
    assert done.returncode == 1
    assert "python3 could not be installed" in done.stdout
    assert "no Python 3.6 or newer here: looked for python3" in done.stderr


@pytest.mark.parametrize(
    ("user", "key"), [("", "ssh-ed25519 A"), ("a b", "ssh-ed25519 A"), ("-x", "ssh-ed25519 A"), ("ada", "x")]
)
def test_nonsense_is_refused_before_anything_is_touched(node: Node, user: str, key: str) -> None:
    before = node.path("/etc/passwd").read_text()
    assert provision(node, user, key).returncode == 2
    assert node.path("/etc/passwd").read_text() == before


def test_an_sshd_configuration_that_would_not_work_is_left_alone(node: Node) -> None:
    node.write("/etc/ssh/sshd_config", "NoSuchKeyword yes\n")
    done = provision(node, "grace", "ssh-ed25519 AAAA test")
    assert done.returncode != 0
    assert node.path("/etc/ssh/sshd_config").read_text() == "NoSuchKeyword yes\n"
