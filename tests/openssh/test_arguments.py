"""ansible_ssh_common_args, ansible_ssh_extra_args and ansible_ssh_args: ssh's own command line."""

from __future__ import annotations

import pytest

from agentless.openssh.arguments import SshArgs, parse


def test_a_proxy_command_stays_as_it_is_written() -> None:
    found = parse("-o ProxyCommand=\"ssh -o 'Port 22' -W %h:%p -q user@bastion\" -J other")
    assert found.options == (
        ("proxycommand", ("ssh -o 'Port 22' -W %h:%p -q user@bastion",)),
        ("proxyjump", ("other",)),
    )


def test_options_in_every_spelling() -> None:
    found = parse(
        "-o KexAlgorithms=+x -oIdentitiesOnly=yes -o 'HostKeyAlias web' -4 -J u@jump:22,two -p 2201 -l me -ik1 -i k2 "
        "-F ssh.cfg -c aes128-ctr -mhmac-sha2-256"
    )
    assert found == SshArgs(
        port=2201,
        user="me",
        key_files=("k1", "k2"),
        config_file="ssh.cfg",
        options=(
            ("kexalgorithms", ("+x",)),
            ("identitiesonly", ("yes",)),
            ("hostkeyalias", ("web",)),
            ("addressfamily", ("inet",)),
            ("proxyjump", ("u@jump:22,two",)),
            ("ciphers", ("aes128-ctr",)),
            ("macs", ("hmac-sha2-256",)),
        ),
    )


def test_the_first_value_of_an_option_holds_as_with_ssh() -> None:
    found = parse(
        "-o Port=1 -o StrictHostKeyChecking=yes",
        "-p 2 -o stricthostkeychecking=no -o ConnectTimeout=3 -o ConnectTimeout=4",
    )
    assert (found.port, found.options, found.connect_timeout) == (1, (("stricthostkeychecking", ("yes",)),), 3.0)


def test_how_ssh_shares_connections_and_logs_is_left_out_without_a_word() -> None:
    found = parse("-C -q -vvv -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=30 -o ForwardAgent=no")
    assert found == SshArgs()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("-o ControlPath=/cm-%C -o ControlPath=/b", "/cm-%C"),
        ("-o 'ControlPath=\"/c m\"'", "/c m"),
        ("-S '/a #b'", "/a #b"),
        ("-o ControlPath=/a -S /b -S /c -o ControlPath=/d", "/c"),
        ("-o ControlPath=/a -S none", "none"),
    ],
)
def test_the_last_s_holds_else_the_first_control_path(text: str, path: str) -> None:
    assert parse(text).options == (("controlpath", (path,)),)


def test_what_nothing_here_can_do_is_told() -> None:
    found = parse("-A -o LocalForward='1 x:1' -R 1:x:1 -W a:1 stray")
    assert found.ignored == (
        "-o forwardagent=yes",
        "-o LocalForward=1 x:1",
        "-R 1:x:1",
        "stray",
        "-W a:1",
    )


@pytest.mark.parametrize("text", ["-o 'X=1", "-p", "-p nosuch", "-o Port=99999", "-o ConnectTimeout=soon"])
def test_what_cannot_be_read_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)
