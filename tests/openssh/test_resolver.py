"""What ssh_config and the inventory's options add up to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentless.errors import Refused
from agentless.model.endpoint import Endpoint
from agentless.openssh import keywords
from agentless.openssh.jumps import Jump
from agentless.openssh.known_hosts import KnownHosts
from agentless.openssh.resolver import Resolver
from agentless.openssh.settings import Settings, resolve
from tests.transport.conftest import Home


def settings(home: Home, address: str, *options: tuple[str, str], **given: Any) -> Settings:
    """Of a host, with options as they would stand in a file."""
    resolver = Resolver(home=home.path, system_config=Path("/none"))
    return resolver.settings(endpoint(address, *options, **given))


def endpoint(address: str, *options: tuple[str, str], **given: Any) -> Endpoint:
    return Endpoint("web", address, options=tuple(keywords.read(*option) for option in options), **given)


def test_what_is_said_on_the_spot_beats_the_file(home: Home) -> None:
    home.config("Host web\n User file\n Port 1\n HostName 10.0.0.1\n IdentityFile ~/a\n")
    found = settings(home, "web", user="spot", port=2, key_files=("/b",))
    assert (found.user, found.port, found.host) == ("spot", 2, "10.0.0.1")
    assert found.identities == ("/b", f"{home.path}/a")


def test_match_user_sees_the_user_that_was_given(home: Home) -> None:
    home.config("Match user deploy\n Port 2222\n")
    assert settings(home, "web", user="deploy").port == 2222
    assert settings(home, "web", user="other").port == 22


def test_a_user_in_the_address_and_brackets_are_read(home: Home) -> None:
    assert settings(home, "ec2-user@203.0.113.7").user == "ec2-user"
    assert settings(home, "[fe80::1]").host == "fe80::1"
    assert settings(home, "web.[1:2]").host == "web.[1:2]"


def test_known_hosts_files_are_several_and_expand_tokens(home: Home) -> None:
    found = settings(home, "web", ("userknownhostsfile", "~/one %d/two"), ("globalknownhostsfile", "none"))
    assert found.known_hosts == (f"{home.path}/one", f"{home.path}/two")
    assert (found.key_name, found.user_files) == ("web", 2)
    assert settings(home, "web", port=2200).key_name == "[web]:2200"
    assert settings(home, "web", ("hostkeyalias", "Alias"), port=2200).key_name == "alias"


def test_the_file_of_revoked_keys_is_one_path(home: Home) -> None:
    home.config("RevokedHostKeys ~/revoked\n")
    assert settings(home, "web").revoked_host_keys == (home.path / "revoked",)
    assert settings(home, "web", ("revokedhostkeys", "none")).revoked_host_keys == ()


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
    with pytest.raises(Refused, match="too many levels"):
        settings(home, "web")


def test_a_match_that_is_not_evaluated_here_matches_nothing(home: Home) -> None:
    home.config("Match localnetwork 10.0.0.0/8\n Port 1\nMatch all\n User all\n")
    found = settings(home, "web")
    assert (found.port, found.user) == (22, "all")


def test_a_final_match_sees_what_was_found_and_the_others_do_not(home: Home) -> None:
    home.config("Match host web.corp\n Port 1\nMatch final host web.corp\n User final\nHost web\n HostName %h.corp\n")
    found = settings(home, "web")
    assert (found.user, found.host) == ("final", "web.corp")
    home.config("Match host web.corp\n Port 1\nHost web\n HostName %h.corp\n")
    assert settings(home, "web").port == 22


def test_match_exec_is_asked_once_and_reads_nobodys_input(home: Home) -> None:
    asked = home.path / "asked"
    home.config(f'Match exec "cat; echo %n >> {asked}; test %h = web"\n Port 2\nMatch exec false\n Port 3\n')
    resolver = Resolver(home=home.path, system_config=Path("/none"))
    ports = [resolver.settings(endpoint(name)).port for name in ("web", "web", "db")]
    assert ports == [2, 2, 22]
    assert asked.read_text() == "web\ndb\n"


def test_comments_behind_values_are_no_values(home: Home) -> None:
    home.config('Host web # the web\n Port 23 # telnet\n HostName "10.0.0.9"\n')
    found = settings(home, "web")
    assert (found.port, found.host) == (23, "10.0.0.9")


BY_COMMAND = ("proxycommand", "ssh -W %h:%p %r@bastion")
BASTION = (Jump("bastion", "deploy"),)


@pytest.mark.parametrize(
    ("said", "file", "jumps"),
    [
        ((BY_COMMAND,), "ProxyJump other\n", BASTION),
        ((("proxyjump", "other"), BY_COMMAND), "", (Jump("other"),)),
        ((BY_COMMAND, ("proxyjump", "other")), "", BASTION),
        ((("proxycommand", "none"),), "ProxyJump other\n", ()),
        ((("proxyjump", "none"),), "ProxyCommand ssh -W %h:%p %r@bastion\n", BASTION),
        ((("proxyjump", "none"),), "ProxyJump other\n", ()),
        ((), "Host web\n ProxyCommand ssh -W %h:%p %r@bastion\nHost *\n ProxyJump other\n", BASTION),
        ((), "Host web\n ProxyJump %r@bastion\nHost *\n ProxyCommand false\n", BASTION),
    ],
)
def test_of_proxy_jump_and_proxy_command_the_first_said_holds(
    home: Home, said: tuple[tuple[str, str], ...], file: str, jumps: tuple[Jump, ...]
) -> None:
    """ssh_config(5): whichever is specified first will prevent later instances of the other from taking effect."""
    home.config(file)
    found = settings(home, "web", *said, user="deploy")
    assert (found.jumps, found.proxy_command) == (jumps, None)


def test_tokens_of_a_command_are_expanded_once(home: Home) -> None:
    found = settings(home, "web", ("proxycommand", "go ~ %%h %h:%p %r %n"), user="ada", port=23)
    assert found.proxy_command == "go ~ %h web:23 ada web"


def test_another_configuration_file_stands_for_both_usual_ones_and_for_its_jumps(home: Home) -> None:
    home.config("Port 1\n")
    (home.path / ".ssh" / "more").write_text("User more\n")
    other = home.path / "ssh.cfg"
    other.write_text("Host web\n ProxyJump bastion\nInclude more\n")
    found = settings(home, "web", config_file=str(other))
    assert (found.port, found.user) == (22, "more")
    assert found.jumps == (Jump("bastion", config_file=str(other)),)
    assert settings(home, "web", config_file="none").port == 22
    assert settings(home, "web", config_file="/dev/null").port == 22
    with pytest.raises(Refused, match="there is no such file") as caught:
        settings(home, "web", config_file="/no/ssh.cfg")
    assert caught.value.hint.startswith("Mend /no/ssh.cfg,")


def test_methods_follow_the_options(tmp_path: Path) -> None:
    def methods(**options: str) -> tuple[str, ...]:
        words = {keyword: (value,) for keyword, value in options.items()}
        return resolve(words, Jump("h"), local_user="u", home=tmp_path).methods

    assert methods() == ("publickey", "keyboard-interactive", "password")
    assert methods(pubkeyauthentication="no", passwordauthentication="no") == ("keyboard-interactive",)
    assert methods(preferredauthentications="password,gssapi-with-mic") == ("password",)


def test_known_hosts_passes_over_torn_lines(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(b"\n#x\nweb\n@odd web ssh-rsa AAAA\n|1|torn ssh-rsa AAAA\n\xff\xfe ssh-rsa AAAA\nweb ssh-rsa !!\n")
    assert KnownHosts().find([str(file)], "web") == ()


def test_a_user_with_a_line_break_cannot_smuggle_an_option(home: Home) -> None:
    with pytest.raises(Refused):
        settings(home, "web", user="x\nProxyCommand touch /tmp/no")


def test_connect_timeout_of_the_file_holds_where_none_was_given(home: Home) -> None:
    assert settings(home, "web").connect_timeout == 10
    home.config("ConnectTimeout 3\n")
    assert settings(home, "web").connect_timeout == 3
    assert settings(home, "web", connect_timeout=10.0).connect_timeout == 10
