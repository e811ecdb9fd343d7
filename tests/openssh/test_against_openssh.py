"""~/.ssh/config as OpenSSH reads it: `ssh -G` is the oracle, on generated files."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.errors import Refused
from agentless.model.endpoint import Endpoint
from agentless.openssh.arguments import SshArgs, parse
from agentless.openssh.jumps import parse_jumps
from agentless.openssh.resolver import Resolver
from agentless.openssh.settings import Settings
from tests.hosts import patience
from tests.hosts.needs import examples, need

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client")

# ssh asks passwd, not the environment.
HOME = pwd.getpwuid(os.getuid()).pw_dir
NAMES = ("a", "ab", "b.corp")
HEADERS = st.sampled_from(
    [
        *("Host *", "Host a*", "Host a b.corp", "Host * !ab", "Host !a", 'Host "a"', "Host = ab"),
        *("Match all", "Match host a*", "Match host ab,b.*", "Match host *.x", "Match originalhost a"),
        *("Match user ada", "Match host a user ada,bob", "Match !host a*", "Match !user ada host a*"),
        *("Match exec true", "Match exec false", "Match !exec false host ab"),
        *("Match host=ab", 'Match host="a*" user=bob', "Match originalhost=a exec=true", "Match !host=a"),
        *("Match exec \"test '%h %n %p %r' = 'a a 22 ada'\"", 'Match exec "test %i = 0"', 'Match exec "test %l-%L-%u"'),
        *("Match final host *.x", "Match final host x user ada", "Match canonical"),
    ]
)
OPTIONS = st.sampled_from(
    [
        *("User ada", "User=bob", "Port 23", "port = 24", "HostName x", "HostName %h.x", 'HostName "y"'),
        *("ProxyJump j1", "ProxyJump ada@j2:22,j3", "ProxyJump none", "ProxyCommand carry one", "ProxyCommand none"),
        *("ConnectTimeout 5", "ConnectTimeout 1m30S", "HostKeyAlias k1", "HostKeyAlias k2", "# User carl", ""),
        *("Port ssh", 'User "DOM\\\\ada"', "User DOM\\bob", "HostName 127.1", "HostName ::0001", "HostName UP.Corp"),
        *(
            "IdentityFile /k1",
            'IdentityFile "/k 2"',
            "IdentityFile /k\\ 3 # one",
            "IdentityFile /k1",
            "identityfile2=/k4",
        ),
        *("CertificateFile /c1", "CertificateFile '/c 2'", "CertificateFile /c1"),
        *(
            "UserKnownHostsFile /h1 /h2",
            "UserKnownHostsFile none",
            "UserKnownHostsFile /%L/${HOME} /%i%u /%n%h%p%r%k%%",
        ),
        *("GlobalKnownHostsFile /g1 /g2", "RevokedHostKeys /r1", "RevokedHostKeys none", "AddressFamily INET6"),
        *("CanonicalizeHostname yes", "CanonicalizeHostname always", "CanonicalDomains none", "HashKnownHosts True"),
        *(
            "ControlPath ~/.ssh/cm-%r@%h:%p",
            "ControlPath none",
            'ControlPath "/run/%i/%n %k"',
            "ControlPath ${HOME}/%L%l%u%%",
        ),
        "ControlPath /run/%C",
        *("IgnoreUnknown Foo*,bar", "ServerAliveInterval 5m", "IdentitiesOnly false"),
    ]
)
CONFIGS = st.lists(st.tuples(HEADERS, st.lists(OPTIONS, max_size=3)), max_size=5)


def oracle(
    file: Path, name: str, *, user: str = "", said: tuple[tuple[str, str], ...] = ()
) -> dict[str, list[str]] | None:
    """What `ssh -G` says, by keyword; None where it refuses the file."""
    options = [word for keyword, value in said for word in ("-o", f"{keyword}={value}")]
    who = ["-l", user] if user else []
    done = subprocess.run(
        ["ssh", "-F", str(file), "-G", *who, *options, name],
        capture_output=True,
        text=True,
        timeout=patience(30),
        stdin=subprocess.DEVNULL,
    )
    found: dict[str, list[str]] = {}
    for keyword, _, value in (line.partition(" ") for line in done.stdout.splitlines()):
        found.setdefault(keyword, []).append(value)
    return None if done.returncode else found


def ours(file: Path, name: str, *, user: str = "", said: tuple[tuple[str, str], ...] = ()) -> Settings:
    return resolved(
        file, Endpoint(name, name, user=user or None), parse(*(f"-o '{key}={value}'" for key, value in said))
    )


def resolved(file: Path, endpoint: Endpoint, args: SshArgs) -> Settings:
    endpoint = replace(
        endpoint, config_file=str(file), user=endpoint.user or args.user, port=args.port, options=args.options
    )
    return Resolver(home=file.parent, system_config=Path("/none")).settings(endpoint)


@settings(max_examples=examples(150), deadline=None)
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
        assert expected is not None
        found = ours(file, name, user=user, said=said)
    one = {keyword: values[0] for keyword, values in expected.items()}
    jumps = ",".join(map(str, found.jumps))
    users = found.known_hosts[: found.user_files]
    assert {
        "user": found.user,
        "hostname": found.host,
        "port": str(found.port),
        "proxyjump": jumps,
        "proxycommand": found.proxy_command or "",
        "hostkeyalias": "" if found.plain_name else found.key_name,
        "connecttimeout": f"{found.connect_timeout:g}",
        "identityfile": list(found.identities) or expected["identityfile"],
        "certificatefile": list(found.certificates),
        "userknownhostsfile": " ".join(users) or "none",
        "globalknownhostsfile": " ".join(found.known_hosts[found.user_files :]) or "none",
        "revokedhostkeys": " ".join(map(str, found.revoked_host_keys)),
        "addressfamily": found.family,
        "hashknownhosts": "yes" if found.hash_names else "no",
        "identitiesonly": "yes" if found.identities_only else "no",
        # What `%C` is made of has changed.
        "controlpath": one.get("controlpath", "").replace(f"{HOME}/.ssh", f"{home}/.ssh")
        in (found.control_paths or ("",)),
    } == {
        **{keyword: one[keyword] for keyword in ("user", "hostname", "port", "addressfamily")},
        "connecttimeout": one["connecttimeout"].replace("none", "10"),
        **{keyword: one.get(keyword, "").removeprefix("none") for keyword in ("proxyjump", "proxycommand")},
        **{keyword: one.get(keyword, "") for keyword in ("hostkeyalias", "revokedhostkeys")},
        "identityfile": expected["identityfile"],
        "certificatefile": expected.get("certificatefile", []),
        "userknownhostsfile": one.get("userknownhostsfile", "none").replace(f"{HOME}/.ssh", f"{home}/.ssh"),
        "globalknownhostsfile": one.get("globalknownhostsfile", "none"),
        "hashknownhosts": one["hashknownhosts"],
        "identitiesonly": one["identitiesonly"],
        "controlpath": True,
    }


@pytest.mark.parametrize(
    "text",
    [
        *("User", "User # none", "User a b", 'User "a'),
        *("AddressFamily ipv6", "StrictHostKeyChecking maybe", "ConnectTimeout abc", "ConnectTimeout 1x", "Port 0"),
        *(
            "Port nosuchservice",
            "Port 70000",
            "IdentitiesOnly perhaps",
            "PasswordAuthentication ask",
            "Host b\n Port x",
        ),
        *(
            "UserKnownHostsFile /%Q",
            "UserKnownHostsFile /${NO_SUCH_VARIABLE}",
            "UserKnownHostsFile none /x",
            "HostName %n",
        ),
        *("Match", "Match foo bar", "Match host", "Match all host a", 'Match exec "true %Q"', "Match host a exec"),
        *("IdentityFile /a b", "RevokedHostKeys", 'ProxyCommand sh -c "x', "ProxyJump a:b", "Include"),
        *("CanonicalizeHostname maybe", "CanonicalizeMaxDots many", "VerifyHostKeyDNS perhaps"),
    ],
)
def test_what_ssh_refuses_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(f"User ada\n{text}\n")
    assert oracle(file, "a") is None
    with pytest.raises(Refused, match="its SSH options cannot be read"):
        ours(file, "a")


@pytest.mark.parametrize(
    "text",
    [
        *("IgnoreUnknown FooBar\nFooBar yes", "ignoreunknown foo*,useKeychain\nHost b\n FooBar x y\n UseKeychain yes"),
        *(
            "Host a\n IgnoreUnknown F*\nHost *\n FooBar 'x y'",
            "Port=smtp",
            '"Port" 23',
            "\tPort\t23\r",
            "Cipher blowfish",
        ),
        *("KeepAlive no", "UseRoaming no", "SkeyAuthentication no", "SetEnv A=1 B=2", "Tunnel no", "IPQoS lowdelay"),
        *("PubkeyAuthentication host-bound", "ConnectTimeout none", "ConnectTimeout 0", "RekeyLimit 1G 1h"),
    ],
)
def test_what_ssh_takes_is_taken(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(f"{text}\n")
    expected = oracle(file, "a")
    assert expected is not None
    assert str(ours(file, "a").port) == expected["port"][0]


@pytest.mark.parametrize("said", [(), (("port", "23"),), (("user", "ada"), ("hostname", "b.corp"))])
def test_the_hash_of_a_connection_is_that_of_ssh(tmp_path: Path, said: tuple[tuple[str, str], ...]) -> None:
    """Newer ones put ProxyJump into it too, which changes nothing where there is none."""
    file = tmp_path / "config"
    file.write_text('UserKnownHostsFile /%C\nMatch exec "echo %C > /dev/null"\n User seen\n')
    expected = oracle(file, "a", said=said)
    assert expected is not None
    assert list(ours(file, "a", said=said).known_hosts[:1]) == expected["userknownhostsfile"]


def test_the_inventory_says_it_as_it_would_after_o(tmp_path: Path) -> None:
    """Quotes that the shell left, lists, several certificates: the arguments of Ansible's ssh and ours."""
    text = (
        "-o 'UserKnownHostsFile=\"/a b\" /c' -o CertificateFile=/1 -o 'certificatefile \"/2 3\"' -o RevokedHostKeys=/r"
    )
    (tmp_path / "none").touch()
    words = shlex.split(text)
    done = subprocess.run(["ssh", "-F", "none", "-G", *words, "web"], capture_output=True, text=True, check=True)
    said = [line.partition(" ")[::2] for line in done.stdout.splitlines()]
    found = resolved(tmp_path / "none", Endpoint("web", "web"), parse(text))
    assert list(found.certificates) == [value for keyword, value in said if keyword == "certificatefile"]
    assert " ".join(found.known_hosts[: found.user_files]) == dict(said)["userknownhostsfile"]
    assert [str(file) for file in found.revoked_host_keys] == [dict(said)["revokedhostkeys"]]


