"""Words and limits that the controller and the helper share, and the frames between them.

A frame is `\\x1e NONCE SPACE META_LENGTH SPACE BODY_LENGTH \\n META BODY`: NONCE the 16 hex digits of this call, META
one JSON object in ASCII, BODY raw bytes. Whatever else stands on stdout is noise of the host's start-up files.
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

CAP = 10 << 20
KEEP_RETURNS = 168.0
KEEP_BYTES = 1 << 30

EXIT_NO_PYTHON = 96
EXIT_UNFIT = 97
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


class _Context:
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
        scan = make_scanner(_Context)  # type: ignore[arg-type]
        if "".join(encode({"a": [1, "b"]}, 0)) != '{"a": [1, "b"]}' or scan('{"a": 1.5}', 0) != ({"a": 1.5}, 10):
            raise ImportError("_json is not what it was")
    except (ImportError, TypeError, AttributeError):
        import json

        return json.dumps, json.loads

    def dumps(value: "Any") -> str:
        return "".join(encode(value, 0))

    def loads(text: str) -> "Any":
        text = text.strip()
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
