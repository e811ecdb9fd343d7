"""What ssh_config and the inventory's options add up to."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.errors import Unreachable
from agentless.runner.ssh import Connector
from agentless.runner.ssh.config_file import expand_includes
from agentless.runner.ssh.known_hosts import KnownHosts, matches
from agentless.runner.ssh.options import Jump, Settings, jump_of_command, parse_jumps, resolve
from tests.ssh.conftest import Home


def settings(home: Home, address: str, *options: tuple[str, str]) -> Settings:
    found, _ = Connector(home=home.path, system_config=Path("/none"))._settings(address, options, False)
    return found


def test_what_is_said_on_the_spot_beats_the_file(home: Home) -> None:
    home.config("Host web\n User file\n Port 1\n HostName 10.0.0.1\n IdentityFile ~/a\n")
    found = settings(home, "web", ("user", "spot"), ("port", "2"), ("identityfile", "/b"))
    assert (found.user, found.port, found.host) == ("spot", 2, "10.0.0.1")
    assert found.identities == ("/b", f"{home.path}/a")


def test_match_user_sees_the_user_that_was_given(home: Home) -> None:
    home.config("Match user deploy\n Port 2222\n")
    assert settings(home, "web", ("user", "deploy")).port == 2222
    assert settings(home, "web", ("user", "other")).port == 22


def test_a_user_in_the_address_and_brackets_are_read(home: Home) -> None:
    assert settings(home, "ec2-user@203.0.113.7").user == "ec2-user"
    assert settings(home, "[fe80::1]").host == "fe80::1"


def test_known_hosts_files_are_several_and_expand_tokens(home: Home) -> None:
    found = settings(home, "web", ("userknownhostsfile", "~/one %d/two"), ("globalknownhostsfile", "none"))
    assert found.known_hosts == (f"{home.path}/one", f"{home.path}/two")
    assert (found.key_name, found.user_files) == ("web", 2)
    assert settings(home, "web", ("port", "2200")).key_name == "[web]:2200"
    assert settings(home, "web", ("port", "2200"), ("hostkeyalias", "Alias")).key_name == "alias"


def test_includes_are_read_in_order_and_end_where_they_began(home: Home) -> None:
    ssh = home.path / ".ssh"
    (ssh / "conf.d").mkdir()
    (ssh / "conf.d" / "10").write_text("Host web\n Port 10\n")
    (ssh / "conf.d" / "20").write_text("Host web\n Port 20\nHost db\n Port 21\n")
    home.config("Include conf.d/*\nUser everywhere\nHost web\n Port 30\n")
    assert settings(home, "web").port == 10
    assert settings(home, "db").port == 21
    assert settings(home, "other").user == "everywhere"


def test_an_include_inside_a_block_holds_only_there(home: Home) -> None:
    (home.path / ".ssh" / "inner").write_text("User inner\nHost web2\n Port 2\nMatch host web1\n Port 1\n")
    home.config("Host web*\n Include inner\n IdentityFile /after\nHost *\n User outer\n")
    assert settings(home, "web1").user == "inner"
    assert (settings(home, "web1").port, settings(home, "web2").port) == (1, 2)
    assert settings(home, "web3").identities == ("/after",)
    assert settings(home, "db").user == "outer"


def test_an_include_of_itself_ends(home: Home) -> None:
    home.config("Include config\n")
    with pytest.raises(ValueError, match="too many levels"):
        expand_includes(home.path / ".ssh" / "config", home.path)


def test_a_match_that_is_not_evaluated_here_matches_nothing(home: Home) -> None:
    home.config("Match localnetwork 10.0.0.0/8\n Port 1\nMatch all\n User all\n")
    found = settings(home, "web")
    assert (found.port, found.user) == (22, "all")


def test_comments_behind_values_are_no_values(home: Home) -> None:
    home.config('Host web # the web\n Port 23 # telnet\n HostName "10.0.0.9"\n')
    found = settings(home, "web")
    assert (found.port, found.host) == (23, "10.0.0.9")


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        ("", ()),
        ("none", ()),
        ("bastion", (Jump("bastion"),)),
        ("ada@a:23,ssh://b:24", (Jump("a", "ada", 23), Jump("b", None, 24))),
        ("[fe80::1]:22", (Jump("fe80::1", None, 22),)),
        ("ada@fe80::1", (Jump("fe80::1", "ada"),)),
    ],
)
def test_jumps_are_read_in_the_order_of_the_visit(text: str, hops: tuple[Jump, ...]) -> None:
    assert parse_jumps(text) == hops


@pytest.mark.parametrize(
    ("command", "hop"),
    [
        ("ssh -W %h:%p bastion", Jump("bastion")),
        ("/usr/bin/ssh -qA -W %h:%p -p 23 ada@b", Jump("b", "ada", None, (("port", "23"),))),
        ("ssh b -W [%h]:%p -o User=x -i k", Jump("b", None, None, (("user", "x"), ("identityfile", "k")))),
        ("ssh -l ada b -W 10.0.0.1:22", Jump("b", None, None, (("user", "ada"),))),
        ("ssh b nc %h %p", None),
        ("ssh -F other -W %h:%p b", None),
        ("nc %h %p", None),
        ("ssh -W %h:%p 'b", None),
        ("ssh -W other:22 b", None),
    ],
)
def test_a_proxy_command_that_is_a_jump_is_seen_as_one(command: str, hop: Jump | None) -> None:
    assert jump_of_command(command, "10.0.0.1", 22) == hop


@given(st.text())
def test_any_command_and_any_jump_is_a_value_or_an_error_that_names_it(text: str) -> None:
    hop = jump_of_command(text, "h", 22)
    assert hop is None or hop.host
    with contextlib.suppress(ValueError):
        assert all(hop.host for hop in parse_jumps(text))


@given(st.text(st.sampled_from("ab.*?!,"), max_size=12), st.text(st.sampled_from("ab."), max_size=6))
def test_a_negated_pattern_always_wins(patterns: str, name: str) -> None:
    assert not matches(f"{patterns},!*", name)
    assert matches("*", name)


def test_methods_follow_the_options(tmp_path: Path) -> None:
    def methods(**said: str) -> tuple[str, ...]:
        return resolve(said, name="h", default_user="u", accept_new=False, home=tmp_path).methods

    assert methods() == ("publickey", "keyboard-interactive", "password")
    assert methods(pubkeyauthentication="no", passwordauthentication="no") == ("keyboard-interactive",)
    assert methods(preferredauthentications="password,gssapi-with-mic") == ("password",)


def test_known_hosts_passes_over_torn_lines(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(b"\n#x\nweb\n@odd web ssh-rsa AAAA\n|1|torn ssh-rsa AAAA\n\xff\xfe ssh-rsa AAAA\nweb ssh-rsa !!\n")
    (entry,) = KnownHosts().find([str(file)], "web")
    assert (entry.line, entry.key) == (7, b"")


def test_an_option_with_a_line_break_cannot_smuggle_another(home: Home) -> None:
    with pytest.raises(Unreachable):
        settings(home, "web", ("user", "x\nProxyCommand touch /tmp/no"))


def test_connect_timeout_of_the_file_holds_where_none_was_given(home: Home) -> None:
    home.config("ConnectTimeout 3\n")
    _, patience = Connector(home=home.path, system_config=Path("/none"))._settings("web", (), False)
    assert patience == 3.0
