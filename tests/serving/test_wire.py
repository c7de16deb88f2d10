"""What the front and a worker say to each other, through real sockets."""

from __future__ import annotations

import contextlib
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vessl_nb.serving.wire import (
    FAILED_STAGES,
    INLINE,
    Answer,
    AnswerReader,
    AskReader,
    Slots,
    pack_answer,
    pack_ask,
    packet_pair,
    send_in_file,
)

FOREVER = 1e9


@pytest.fixture(params=["came late", "came at once"])
def ends(request):
    """The front's end, a reader of the worker's end, and the slots; the last ask came late, or at once."""
    asks, workers_end = packet_pair()
    slots = Slots()
    note = slots.note(3)
    with contextlib.closing(slots), note, workers_end, asks:
        reader = AskReader(workers_end, note)
        late = threading.Timer(0.01, asks.send, [pack_ask(1, FOREVER, b"", b"")])
        if request.param == "came late":
            late.start()
        else:
            late.function(*late.args)
        assert reader.next().id == 1
        yield asks, reader, slots
        late.cancel()


def test_asks_arrive_as_they_were_sent(ends):
    asks, reader, slots = ends
    large = bytes(range(256)) * (INLINE // 128)
    asks.send(pack_ask(2, FOREVER, b"image/png", b"small"))
    send_in_file(asks, 3, FOREVER, b"", large)
    ask = reader.next()
    assert (ask.id, ask.deadline, ask.content_type, bytes(ask.body)) == (2, FOREVER, "image/png", b"small")
    assert slots.read(3) == 2
    ask = reader.next()
    assert (ask.id, ask.content_type, bytes(ask.body)) == (3, "", large)
    assert slots.read(3) == 3


def test_the_end_of_the_front_ends_the_asks(ends):
    asks, reader, _ = ends
    asks.close()
    assert reader.next() is None


def test_an_ask_is_waited_for_however_long_it_takes(ends):
    asks, reader, _ = ends
    later = threading.Timer(0.05, asks.send, [pack_ask(2, FOREVER, b"", b"{}")])
    later.start()
    assert reader.next().id == 2
    later.join()


seconds = st.floats(0, 1e6)
answers = st.builds(
    Answer,
    st.integers(1, 2**64 - 1),
    st.integers(100, 599),
    st.sampled_from(FAILED_STAGES),
    st.binary(max_size=40),
    st.binary(max_size=2000),
    st.tuples(seconds, seconds, seconds),
)


@given(st.lists(answers, max_size=8), st.lists(st.integers(0, 5_000), max_size=30))
def test_answers_are_read_wherever_the_stream_is_cut(sent, cuts):
    stream = b"".join(map(pack_answer, sent))
    reader, heard = AnswerReader(), []
    for start, end in pairwise([0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]):
        reader.feed(stream[start:end], heard.append)
    assert heard == sent
