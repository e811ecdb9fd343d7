"""What a controller asks about the schedule of a host: push, show and purge."""

import marshal
import os
import sys
import time
from importlib.util import MAGIC_NUMBER
from itertools import islice

from . import clock, crontab, disk, evaluator, schedule_dir, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .call import Call

LOG_LINES = 200
# What a tick that fires needs on disk, well measured.
ROOM = 1 << 14
# Of this login alone; the rest of its environment is what the jobs get, as with `ssh host command`.
PASSING = ("SSH_", "SUDO_", "DOAS_", "XDG_", "DBUS_", "KRB5CCNAME")
SHELLS = ("PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE", "COLUMNS", "LINES")


def place(call: "Call") -> None:
    """Do what the request says in `do`, under the lock of the schedule."""
    sections = _sections(call)
    kept = schedule_dir.ScheduleDir(call.book)
    try:
        with kept:
            crontab.lock()
            {"push": push, "show": show, "purge": purge}[call.request["do"]](call, kept, sections)
    except crontab.CrontabError as refusal:
        call.refuse(*refusal.problem)
    call.bring()


def _sections(call: "Call") -> "dict[str, bytes]":
    return {name: b"".join(call.take(length)) for name, length in call.request.get("sections") or ()}


def push(call: "Call", kept: schedule_dir.ScheduleDir, sections: "dict[str, bytes]") -> None:
    """Bring the schedule to what the request says; `check` only tells what would change."""
    request = call.request
    check = request.get("check")
    old = kept.load("entries")
    before = {entry["name"]: entry for entry in old.get("entries", ())}
    for name, env in wire.loads((sections.pop("env", b"") or b"{}").decode("utf-8")).items():
        next(entry for entry in request["entries"] if entry["name"] == name)["job"]["env"] = env
    names = [entry["name"] for entry in request["entries"]]
    done = {"added": [], "changed": [], "removed": [name for name in before if name not in names], "unchanged": []}  # type: dict[str, Any]
    for entry in request["entries"]:
        known = before.get(entry["name"])
        if known is not None and known["v"] == entry["v"]:
            entry["since"] = known.get("since")
        word = "added" if known is None else "unchanged" if known == entry else "changed"
        done[word].append(entry["name"])
    table = crontab.read() if names or old else None
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    helper = kept.path("helper/" + os.path.basename(folder))
    wanted = [crontab.line(helper, call.book.state_dir)] if names else []
    lines = crontab.ours(table, call.book.root, request["host"])
    done["crontab"] = "kept" if lines == wanted else "removed" if not wanted else "changed" if lines else "added"
    done["renamed"] = old.get("host") if old and old.get("host") != request["host"] else None
    done["restored"] = bool(names and (missing(kept, old) if old else lines))
    if not check and (names or old):
        new = {key: request.get(key) for key in ("entries", "zones") + wire.PUSHED}
        new.update(umask=request["umask"], helper=os.path.basename(folder))
        # What a local connection has around it is the caller's: secrets of its session among it.
        new["env"] = None if request.get("local") else _environment(request["locale"])
        new["crontab"] = old["crontab"] if lines and old else table is not None
        _place(kept, old, new, sections, folder, helper)
        if lines != wanted:
            try:
                _install(call, request["host"], table, wanted, bool(new["crontab"]))
            except (OSError, crontab.CrontabError):
                # Without the line nothing would fire: as it was.
                kept.save("entries", old) if old else disk.remove(kept.root)
                raise
        if not names:
            disk.remove(kept.path("entries.json"))
    call.say("pushed", time=time.time(), **done)


def _environment(locale: str) -> "dict[str, str]":
    env = {
        key.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for key, value in os.environb.items()
    }
    env = {key: value for key, value in env.items() if not key.startswith(PASSING) and key not in SHELLS}
    if locale:
        env["LC_CTYPE"] = locale[1:]
    return env


