"""Output is capped while it grows, follows live without holes, and is cut between characters."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.hosts.needs import need
from tests.hosts.waiting import until
from tests.remote.host import NONCE, Host, file_with, new_jid

MIB = 1 << 20

# Numbered lines, as fast as they can be written: so many bytes for each file that is named, then waits for it.
FLOOD = """
import os, sys, time
block = b"".join(b"%07d\\n" % n for n in range(8192))
for go in sys.argv[2:]:
    done = 0
    while done < int(sys.argv[1]):
        done += os.write(1, block)
    while not os.path.exists(go):
        time.sleep(0.01)
"""


def used(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_a_flood_is_held_near_the_cap_while_it_grows(host: Host, tmp_path: Path) -> None:
    (tmp_path / "flood").write_text(FLOOD)
    gates = [tmp_path / name for name in ("first", "second", "third", "last")]
    jid, _ = host.start(f"{sys.executable} {tmp_path}/flood 100000000 {' '.join(map(str, gates))}", cap=4 * MIB)
    stdout = host.root / "jobs" / jid / "stdout"
    for written, gate in enumerate(gates, 1):
        until(lambda size=written * 100_000_000: stdout.stat().st_size >= size, "it has written")  # type: ignore[misc]
        until(lambda: used(stdout) <= 6 * MIB, "the middle is given back while the job runs on")
        if gate != gates[-1]:
            gate.touch()
    host.kill(jid)
    answer = host.ended(jid)
    ret = answer.one("return")
    record = answer.bytes("rec", 1)
    size = stdout.stat().st_size
    assert ret["stdout_truncated"] == size - 4 * MIB
    assert not ret["uncapped"]
    assert len(record) == 4 * MIB
    block = b"".join(b"%07d\n" % n for n in range(8192))
    whole = block * (4 * MIB // len(block) + 2)
    assert record[: 2 * MIB] == whole[: 2 * MIB]
    assert record[2 * MIB :] == (whole + block)[(size - 2 * MIB) % len(block) :][: 2 * MIB]


def test_live_output_of_a_flood_has_gaps_and_never_a_hole(host: Host, tmp_path: Path) -> None:
    (tmp_path / "flood").write_text(FLOOD)
    jid = new_jid()
    call = host.begin_run(f"{sys.executable} {tmp_path}/flood 300000000 /", jid, cap=2 * MIB, live=True)
    call.until("out")
    stdout = host.root / "jobs" / jid / "stdout"
    until(lambda: stdout.stat().st_size >= 300_000_000, "nobody has read what it has written")
    answer = call.end()
    at = 0
    for frame in answer.frames:
        if frame.kind in ("out", "gap") and frame.meta["s"] == 1:
            assert frame.meta["at"] == at
            assert b"\0" not in frame.body
            at += len(frame.body) if frame.kind == "out" else frame.meta["n"]
    ret = answer.one("return")
    assert not ret["streamed"]
    assert at == ret["stdout_truncated"] + 2 * MIB
    assert b"\0" not in answer.bytes("rec", 1)


def test_cuts_fall_between_characters(host: Host) -> None:
    for extra in range(4):
        answer = host.run(
            f"printf '%{extra}s' ''; yes '€äx𝄞' | head -n 3000", cap=10_000, sections={"env": b'{"LC_ALL":"C"}'}
        )
        ret, record = answer.one("return"), answer.bytes("rec", 1)
        record.decode("utf-8")
        assert 10_000 - 6 <= len(record) <= 10_000
        assert ret["stdout_truncated"] == extra + 3000 * 11 - len(record)


def test_bytes_that_are_no_text_are_kept_as_they_are(host: Host) -> None:
    code = "import os; os.write(1, bytes(range(256)) * 200)"
    answer = host.run(f"{sys.executable} -c '{code}'", cap=10_000)
    record = answer.bytes("rec", 1)
    assert record[:4900] == (bytes(range(256)) * 20)[:4900]
    assert len(record) + answer.one("return")["stdout_truncated"] == 51_200


def test_output_of_exactly_the_cap_is_whole(one_host: Host) -> None:
    answer = one_host.run("head -c 8192 /dev/zero", cap=8192)
    assert answer.bytes("rec", 1) == bytes(8192)
    assert answer.one("return")["stdout_truncated"] == 0


def test_following_from_an_offset_goes_on_there(one_host: Host, tmp_path: Path) -> None:
    jid, _ = one_host.start(f"printf 0123456789; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; printf abc")
    call = one_host.begin("follow", jid=jid, at=[7, 0], live=True)
    assert call.until("out")["at"] == 7
    (tmp_path / "go").touch()
    assert call.end().bytes("out", 1) == b"789abc"


def test_a_job_that_says_nothing_beats(one_host: Host) -> None:
    need("many seconds")
    jid, _ = one_host.start("exec sleep 300")
    calls = [one_host.begin("follow", jid=jid, live=live) for live in (True, False)]
    for call in calls:
        assert call.until("beat")["jid"] == jid
        call.kill()
    one_host.kill(jid)


def test_two_streams_of_many_megabytes_do_not_wait_for_each_other(one_host: Host) -> None:
    command = "head -c 5000000 /dev/zero >&2 & head -c 5000000 /dev/zero; wait"
    answer = one_host.run(command, live=True)
    assert (len(answer.bytes("out", 1)), len(answer.bytes("out", 2))) == (5_000_000, 5_000_000)
    assert answer.one("return")["streamed"]


def test_a_reader_that_is_slow_holds_nobody_up(one_host: Host, tmp_path: Path) -> None:
    call = one_host.begin_run(f"head -c 4000000 /dev/zero; touch {tmp_path}/done", live=True)
    until((tmp_path / "done").exists, "the job ends though nobody reads")
    answer = call.end()
    assert len(answer.bytes("out", 1)) == 4_000_000


def test_what_a_leftover_writes_after_the_return_is_not_in_the_record(one_host: Host, tmp_path: Path) -> None:
    jid = new_jid()
    command = f"(while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo late; echo x > {tmp_path}/said) & echo early"
    one_host.run(command, jid)
    (tmp_path / "go").touch()
    file_with(tmp_path / "said")
    answer = one_host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}])
    assert answer.bytes("rec", 1) == b"early\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts a file system that cannot punch holes")
def test_where_holes_cannot_be_punched_the_return_says_so(one_host: Host, tmp_path: Path) -> None:
    # ramfs knows no fallocate.
    state = one_host.state
    one_host.argv = (
        "unshare",
        "-m",
        "sh",
        "-c",
        f'mount -t ramfs none {state} && chmod 700 {state} && exec sh -c "$0"',
    )
    # With nothing to look at until the deadline, the supervisor waits for it: longer than poll(2) can.
    flood = "head -c 6000000 /dev/zero; head -c 6000000 /dev/zero >&2; sleep 0.3; echo end"
    answer = one_host.run(flood, cap=MIB, timeout=40 * 86400)
    ret = answer.one("return")
    assert ret["uncapped"]
    assert len(answer.bytes("rec", 1)) == MIB
    assert answer.bytes("rec", 1).endswith(b"end\n")
