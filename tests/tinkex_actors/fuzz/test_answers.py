"""Broken answers are a typed error or a right value, never another exception, a hang, or memory without end.

Some hundred here; ``make fuzz`` breaks a hundred thousand. A failure names its seed: ``FUZZ_SEED=… FUZZ=1`` plays it again.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx
import pytest
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import SETTINGS
from tests.tinkex_actors.fuzz.corpus import ANSWERS, JSON, OPERATIONS, PROTOBUF, SEEDS
from tests.tinkex_actors.fuzz.mutations import break_any, encode
from tinkex_actors.actors.operation import Operation, Retrieval, Value
from tinkex_actors.actors.polling import AskAgain, Failed, PollRules, Progress, decide_poll
from tinkex_actors.settings import Figures
from tinkex_actors.transport.ask import ask
from tinkex_actors.transport.coding import decode_content
from tinkex_actors.transport.endpoints import GET_INFO
from tinkex_actors.transport.refusal import status_error
from tinkex_actors.transport.seam import Answer
from tinkex_actors.transport.stack import open_transport
from tinkex_actors.types import (
    APIStatusError,
    ModelId,
    Promise,
    RequestId,
    ResponseInvalid,
    TinkerError,
)
from tinkex_actors.wire import decode_answer, encode_json
from tinkex_actors.wire.requests import GetInfoRequest

COUNT = int(os.environ.get("FUZZ", "600"))
FIRST = int(os.environ.get("FUZZ_SEED", "0"))
STATUSES = [200, 200, 200, 400, 401, 402, 404, 408, 409, 410, 413, 418, 422, 429, 500, 503, 599]
HEADERS = ["retry-after", "retry-after-ms", "x-should-retry", "content-type", "www-authenticate"]
RULES = PollRules(figures=Figures(), chance=lambda: 0.5, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))


def chances() -> Iterator[tuple[int, Random]]:
    """Give a seed and its chance, again and again."""
    for seed in range(FIRST, FIRST + COUNT):
        yield seed, Random(seed)  # noqa: S311 - broken on purpose, and again the same way


def broken_answer(chance: Random) -> Answer:
    """Break one of the answers, in content, status or headers."""
    seed = chance.choice(SEEDS)
    headers = {"content-type": chance.choice([seed.content_type, seed.content_type, JSON, PROTOBUF, "", "x" * 100])}
    if chance.random() < 0.3:
        headers[chance.choice(HEADERS)] = chance.choice(
            ["1e999", "-1", "nan", "soon", "true", "Mon, 99 Foo", "0" * 999]
        )
    return Answer(status=chance.choice(STATUSES), headers=headers, content=break_any(seed.content, chance))


def test_a_broken_answer_of_any_endpoint_is_refused_or_read() -> None:
    """Whatever the endpoint, whatever it says; and an error is short enough to read."""
    lengths = list[int]()
    for seed, chance in chances():
        kind, answer = chance.choice(ANSWERS), broken_answer(chance)
        try:
            value: Any = decode_answer(kind, answer.content, operation="fuzz")
        except ResponseInvalid as refused:
            lengths.append(len(str(refused)))
        else:
            assert isinstance(value, kind), seed
    assert max(lengths) < 2000


def test_a_broken_answer_to_a_poll_has_one_of_three_meanings() -> None:
    """A result, a failure of a known class, or another poll at a sensible time."""
    for seed, chance in chances():
        row = chance.choice(OPERATIONS)
        retrieval = Retrieval[Any](Operation(row=row, request=lambda _: None), Promise(RequestId("r")))
        progress = Progress(payload_bytes=chance.choice([None, 5]), failures=chance.randrange(2000))
        match decide_poll(retrieval, broken_answer(chance), progress, RULES):
            case Value(value):
                assert isinstance(value, row.result), seed
                encode_json(value)
            case Failed(error):
                assert isinstance(error, TinkerError), seed
            case AskAgain(delay):
                assert 0 <= delay <= RULES.figures.retry_after_max, seed


def test_a_broken_refusal_is_the_error_of_its_status() -> None:
    """Its message is short, whatever the body."""
    for seed, chance in chances():
        refused = status_error(GET_INFO, broken_answer(chance))
        assert isinstance(refused, APIStatusError), seed
        assert len(str(refused)) < 2000, seed


def test_broken_and_bloated_compression_is_bounded() -> None:
    """Ten megabytes of nothing fit into a few bytes; a limit of one is kept to."""
    limit = 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed, chance in chances():
        name, content = encode(chance.choice(SEEDS).content, chance)
        try:
            whole = decode_content({"content-encoding": name}, content, limit=limit)
        except httpx.DecodingError:
            continue
        assert len(whole) <= limit, seed
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 200_000


async def test_through_all_layers_a_broken_answer_is_a_typed_error_or_a_value(autojump_clock: MockClock) -> None:
    """The same from the socket's side: status, headers, coding and content, all at once."""
    settings = evolve(SETTINGS, figures=Figures(max_retries=1, breaker_failures=float("inf")))
    chance = Random(FIRST)  # noqa: S311 - as above

    def answer(_: httpx.Request) -> httpx.Response:
        broken = broken_answer(chance)
        headers, content = dict(broken.headers), broken.content
        if chance.random() < 0.3:
            headers["content-encoding"], content = encode(content, chance)
        return httpx.Response(broken.status, headers=headers, stream=httpx.ByteStream(content))

    async with open_transport(settings, below=httpx.MockTransport(answer)) as transport:
        for _ in range(COUNT // 3):
            with suppress(TinkerError):
                info = await ask(transport, GET_INFO, GetInfoRequest(ModelId("m")))
                assert isinstance(info.model_id, str)
    assert autojump_clock.current_time() >= 0


@pytest.mark.parametrize("depth", [10, 10_000, 1_000_000])
def test_nesting_without_end_is_refused(depth: int) -> None:
    """A parser that recurses would take the process along."""
    for content in (b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth):
        with pytest.raises(ResponseInvalid):
            decode_answer(Promise, content, operation="fuzz")
