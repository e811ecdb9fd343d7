"""The returner `webhook`: each return is the body of a POST, with a header that makes a repetition harmless."""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit

from agentless.model.returner import WebhookReturner
from agentless.regex import regex
from agentless.returners.handover import HostEnd, NotTaken, Unavailable

__all__ = ["Webhook"]

_TRIES = 5
_FIRST_DELAY = 0.25
_LONGEST_DELAY = 5.0
_AGAIN = frozenset({408, 425, 429})
_READ = 65536
_HEADER = regex(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*([\x20-\x7e\t]*)", re.ASCII)
_OURS = ("content-type", "content-length", "transfer-encoding", "idempotency-key", "host", "connection")


class Webhook:
    """Posts each return to a URL, over a connection that is kept while there is more to post.

    The body is one JSON object; `Idempotency-Key: JID-HOST` is the same whenever this return is posted. A status of 2xx
    says that it was taken. What may pass (no connection, 408, 425, 429, 5xx) is tried again some times, after delays
    that grow and are drawn, or that `Retry-After` names. Redirects are not followed: a token is for the host that the
    URL names. Messages name that host, and nothing else of the URL, which may be a secret as a whole.

    Args:
        settings: the URL and further headers.
        environ: where they may stand.

    Raises:
        ConfigError: URL or headers cannot be read, or are none.
    """

    batch = 1

    def __init__(self, settings: WebhookReturner, environ: Mapping[str, str]) -> None:
        self._timeout = settings.timeout
        source = settings.url
        url = source.read(environ).reveal()
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
            # As every lookup of a name does first, with an error of its own.
            (host or "").encode("idna")
        except ValueError:
            raise source.error("it is no URL") from None
        if scheme not in ("http", "https") or not host or not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
            raise source.error("it is no URL of a webhook", "https://HOST/PATH, every other character as %XX")
        if parts.username is not None or parts.password is not None:
            raise source.error("a login stands in it", "Give an Authorization header, in headers_file.")
        self._tls = scheme == "https"
        self._address = (host, port)
        self._where = f"{scheme}://{parts.netloc}"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = _headers(settings, environ)
        self._connection: http.client.HTTPConnection | None = None
        self._canceled = threading.Event()

    def give(self, ends: Sequence[HostEnd], until: float) -> None:
        (end,) = ends
        body = end.encode()
        headers = {**self._headers, "Content-Type": "application/json", "User-Agent": "agentless"}
        headers["Idempotency-Key"] = f"{end.job.jid}-{quote(end.host, safe='', errors='surrogatepass')}"
        for number in range(_TRIES):
            delay = random.uniform(0.5, 1.0) * min(_LONGEST_DELAY, _FIRST_DELAY * 2**number)
            try:
                status, reason, retry_after = self._post(body, headers, until)
            except ssl.SSLCertVerificationError as error:
                raise Unavailable(f"{self._where}: its certificate is not trusted: {error.verify_message}") from None
            except (OSError, http.client.HTTPException) as error:
                failure = f"{self._where}: {_why(error, self._timeout)}"
            else:
                if 200 <= status < 300:
                    return
                failure = f"{self._where}: HTTP {status} {reason}".rstrip()
                if 300 <= status < 400:
                    raise Unavailable(f"{failure}: redirects are not followed")
                if status < 500 and status not in _AGAIN:
                    raise NotTaken(failure)
                delay = max(delay, retry_after)
            if number == _TRIES - 1 or time.monotonic() + delay >= until or self._canceled.wait(delay):
                break
        raise Unavailable(failure)

    def _post(self, body: bytes, headers: Mapping[str, str], until: float) -> tuple[int, str, float]:
        """The status, its reason, and how many seconds the server asks us to wait."""
        kept = self._connection is not None
        try:
            return self._request(body, headers, until)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            if not kept:
                raise
            # It was closed while it was idle.
            return self._request(body, headers, until)

    def _request(self, body: bytes, headers: Mapping[str, str], until: float) -> tuple[int, str, float]:
        seconds = until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        connection = self._connection or self._connect(seconds)
        self._connection = None
        # The timeout of a socket begins anew with each byte that drips in.
        cut = threading.Timer(seconds, _cut, [connection])
        cut.daemon = True
        cut.start()
        keep = False
        try:
            if connection.sock is not None:
                connection.sock.settimeout(seconds)
            connection.request("POST", self._path, body, dict(headers))
            response = connection.getresponse()
            response.read(_READ)
            if time.monotonic() >= until:
                # What was cut off reads as if it had ended.
                raise TimeoutError
            keep = response.isclosed() and not response.will_close
            return response.status, _printable(response.reason), _seconds(response.headers.get("Retry-After"))
        except (OSError, http.client.HTTPException):
            if time.monotonic() >= until:
                raise TimeoutError from None
            raise
        finally:
            cut.cancel()
            if keep:
                self._connection = connection
            else:
                connection.close()

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        host, port = self._address
        if self._tls:
            return http.client.HTTPSConnection(host, port, timeout=seconds, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=seconds)

    def cancel(self) -> None:
        self._canceled.set()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _cut(connection: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _headers(settings: WebhookReturner, environ: Mapping[str, str]) -> dict[str, str]:
    source = settings.headers
    if source is None:
        return {}
    headers: dict[str, str] = {}
    for number, line in enumerate(source.read(environ).reveal().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _HEADER.fullmatch(line.strip())
        if match is None:
            raise source.error(f"line {number} of it is no header", "Name: value")
        if match[1].lower() in _OURS:
            raise source.error(f"the header {match[1]} is agentless's own")
        headers[match[1]] = match[2]
    return headers


def _why(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'failed'}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    return f"it speaks no HTTP ({type(error).__name__})"


def _seconds(retry_after: str | None) -> float:
    """What `Retry-After` says in seconds; a date there is as if it said nothing."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.strip().isdigit() else 0.0


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:80])
