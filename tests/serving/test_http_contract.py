"""What HTTP clients can rely on: each status, problem documents everywhere, and no word of the machine."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import re
import site
import tempfile
from pathlib import Path

import pytest
import schemathesis
from http_socket import Talk, ask, counted, get, is_problem, post, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from served_runners import png
from server_processes import wait_until

quick = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def test_an_answer_is_json_and_names_the_version_and_the_time(adder):
    reply = post(adder.url, {"x": [1.0, 2.5]})
    assert (reply.status, reply.json) == (200, {"sum": 3.5, "version": 0.0})
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["vessl-version"] == "adder:1"
    assert "GMT" in reply.headers["date"]


def test_the_long_way_gives_the_same_answer(adder):
    data = request(b'{"x": [1.0, 2.5]}', headers={"expect": "100-continue"})
    head, body = data[: data.index(b"\r\n\r\n") + 4], data[data.index(b"\r\n\r\n") + 4 :]
    with Talk(adder.url) as talk:
        talk.send(head)
        assert talk.reply().status == 100
        talk.send(body)
        reply = talk.reply()
        assert (reply.status, reply.json) == (200, {"sum": 3.5, "version": 0.0})
        assert reply.headers["vessl-version"] == "adder:1"
        assert "GMT" in reply.headers["date"]
        talk.send(request(b'{"x": [2]}'))
        assert talk.reply().json["sum"] == 2.0


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"x": [1,]}', b'{"x": [NaN]}', b"\xff\xfe", b"[" * 100_000, b'{"x": [' + b"9" * 5000 + b"]}"]
)
def test_a_body_that_is_no_json_is_400(adder, body):
    assert is_problem(ask(adder.url, request(body)), 400)


def test_data_that_does_not_fit_is_422_and_names_the_field(adder):
    reply = post(adder.url, {"x": [1, "two"]})
    assert is_problem(reply, 422)
    assert reply.json["errors"][0]["pointer"] == "/x/1"


def test_another_content_type_is_415(adder):
    assert is_problem(ask(adder.url, request(b"x", headers={"content-type": "text/csv"})), 415)


def test_an_unknown_address_is_404_and_a_wrong_method_405(adder):
    assert is_problem(get(adder.url, "/nothing"), 404)
    wrong = get(adder.url, "/predict")
    assert is_problem(wrong, 405)
    assert wrong.headers["allow"] == "POST"


def test_an_address_that_is_not_there_is_404_whatever_the_host(adder):
    assert is_problem(get(adder.url, "/nothing", host="[::1"), 404)


def test_a_body_that_is_announced_too_large_is_413_before_it_is_sent(adder):
    with Talk(adder.url) as talk:
        talk.send(request(headers={"content-length": str(10 * 1000**3)}))
        assert is_problem(talk.reply(), 413)
        assert talk.is_closed()


def test_a_body_in_chunks_without_end_is_413(adder):
    with Talk(adder.url) as talk:
        talk.send(request(headers={"transfer-encoding": "chunked"}).replace(b"content-length: 0\r\n", b""))
        for _ in range(110):
            talk.send(b"%x\r\n%b\r\n" % (1 << 20, b" " * (1 << 20)))
        assert is_problem(talk.reply(), 413)
        assert talk.is_closed()


def test_an_address_that_is_too_long_is_414_and_headers_431(adder):
    assert is_problem(get(adder.url, "/" + "a" * 70_000), 414)
    assert is_problem(ask(adder.url, request(b"1", headers={"x-much": "a" * 70_000})), 431)
    many = {f"x-{number}": "a" * 100 for number in range(1000)}
    assert is_problem(ask(adder.url, request(b"1", headers=many)), 431)


@pytest.mark.parametrize("stage", ["predict", "preprocess_data"])
def test_a_runner_that_raises_is_500_with_an_id_and_the_traceback_is_in_the_log_alone(obedient, stage):
    reply = post(obedient.url, {"do": "raise" if stage == "predict" else "raise early"})
    assert is_problem(reply, 500)
    assert reply.json["stage"] == stage
    assert b"secret words" not in reply.body
    log = obedient.logs()
    assert log.count(reply.json["id"]) == 1
    assert "ValueError: secret words of the traceback" in log.partition(reply.json["id"])[2]


def test_an_answer_that_cannot_be_written_is_500(obedient):
    reply = post(obedient.url, {"do": "not JSON"})
    assert is_problem(reply, 500)


def test_a_full_queue_is_503_and_says_when_to_try_again(obedient):
    with Talk(obedient.url) as one, Talk(obedient.url) as other:
        talks = [Talk(obedient.url) for _ in range(10)]
        sleep = request(json.dumps({"do": "sleep", "seconds": 0.3}).encode())
        for talk in [one, other, *talks]:
            talk.send(sleep)
        replies = [talk.reply() for talk in [one, other, *talks]]
        for talk in talks:
            talk.socket.close()
    refused = [reply for reply in replies if reply.status == 503]
    assert len(refused) == 12 - 2 - 4  # two workers, and a queue of four
    assert all(is_problem(reply, 503) and reply.headers["retry-after"] == "1" for reply in refused)
    assert [reply.status for reply in replies if reply not in refused] == [200] * 6


def test_a_runner_that_takes_too_long_is_504_and_its_worker_is_replaced(obedient):
    before = obedient.metadata()["server"]["restarts"]
    assert is_problem(post(obedient.url, {"do": "sleep", "seconds": 30}), 504)
    assert post(obedient.url, {}).status == 200
    wait_until(lambda: obedient.metadata()["server"]["restarts"] == before + 1)


def test_a_client_cannot_ask_what_only_the_server_asks(obedient):
    for kind in ("application/x-vessl-examples", "examples", "\0examples"):
        reply = ask(obedient.url, request(b"{}", headers={"content-type": kind}))
        assert b'"problem"' not in reply.body


def test_an_encoded_body_is_415_whatever_the_runner_takes(serve_from_shelf):
    for name in ("adder", "bytes"):
        body = gzip.compress(b'{"x": [1.0]}')
        reply = ask(serve_from_shelf(name).url, request(body, headers={"content-encoding": "gzip"}))
        assert is_problem(reply, 415)
        assert "gzip" in reply.json["detail"]


def test_a_form_or_nothing_at_all_is_no_file(serve_from_shelf):
    url = serve_from_shelf("bytes").url
    form = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nab\r\n--x--\r\n'
    reply = ask(url, request(form, headers={"content-type": "multipart/form-data; boundary=x"}))
    assert is_problem(reply, 415)
    assert "--data-binary" in reply.json["detail"]
    reply = ask(url, b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
    assert is_problem(reply, 400)
    assert "--data-binary" in reply.json["detail"]


def test_bytes_are_answered_with_bytes(serve_from_shelf):
    url = serve_from_shelf("bytes").url
    reply = ask(url, request(b"\x00\xffab", headers={"content-type": "application/octet-stream"}))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/octet-stream")
    assert reply.body == b"ba\xff\x00"
    large = os.urandom(5_000_000)
    assert ask(url, request(large, headers={"content-type": "application/octet-stream"})).body == large[::-1]
    as_json = ask(url, request(json.dumps(base64.b64encode(b"xyz").decode()).encode()))
    assert as_json.body == b"zyx"


def test_a_picture_is_answered_with_a_picture(serve_from_shelf):
    url = serve_from_shelf("picture").url
    reply = ask(url, request(png(), headers={"content-type": "image/png"}))
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(reply.body)).size == (3, 2)
    assert is_problem(ask(url, request(b"no picture", headers={"content-type": "image/png"})), 422)


def test_a_typed_runner_is_validated_by_its_own_model(serve_from_shelf):
    url = serve_from_shelf("typed").url
    assert post(url, {"x": 2}).json == {"sum": 2.5}
    reply = post(url, {"x": -1})
    assert is_problem(reply, 422)
    assert reply.json["errors"][0]["pointer"] == "/x"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metadata", "/openapi.json", "/recent"])
def test_each_page_is_json_and_answers_head_as_well(adder, path):
    reply = get(adder.url, path)
    assert reply.status == 200
    assert reply.json
    with Talk(adder.url) as talk:
        talk.send(request(method="HEAD", path=path))
        head = talk.reply(is_head=True)
        assert head.status == 200
        talk.send(request(method="GET", path="/health/live"))
        assert talk.reply().json == {"status": "live"}


def test_metrics_are_read_by_prometheus_and_count_what_was_asked(serve_from_shelf):
    url = serve_from_shelf("adder").url
    for data in ({"x": [1]}, {"x": [2]}, {"x": "no"}):
        post(url, data)
    reply = get(url, "/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert (counted(url)["200"], counted(url)["422"]) == (2, 1)


def test_the_page_for_people_needs_nothing_from_elsewhere(adder):
    reply = get(adder.url, "/docs")
    assert reply.headers["content-type"].startswith("text/html")
    assert not re.findall(rb"""(?:src|href)=["']?(?:https?:)?//""", reply.body)
    assert get(adder.url, "/").headers["location"] == "docs"


