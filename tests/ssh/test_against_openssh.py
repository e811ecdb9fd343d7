"""~/.ssh/config as OpenSSH reads it: `ssh -G` is the oracle, on generated files."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.runner.ssh import Connector

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client")

NAMES = ("a", "ab", "b.corp")
HEADERS = st.sampled_from(
    [
        *("Host *", "Host a*", "Host a b.corp", "Host * !ab", "Host !a", 'Host "a"', "Host = ab"),
        *("Match all", "Match host a*", "Match host ab,b.*", "Match host *.x", "Match originalhost a"),
        *("Match user ada", "Match host a user ada,bob", "Match !host a*", "Match !user ada host a*"),
        *("Match exec true", "Match exec false", "Match !exec false host ab"),
    ]
)
OPTIONS = st.sampled_from(
    [
        *("User ada", "User=bob", "Port 23", "port = 24", "HostName x", "HostName %h.x", 'HostName "y"'),
        *("ProxyJump j1", "ProxyJump ada@j2:22,j3", "ProxyJump none", "ProxyCommand carry one", "ProxyCommand none"),
        *("ConnectTimeout 5", "ConnectTimeout 6", "HostKeyAlias k1", "HostKeyAlias k2", "# User carl", ""),
    ]
)
CONFIGS = st.lists(st.tuples(HEADERS, st.lists(OPTIONS, max_size=3)), max_size=5)


def oracle(file: Path, name: str, *, user: str, said: tuple[tuple[str, str], ...]) -> dict[str, str]:
    options = [word for keyword, value in said for word in ("-o", f"{keyword}={value}")]
    who = ["-l", user] if user else []
    done = subprocess.run(
        ["ssh", "-F", str(file), "-G", *who, *options, name], capture_output=True, text=True, check=True, timeout=30
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


@settings(max_examples=60, deadline=None)
@given(
    CONFIGS,
    st.lists(OPTIONS, max_size=2),
    st.sampled_from(NAMES),
    st.sampled_from(["", "ada"]),
    st.sampled_from([(), (("proxycommand", "carry two"),), (("proxyjump", "j4"),), (("proxyjump", "none"),)]),
)
def test_files_mean_what_they_mean_to_ssh(
    blocks: list[tuple[str, list[str]]], top: list[str], name: str, user: str, said: tuple[tuple[str, str], ...]
) -> None:
    lines = [*top, *(line for header, options in blocks for line in (header, *(f"  {option}" for option in options)))]
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "config"
        file.write_text("\n".join(lines) + "\n")
        expected = oracle(file, name, user=user, said=said)
        options = [("configfile", str(file)), *([("user", user)] if user else []), *said]
        ours, patience = Connector(home=Path(home), system_config=Path("/none"))._settings(name, options, False)
    jumps = ",".join(
        (f"{jump.user}@" if jump.user else "") + jump.host + (f":{jump.port}" if jump.port else "")
        for jump in ours.jumps
    )
    found = {
        "user": ours.user,
        "hostname": ours.host,
        "port": str(ours.port),
        "proxyjump": jumps,
        "proxycommand": ours.proxy_command or "",
        "hostkeyalias": "" if ours.plain_name else ours.key_name,
        "connecttimeout": "none" if patience is None else f"{patience:g}",
    }
    assert found == {key: "" if expected.get(key) == "none" != found[key] else expected.get(key, "") for key in found}
