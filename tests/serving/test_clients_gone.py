"""Clients that go away while they wait: their requests are not begun, and nobody else waits for them."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time

import pytest
from http_socket import Talk, counted, get, is_problem, post, request
from prometheus_client.parser import text_string_to_metric_families
from server_processes import wait_until

ON_THE_LONG_WAY = {"expect": "100-continue"}


def order(do, headers=None, **how):
    return request(json.dumps({"do": do, **how}).encode(), headers=headers)


def leave(talk, *, is_reset):
    """Go away: with a word, as who closes a connection does, or with a reset, as who has not read everything."""
    if is_reset:
        talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.socket.close()


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("headers", [{}, ON_THE_LONG_WAY], ids=["short way", "long way"])
def test_clients_that_went_away_give_their_places_back(serve_from_shelf, tmp_path, is_reset, headers):
    url, path = serve_from_shelf("obedient", queue=3).url, tmp_path / "touched"
    with contextlib.ExitStack() as stack:
        sleeper, *later = [stack.enter_context(Talk(url)) for _ in range(4)]
        sleeper.send(order("sleep", seconds=8))
        time.sleep(0.1)
        for _ in range(3):  # as many as the queue holds
            talk = stack.enter_context(Talk(url))
            talk.send(order("touch", headers, path=f"{path}"))
            if headers:
                assert talk.reply().status == 100
            time.sleep(0.1)
            leave(talk, is_reset=is_reset)
        wait_until(lambda: counted(url).get("499", 0) == 3)
        for talk in later:
            talk.send(order(""))
        assert [talk.reply().status for talk in [sleeper, *later]] == [200] * 4
    assert not path.exists()


def test_a_request_that_a_worker_is_at_keeps_its_place_though_its_client_is_gone(serve_from_shelf):
    url = serve_from_shelf("obedient", queue=0).url
    with Talk(url) as talk:
        talk.send(order("sleep", seconds=5))
        time.sleep(0.1)
        leave(talk, is_reset=True)
    wait_until(lambda: counted(url).get("499") == 1)
    assert is_problem(post(url, {}), 503)
    wait_until(lambda: post(url, {}).status == 200)


def test_the_time_that_they_waited_is_among_the_latencies(serve_from_shelf):
    url = serve_from_shelf("obedient").url
    with Talk(url) as talk:
        talk.send(order("sleep", seconds=10))
        time.sleep(0.5)
        leave(talk, is_reset=True)
    wait_until(lambda: counted(url).get("499") == 1)
    sums = [
        sample.value
        for family in text_string_to_metric_families(get(url, "/metrics").body.decode())
        for sample in family.samples
        if sample.name == "vessl_request_seconds_sum"
    ]
    assert 0.4 < sum(sums) < 10


def test_a_server_that_is_stopped_does_not_wait_for_answers_that_nobody_gets(serve_from_shelf):
    server = serve_from_shelf("obedient", timeout=20)
    with Talk(server.url) as talk:
        talk.send(order("sleep", seconds=15))
        time.sleep(0.1)
        leave(talk, is_reset=True)
    wait_until(lambda: counted(server.url).get("499") == 1)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10


def test_who_only_sends_no_more_may_wait_a_while_after_a_slow_upload(serve_from_shelf):
    url = serve_from_shelf("obedient").url
    with Talk(url) as sleeper, Talk(url) as talk:
        asked = order("")
        talk.send(asked[:-1])
        time.sleep(1.2)
        sleeper.send(order("sleep", seconds=0.8))
        time.sleep(0.1)
        talk.send(asked[-1:])
        talk.socket.shutdown(socket.SHUT_WR)
        assert talk.reply().status == 200


def test_who_only_sends_no_more_reads_why_it_was_given_up(serve_from_shelf):
    url = serve_from_shelf("obedient").url
    for headers in ({}, ON_THE_LONG_WAY):
        with Talk(url) as sleeper, Talk(url) as talk:
            sleeper.send(order("sleep", seconds=3))
            time.sleep(0.1)
            talk.send(order("", headers))
            if headers:
                assert talk.reply().status == 100
            talk.socket.shutdown(socket.SHUT_WR)
            assert is_problem(talk.reply(), 499)
            assert sleeper.reply().status == 200


def test_several_requests_on_one_connection_that_breaks_leave_nothing_in_the_log(serve_from_shelf):
    server = serve_from_shelf("obedient")
    with Talk(server.url) as sleeper:
        sleeper.send(order("sleep", seconds=1.5))
        time.sleep(0.1)
        with Talk(server.url) as talk:
            talk.send(order("", ON_THE_LONG_WAY))
            assert talk.reply().status == 100
            talk.send(order("") * 2)
            time.sleep(0.1)
            leave(talk, is_reset=True)
        assert sleeper.reply().status == 200
    assert post(server.url, {}).status == 200
    assert "Traceback" not in server.logs()
