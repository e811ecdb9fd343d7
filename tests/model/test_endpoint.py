"""What the inventory and the command line say about one host."""

from __future__ import annotations

import pytest

from agentless.model.endpoint import Become, Endpoint, connect_seconds


@pytest.mark.parametrize(("given", "seconds"), [("10", 10.0), (2.5, 2.5), ("86400", 86400.0), (" 3 ", 3.0)])
def test_a_connect_timeout_is_a_number_of_seconds(given: object, seconds: float) -> None:
    assert connect_seconds(given) == seconds


@pytest.mark.parametrize("given", [0, -1, "0", "", "soon", "nan", "inf", 86401, None, [10]])
def test_one_that_is_no_time_to_wait_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="seconds above 0"):
        connect_seconds(given)


def test_what_nobody_gave_is_none_or_empty() -> None:
    endpoint = Endpoint("web1", "192.0.2.1")
    assert (endpoint.port, endpoint.user, endpoint.connect_timeout, endpoint.host_key_checking) == (None,) * 4
    assert (endpoint.key_files, endpoint.options) == ((), ())


def test_where_records_lie_is_a_machine_a_user_and_a_directory_and_the_login_user_has_its_own() -> None:
    plain = Endpoint("web1", "192.0.2.1")
    assert plain.places == ("192.0.2.1", "192.0.2.1")
    whole = Endpoint("web1", "fe80::1", port=2222, user="ada", become=Become(user="root"), state_dir="/srv/x")
    assert whole.places == ("ada@fe80::1 port 2222 as root in /srv/x", "ada@fe80::1 port 2222 in /srv/x")
    assert Endpoint("web1", "web1", local=True, become=Become(user="bob")).place == "this machine as bob"