def test_a_connection_is_kept_as_http_says(adder):
    body = b'{"x": [1]}'
    with Talk(adder.url) as talk:
        for _ in range(3):
            talk.send(request(body))
            assert talk.reply().status == 200
        talk.send(request(body, headers={"connection": "close"}))
        assert talk.reply().headers["connection"] == "close"
        assert talk.is_closed()
    with Talk(adder.url) as talk:
        talk.send(request(body, version="1.0"))
        assert talk.reply().status == 200
        assert talk.is_closed()


def test_requests_sent_at_once_are_answered_in_their_order(adder):
    with Talk(adder.url) as talk:
        asked = [request(json.dumps({"x": [number]}).encode()) for number in range(20)]
        asked[5] = request(method="GET", path="/health/live")
        asked[11] = request(method="GET", path="/nothing")
        asked[12] = request(b"{")
        talk.send(b"".join(asked))
        replies = [talk.reply() for _ in asked]
    assert [reply.json.get("sum") for reply in replies] == [
        None if number in {5, 11, 12} else number for number in range(20)
    ]
    assert [replies[number].status for number in (5, 11, 12)] == [200, 404, 400]


def test_a_request_to_change_the_protocol_is_answered_in_this_one(adder):
    for wanted in ("h2c", "websocket"):
        reply = ask(adder.url, request(b'{"x": [1]}', headers={"connection": "upgrade", "upgrade": wanted}))
        assert (reply.status, reply.json["sum"]) == (200, 1.0)


