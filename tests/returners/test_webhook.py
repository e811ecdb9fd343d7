"""The returner `webhook`: a real server that fails, hangs, drips, redirects, hangs up, and comes back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cache.results import returned
from tests.hosts import patience, serving
from tests.hosts.needs import need
from tests.returners.bench import Bench
from tests.returners.web import Web

ONE = {"web1": returned()}


def hook(bench: Bench, url: str, timeout: int = 60) -> None:
    bench.configure(f"returners: {{hook: {{type: webhook, url: '{url}', timeout: {timeout}}}}}")


def test_each_return_is_a_post_with_a_key_that_makes_it_one_and_the_same(bench: Bench, web: Web) -> None:
    hook(bench, web.url + "?team=ops")
    job = bench.job({"web1": returned(), "db é/1": returned(b"\xff", 1)}, returners=("hook",))
    assert bench.deliver() == []
    assert [post.path for post in web.posts] == ["/hook?team=ops"] * 2
    assert [post.headers["idempotency-key"] for post in web.posts] == [f"{job.jid}-web1", f"{job.jid}-db%20%C3%A9%2F1"]
    assert {post.headers["content-type"] for post in web.posts} == {"application/json"}
    assert web.posts[0].document["host"] == "web1"
    assert web.posts[0].document["stdout"] == "ok\n"
    assert web.posts[1].document["stdout_base64"] == "/w=="
    assert web.posts[0].document["arguments"] == ["id"]
    assert web.connections == 1
    assert bench.owed() == {}


@pytest.mark.parametrize("status", [500, 503, 429, 408, "close"])
def test_what_may_pass_is_tried_again_with_the_same_key(bench: Bench, web: Web, status: object) -> None:
    hook(bench, web.url)
    bench.job(ONE, returners=("hook",))
    web.script.extend([status, status])
    assert bench.deliver() == []
    assert len(web.posts) == 3
    assert len({post.headers["idempotency-key"] for post in web.posts}) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_what_the_server_refuses_is_told_and_handed_over_again_by_the_next_command(
    bench: Bench, web: Web, status: int
) -> None:
    hook(bench, web.url)
    bench.job(ONE, returners=("hook",))
    web.script.append(status)
    (warning,) = bench.deliver()
    assert warning.startswith(f"the returner hook has yet to get 1 return: http://127.0.0.1:{web.port}: HTTP {status} ")
    assert len(web.posts) == 1
    assert bench.deliver() == []
    assert len(web.posts) == 2


def test_one_return_that_is_refused_does_not_stand_in_the_way_of_others(bench: Bench, web: Web) -> None:
    hook(bench, web.url)
    bench.job({f"web{n}": returned() for n in range(5)}, returners=("hook",))
    web.script.append(400)
    (warning,) = bench.deliver()
    assert "has yet to get 1 return:" in warning
    assert [post.document["host"] for post in web.posts] == [f"web{n}" for n in range(5)]


def test_after_three_refusals_in_a_row_it_is_left_alone_and_the_next_command_begins_with_others(
    bench: Bench, web: Web
) -> None:
    hook(bench, web.url)
    bench.job({f"web{n}": returned() for n in range(5)}, returners=("hook",))
    web.script.extend([404] * 3)
    (warning,) = bench.deliver()
    assert "has yet to get 5 returns" in warning
    assert len(web.posts) == 3
    web.script.extend([200, 200, 404, 404])
    (warning,) = bench.deliver()
    assert [post.document["host"] for post in web.posts[3:5]] == ["web3", "web4"]
    assert "has yet to get 2 returns" in warning


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_one_that_hangs_or_drips_is_left_at_the_deadline(bench: Bench, web: Web, how: str) -> None:
    need("many seconds")
    seconds = round(patience(2 / 3))
    hook(bench, web.url, seconds)
    bench.job(returners=("hook",))
    web.script.append(how)
    before, limit = time.monotonic(), patience(10)
    (warning,) = bench.deliver()
    assert time.monotonic() - before < limit
    assert "has yet to get 2 returns" in warning
    assert f"no answer within {seconds} s" in warning or f"no end within {seconds} s" in warning
    assert bench.deliver() == []
    assert {post.document["host"] for post in web.posts} == {"web1", "web2"}


def test_retry_after_is_kept_to_and_one_that_is_too_long_ends_it(bench: Bench, web: Web) -> None:
    hook(bench, web.url)
    bench.job(ONE, returners=("hook",))
    web.script.append({"status": 503, "headers": {"Retry-After": "1000"}})
    (warning,) = bench.deliver()
    assert "HTTP 503" in warning
    assert len(web.posts) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(
    bench: Bench, web: Web, start_web: Callable[..., Web], status: int
) -> None:
    other = start_web()
    hook(bench, web.url)
    bench.job(ONE, returners=("hook",))
    web.script.append({"status": status, "headers": {"Location": other.url}})
    (warning,) = bench.deliver()
    assert "redirects are not followed" in warning
    assert other.posts == []


def test_a_server_that_was_away_gets_everything_when_it_is_back(bench: Bench, start_web: Callable[..., Web]) -> None:
    need("many seconds")
    with socket.socket() as holder:
        # Nobody listens there, and nobody else takes the port in the meantime.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        hook(bench, f"http://127.0.0.1:{port}/hook")
        bench.job(returners=("hook",))
        (warning,) = bench.deliver()
        assert "has yet to get 2 returns" in warning
        assert "Connection refused" in warning
        web = start_web(port)
    assert bench.deliver() == []
    assert [post.document["host"] for post in web.posts] in (["web1", "web2"], ["web2", "web1"])


def test_what_speaks_no_http_is_told(bench: Bench) -> None:
    need("many seconds")
    with serving(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")) as (_, port):
        hook(bench, f"http://127.0.0.1:{port}/")
        bench.job(ONE, returners=("hook",))
        (warning,) = bench.deliver()
    assert "has yet to get 1 return" in warning


def test_tls_is_checked(
    bench: Bench, tmp_path: Path, start_web: Callable[..., Web], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tls").mkdir()
    web = start_web(tls=tmp_path / "tls")
    hook(bench, web.url)
    bench.job(ONE, returners=("hook",))
    (warning,) = bench.deliver()
    assert "its certificate is not trusted" in warning
    assert web.posts == []
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls" / "cert.pem"))
    assert bench.deliver() == []
    assert len(web.posts) == 1


def test_tokens_come_from_a_file_or_the_environment_and_stand_in_no_message(
    bench: Bench, web: Web, tmp_path: Path
) -> None:
    (tmp_path / "headers").write_text("# for the tests\nAuthorization: Bearer tok-4711\nX-Team: ops\n")
    (tmp_path / "url").write_text(web.url + "/s3cret-path\n")
    bench.configure("returners: {hook: {type: webhook, url_file: url, headers_file: headers}}")
    bench.job(ONE, returners=("hook",))
    web.script.append(403)
    (warning,) = bench.deliver()
    assert web.posts[0].headers["authorization"] == "Bearer tok-4711"
    assert web.posts[0].headers["x-team"] == "ops"
    assert web.posts[0].path == "/hook/s3cret-path"
    for text in (warning, *bench.notes, repr(bench.config)):
        assert "tok-4711" not in text
        assert "s3cret" not in text
    bench.environ["HOOK_HEADERS"] = "Authorization: Bearer tok-0815"
    bench.environ["HOOK_URL"] = web.url
    bench.configure("returners: {hook: {type: webhook, url_env: HOOK_URL, headers_env: HOOK_HEADERS}}")
    assert bench.deliver() == []
    assert web.posts[1].headers["authorization"] == "Bearer tok-0815"


@pytest.mark.parametrize(
    ("url", "headers", "words"),
    [
        ("gopher://x/", "", "it is no URL of a webhook"),
        ("https:///x", "", "it is no URL of a webhook"),
        ("https://h:99999/", "", "it is no URL"),
        ("https://h/a b", "", "it is no URL of a webhook"),
        ("https://a..b/tok-4711", "", "it is no URL"),
        (f"https://{'a' * 64}.example/tok-4711", "", "it is no URL"),
        ("https://tok-4711@h/", "", "a login stands in it"),
        ("https://h/", "Authorization tok-4711", "line 1 of it is no header"),
        ("https://h/", "A: b\nX: tok-4711\x07", "line 2 of it is no header"),
        ("https://h/", "Idempotency-Key: tok-4711", "the header Idempotency-Key is agentless's own"),
    ],
)
def test_a_url_or_a_header_that_is_none_is_told_without_it(bench: Bench, url: str, headers: str, words: str) -> None:
    bench.environ.update(URL=url, HEADERS=headers or "A: b")
    bench.configure("returners:\n  hook:\n    type: webhook\n    url_env: URL\n    headers_env: HEADERS\n")
    bench.job(ONE, returners=("hook",))
    (warning,) = bench.deliver()
    assert words in warning
    assert f"{bench.root}/config.yaml:" in warning
    assert "4711" not in warning