def _place(
    kept: schedule_dir.ScheduleDir,
    old: "dict[str, Any]",
    new: "dict[str, Any]",
    sections: "dict[str, bytes]",
    folder: str,
    helper: str,
) -> None:
    files = kept.path("files")
    os.makedirs(files, 0o700, exist_ok=True)
    for name, data in sections.items():
        if _content(files + "/" + name) != data:
            _file(files + "/" + name, data)
    mine, its = folder + "/remote/", helper + "/remote/"
    if any(_content(mine + name) != _content(its + name) for name in os.listdir(mine) if name.endswith(".py")):
        # Torn by a power cut, or by somebody.
        disk.remove(helper)
        # A copy of its own: what cron starts is not to go with the helpers that nobody has used for a day.
        beside = "%s.%d" % (helper, os.getpid())
        disk.remove(beside) if os.path.exists(beside) else None
        os.makedirs(beside + "/remote", 0o700)
        for name in os.listdir(folder + "/remote"):
            if name.endswith(".py"):
                with open(folder + "/remote/" + name, "rb") as file:
                    _file("%s/remote/%s" % (beside, name), file.read())
        _compile(beside + "/remote")
        os.rename(beside, helper)
    if {key: value for key, value in old.items() if key != "format"} != new:
        kept.save("entries", new)
    used = {entry["job"].get(key) for entry in new["entries"] for key in ("script", "stdin")}
    for name in os.listdir(files):
        if name not in used:
            disk.remove(files + "/" + name)
    for name in os.listdir(kept.path("helper")):
        # A tick may still run with the one that was.
        if name not in (old.get("helper"), new["helper"]):
            disk.remove(kept.path("helper/" + name))


def missing(kept: schedule_dir.ScheduleDir, pushed: "dict[str, Any]") -> "list[str]":
    """The files without which what was pushed can't fire, and which are not there."""
    names = ["helper/%s/remote/tick.py" % pushed["helper"]]
    for entry in pushed["entries"]:
        names += ["files/" + entry["job"][key] for key in ("script", "stdin") if entry["job"].get(key)]
    return [name for name in names if not os.path.exists(kept.path(name))]


def _content(path: str) -> "bytes | None":
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _compile(folder: str) -> None:
    """Write the bytecode, whole: on a disk that is nearly full Python cuts its own, and each tick would die of it."""
    os.mkdir(folder + "/__pycache__", 0o700)
    for name in os.listdir(folder):
        if name.endswith(".py"):
            path = folder + "/" + name
            with open(path, "rb") as file:
                code = compile(file.read(), path, "exec", dont_inherit=True)
            s = os.stat(path)
            # PEP 3147 and 552: magic, since 3.7 flags, then time and size of the source.
            head = MAGIC_NUMBER + (b"" if sys.version_info < (3, 7) else bytes(4))
            head += int(s.st_mtime).to_bytes(4, "little") + s.st_size.to_bytes(4, "little")
            tag = str(sys.implementation.cache_tag)
            _file("%s/__pycache__/%s.%s.pyc" % (folder, name[:-3], tag), head + marshal.dumps(code))


def _file(path: str, data: bytes) -> None:
    new = "%s.%d" % (path, os.getpid())
    disk.store(new, data)
    os.rename(new, path)


def _install(call: "Call", host: "str | None", table: "bytes | None", wanted: "list[bytes]", had: bool) -> None:
    """Put our line first, or take it out; `had`: there was a crontab before our first line."""
    rest = crontab.without(table or b"", call.book.root, host)
    text = b"".join(line + b"\n" for line in wanted) + rest  # type: bytes | None
    if not text and not had:
        text = None
    if text is not None or table is not None:
        crontab.write(text)
    if crontab.ours(crontab.read(), call.book.root, host) != wanted:
        hint = "somebody else edits it at this moment; push again"
        raise crontab.CrontabError("crontab", "the crontab is not what was written to it", hint)