def test_a_page_of_another_site_is_refused(adder):
    assert is_problem(post(adder.url, {"x": [1]}, headers={"origin": "https://elsewhere.example"}), 403)
    assert post(adder.url, {"x": [1]}, headers={"origin": "http://localhost"}).status == 200


def test_a_token_is_asked_for_everywhere_but_for_the_health(serve_from_shelf):
    url = serve_from_shelf("adder", token="a token").url
    basic = base64.b64encode(b"anybody:a token").decode()
    for known in ("Bearer a token", "bearer  a token", f"Basic {basic}"):
        assert post(url, {"x": [1]}, headers={"authorization": known}).status == 200
        assert get(url, "/metadata", authorization=known).status == 200
    wrong = base64.b64encode(b"anybody:another").decode()
    for unknown in (
        "",
        "Bearer",
        "Bearer a toke",
        "Bearer a tokens",
        "a token",
        f"Basic {wrong}",
        "Basic ~",
        "Basic é",
    ):
        for path in ("/predict", "/metadata", "/docs", "/nothing"):
            reply = ask(url, request(b'{"x": [1]}', path=path, headers={"authorization": unknown}))
            assert is_problem(reply, 401)
            assert "www-authenticate" in reply.headers
            assert b"a token" not in reply.body
    assert get(url, "/health/live").status == get(url, "/health/ready").status == 200


def test_no_answer_has_a_path_of_this_machine(adder, obedient, shelf):
    told = [str(Path.home()), str(shelf), tempfile.gettempdir() + "/", *site.getsitepackages(), str(Path.cwd()), ".py"]
    replies = [
        get(url, path)
        for url in (adder.url, obedient.url)
        for path in ("/", "/docs", "/metadata", "/metrics", "/openapi.json", "/recent", "/nothing", "/health/ready")
    ]
    replies += [post(adder.url, data) for data in ({"x": [1]}, {"x": 1}, [], None)]
    replies += [ask(adder.url, request(b"{"))]
    replies += [post(obedient.url, {"do": do}) for do in ("raise", "raise early", "not JSON", "exit", "panic")]
    for reply in replies:
        document = reply.body.decode() + str(reply.headers)
        assert not [path for path in told if path in document and path != "/root/"]


@quick
@given(st.binary(max_size=300) | st.text().map(str.encode))
def test_no_body_makes_the_server_fail(adder, body):
    reply = ask(adder.url, request(body))
    assert reply.status in {200, 400, 422}
    assert reply.status == 200 or is_problem(reply, reply.status)


@quick
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists))
def test_no_data_makes_the_server_fail(adder, data):
    reply = post(adder.url, {"x": data})
    assert reply.status in {200, 400, 422}


def test_the_openapi_document_tells_no_lie(adder, obedient):
    for server in (adder, obedient):
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        for operation in schema.get_all_operations():

            @settings(
                max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
            )
            @given(case=operation.ok().as_strategy())
            def hold(case):
                case.call_and_validate()

            hold()
