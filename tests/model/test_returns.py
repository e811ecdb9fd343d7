"""When a job did what it was to do."""

from __future__ import annotations

import pytest

from agentless.model.output import InMemory
from agentless.model.returns import Return


@pytest.mark.parametrize(
    ("retcode", "signal", "ended_by", "ok"),
    [
        (0, None, "exit", True),
        (1, None, "exit", False),
        (0, None, "timeout", False),
        (0, None, "signal-job:ada@laptop", False),
        (None, 9, "signal", False),
    ],
)
def test_only_a_job_that_left_by_itself_with_0_succeeded(
    retcode: int | None, signal: int | None, ended_by: str, ok: bool
) -> None:
    assert Return(retcode, signal, ended_by).ok is ok


def test_output_as_text_loses_no_byte_that_is_not_utf_8() -> None:
    ret = Return(0, None, "exit", out=InMemory("é\n".encode() + b"\xff"), err=InMemory(b"oops"))
    assert (ret.text, ret.stderr_text) == ("é\n\\xff", "oops")
