"""By which names a server is asked: a page whose name was made to lead to this machine gets nothing (DNS rebinding)."""

from __future__ import annotations

import base64
import ipaddress

import pytest
from http_socket import ask as ask_once
from http_socket import counted, get, is_problem, post, request
from hypothesis import given
from hypothesis import strategies as st

from vessl_nb.serving.access import Access

OWN = ["localhost", "LOCALHOST:8000", "ada.localhost:1", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::1]"]
FOREIGN = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example:80",
    "notlocalhost",
    "0.0.0.0:8000",
    "192.168.0.7:8000",
    "[2001:db8::1]:8000",
]


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)


@pytest.mark.parametrize("host", OWN)
def test_this_machines_own_names_may_be_asked_by(adder, host):
    assert post(adder.url, {"x": [1]}, headers={"host": host}).status == 200
    assert get(adder.url, "/metadata", host=host).status == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_another_name_is_refused_and_what_to_do_is_said(adder, host):
    headers = {"host": host, "origin": f"http://{host}"}
    for reply in (post(adder.url, {"x": [1]}, headers=headers), get(adder.url, "/metadata", **headers)):
        assert is_problem(reply, 403)
        assert host in reply.json["detail"]
        assert "with a token" in reply.json["detail"]
        assert b"sum" not in reply.body


@pytest.mark.parametrize("host", FOREIGN)
def test_whatever_watches_over_servers_may_ask_by_any_name(adder, host):
    assert get(adder.url, "/health/ready", host=host).status == 200
    assert get(adder.url, "/health/live", host=host).status == 200


@pytest.mark.parametrize(
    ("origin", "host", "is_foreign"),
    [
        ("https://model.example", "model.example:443", False), ("http://model.example", "model.example:80", False),
        ("https://model.example:8443", "model.example:8443", False), ("https://model.example", "MODEL.example", False),
        ("https://model.example", "model.example:80", True), ("http://model.example:8000", "model.example", True),
        ("https://evil.example", "model.example", True), ("null", "model.example", True),
    ],
)  # fmt: skip
def test_a_page_of_another_site_is_told_from_the_servers_own(serve_from_shelf, origin, host, is_foreign):
    url = serve_from_shelf("adder", token="known").url
    headers = {"origin": origin, "host": host}
    basic = "Basic " + base64.b64encode(b"any:known").decode()  # which a browser sends by itself
    reply = post(url, {"x": [1]}, headers={**headers, "authorization": basic})
    assert reply.status == (403 if is_foreign else 200)
    if is_foreign:
        assert origin in reply.json["detail"]
        assert host in reply.json["detail"]
    # This it does not: who has it was given it.
    assert post(url, {"x": [1]}, headers={**headers, "authorization": "Bearer known"}).status == 200
    assert post(url, {"x": [1]}, headers={**headers, "authorization": "Bearer else"}).status == 401


def test_behind_a_hub_the_hubs_name_is_taken(serve_from_shelf, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    url = serve_from_shelf("adder").url
    assert post(url, {"x": [1]}, headers={"host": "hub.example"}).status == 200
    assert get(url, "/docs", host="hub.example").status == 200


def test_with_a_token_any_name_is_taken(serve_from_shelf):
    url = serve_from_shelf("adder", token="known").url
    knows = {"authorization": "Bearer known", "host": "model.example"}
    assert post(url, {"x": [1]}, headers=knows).status == 200
    assert get(url, "/metadata", **knows).status == 200


def test_a_client_that_names_no_host_is_no_browser(adder):
    data = request(b'{"x": [1]}', version="1.0").replace(b"host: localhost\r\n", b"")
    assert b"host" not in data
    assert ask_once(adder.url, data).status == 200


@given(st.ip_addresses())
def test_an_address_is_taken_where_it_is_a_loopback_address(address):
    host = f"[{address}]" if address.version == 6 else str(address)
    for port in ("", ":8000"):
        assert Access("").takes_host(f"{host}{port}".encode()) == ipaddress.ip_address(address).is_loopback


@given(st.binary())
def test_no_host_header_makes_the_server_fail(host):
    assert isinstance(Access("").takes_host(host), bool)


def test_what_was_found_good_is_not_remembered_without_end():
    access = Access("")
    for number in range(1000):
        assert access.takes_host(b"a%d.localhost" % number)
    assert len(access._good_hosts) < 100


def test_the_metrics_count_what_was_refused_at_predict_and_nowhere_else(serve_from_shelf):
    url = serve_from_shelf("adder", token="known").url
    for path in ("/metadata", "/metrics", "/docs", "/nothing"):
        assert get(url, path).status == 401
    assert post(url, {"x": [1]}).status == 401
    assert counted(url, authorization="Bearer known")["401"] == 1


def test_a_wrong_token_is_told_from_none(serve_from_shelf):
    url = serve_from_shelf("adder", token="known").url
    assert post(url, {"x": [1]}).json["title"] == "Token needed"
    assert post(url, {"x": [1]}, headers={"authorization": "Bearer guessed"}).json["title"] == "Wrong token"
