"""Who is answered: this machine's browser with the token. Others are refused, also by a name that leads here."""

from __future__ import annotations

import pytest

from tests.explore.page_server import TOKEN, serve_page

pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def page(tiny_model):
    with serve_page(tiny_model, wait=False) as served:
        yield served


def test_the_page_is_served_with_a_strict_policy(page):
    status, headers, body = page.request("GET", f"/{TOKEN}/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>drai explore</title>" in body
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    assert not any(name in headers for name in ("server", "set-cookie"))


@pytest.mark.parametrize(
    "path", ["/", "/api/model", "/wrong/", "/wrong/api/model", f"/{TOKEN}", f"//{TOKEN}/", f"/{TOKEN}x/"]
)
def test_without_the_token_nothing_is_there(page, path):
    status, headers, body = page.request("GET", path)
    assert status == 404
    assert TOKEN.encode() not in body
    assert headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
@pytest.mark.parametrize("name", ["", "api/model", "main.js"])
def test_another_host_is_refused(page, host, name):
    headers = {"Host": host.format(port=page.port)}
    assert page.request("GET", f"/{TOKEN}/{name}", headers=headers)[0] == 421


def test_localhost_is_this_machine(page):
    assert page.request("GET", f"/{TOKEN}/", headers={"Host": f"localhost:{page.port}"})[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", ""]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused(page, origin, method):
    headers = {"Origin": origin.format(port=page.port)}
    assert page.request(method, f"/{TOKEN}/api/status", b"{}", headers)[0] == 403


def test_a_change_needs_the_page_as_its_origin(page):
    assert page.request("POST", f"/{TOKEN}/api/command", b"{}")[0] == 403
    assert page.request("POST", f"/{TOKEN}/api/command", b"{}", {"Origin": page.origin})[0] == 200


def test_what_another_site_embeds_is_refused_but_a_link_works(page):
    for mode in ("no-cors", "cors"):
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
        assert page.request("GET", f"/{TOKEN}/main.js", headers=headers)[0] == 403
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert page.request("GET", f"/{TOKEN}/", headers=headers)[0] == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(page, method):
    assert page.request(method, f"/{TOKEN}/")[0] == 405


OUTSIDE = (
    "../server.py", "..%2fserver.py", "%2e%2e/server.py", "/etc/passwd", "..\\server.py", "evaluation.html",
    "main.js%00",
)  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_only_the_files_of_the_page_are_served(page, name):
    status, _, body = page.request("GET", f"/{TOKEN}/{name}")
    assert status == 404
    assert b"import" not in body


def test_it_listens_on_this_machine_alone(page):
    import socket

    with socket.socket() as other:
        # The same port is free on another address of this machine.
        other.bind(("127.0.0.2", page.port))
