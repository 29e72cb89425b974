"""Server-sent events, however their bytes are cut."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.types import ResponseInvalid, StopReason
from tinkex_actors.wire.events import EventDecoder, SampledToken, ServerSentEvent, decode_sample_event

STREAM = b': hello\r\ndata: {"a": 1}\r\n\r\nevent: x\rid: 7\rdata: one\rdata: two\r\rdata:three\n\nretry: 5\n\ndata\n\n'
EVENTS = [
    ServerSentEvent('{"a": 1}'),
    ServerSentEvent("one\ntwo", "x", "7"),
    ServerSentEvent("three", "message", "7"),
    ServerSentEvent("", "message", "7"),
]


@pytest.mark.tinkex("T141", "F245", "F246")
@given(cuts=st.lists(st.integers(0, len(STREAM))))
def test_events_do_not_depend_on_where_the_bytes_are_cut(cuts: list[int]) -> None:
    """A network cuts where it likes, also between CR and LF; comments and unknown fields are nothing."""
    decoder, found = EventDecoder(), list[ServerSentEvent]()
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        found += decoder.feed(STREAM[start:end])
    assert found == EVENTS


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_one_typed_error(data: bytes) -> None:
    """Nothing else comes out of a broken stream."""
    try:
        events = EventDecoder().feed(data + b"\n\n")
    except ResponseInvalid:
        return
    assert all(isinstance(event.data, str) for event in events)


def test_an_endless_event_is_refused() -> None:
    """Memory is bounded, whatever the server sends."""
    decoder, line = EventDecoder(), b"data: " + b"x" * 400_000 + b"\n"
    decoder.feed(line * 2)
    with pytest.raises(ResponseInvalid, match="at most a million bytes"):
        decoder.feed(line)
    with pytest.raises(ResponseInvalid, match="at most a million bytes"):
        EventDecoder().feed(b"x" * 1_000_001)


def test_a_token_is_read_with_its_sequence() -> None:
    """Its logprob may be missing; the last has the reason."""
    body = {"kind": "token", "index": 1, "token_id": 5, "logprob": -0.5, "finish_reason": None}
    event = ServerSentEvent(orjson.dumps(body).decode())
    assert decode_sample_event(event) == SampledToken(1, 5, -0.5)
    last = ServerSentEvent('{"kind": "token", "index": 0, "token_id": 6, "finish_reason": "stop"}')
    assert decode_sample_event(last) == SampledToken(0, 6, None, StopReason.STOP)
    assert decode_sample_event(ServerSentEvent('{"kind": "done", "total_tokens": 2}')) is None


@pytest.mark.parametrize(
    "data",
    [
        "",
        "[]",
        "{}",
        '{"kind": "token", "index": -1, "token_id": 1}',
        '{"kind": "token", "index": 0, "token_id": "x"}',
        '{"kind": "token", "index": 0, "token_id": 1, "finish_reason": "tired"}',
        '{"kind": "token", "index": 0, "token_id": 1, "finish_reason": ["stop"]}',
        '{"kind": "token", "index": 0, "token_id": 1, "logprob": "x"}',
    ],
)
def test_what_is_no_token_is_one_error(data: str) -> None:
    """With the place and what was expected."""
    with pytest.raises(ResponseInvalid, match="in the answer to stream_sample"):
        decode_sample_event(ServerSentEvent(data))
