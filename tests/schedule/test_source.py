"""An edit changes the lines of the entry that it is about: all others, and every comment, stay byte for byte."""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentless.errors import ScheduleError
from agentless.schedule.editing import Editor
from tests.schedule.walking import START

Data = dict[str, Any]


@dataclass(frozen=True)
class Text:
    """A file as a person may have written it.

    Args:
        lines: with the number of the entry that each belongs to; None is nobody's.
        newline: how its lines end.
        names: its entries.
    """

    lines: list[tuple[int | None, str]]
    newline: str
    names: list[str]
    last: bool = True

    @property
    def text(self) -> str:
        text = "".join(line + self.newline for _, line in self.lines)
        return text if self.last else text[: -len(self.newline)]


@st.composite
def files(draw: st.DrawFn) -> Text:
    """Entries in blocks and braces, set in by 2 or 4, with comments before, after and inside, and anchors."""
    step = draw(st.sampled_from([2, 4, 3]))
    count = 0
    lines: list[tuple[int | None, str]] = []
    maybe = st.booleans()
    anchored: list[int] = []

    def comment(owner: int | None, column: int) -> None:
        nonlocal count
        if draw(st.integers(0, 3)) == 0:
            count += 1
            lines.append((owner, " " * column + f"# c{count}: 'it"))
        if owner is None and draw(st.integers(0, 3)) == 0:
            lines.append((None, draw(st.sampled_from(["", "  "]))))

    def behind() -> str:
        nonlocal count
        count += 1
        return draw(st.sampled_from(["", f"  # c{count}, {{b", f" # c{count}: ]"]))

    def arguments(number: int, column: int) -> list[str]:
        one, two = f"say {number}", f"'# no comment {number}'"
        inner = " " * (column + draw(st.sampled_from([0, 2])))
        return draw(
            st.sampled_from(
                [
                    [f"args: {one}" + behind()],
                    [f"args: [{one}, {two}]" + behind()],
                    ["args:" + behind(), f"{inner}- {one}" + behind(), f"{inner}# c in {number}", f"{inner}- {two}"],
                    ["args: |" + behind(), f"{inner}  {one}", f"{inner}  # no comment {number}", ""],
                    ["args: |+", f"{inner}  {one}", f"{inner}  # no comment {number}", "", ""],
                    ["args: >-", f"{inner}  {one}", f"{inner}  # no comment {number}"],
                    [f"args: {one}", f"{inner} and more {number}" + behind()],
                    [f"args: [{one}, # c{number} one", f"{inner} {two}  # c{number} two", f"{inner} ]" + behind()],
                ]
            )
        )

    if draw(maybe):
        lines.append((None, "---"))
    comment(None, 0)
    if draw(maybe):
        lines += [(None, "whens:  # ours"), (None, " " * step + "tea: 1:40pm")]
        comment(None, 0)
    lines.append((None, "schedule:" + behind()))
    comment(None, step)
    if draw(maybe):
        lines.append((None, " " * step + "enabled: true" + behind()))
    names = [f"n{number}" for number in range(draw(st.integers(1, 4)))]
    for number, name in enumerate(names):
        comment(None, draw(st.sampled_from([0, step])))
        shape = draw(st.sampled_from(["block", "block", "block", "braces", "long braces", "merged", "alias"]))
        if shape in ("merged", "alias") and (not anchored or number in anchored):
            shape = "block"
        mine = " " * step
        anchor = ""
        if shape == "block" and draw(st.integers(0, 2)) == 0:
            anchor = f" &a{number}"
            anchored.append(number)
        when = draw(st.sampled_from(["hours: 6", "cron: '5 4 * * *'", 'when: [5pm, "6pm"]', "minutes:  5"]))
        more = draw(
            st.lists(
                st.sampled_from(
                    [
                        "skip_explicit: 2031-01-01T02:00",
                        "run_explicit: [2031-01-01T02:00:00, {time: 2031-02-02}]",
                        "metadata: {team: 'a, b'}",
                        "enabled: true",
                        "splay:",
                    ]
                ),
                unique=True,
            )
        )
        if shape == "alias":
            lines.append((number, f"{mine}{name}: *a{draw(st.sampled_from(anchored))}" + behind()))
        elif shape == "merged":
            lines.append((number, f"{mine}{name}:" + behind()))
            comment(number, 2 * step)
            lines.append((number, f"{2 * mine}<<: *a{draw(st.sampled_from(anchored))}" + behind()))
            comment(number, 2 * step)
        elif shape == "block":
            lines.append((number, f"{mine}{name}:{anchor}" + behind()))
            keys = [["function: cmd.run" + behind()], ["target: " + draw(st.sampled_from(["all", '"w*"', "'d*'"]))]]
            keys += [arguments(number, 2 * step), [when + behind()], *([each + behind()] for each in more)]
            if draw(maybe):
                keys.append(["once_fmt:"])
            for key in draw(st.permutations(keys)):
                comment(number, 2 * step)
                lines += [(number, " " * 2 * step + key[0]), *((number, line) for line in key[1:])]
                for position in range(len(lines) - len(key) + 1, len(lines)):
                    owner, line = lines[position]
                    lines[position] = (owner, line if not line else " " * (2 * step) + line)
            comment(number, 2 * step)
        else:
            keys_in = ["function: cmd.run", f"args: 'say {number}'", "target: all", when, *more]
            keys_in = [key.replace("splay:", "splay: ") for key in draw(st.permutations(keys_in))]
            if shape == "braces":
                lines.append((number, f"{mine}{name}: {{{', '.join(keys_in)}}}" + behind()))
            else:
                lines.append((number, f"{mine}{name}: {{" + behind()))
                for key_in in keys_in[:-1]:
                    lines.append((number, f"{3 * mine}{key_in}," + behind()))
                lines.append((number, f"{3 * mine}{keys_in[-1]}{draw(st.sampled_from(['', ',']))}" + behind()))
                lines.append((number, f"{3 * mine}}}" + behind()))
    comment(None, draw(st.sampled_from([0, step])))
    if draw(maybe):
        lines.append((None, "..."))
        comment(None, 0)
    if draw(st.integers(0, 3)) == 0:
        lines[0] = (lines[0][0], "\ufeff" + lines[0][1])
    return Text(lines, draw(st.sampled_from(["\n", "\r\n"])), names, draw(maybe))


