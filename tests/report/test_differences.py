"""How groups of hosts differ: the largest whole, the others by their differences alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentless.report.differences import differences
from agentless.report.text import PLAIN, Look
from tests.report.values import quick, returned


def text(look: Look = PLAIN, **outputs: bytes) -> str:
    return b"".join(differences({name: returned(stdout=data) for name, data in outputs.items()}, look)).decode()


LONG = b"".join(b"line %d\n" % n for n in range(1, 41))


def test_the_largest_group_is_whole_and_the_others_are_differences() -> None:
    changed = LONG.replace(b"line 20\n", b"line twenty\nmore\n")
    shown = text(web1=changed, web2=LONG, web3=LONG, web4=changed, web5=LONG)
    first, second = shown.split("web[1,4] (2) | ok | differs from web[2-3,5] (3)\n")
    assert first == "web[2-3,5] (3) | ok\n" + LONG.decode()
    assert second.splitlines() == [
        "@@ -17,7 +17,8 @@",
        *(f" line {n}" for n in (17, 18, 19)),
        "-line 20",
        "+line twenty",
        "+more",
        *(f" line {n}" for n in (21, 22, 23)),
    ]


def test_groups_that_ended_otherwise_with_the_same_output_say_so() -> None:
    results = {"web1": returned(stdout=b"x\n"), "web2": returned(stdout=b"x\n", retcode=3)}
    assert b"".join(differences(results)).endswith(b"web2 | failed (3) | differs from web1\n(the same output)\n")


def test_of_what_is_no_text_the_sizes_are_told() -> None:
    shown = text(web1=b"a\n", web2=b"a\n", web3=b"\x7fELF\0\0\n" * 5)
    assert shown.endswith("web3 | ok | differs from web[1-2] (2)\n(35 bytes here, 2 there: not all of it is text)\n")


def test_what_is_too_long_to_be_compared_is_counted() -> None:
    shown = text(web1=b"same\n" + b"a\n" * 4000, web2=b"same\n" + b"b\n" * 5000)
    assert shown.endswith("lines from line 2 on differ: too many to be compared)\n")


def test_colours_mark_what_differs_and_no_host_s_own_goes_on() -> None:
    shown = text(Look(terminal=True, colour=True), web1=b"\x1b[35mred\n", web2=b"blue\n")
    assert "\x1b[31m-red\x1b[0m\n\x1b[32m+blue\x1b[0m" in shown


@quick
@given(st.lists(st.sampled_from([b"a", b"b", b"\r", b"\xff"])), st.lists(st.sampled_from([b"a", b"b", b"c"])))
def test_applied_the_differences_give_the_other_output(one: list[bytes], other: list[bytes]) -> None:
    outputs = [b"".join(line + b"\n" for line in lines) for lines in (one, other)]
    results = {"web1": returned(stdout=outputs[0]), "web2": returned(stdout=outputs[1])}
    shown = b"".join(differences(results)).split(b"differs from web1\n")
    if outputs[0] == outputs[1]:
        assert len(shown) == 1
        return
    lines = [line for line in shown[1].split(b"\n")[:-1] if not line.startswith(b"@@")]
    assert [line[1:] for line in lines if line[:1] in b" +"] == _near(other, lines, b" +")
    assert [line[1:] for line in lines if line[:1] in b" -"] == _near(one, lines, b" -")


def _near(lines: list[bytes], shown: list[bytes], marks: bytes) -> list[bytes]:
    """The lines of an output that a difference shows: a few short ones are all shown or far away."""
    wanted = [line[1:] for line in shown if line[:1] in marks]
    assert len(wanted) <= len(lines)
    iterator = iter(lines)
    assert all(any(line == each for each in iterator) for line in wanted)
    return wanted
