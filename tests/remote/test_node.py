"""What a node tells of itself: whose processes are supervisors of jobs, by what they have for a command line."""

from __future__ import annotations

import pytest

from agentless.remote import crontab, launch, node

START = b"import binascii,sys;exec(binascii.a2b_base64(sys.argv[2]))"


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ([b"/usr/bin/python3", b"-I", b"-S", b"-c", START, b"", b"aW1w"], True),
        ([b"python3.6", b"-I", b"-S", b"-c", launch.CODE.encode(), b"/x"], True),
        ([b"python3", b"-I", b"-S", b"-B", b"-c", crontab.CODE.encode()], True),
        ([b"python3", b"-c", START], False),
        ([b"vim", b"remote.py"], False),
        ([b"python3", b"-I", b"-S", b"-c"], False),
        ([b""], False),
    ],
)
def test_a_supervisor_is_known_by_its_command_line_and_any_other_can_be_read(words: list[bytes], ours: bool) -> None:
    """A process may write what it likes there, also without the last NUL."""
    for line in (b"\0".join(words), b"\0".join(words) + b"\0"):
        assert node._is_ours(line) is ours
