"""Clients that mean harm, or are broken: the server answers all others as before, and keeps nothing of them."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import psutil
import pytest
from http_socket import Talk, ask, counted, get, is_problem, post, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_processes import alive, at, processes_of, wait_until

BODY = b'{"x": [1, 2]}'
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + os.urandom(32) + bytes(160)


def answers(server):
    """Tell whether the server answers at once."""
    begun = time.monotonic()
    reply = ask(server.url, request(BODY))
    return (reply.status, reply.json["sum"]) == (200, 3.0) and time.monotonic() - begun < 5


@pytest.fixture(autouse=True)
def same_as_before(adder):
    """Hold the server's descriptors and memory after each test against those before it."""
    front = psutil.Process(adder._process.pid)
    assert answers(adder)
    descriptors, memory = front.num_fds(), front.memory_info().rss
    yield
    assert answers(adder)
    wait_until(lambda: front.num_fds() <= descriptors + 2)
    assert front.memory_info().rss < memory + 60_000_000
    assert adder.metadata()["server"]["restarts"] == 0
    assert adder.is_running


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n\r\n\r\n" + b"garbage\r\n\r\n",
        CLIENT_HELLO,
        bytes(1000),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n123456",
        b"POST /predict HTTP/1.1\r\ncontent-length: -5\r\n\r\n12345",
        b"POST /predict HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n",
        b"POST /predict HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
    ],
    ids=range(14),
)
def test_what_is_no_request_is_400_and_ends_the_connection(adder, data):
    with Talk(adder.url) as talk:
        talk.send(data)
        assert is_problem(talk.reply(), 400)
        assert talk.is_closed()


@pytest.mark.parametrize("garbage", [b"\x16\x03garbage", b"POST /predict HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HT"])
def test_garbage_behind_requests_is_refused_after_their_answers(adder, garbage):
    with Talk(adder.url) as talk:
        talk.send(request(BODY) + request(method="GET", path="/health/live") + request(BODY) + garbage)
        if garbage == b"GET / HT":
            talk.socket.shutdown(socket.SHUT_WR)
        replies = [talk.reply() for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 200]
        assert [reply.json.get("sum") for reply in replies] == [3.0, None, 3.0]
        assert is_problem(talk.reply(), 400)
        assert talk.is_closed()


def test_a_body_that_breaks_off_behind_a_request_is_refused_after_its_answer(adder):
    broken = request(headers={"transfer-encoding": "chunked"}).replace(b"content-length: 0\r\n", b"") + b"zz\r\n"
    with Talk(adder.url) as talk:
        talk.send(request(BODY) + broken)
        assert talk.reply().json["sum"] == 3.0
        assert is_problem(talk.reply(), 400)
        assert talk.is_closed()


def test_a_client_that_has_said_all_still_gets_its_answer(obedient):
    with Talk(obedient.url) as talk:
        talk.send(request(json.dumps({"do": "sleep", "seconds": 0.3}).encode()))
        talk.socket.shutdown(socket.SHUT_WR)
        assert talk.reply().status == 200
        assert talk.is_closed()


def test_a_client_that_goes_away_while_it_waits_disturbs_nobody(obedient):
    for _ in range(4):
        with Talk(obedient.url) as talk:
            talk.send(request(json.dumps({"do": "sleep", "seconds": 0.2}).encode()))
    wait_until(lambda: post(obedient.url, {}).status == 200)


def test_requests_that_never_end_do_not_hold_up_others(adder):
    halves = [
        b"",
        b"P",
        b"POST /predict",
        request(BODY)[:-40],
        request(BODY)[:-1],
        request(BODY, headers={"a": "b"})[:60],
    ]
    talks = [Talk(adder.url) for _ in range(200)]
    for number, talk in enumerate(talks):
        talk.send(halves[number % len(halves)])
    assert all(answers(adder) for _ in range(20))
    for talk in talks:
        talk.socket.close()


