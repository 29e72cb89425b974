"""One trace from the user's call to each request, whatever happens on the way; and nothing in it that is nobody's business."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import StatusCode
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import POISON, SETTINGS, FakeTinker, LoseAnswer, Say, a_datum, make_trainer
from tinkex_actors.actors.pending import Pending
from tinkex_actors.clients import TinkerClient, open_tinker
from tinkex_actors.tracing.otel import OpenTelemetry
from tinkex_actors.types import Datum, ModelInput, RequestFailedError, SampleResponse

PROMPT = ModelInput.from_ints([7319, 7320])
KEY = "tml-0a1b2c3d4e5f"


class Traces:
    """A program's tracing, and what came of it."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("the program")

    @asynccontextmanager
    async def open(self, fake: FakeTinker) -> AsyncGenerator[TinkerClient]:
        """Open a client that is traced."""
        below, settings = httpx.MockTransport(fake.handle), evolve(SETTINGS, api_key=KEY)
        async with open_tinker(settings, below=below, tracing=OpenTelemetry(self.provider)) as tinker:
            yield tinker

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """Those that have ended, in that order."""
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of that name."""
        return [span for span in self.spans if span.name == name]

    def draw(self, span: ReadableSpan, depth: int = 0) -> list[str]:
        """Draw a span and what is below it, in the order of their beginning."""
        mine = span.get_span_context()
        below = [one for one in self.spans if one.parent is not None and mine and one.parent.span_id == mine.span_id]
        below.sort(key=lambda one: one.start_time or 0)
        return ["  " * depth + span.name, *(line for one in below for line in self.draw(one, depth + 1))]


def _of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.mark.tinkex("F288")
async def test_a_call_is_one_trace_down_to_its_requests(autojump_clock: MockClock) -> None:
    """The operation travels through a ledger and two actors, and its trace through all of them."""
    traces = Traces()
    async with traces.open(FakeTinker()) as tinker:
        trainer = await make_trainer(tinker)
        traces.exporter.clear()
        pending = trainer.forward_backward([a_datum()], "cross_entropy")
        await pending
    (call,) = traces.named("tinkex.forward_backward")
    assert traces.draw(call) == [
        "tinkex.forward_backward",
        "  Trainer.submit",
        "    POST /api/v1/forward_backward",
        "  Poller.retrieve",
        "    POST /api/v1/retrieve_future",
    ]
    (poll,) = traces.named("POST /api/v1/retrieve_future")
    want = {
        "http.request.method": "POST",
        "url.template": "/api/v1/retrieve_future",
        "http.response.status_code": 200,
        "tinkex.attempt": 1,
        "tinkex.client": "trainer-0",
        "tinkex.model_id": trainer.model_id,
        "tinkex.operation": "forward_backward",
        "tinkex.number": 1,
        "tinkex.request_id": pending.request_ids[0],
        "tinkex.session_id": "S0",
    }
    assert _of(poll) == want


async def test_each_attempt_is_a_span_with_its_number_and_its_status(autojump_clock: MockClock) -> None:
    """Two that failed, each in its way, and the one that did not."""
    traces, fake = Traces(), FakeTinker()
    async with traces.open(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", Say(503), LoseAnswer())
        await trainer.optim_step()
    attempts = [_of(span) for span in traces.named("POST /api/v1/optim_step")]
    assert [one["tinkex.attempt"] for one in attempts] == [1, 2, 3]
    assert [one.get("http.response.status_code") for one in attempts] == [503, None, 200]
    assert [one.get("error.type") for one in attempts] == [None, "APIConnectionError", None]
    (submit,) = [span for span in traces.named("Trainer.submit") if _of(span)["tinkex.operation"] == "optim_step"]
    assert len(traces.draw(submit)) == 4


async def test_a_crash_breaks_no_trace(autojump_clock: MockClock) -> None:
    """The next life goes on with the same call: its turn is one more part of the same trace."""
    traces, fake = Traces(), FakeTinker(latency=10.0)
    async with traces.open(fake) as tinker:
        trainer = await make_trainer(tinker)
        traces.exporter.clear()
        pending = trainer.forward_backward([a_datum()], "cross_entropy")
        await pending.accepted()
        await trio.sleep(0.1)
        tinker.crash("poller", "on purpose")
        await pending
    (call,) = traces.named("tinkex.forward_backward")
    drawn = traces.draw(call)
    assert drawn.count("  Poller.retrieve") == 2
    trace_ids = {span.context.trace_id for span in traces.spans if span.context is not None}
    assert trace_ids == {call.context and call.context.trace_id}


async def test_the_programs_own_span_is_the_parent(autojump_clock: MockClock) -> None:
    """Calls side by side, each below the span that was current where it was made, though one actor serves both."""
    traces = Traces()
    async with traces.open(FakeTinker()) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        pending = list[Pending[SampleResponse]]()
        for name in ("left", "right"):
            with traces.tracer.start_as_current_span(name):
                pending.append(sampler.sample(PROMPT))
        for one in pending:
            await one
    for name in ("left", "right"):
        (span,) = traces.named(name)
        assert traces.draw(span)[1:] == [
            "  tinkex.asample",
            "    Sampler.sample",
            "      POST /api/v1/asample",
            "      POST /api/v1/retrieve_future",
        ]


@pytest.mark.tinkex("F274")
async def test_the_server_is_told_which_span_asks(autojump_clock: MockClock) -> None:
    """W3C's header, another one for each attempt, so that a server's own spans find their place."""
    traces, fake = Traces(), FakeTinker()
    async with traces.open(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", Say(503))
        await trainer.optim_step()
    told = [headers["traceparent"] for route, headers in fake.headers if route == "optim_step"]
    spans = [span.context for span in traces.named("POST /api/v1/optim_step") if span.context]
    assert [line[:-2] for line in told] == [f"00-{one.trace_id:032x}-{one.span_id:016x}-" for one in spans]


async def test_what_belongs_to_no_call_is_in_no_trace(autojump_clock: MockClock) -> None:
    """A client opened within a span would otherwise send its heartbeats under it for days."""
    traces, fake = Traces(), FakeTinker()
    with traces.tracer.start_as_current_span("main"):
        async with traces.open(fake):
            await trio.sleep(60)
            assert traces.spans == ()
    assert not any("traceparent" in headers for route, headers in fake.headers if route == "session_heartbeat")


async def test_what_a_users_task_asks_itself_is_under_its_span(autojump_clock: MockClock) -> None:
    """Making a model is a call; looking something up is a request."""
    traces = Traces()
    async with traces.open(FakeTinker()) as tinker:
        with traces.tracer.start_as_current_span("look"):
            await tinker.get_server_capabilities()
    (look,) = traces.named("look")
    assert traces.draw(look) == ["look", "  GET /api/v1/get_server_capabilities"]


async def test_a_call_that_is_not_sampled_makes_no_span_and_says_so(autojump_clock: MockClock) -> None:
    """The decision goes along: a server must not begin a trace whose beginning nobody kept."""
    traces, fake = Traces(ParentBased(ALWAYS_OFF)), FakeTinker()
    async with traces.open(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        await sampler.sample(PROMPT)
    assert traces.spans == ()
    told = {headers["traceparent"] for route, headers in fake.headers if route in {"asample", "retrieve_future"}}
    assert len(told) == 1
    assert int(told.pop().rpartition("-")[2], 16) & 1 == 0


async def test_a_share_of_the_calls_is_traced_and_the_rest_is_left_alone(autojump_clock: MockClock) -> None:
    """The sampler is not even asked about them; within a span of the program it is, whatever the share."""
    traces, fake = Traces(), FakeTinker()
    below, draws = httpx.MockTransport(fake.handle), iter([0.9, 0.05, 0.5])
    tracing = OpenTelemetry(traces.provider, ratio=0.1, chance=lambda: next(draws))
    async with open_tinker(SETTINGS, below=below, tracing=tracing) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        for _ in range(3):
            await sampler.sample(PROMPT)
        with traces.tracer.start_as_current_span("mine"):
            await sampler.sample(PROMPT)
    assert len(traces.named("tinkex.asample")) == 2
    told = ["traceparent" in headers for route, headers in fake.headers if route == "asample"]
    assert told == [False, True, False, True]


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(ratio: float) -> None:
    """Where it is made, and not at the first call."""
    with pytest.raises(ValueError, match="ratio must be from 0 to 1"):
        OpenTelemetry(ratio=ratio)


async def test_a_failure_is_told_by_its_class(autojump_clock: MockClock) -> None:
    """In the call's span, and nowhere a word of what the server said."""
    traces = Traces()
    async with traces.open(FakeTinker()) as tinker:
        trainer = await make_trainer(tinker)
        tokens = [1, POISON]
        poisoned = Datum(ModelInput.from_ints(tokens), {"target_tokens": tokens, "weights": [1.0, 1.0]})
        with pytest.raises(RequestFailedError):
            await trainer.forward_backward([poisoned], "cross_entropy")
    (call,) = traces.named("tinkex.forward_backward")
    assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, "RequestFailedError")
    assert "poisoned" not in "".join(span.to_json() for span in traces.spans)


