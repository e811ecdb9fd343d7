"""A scope of its own for a job, on hosts that end a user's processes at logout (KillUserProcesses, logind.conf(5))."""

import os

ROOT = ""
FOLDERS = ("/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd")

WARNING = {
    "kind": "kill-user-processes",
    "message": "logind ends this user's processes at logout (KillUserProcesses=yes), and the job with them",
    "hint": "make `systemd-run --user --scope` work there (loginctl enable-linger), or set KillUserProcesses=no",
}


def needed() -> bool:
    """Whether what this login starts dies with it."""
    if not os.path.isdir(ROOT + "/run/systemd/system"):
        return False
    if os.geteuid() == 0 and not _of_another_user():
        return False
    files = [folder + "/logind.conf" for folder in FOLDERS]
    drop_ins = {}
    for folder in FOLDERS:
        try:
            for name in os.listdir(ROOT + folder + "/logind.conf.d"):
                if name.endswith(".conf"):
                    drop_ins[name] = folder + "/logind.conf.d/" + name
        except OSError:
            # As a rule, most of these places are not there.
            pass
    value = ""
    for path in files + [drop_ins[name] for name in sorted(drop_ins)]:
        try:
            with open(ROOT + path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    key, _, setting = line.partition("=")
                    if key.strip() == "KillUserProcesses":
                        value = setting.strip().lower()
        except OSError:
            # Not there, or not for this user: then systemd's default holds.
            pass
    return value in ("yes", "true", "1", "on", "y", "t")


def _of_another_user() -> bool:
    # Root by sudo is in the session of the one who logged in; root's own sessions are spared.
    try:
        with open(ROOT + "/proc/self/cgroup", encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return False
    return "/user-" in text and "/user-0.slice" not in text and "/session-" in text


def argv() -> "list[str]":
    """What to put before a command so that it gets a scope of its own."""
    user = [] if os.geteuid() == 0 else ["--user"]
    return ["systemd-run"] + user + ["--scope", "--quiet", "--"]


def environment() -> "dict[str, str]":
    """The environment that systemd-run needs to find the user's manager: sudo and su drop XDG_RUNTIME_DIR."""
    env = dict(os.environ)
    runtime = "/run/user/%d" % os.geteuid()
    if "XDG_RUNTIME_DIR" not in env and os.path.isdir(runtime):
        env["XDG_RUNTIME_DIR"] = runtime
    return env