def test_a_request_that_comes_byte_by_byte_is_answered(adder):
    with Talk(adder.url) as talk:
        talk.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in (
            request(BODY, headers={"transfer-encoding": "chunked"})
            .replace(b"content-length: 13\r\n", b"")
            .replace(BODY, b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n")
        ):
            talk.send(bytes([byte]))
        assert talk.reply().json["sum"] == 3.0


def test_ten_thousand_connections_opened_and_dropped(adder):
    place = urllib.parse.urlsplit(adder.url)
    begun = time.monotonic()
    for number in range(10_000):
        with socket.create_connection((place.hostname, place.port)) as one:
            if number % 3 == 1:
                one.sendall(request(BODY)[: number % 150])
            if number % 3 == 2:
                one.sendall(request(BODY))
    assert time.monotonic() - begun < 90


def test_two_thousand_connections_at_once_are_kept(adder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    talks = [Talk(adder.url) for _ in range(2000)]
    for talk in talks:
        talk.send(request(BODY))
    statuses = [talk.reply().status for talk in talks]
    assert set(statuses) <= {200, 503}  # the queue holds 256
    assert statuses.count(200) >= 256
    for talk in talks[::7]:
        talk.send(request(BODY))
        assert talk.reply().status == 200
    for talk in talks:
        talk.socket.close()


@pytest.mark.parametrize("at_once", [1, 10])
def test_a_client_that_reads_nothing_makes_the_server_keep_little(obedient, at_once):
    front = psutil.Process(obedient._process.pid)
    before = front.memory_info().rss
    asked = request(json.dumps({"do": "large", "size": 4_000_000}).encode())
    with Talk(obedient.url) as talk:
        talk.socket.setblocking(False)
        for _ in range(40):
            with contextlib.suppress(BlockingIOError):
                talk.socket.send(asked * at_once)
            time.sleep(0.04)
        assert front.memory_info().rss < before + 80_000_000
        assert post(obedient.url, {}).status == 200


@pytest.mark.parametrize("where", ["header", "headers", "chunk", "trailer"])
def test_a_head_without_end_is_refused_before_it_fills_the_memory(adder, where):
    chunked = request(headers={"transfer-encoding": "chunked"}).replace(b"content-length: 0\r\n", b"")
    begun = {
        "header": b"POST /predict HTTP/1.1\r\nx: ",
        "headers": b"POST /predict HTTP/1.1\r\n",
        "chunk": chunked + b"1;",
        "trailer": chunked + b"1\r\n1\r\n0\r\nx: ",
    }
    part = b"x: y\r\n" * 10_000 if where == "headers" else b"a" * 60_000
    with Talk(adder.url) as talk:
        talk.send(begun[where])
        for _ in range(10):
            talk.send(part)
        reply = talk.reply()
        assert is_problem(reply, 431) or is_problem(reply, 400)
        assert talk.is_closed()


def test_deep_json_and_huge_numbers_are_refused_at_once(adder):
    for data in (
        b"[" * 1_000_000,
        b'{"x": [' + b"9" * 1_000_000 + b"]}",
        b'{"x":' * 50_000,
        b"-" * 1000,
        b"1e999999999",
    ):
        begun = time.monotonic()
        assert ask(adder.url, request(data)).status in {400, 422}
        assert time.monotonic() - begun < 8


def test_large_bodies_by_many_at_once_come_through(adder):
    body = b'{"x": [' + b"1," * 1_000_000 + b"1]}"
    sums = []
    threads = [
        threading.Thread(target=lambda: sums.append(ask(adder.url, request(body)).json["sum"])) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [1_000_001.0] * 6


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from([request(BODY), request(BODY)[:-1], request(BODY)[:-20], b"\r\n", b"0\r\n\r\n"])
        | st.binary(max_size=40),
        max_size=5,
    )
)
def test_any_bytes_are_answered_or_waited_for(adder, parts):
    with Talk(adder.url, timeout=5) as talk:
        talk.send(b"".join(parts))
        talk.socket.shutdown(socket.SHUT_WR)
        while True:
            try:
                assert talk.reply().status in {200, 400, 404, 405, 422, 431}
            except (EOFError, ConnectionResetError):
                break


def test_the_health_is_told_under_garbage(adder):
    stop = threading.Event()

    def throw():
        while not stop.is_set():
            with Talk(adder.url) as talk:
                talk.send(os.urandom(1000))

    thread = threading.Thread(target=throw)
    thread.start()
    try:
        assert all(get(adder.url, "/health/ready").status == 200 for _ in range(50))
    finally:
        stop.set()
        thread.join()
    assert len(adder.logs(10_000)) < 20_000  # it is not written down for each


IMPATIENT = """
import sys
from vessl_nb.serving import limits
limits.READING = limits.IDLE = limits.WRITING = 1.0
limits.LINGERING, limits.SLOWEST, limits._CONNECTIONS = 0.5, 20_000_000, 20
limits.BODIES = 3_000_000
from vessl_nb.serving.options import Options
from vessl_nb.serving.server import serve_until_told
serve_until_told(Options(reference="obedient", port=0), lambda said: print(said.url, flush=True))
"""


@pytest.fixture(scope="module")
def impatient(shelf):
    """Start a server that waits for clients a second, where others wait half a minute, and has room for twenty."""
    with at(shelf):
        running = subprocess.Popen(
            [sys.executable, "-c", IMPATIENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    yield running.stdout.readline().strip()
    running.terminate()
    running.communicate()


@pytest.mark.parametrize("part", [b"POST /pre", request(b"1234", path="/predict")[:-2]], ids=["head", "body"])
def test_a_request_that_does_not_arrive_is_408(impatient, part):
    with Talk(impatient) as talk:
        talk.send(part)
        assert is_problem(talk.reply(), 408)
        assert talk.is_closed()


def test_a_connection_without_a_request_is_closed(impatient):
    with Talk(impatient) as fresh, Talk(impatient) as used:
        used.send(request(b"{}"))
        assert used.reply().status == 200
        assert fresh.is_closed()
        assert used.is_closed()


def test_an_answer_that_is_not_read_is_given_up(impatient):
    with Talk(impatient) as talk:
        talk.send(request(json.dumps({"do": "large", "size": 20_000_000}).encode()))
        time.sleep(3.5)
        assert post(impatient, {}).status == 200
        with pytest.raises((EOFError, ConnectionResetError)):
            talk.reply()
    with Talk(impatient) as talk:
        talk.send(request(json.dumps({"do": "large", "size": 20_000_000}).encode()))
        assert len(talk.reply().body) == 20_000_002


def test_a_connection_too_many_is_503(impatient):
    talks = [Talk(impatient) for _ in range(20)]
    with Talk(impatient) as one_more:
        reply = one_more.reply()
        assert is_problem(reply, 503)
        assert reply.headers["retry-after"] == "1"
    for talk in talks:
        talk.socket.close()
    wait_until(lambda: post(impatient, {}).status == 200)


def test_what_is_no_request_to_predict_is_not_counted_as_one(impatient):
    def other():
        lines = get(impatient, "/metrics").body.decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("vessl_refused_connections_total "))

    before, others = counted(impatient), other()
    for data in (CLIENT_HELLO, request(method="GET", path="/docs", headers={"x-much": "a" * 70_000})):
        assert ask(impatient, data).status in {400, 431}
    assert ask(impatient, request(b"{}", headers={"x-much": "a" * 70_000})).status == 431
    assert other() == others + 2
    assert counted(impatient) == before | {"431": before.get("431", 0) + 1}


@pytest.mark.parametrize("headers", [{}, {"expect": "100-continue"}], ids=["short way", "long way"])
def test_bodies_that_are_too_many_together_are_503_and_their_room_is_given_back(impatient, headers):
    asked = request(json.dumps({"do": "", "much": "x" * 1_700_000}).encode(), headers=headers)
    with Talk(impatient) as one, Talk(impatient) as other:
        one.send(asked[:-10])
        time.sleep(0.2)
        with contextlib.suppress(OSError):
            other.send(asked[:-10])
        replies = iter(other.reply, None)
        reply = next(reply for reply in replies if reply.status != 100)
        assert is_problem(reply, 503)
        assert reply.headers["retry-after"] == "1"
        one.send(asked[-10:])
        assert next(reply for reply in iter(one.reply, None) if reply.status != 100).status == 200
    for _ in range(5):  # whether they are answered, refused, or left
        assert post(impatient, {"much": "x" * 1_700_000}).status == 200
        with Talk(impatient) as gone:
            gone.send(asked[:-10])
        with Talk(impatient) as kept:
            kept.send(asked.replace(b"POST /predict", b"POST /nothing"))
            assert next(reply for reply in iter(kept.reply, None) if reply.status != 100).status == 404
            kept.send(asked)
            assert next(reply for reply in iter(kept.reply, None) if reply.status != 100).status == 200
    with Talk(impatient) as too_large:
        too_large.send(request(b"", headers={"content-length": "3000001"}))
        assert is_problem(too_large.reply(), 413)


def test_there_is_nobody_left_over(adder):
    assert len(alive(processes_of(adder))) == 1 + 1 + 2  # the front, the loading process, two workers
