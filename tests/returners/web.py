"""A real web server that answers as it is told: with a status, late, in drops, elsewhere, or not at all."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import ssl
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.hosts.waiting import patience


@dataclass(frozen=True)
class Post:
    """One request: its path, headers with small names, and the JSON of its body."""

    path: str
    headers: dict[str, str]
    document: dict[str, Any]


class Web:
    """Listens on loopback.

    Args:
        port: 0 takes a free one.
        tls: a directory, in which the certificate lies that the server shows, as `cert.pem`.

    Attributes:
        script: what is done with the next requests: a status, or `hang`, `drip`, `close`, or a dict of status and
            headers; when it is empty, 200.
        posts: all requests that came whole.
    """

    def __init__(self, port: int = 0, *, tls: Path | None = None) -> None:
        self.script: deque[Any] = deque()
        self.posts: list[Post] = []
        self.connections = 0
        self._over = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                web.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {key.lower(): value for key, value in self.headers.items()}
                web.posts.append(Post(self.path, headers, json.loads(body)))
                web._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                return  # a client that has had enough

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate(tls))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}/hook"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        what = self.script.popleft() if self.script else 200
        if what == "hang":
            self._over.wait(3600)
            return
        if what == "close":
            handler.close_connection = True
            return
        if what == "drip":
            for char in "HTTP/1.1 200 OK\r\nX-Slow: " + 600 * "a":
                with contextlib.suppress(OSError):
                    handler.wfile.write(char.encode())
                if self._over.wait(0.1):
                    return
        status, headers = (what["status"], what.get("headers", {})) if isinstance(what, dict) else (what, {})
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    def __enter__(self) -> Web:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(patience(20))
        assert not self._thread.is_alive()


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody but itself vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agentless tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "cert.pem", directory / "key.pem"
    paths[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return paths
