"""-v says what was decided and why, -vv the steps; without them nothing of it is said."""

from __future__ import annotations

import re
from pathlib import Path

from tests.hosts import Sshd
from tests.hosts.client import make_key


def test_v_says_which_inventory_and_configuration_count_and_how_each_host_was_logged_in_to(sshd: Sshd) -> None:
    config = sshd.client.home / ".config" / "agentless" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("forks: 5\n")
    said = sshd.client.agentless("-v", "ping").stderr
    assert f"agentless: inventory: {sshd.client.inventory} (" in said
    assert f"agentless: configuration: {config}\n" in said
    assert "agentless: connections are not kept for the next command: --keep 60 and the like keep them\n" in said
    for name in sshd.names:
        line = rf"agentless: {name}: {sshd.user}@127\.0\.0\.1 port {sshd.port}: logged in by .*id_ed25519"
        assert re.search(line, said), said
    assert " s  host1" not in said
    assert sshd.client.agentless("ping").stderr == ""


def test_v_says_what_ssh_config_has_decided_and_which_keys_were_refused(sshd: Sshd, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_key(other)
    (sshd.client.home / ".ssh" / "config").write_text(
        f"Host elsewhere\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile {other}\n  IdentityFile {sshd.client.key}\n"
    )
    said = sshd.client.agentless("-i", "elsewhere,", "-v", "ping").stderr
    assert "elsewhere: user, address, port by ~/.ssh/config or ssh's defaults\n" in said
    assert f"elsewhere: {sshd.user}@127.0.0.1 port {sshd.port}: logged in by" in said
    assert re.search(rf"logged in by \S*{sshd.client.key.name}; refused was \S*{other.name}", said), said


def test_v_says_whether_a_connection_was_kept(sshd: Sshd) -> None:
    words = ("-v", "--keep", "30", "ping", "host1")
    try:
        first, second = (sshd.client.agentless(*words).stderr for _ in range(2))
    finally:
        sshd.client.agentless("connections", "close")
    assert "; the connection stays 30 s after its last use\n" in first
    assert "over the connection that was kept, logged in by" in second


def test_vv_says_each_step_with_its_time(sshd: Sshd) -> None:
    said = [sshd.client.agentless("-vv", "run", "host1", "--", "true").stderr for _ in range(2)]
    steps, again = (re.findall(r"^ +\d+\.\d{3} s  (.*)$", each, re.MULTILINE) for each in said)
    assert steps[:2] == ["host1: resolving how to connect", f"host1: connecting to 127.0.0.1 port {sshd.port}"]
    assert re.fullmatch(r"host1: this version's helper is not there yet: bringing it, [\d,]+ bytes", steps[2]), steps
    assert steps[3].startswith("host1 | running | pid ")
    assert steps[-1].startswith("host1 | ok | ")
    assert again[2] == "host1: this version's helper is there, and answers"
