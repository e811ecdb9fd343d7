"""What goes over the wire: frames, the fields of every request and answer, and the limits that both sides keep.

A frame is `\\x1e NONCE SPACE META_LENGTH SPACE BODY_LENGTH \\n META BODY`: NONCE the 16 hex digits of this call, META
one JSON object in ASCII, BODY raw bytes. Whatever else stands on stdout is noise of the host's start-up files.

A request is one JSON object. Each has `op`; `controller` (`USER@CONTROLLER`); `keep_returns` (hours) and `keep_bytes`;
`want`, a list of {jid, nonce, maybe}: jobs whose ends the controller waits for, and which a host that knows nothing of
one that is `maybe` buries; `seen`, {sequence: number}: how many fires of the schedule it has had; `sections`, a list of
[name, length]: what follows on stdin. Then, by `op`:

run       JOB, KEPT without `keep`, and jid cap live detach; sections `env` (JSON), `script`, `stdin`
follow    jid nonce at live once                    at: offsets in stdout and stderr; once: to the end of what is there
fetch     jobs describe                             jobs: a list of {jid, nonce, maybe}; describe: answer `job` first
running   -
find      jid nonce                                 nonce: another dispatch under the JID is not meant; none: any
ping      -
signal    jid nonce signal by                       nonce: as of `find`; by: `USER@CONTROLLER`
schedule  rooms: a package of those that only it needs
           do=push entries zones PUSHED local check; sections `env` (JSON, by entry) and one for each file, by its hash
          do=show plan log                          plan: fires to come of each entry; log: events
          do=purge check
put       rooms path into make                      into, make: a directory is meant, and made. On stdin: see put.py
get       rooms sources                             a list of {path, inside}; inside: what is in it, without its name

An answer is a frame whose META has its kind in `t`; those about a job have its `jid`:

need ready                                          the helper is to be sent; the sections are
accepted  STATE without an end                      the job is here
out       s at, BODY     gap  s at n                live output of stream s (1, 2) from byte `at` on; n bytes are gone
beat                                                nothing is new of the job that is followed, and it is still here
rec       s, BODY                                   output of a record, ahead of the `return` or `state` it belongs to
return    RETURN, streamed                          streamed: the output came as `out`, all of it
state     STATE, streamed                           of a job without a return
job       TOLD, time (the host's clock)             what a job is, ahead of its end
running   jobs: a list of PROC; user: who looked    others: other users whose jobs seem to run here
found     proc: PROC or {}
signalled delivered survivors message running known
pong      python executable user node state_dir platform time helper
pushed    time added changed removed unchanged crontab renamed
entry     entry history running plan    event  at name jid skip count error
schedule  ticked pushed time python line host user controller helper; problem and warning: [kind, message, hint]
seen      id at more                                the sequence of fires was brought home up to `at`
stored    path files bytes failed failures          it is in its place; failed: a list of [path, kind, message, hint]
gathering                                           what is fetched begins
item      path mode size                            a file or, without size, a directory; of a file follow
data      BODY           whole  broken              its content, and its end; broken: it could not be read
gathered  failed failures                           what is fetched has come
refused   error          kind message hint          it will not do it
end                                                 the last frame
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MARK = b"\x1e"
META_MAX = 1 << 20
BODY_MAX = 1 << 18
CHUNK = 1 << 16
# With mark and meta it stays below PIPE_BUF (4096 on Linux).
WHOLE = 3840
REQUEST_MAX = 1 << 20
WANT_MAX = 50
WANT_BYTES = 4 << 20
LIST_BYTES = 1 << 19

# Seconds between two beats of a job that says nothing.
BEAT = 30.0

CAP = 10 << 20
KEEP_RETURNS = 168.0
KEEP_BYTES = 1 << 30

# What a job is, in `run` and in each entry of a pushed schedule. script_args: where `fun` is cmd.script.
JOB = ("fun", "arg", "tgt", "metadata", "command", "script_args", "cwd", "timeout", "shell", "returners")
# What a push says once for all entries, and each fire has of it.
PUSHED = ("host", "user", "controller", "cap", "keep_returns", "login", "become")
# What a record keeps of the request, and what is told of a job that runs.
ASKED = ("nonce", "fun", "arg", "tgt", "tgt_type", "user", "metadata", "controller", "host", "schedule")
PROC = ("jid", "pid", "node", "warning", "started") + ASKED
# What it keeps besides, for controllers that learn of the job from one of its hosts. hosts: all that the target
# selects, where their names are not too long together; keep: what an entry's `return_job` says; returners: names.
KEPT = ASKED + ("hosts", "login", "become", "keep", "returners")
TOLD = ("started",) + KEPT
RETURN = (
    *("retcode", "signal", "ended_by", "stdout_truncated", "stderr_truncated"),
    *("pid", "started", "finished", "duration", "left_running", "uncapped"),
)
# The last two of a job that is lost, where its output lies there still.
STATE = ("state", "pid", "started", "kind", "message", "hint", "warning", "stdout_truncated", "stderr_truncated")

EXIT_NO_PYTHON = 96
EXIT_FAILED = 98

RUNNING = "running"
RETURNED = "returned"
LOST = "lost"
NOT_STARTED = "not-started"
UNKNOWN = "unknown"


def is_jid(text: "object") -> bool:
    """Whether `text` is a JID, 20 ASCII digits; asked before one touches a path."""
    return isinstance(text, str) and len(text) == 20 and all(c in "0123456789" for c in text)


def raw(text: str) -> bytes:
    """The bytes of a text from the controller, which may be no text; whatever locale Python 3.6 finds on the host."""
    return text.encode("utf-8", "surrogateescape")


def _unknown(value: "object") -> "object":
    raise TypeError("not a JSON value: %r" % (value,))


class _ScannerSettings:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _codec() -> "tuple[Callable[[Any], str], Callable[[str], Any]]":
    # The json package pulls in re, which alone costs half of the CPU that an operation may take.
    try:
        from _json import encode_basestring_ascii, make_encoder, make_scanner

        encode = make_encoder(None, _unknown, encode_basestring_ascii, None, ": ", ", ", False, False, False)
        scan = make_scanner(_ScannerSettings)  # type: ignore[arg-type]
        if "".join(encode({"a": [1, "b"]}, 0)) != '{"a": [1, "b"]}' or scan('{"a": 1.5}', 0) != ({"a": 1.5}, 10):
            raise ImportError("_json is not what it was")
    except (ImportError, TypeError, AttributeError):
        import json

        return json.dumps, json.loads

    def dumps(value: "Any") -> str:
        return "".join(encode(value, 0))

    def loads(text: str) -> "Any":
        text = text.strip(" \t\n\r")
        try:
            value, end = scan(text, 0)
        except StopIteration as stop:
            raise ValueError("no JSON value at %s" % stop.value) from None
        except RecursionError:
            raise ValueError("JSON nested too deep") from None
        except SystemError:
            # How 3.10 and 3.11 say that they found json.JSONDecodeError not imported.
            raise ValueError("no JSON") from None
        if end != len(text):
            raise ValueError("more than one JSON value")
        return value

    return dumps, loads


dumps, loads = _codec()


def encode(nonce: str, meta: "dict[str, Any]", body: bytes = b"") -> bytes:
    """One frame. `meta` at most META_MAX bytes as JSON, `body` at most BODY_MAX: ValueError else."""
    head = dumps(meta).encode("ascii")
    if len(head) > META_MAX or len(body) > BODY_MAX:
        raise ValueError("frame too long: %d bytes of meta, %d of body" % (len(head), len(body)))
    return b"%s%s %d %d\n%s%s" % (MARK, nonce.encode("ascii"), len(head), len(body), head, body)
