"""What `put` and `get` give back: the keys of their JSON, and their exit code."""

from __future__ import annotations

import json

import pytest

from agentless.model.copies import Copied, Copies, FileFailure
from agentless.model.problem import Problem

DENIED = Problem("permission-denied", "/etc/x: Permission denied", "Become another user.")
WHOLE = Copied("copied", "/etc/x", 1, 5, 0.25)
PARTLY = Copied("failed", "/srv/", 2, 9, 0.5, DENIED, 1, (FileFailure("/srv/x", DENIED),))
GONE = Copied("unreachable", problem=Problem("connect", "no route"))


def copies(**hosts: Copied) -> Copies:
    return Copies("put", "web", ("a", "b"), "/etc/x", hosts)


@pytest.mark.parametrize(
    ("hosts", "code"),
    [({}, 0), ({"a": WHOLE}, 0), ({"a": WHOLE, "b": PARTLY}, 1), ({"a": WHOLE, "b": PARTLY, "c": GONE}, 3)],
)
def test_a_host_out_of_reach_counts_more_than_one_that_refused(hosts: dict[str, Copied], code: int) -> None:
    result = copies(**hosts)
    assert result.exit_code == code
    assert result.ok is (code == 0)
    assert result.to_json()["exit_code"] == code


def test_every_host_has_every_key() -> None:
    document = copies(web1=WHOLE, web2=PARTLY, web3=GONE).to_json()
    assert list(document) == ["function", "target", "sources", "destination", "hosts", "summary", "exit_code"]
    assert document["summary"] == {"copied": 1, "failed": 1, "unreachable": 1}
    keys = ["state", "path", "files", "bytes", "duration", "error", "failures", "failed"]
    assert [list(host) for host in document["hosts"].values()] == [keys] * 3
    assert document["hosts"]["web2"]["failed"] == [{"path": "/srv/x", **DENIED.to_json()}]
    assert document["hosts"]["web3"]["files"] is None


def test_a_path_that_is_no_text_can_still_be_written_in_a_document() -> None:
    odd = b"/srv/\xff\xe4".decode("utf-8", "surrogateescape")
    assert json.dumps(Copied("copied", odd).to_json()).encode("ascii")
    assert Copied("copied", odd).to_json()["path"] == r"/srv/\xff\xe4"