def ways(entry: Data, keep: str) -> None:
    for key in ("hours", "cron", "when", "minutes", "once_fmt"):
        # The units of an interval add up.
        if key != keep and {key, keep} != {"hours", "minutes"}:
            entry.pop(key, None)


def extend(entry: Data, key: str, value: str) -> None:
    known = entry.get(key)
    entry[key] = [*(known if isinstance(known, list) else [] if known is None else [known]), value]


def modified(**keys: Any) -> Callable[[Data, str], None]:
    def change(data: Data, name: str) -> None:
        entry = data[name]
        for key, value in keys.items():
            if value is None:
                entry.pop(key, None)
            else:
                entry[key] = value
                if key in ("hours", "cron", "when"):
                    ways(entry, key)

    return change


def copied(data: Data, name: str) -> None:
    data[f"{name}@other"] = {**data[name], "target": "other"}


def skipped(data: Data, name: str) -> None:
    extend(data[name], "skip_explicit", "2031-03-03 03:03")


def postponed(data: Data, name: str) -> None:
    skipped(data, name)
    extend(data[name], "run_explicit", "2031-03-03 04:04")


NEW: Data = {"function": "cmd.run", "args": ["a: b", "#", "it's", "x\ny"], "target": "w*:&p", "hours": 7}
EDITS: list[tuple[Callable[[Editor, str], object], Callable[[Data, str], object]]] = [
    (lambda e, n: e.disable(n), modified(enabled=False)),
    (lambda e, n: e.disable(), lambda d, n: d.update(enabled=False)),
    (lambda e, n: e.move(n, "web*, db"), modified(target="web*, db")),
    (lambda e, n: e.modify(n, {"cron": "0 3 * * *"}), modified(cron="0 3 * * *")),
    (lambda e, n: e.modify(n, {"hours": 3, "splay": 7}), modified(hours=3, splay=7)),
    (lambda e, n: e.modify(n, {"when": ["Monday 5pm", "1:40pm"]}), modified(when=["Monday 5pm", "1:40pm"])),
    (lambda e, n: e.modify(n, {"metadata": {"a": "b: c"}}), modified(metadata={"a": "b: c"})),
    (lambda e, n: e.modify(n, {"metadata": None}), modified(metadata=None)),
    (lambda e, n: e.modify(n, {"args": ["x, y", "- z"]}), modified(args=["x, y", "- z"])),
    (lambda e, n: e.skip(n, "2031-03-03 03:03"), skipped),
    (lambda e, n: e.postpone(n, "2031-03-03 03:03", "2031-03-03 04:04"), postponed),
    (lambda e, n: e.delete(n), lambda d, n: d.pop(n)),
    (lambda e, n: e.copy(n, "other"), copied),
    (lambda e, n: e.add("another", NEW), lambda d, n: d.update(another=NEW)),
]
TOUCHES_NOBODY = (1, 12, 13)


def said(text: str) -> Data:
    # Each entry for itself: what an anchor shares in the file is one object here.
    loaded = yaml.safe_load(text)
    return {
        "whens": loaded.get("whens"),
        "schedule": {k: copy.deepcopy(v) for k, v in (loaded["schedule"] or {}).items()},
    }


def comments(text: str) -> list[str]:
    """What comes between tokens, where only comments can be."""
    found: list[str] = []
    end = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        found += re.findall(r"#.*", text[end : token.start_mark.index])
        end = max(end, token.end_mark.index)
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
            found += re.findall(r"^[|>][-+]?[ \t]+(#.*)", text[token.start_mark.index : end])
    return [each.rstrip() for each in found]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(file=files(), number=st.integers(0, 3), edit=st.integers(0, len(EDITS) - 1))
def test_all_that_an_edit_is_not_about_stays_and_what_is_read_back_is_what_was_meant(
    file: Text, number: int, edit: int
) -> None:
    number %= len(file.names)
    name = file.names[number]
    text = file.text
    meant = said(text)
    EDITS[edit][1](meant["schedule"], name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "schedule.yaml")
        path.write_bytes(text.encode())
        try:
            EDITS[edit][0](Editor(path, now=START), name)
        except ScheduleError as error:
            assert "anchor" in str(error)  # noqa: PT017 -- what others share is refused, and nothing else
            assert "*a" in text
            assert path.read_bytes() == text.encode()
            return
        after = path.read_bytes().decode()
    assert said(after) == meant
    own = None if edit in TOUCHES_NOBODY else number
    stays = [line for owner, line in file.lines if owner != own and "enabled: true" not in line]
    rest = iter(after.split(file.newline))
    assert all(line in rest for line in stays), "in this order, byte for byte"
    kept = comments(text)
    if edit == 11:
        mine = comments("\n".join(line for owner, line in file.lines if owner == own))
        kept = [each for each in kept if each not in mine]
        assert not set(mine) & set(comments(after)), "what is inside a deleted entry goes with it"
    assert set(kept) <= set(comments(after))
    assert file.newline == "\n" or "\n" not in after.replace("\r\n", "")
