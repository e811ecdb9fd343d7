"""Unknown host keys, in one table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentless.model.new_key import NewKey
from agentless.report.new_keys import introduction
from tests.report.harmless import harmless
from tests.report.values import quick, texts

KEY = "SHA256:" + "k" * 43
keys = st.builds(NewKey, st.lists(texts, min_size=1, max_size=3).map(tuple), texts, texts, texts)


@quick
@given(st.lists(keys, min_size=1, max_size=4), st.sampled_from([None, 80, 140]))
def test_what_hosts_show_is_harmless(some: list[NewKey], width: int | None) -> None:
    for line in introduction(some, width):
        assert harmless(line)
        assert "\n" not in line


def test_a_table_that_fits_has_a_line_for_each_machine() -> None:
    some = [
        NewKey(("web1",), "10.0.0.1", "ssh-ed25519", KEY),
        NewKey(("db1", "db2", "db3"), "[bastion.example]:2222", "ecdsa-sha2-nistp256", KEY),
    ]
    assert list(introduction(some, 140)) == [
        "No known_hosts file has a key of 2 hosts; they show:",
        f"  web1         10.0.0.1                ed25519  {KEY}",
        f"  db[1-3] (3)  [bastion.example]:2222  ecdsa    {KEY}",
        "On a host's console, its own are shown by:",
        "  for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done",
    ]


def test_where_it_does_not_fit_the_key_stands_whole_below_its_host() -> None:
    lines = list(introduction([NewKey(("web1.dc1.example.com",), "[10.20.30.40]:2222", "ssh-rsa", KEY)], 80))
    assert lines == [
        "No known_hosts file has a key of one host; it shows:",
        "  web1.dc1.example.com  [10.20.30.40]:2222  rsa",
        f"      {KEY}",
        "On a host's console, its own are shown by:",
        "  ssh-keygen -lf /etc/ssh/ssh_host_rsa_key.pub",
    ]