def purge(call: "Call", kept: schedule_dir.ScheduleDir, sections: "dict[str, bytes]") -> None:
    """Take the line and the schedule away. What has run comes home all the same."""
    old = kept.load("entries")
    state = kept.load("state")
    there = os.path.isdir(kept.root)
    try:
        table = crontab.read()
    except crontab.CrontabError:
        # Without a crontab, there is no line of ours in it.
        if there:
            raise
        table = None
    lines = crontab.ours(table, call.book.root, old.get("host"))
    if not call.request.get("check"):
        if lines:
            _install(call, old.get("host"), table, [], old.get("crontab", False))
        if there:
            if state.get("open"):
                kept.running(state)
            disk.remove(kept.root)
            if state.get("open"):
                # What still runs is to come home too; who gathers it takes this away.
                os.mkdir(kept.root, 0o700)
                kept.save("state", {"open": state["open"], "history": {}})
    removed = [entry["name"] for entry in old.get("entries", ())]
    call.say("pushed", time=time.time(), removed=removed, crontab="removed" if lines else "kept")


def show(call: "Call", kept: schedule_dir.ScheduleDir, sections: "dict[str, bytes]") -> None:
    """The entries, what became of each, and what the ticks wrote down, the newest last."""
    pushed, state = kept.load("entries"), kept.load("state")
    problem = warning = None  # type: tuple[str, str, str] | None
    counts = {}  # type: dict[str, int]
    try:
        if pushed:
            try:
                disk.store(kept.path("room"), bytes(ROOM))
            finally:
                disk.remove(kept.path("room"))
        if state.get("open"):
            counts = kept.running(state)
            kept.save("state", state)
    except OSError as e:
        if e.errno not in disk.FULL:
            raise
        hint = "make room on that file system, or set agentless_state_dir and push again"
        warning = ("disk-full", "state directory %s: %s, so nothing fires" % (call.book.state_dir, e.strerror), hint)
    for entry in pushed.get("entries", ()):
        name = entry["name"]
        # Who may see the controller's output need not see what a job was given for itself.
        job = {key: value for key, value in entry["job"].items() if key != "env"}
        history = state.get("history", {}).get(name)
        zone = clock.zone(pushed["zones"], entry.get("zone"))
        ahead = []  # type: list[list[int | str | None]]
        try:
            planned = evaluator.plan(entry, history, time.time(), pushed["host"], zone)
            for each in islice(planned, call.request.get("plan", 0)):
                ahead.append([each.nominal, each.at, each.reason, each.shift])
        except Exception:  # noqa: BLE001 (whatever it is, it is this entry's; the log has it from each tick)
            ahead = []
        call.say("entry", entry=dict(entry, job=job), history=history, running=counts.get(name, 0), plan=ahead)
    lines = []  # type: list[bytes]
    for name in ("log.old", "log"):
        try:
            with open(kept.path(name), "rb") as file:
                lines += file.read().splitlines()
        except FileNotFoundError:
            # Nothing has been noted yet, or not so much.
            pass
    for line in lines[max(0, len(lines) - call.request.get("log", LOG_LINES)) :]:
        try:
            call.say("event", **wire.loads(line.decode("ascii")))
        except ValueError:
            # Torn by a full disk.
            continue
    times = []  # type: list[float | None]
    for name in ("ticked", "entries.json"):
        try:
            times.append(os.stat(kept.path(name)).st_mtime)
        except FileNotFoundError:
            times.append(None)
    standing = {"ticked": times[0], "pushed": times[1], "time": time.time(), "python": sys.executable, "line": None}  # type: dict[str, Any]
    standing.update({key: pushed.get(key) for key in ("host", "user", "controller", "helper")})
    gone = missing(kept, pushed) if pushed else []
    hint = "agentless schedule push brings it again"
    try:
        ours = crontab.ours(crontab.read(), call.book.root, pushed.get("host"))
        if pushed:
            helper = kept.path("helper/" + str(pushed["helper"]))
            standing["line"] = ours == [crontab.line(helper, call.book.state_dir)]
            if pushed["entries"] and not ours:
                problem = ("no-line", "the line of its schedule is not in the crontab: nothing fires", hint)
        else:
            standing["line"] = not ours
            if ours:
                problem = ("no-files", "the files of its schedule are gone: nothing fires", hint)
    except crontab.CrontabError as error:
        warning = warning or error.problem
    if gone:
        problem = ("no-files", "files of its schedule are gone: " + ", ".join(gone), hint)
    call.say("schedule", problem=problem, warning=warning, **standing)