async def test_no_span_holds_a_body_or_a_secret(autojump_clock: MockClock) -> None:
    """Neither the key, nor the prompt, nor what a response or an error's words hold."""
    traces, fake = Traces(), FakeTinker()
    async with traces.open(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        fake.fail("asample", Say(500, body=b'{"detail": "in the words of a user"}'))
        await sampler.sample(PROMPT)
    # Without their ids, which are random digits.
    told = str([(one.name, _of(one), one.events, one.status.description) for one in traces.spans])
    assert "tinkex.asample" in told
    for secret in (KEY, "7319", "in the words"):
        assert secret not in told


async def test_a_custom_loss_is_one_call(autojump_clock: MockClock) -> None:
    """Its forward pass, its evaluation and its backward pass, under the one thing that the user asked for."""

    def loss(_: Any, logprobs: Any) -> tuple[float, list[Any]]:
        return 0.0, [0 * row for row in logprobs]

    traces = Traces()
    async with traces.open(FakeTinker()) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.forward_backward_custom([a_datum()], loss)
    (call,) = traces.named("tinkex.forward_backward_custom")
    drawn = traces.draw(call)
    assert [line.strip() for line in drawn if line.startswith("  ") and not line.startswith("    ")] == [
        "tinkex.forward",
        "tinkex.forward_backward",
    ]
    assert "    Trainer.prepare" in drawn


async def test_a_pause_of_the_queue_and_its_end_are_events_of_the_call(autojump_clock: MockClock) -> None:
    """Where the time of a slow call went is then in its trace."""
    traces, fake = Traces(), FakeTinker()
    async with traces.open(fake) as tinker:
        trainer = await make_trainer(tinker)
        paused = b'{"type": "try_again", "request_id": "R", "queue_state": "paused_capacity"}'
        fake.fail("retrieve_future", Say(408, body=paused))
        await trainer.optim_step()
    (call,) = traces.named("tinkex.optim_step")
    assert [(one.name, dict(one.attributes or {})) for one in call.events] == [
        ("queue state", {"tinkex.queue_state": "paused_capacity"}),
        ("queue state", {"tinkex.queue_state": "active"}),
    ]
    last = traces.named("POST /api/v1/retrieve_future")[-1]
    assert _of(last)["tinkex.queue_state"] == "paused_capacity"


async def test_a_call_withdrawn_ends_its_span(autojump_clock: MockClock) -> None:
    """No span stays open for ever."""
    traces = Traces()
    async with traces.open(FakeTinker(latency=10.0)) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        with trio.move_on_after(1):
            await sampler.sample(PROMPT)
    (call,) = traces.named("tinkex.asample")
    assert call.status.description == "OperationWithdrawn"
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_a_stream_is_a_call_that_ends_when_it_is_closed(autojump_clock: MockClock) -> None:
    """Its request is directly below it: whoever reads a stream sends it, and no actor does."""
    traces, fake = Traces(), FakeTinker()
    async with traces.open(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        async with sampler.sample_stream(PROMPT) as stream:
            assert [token.token async for token in stream] == [5, 6]
    (call,) = traces.named("tinkex.stream_sample")
    assert traces.draw(call) == ["tinkex.stream_sample", "  POST /api/v1/stream_sample"]


PLAIN = """
import sys
import tinkex_actors, tinkex_actors.clients, tinkex_actors.cli, tinkex_actors.local
found = [name for name in sys.modules if name.startswith("opentelemetry")]
print(found)
"""


def test_who_does_not_trace_imports_nothing_of_it() -> None:
    """Its API alone takes as long to import as the whole client."""
    done = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
