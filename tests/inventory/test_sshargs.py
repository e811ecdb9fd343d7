"""ansible_ssh_common_args, ansible_ssh_extra_args and ansible_ssh_args: ssh's own command line."""

from __future__ import annotations

import pytest

from agentless.inventory.sshargs import SshArgs, parse


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("ssh -W %h:%p -q user@bastion", {"proxyjump": "user@bastion"}),
        ("ssh -W %h:%p bastion.example.com", {"proxyjump": "bastion.example.com"}),
        ("ssh user@bastion -W %h:%p", {"proxyjump": "user@bastion"}),
        ("ssh -qW '[%h]:%p' -p 2222 user@bastion", {"proxyjump": "user@bastion:2222"}),
        ("ssh -p2222 -W%h:%p -l admin bastion", {"proxyjump": "admin@bastion:2222"}),
        ("ssh -o Port=2222 -oUser=admin -W %h:%p bastion", {"proxyjump": "admin@bastion:2222"}),
        ("ssh -p 2222 -W %h:%p user@2001:db8::1", {"proxyjump": "user@[2001:db8::1]:2222"}),
        (
            "ssh -i ~/.ssh/bastion_key -W %h:%p -q u@b",
            {"proxyjump": "u@b", "proxyjumpidentityfile": "~/.ssh/bastion_key"},
        ),
        (
            "ssh -o IdentityFile=k -W %h:%p u@b",
            {"proxyjump": "u@b", "proxyjumpidentityfile": "k"},
        ),
        ("/usr/bin/ssh -A -W %h:%p -o ControlMaster=auto -o ControlPersist=60s u@b", {"proxyjump": "u@b"}),
        ("ssh -W %h:%p -o ControlMaster=auto -o ControlPersist=60s -o ConnectTimeout=5 u@b", {"proxyjump": "u@b"}),
        ("exec ssh -W %h:%p u@b", {"proxyjump": "u@b"}),
        ("ssh -J first -W %h:%p second", {"proxyjump": "first,second"}),
        ("ssh -o ProxyCommand='ssh -W %h:%p first' -W %h:%p second", {"proxyjump": "first,second"}),
        ("ssh u@b nc %h %p", {"proxyjump": "u@b"}),
        ("ssh -q u@b nc -w 10 %h %p 2>/dev/null", {"proxyjump": "u@b"}),
        ("ssh -p 22 u@b exec /bin/netcat %h %p", {"proxyjump": "u@b:22"}),
        ("ssh u@b socat - TCP:%h:%p", {"proxyjump": "u@b"}),
        ("ssh -o UserKnownHostsFile=/dev/null u@b nc %h %p", "ssh -W %h:%p -o UserKnownHostsFile=/dev/null u@b"),
        # The bastion's own options need a command, or are read from it by whoever connects.
        ("ssh -o StrictHostKeyChecking=no -W %h:%p u@b", None),
        ("ssh -F cfg -W %h:%p u@b", None),
        ("ssh -i one -i two -W %h:%p u@b", None),
        ("ssh -W %h:%p %r@b", None),
        # Not what it looks like.
        ("ssh -W other:22 u@b", None),
        ("ssh -W %h:%p", None),
        ("ssh u@b", None),
        ("ssh u@b hostname", None),
        ("ssh -W %h:%p u@b; date", None),
        ("ssh -W %h:%p $BASTION", None),
        ("nc -X 5 -x proxy:1080 %h %p", None),
        ("cloudflared access ssh --hostname %h", None),
        ("ssh -W %h:%p 'u@b", None),
        ("none", None),
    ],
)
def test_a_proxy_command_of_ssh_is_the_jump_that_it_is(command: str, options: dict[str, str] | str | None) -> None:
    expected = options if isinstance(options, dict) else {"proxycommand": options or command}
    quoted = command.replace("\\", "\\\\").replace('"', '\\"')
    assert parse(f'-o ProxyCommand="{quoted}"').options == expected


def test_options_in_every_spelling() -> None:
    found = parse(
        "-o KexAlgorithms=+x -oIdentitiesOnly=yes -o 'HostKeyAlias web' -4 -J u@jump:22,two -p 2201 -l me -ik1 -i k2"
    )
    assert found == SshArgs(
        port=2201,
        user="me",
        key_files=["k1", "k2"],
        options={
            "kexalgorithms": "+x",
            "identitiesonly": "yes",
            "hostkeyalias": "web",
            "addressfamily": "inet",
            "proxyjump": "u@jump:22,two",
        },
    )


def test_the_first_value_of_an_option_holds_as_with_ssh() -> None:
    found = parse(
        "-o Port=1 -o StrictHostKeyChecking=yes",
        "-p 2 -o stricthostkeychecking=no -o ConnectTimeout=3 -o ConnectTimeout=4",
    )
    assert (found.port, found.options, found.connect_timeout) == (1, {"stricthostkeychecking": "yes"}, 3.0)


def test_how_ssh_shares_connections_and_logs_is_left_out_without_a_word() -> None:
    found = parse(
        "-C -q -vvv -o ControlMaster=auto -o ControlPersist=60s -S none -o ServerAliveInterval=30 -o ForwardAgent=no"
    )
    assert found == SshArgs()


def test_what_nothing_here_can_do_is_told() -> None:
    found = parse("-A -F ssh.cfg -o LocalForward='1 x:1' -R 1:x:1 -W a:1 -o Ciphers=aes128-cbc stray")
    assert found.ignored == [
        "-o forwardagent=yes",
        "-F ssh.cfg",
        "-o LocalForward=1 x:1",
        "-R 1:x:1",
        "-o Ciphers=aes128-cbc",
        "stray",
        "-W a:1",
    ]


@pytest.mark.parametrize("text", ["-o 'X=1", "-p", "-p http", "-o Port=99999", "-o ConnectTimeout=soon"])
def test_what_cannot_be_read_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)