# --- -J ---
# ruff: noqa: SIM905 - one word a line would make a page of them
PIECES = st.sampled_from(
    "a host a@b @ user@ :22 [::1] [::1]:22 ssh:// / , h:22 h:0 h:99999 h: h:x %h [h] [h]:2 u:p@h none NONE a.b "
    "1.2.3.4 u@[::1]:22 ssh://u@h:22/ ssh://h/p u%40d@h ssh://u%40d@h u%zz@ ü h; h$x u;x@h u$x@h u\\x@h h:ssh "
    "ssh://u;p=1@h .".split()
)


@given(st.lists(PIECES, min_size=1, max_size=3).map("".join))
@settings(max_examples=150, deadline=None)
def test_the_last_hop_of_any_text_is_that_of_ssh(text: str) -> None:
    """`ssh -G` tells the last hop only, and resolves no other."""
    need("many seconds")
    asked = subprocess.run(["ssh", "-F", "none", "-G", "-J", text, "target"], capture_output=True, text=True)
    lines = [line for line in asked.stdout.splitlines() if line.startswith("proxyjump ")]
    theirs = lines[0].removeprefix("proxyjump ").rpartition(",")[2] if lines else None
    try:
        hops = parse_jumps(text)
    except ValueError:
        hops = ()
    ours = None
    if hops:
        (user, host, port) = (hops[-1].user, hops[-1].host, hops[-1].port)
        host = f"[{host}]" if ":" in host or set(host) <= set("0123456789.") else host
        ours = f"{user}@" * bool(user) + host + f":{port}" * bool(port)
    if theirs is None and hops and ":" in hops[-1].host:
        return  # An IPv6 address in a place where ssh wants brackets, or in a URI, is taken for what it is.
    assert ours == theirs
