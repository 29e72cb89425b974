"""A scripted Tinker server inside the test's own loop: strict about numbers, honest about what it executed.

It carries requests out by number and without gaps, recognises repeats, keeps a digest of every model's "weights", and
plays faults on demand. It speaks the protocol through our own wire functions, over httpx's mock transport.
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import orjson
import trio
from attrs import Factory, define, evolve, field, frozen

from supervisors import Observer
from tinkex_actors.clients import TinkerClient, TrainingClient, open_tinker
from tinkex_actors.settings import Figures, Settings
from tinkex_actors.types import (
    Datum,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ModelInput,
    SampledSequence,
    SampleResponse,
    SessionId,
    StopReason,
    TensorData,
)
from tinkex_actors.wire.futures import encode_result
from tinkex_actors.wire.fwdbwd import decode_forward_backward_request

FIGURES = Figures(max_restarts=1000, max_seconds=1.0, request_timeout=20.0)
SETTINGS = evolve(Settings.local("http://fake"), figures=FIGURES, telemetry=False)


@frozen
class Say:
    """Answer with a status, and carry nothing out."""

    status: int
    body: bytes = b'{"detail": "scripted"}'
    headers: dict[str, str] = field(factory=dict[str, str])


@frozen
class LoseRequest:
    """The request never arrives."""


@frozen
class LoseAnswer:
    """The request is carried out, and its answer lost."""


@frozen
class Garble:
    """The request is carried out, and its answer is nonsense."""


@frozen
class Stall:
    """The request is carried out, and its answer takes longer."""

    seconds: float


Fault = Say | LoseRequest | LoseAnswer | Garble | Stall


@define
class FakeModel:
    """One model: what arrived, what was carried out, and a digest that stands for its weights."""

    arrived: dict[int, tuple[str, Any, str]] = field(factory=dict[int, tuple[str, Any, str]])
    executed: list[tuple[int, str]] = field(factory=list[tuple[int, str]])
    weights: str = ""
    gradient: str = ""

    @property
    def numbers(self) -> list[int]:
        """The numbers that were carried out, in order."""
        return [number for number, _ in self.executed]

    def count(self, kind: str) -> int:
        """How often something of that kind was carried out."""
        return sum(name == kind for _, name in self.executed)


POISON = 666
"""A training batch with this token fails."""


@define
class FakeTinker:
    """The server. ``before`` and ``after`` are told each route as it is served."""

    latency: float = 0.01
    hold: float = 30.0
    """How long a poll is held, in seconds."""
    large_bytes: int = 0
    """Announce results as so large, where the client lets us."""
    config: dict[str, Any] = field(factory=dict[str, Any])
    dynamic_config: dict[str, Any] = field(factory=dict[str, Any])
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    seen: list[tuple[str, Any]] = field(factory=list[tuple[str, Any]])
    headers: list[tuple[str, httpx.Headers]] = field(factory=list[tuple[str, httpx.Headers]])
    times: dict[str, list[float]] = field(factory=lambda: defaultdict(list))
    faults: dict[str, deque[Fault]] = field(factory=lambda: defaultdict(deque))
    models: dict[str, FakeModel] = field(factory=dict[str, FakeModel])
    promises: dict[str, tuple[float, object]] = field(factory=dict[str, tuple[float, object]])
    """When each result is there, and what it is; an exception is a failed operation."""
    saved: dict[str, str] = field(factory=dict[str, str])
    """The weights of each checkpoint, by path."""
    samples: dict[tuple[str, int], str] = field(factory=dict[tuple[str, int], str])
    cancelled: list[str] = field(factory=list[str])
    forgotten: set[str] = field(factory=set[str])
    finished: list[str] = field(factory=list[str])
    sessions: dict[str, str] = field(factory=dict[str, str])
    ended: set[str] = field(factory=set[str])
    inside: int = 0
    _executed: trio.Event = field(factory=trio.Event)
    _serial: Iterator[int] = Factory(lambda: iter(range(10**9)))

    def fail(self, route: str, *faults: Fault) -> None:
        """Play *faults* on the next requests of *route*, one each."""
        self.faults[route].extend(faults)

    def sent(self, route: str) -> list[Any]:
        """The bodies that arrived at *route*, lost ones not counted."""
        return [body for name, body in self.seen if name == route]

    @property
    def model(self) -> FakeModel:
        """The only model."""
        (model,) = self.models.values()
        return model

    # ------------------------------------------------------------------ HTTP

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Serve one request."""
        route = request.url.path.removeprefix("/api/v1/")
        name = "finish" if route.endswith("/finish") else route.partition("/")[0] if "samplers" in route else route
        self.times[name].append(trio.current_time())
        self.headers.append((name, request.headers))
        self.inside += 1
        try:
            return await self._serve(name, request)
        finally:
            self.inside -= 1

    async def _serve(self, route: str, request: httpx.Request) -> httpx.Response:
        self.before(route)
        await trio.sleep(self.latency / 4)
        fault = self.faults[route].popleft() if self.faults[route] else None
        match fault:
            case LoseRequest():
                raise httpx.ConnectError("lost on the way")
            case Say(status, body, headers):
                return httpx.Response(status, content=body, headers=headers)
            case _:
                response = await self._carry_out(route, request)
        self.after(route)
        match fault:
            case LoseAnswer():
                raise httpx.ReadError("lost on the way back")
            case Garble():
                return httpx.Response(200, content=b"<html>")
            case Stall(seconds):
                await trio.sleep(seconds)
            case _:
                pass
        await trio.sleep(self.latency / 4)
        return response

    async def _carry_out(self, route: str, request: httpx.Request) -> httpx.Response:
        if route == "forward_backward":
            if request.headers["content-type"] != "application/x-protobuf":
                return httpx.Response(415, json={"detail": "forward_backward takes protobuf"})
            return self._submit(route, decode_forward_backward_request(request.content))
        body: Any = orjson.loads(request.content) if request.content else {}
        self.seen.append((route, body))
        if route == "retrieve_future":
            accept = request.headers["accept"]
            return await self._retrieve(body["request_id"], accept, may_announce=body["allow_metadata_only"])
        answer: Callable[[Any], httpx.Response] | None = getattr(self, "_" + route.replace("/", "_"), None)
        if answer is not None:
            key = request.headers.get("x-idempotency-key", "")
            return answer({**body, "key": key, "path": request.url.path})
        if route in {"optim_step", "save_weights", "save_weights_for_sampler"}:
            return self._submit(route, body)
        return httpx.Response(404, json={"detail": "Not Found"})

    # ------------------------------------------------------------------ sessions

    def _client_config(self, _: Any) -> httpx.Response:
        return httpx.Response(200, json=self.config)

    def _client_dynamic_config(self, _: Any) -> httpx.Response:
        return httpx.Response(200, json=self.dynamic_config)

    def _create_session(self, body: Any) -> httpx.Response:
        session = self.sessions.setdefault(body["key"], f"S{len(self.sessions)}")
        return httpx.Response(200, json={"session_id": session})

    def _session_heartbeat(self, body: Any) -> httpx.Response:
        return httpx.Response(410 if body["session_id"] in self.ended else 200, json={"detail": "ended"})

    def _finish(self, body: Any) -> httpx.Response:
        self.finished.append(body["reason"]["type"])
        return httpx.Response(200, json={})

    def _telemetry(self, _: Any) -> httpx.Response:
        return httpx.Response(200, json={"status": "accepted"})

    def _create_model(self, body: Any) -> httpx.Response:
        model_id = f"{body['session_id']}:train:{body['model_seq_id']}"
        self.models.setdefault(model_id, FakeModel())
        return self._promise("create_model", {"model_id": model_id})

    def _load_weights(self, body: Any) -> httpx.Response:
        if body.get("session_id") is None:
            return self._submit("load_weights", body)
        model_id = f"{body['session_id']}:train:{body['model_seq_id']}"
        self.models.setdefault(model_id, FakeModel(weights=self.saved.get(body["path"], "")))
        return self._promise("load_weights", {})

    def _get_info(self, body: Any) -> httpx.Response:
        return httpx.Response(200, json={"model_id": body["model_id"], "model_data": {"model_name": "fake/model"}})

    def _get_server_capabilities(self, _: Any) -> httpx.Response:
        return httpx.Response(200, json={"supported_models": [{"model_name": "fake/model"}]})

    def _create_sampling_session(self, body: Any) -> httpx.Response:
        return httpx.Response(200, json={"sampling_session_id": f"Q{body['sampling_session_seq_id']}"})

    def _samplers(self, _: Any) -> httpx.Response:
        return httpx.Response(200, json={"sampler_id": "Q", "base_model": "fake/model"})

    # ------------------------------------------------------------------ training

    def _submit(self, route: str, request: Any) -> httpx.Response:
        if isinstance(request, ForwardBackwardRequest):
            self.seen.append((route, request))
            model_id, number = request.model_id, request.seq_id
        else:
            model_id, number = request["model_id"], request["seq_id"]
        model = self.models[model_id]
        if number in model.arrived:
            return httpx.Response(200, json={"request_id": model.arrived[number][2]})
        request_id = f"R{next(self._serial)}"
        model.arrived[number] = (route, request, request_id)
        while (ready := len(model.executed) + 1) in model.arrived:
            self._execute(model_id, ready)
        return httpx.Response(200, json={"request_id": request_id})

    def _execute(self, model_id: str, number: int) -> None:
        model = self.models[model_id]
        route, request, request_id = model.arrived[number]
        model.executed.append((number, route))
        result: object
        match route:
            case "forward_backward" | "forward":
                result = self._compute(model, request)
            case "optim_step":
                model.weights = hashlib.sha256((model.weights + model.gradient).encode()).hexdigest()
                model.gradient = ""
                result = {"metrics": {"step": float(model.count("optim_step"))}}
            case "save_weights_for_sampler" if request.get("path") is None:
                result = {"sampling_session_id": f"Q{request['sampling_session_seq_id']}"}
            case "load_weights":
                model.weights = self.saved.get(request["path"], "")
                result = {"path": request["path"]}
            case _:
                path = self._path(model_id, route, request["path"])
                self.saved[path] = model.weights
                result = {"path": path}
        self.promises[request_id] = (trio.current_time() + self.latency, result)
        self._executed.set()
        self._executed = trio.Event()

    def _path(self, model_id: str, route: str, name: str) -> str:
        """Say where weights are saved."""
        kinds = {"save_weights": "weights", "save_weights_external": "external_weights"}
        return f"tinker://{model_id}/{kinds.get(route, 'sampler_weights')}/{name}"

    def _compute(self, model: FakeModel, request: ForwardBackwardRequest) -> ForwardBackwardOutput | Exception:
        """Compute a loss that falls with every step; a batch with the token `POISON` fails."""
        data = request.forward_backward_input.data
        if any(POISON in datum.model_input.to_ints() for datum in data):
            return ValueError("the batch is poisoned")
        if not request.forward_only:
            model.gradient += str(len(data))
        share = 1.0 / (1 + model.count("optim_step"))
        outputs = [
            {"logprobs": TensorData.from_numpy(np.full(length, -share, np.float32))}
            for length in (datum.model_input.length for datum in data)
        ]
        metrics = {"loss:sum": len(data) * share, "number:max": float(request.seq_id)}
        return ForwardBackwardOutput("ArrayRecord", outputs, metrics)

    def _promise(self, key: str, result: object, **more: object) -> httpx.Response:
        request_id = f"{key}-{next(self._serial)}"
        self.promises[request_id] = (trio.current_time() + self.latency, result)
        return httpx.Response(200, json={"request_id": request_id, **more})

    # ------------------------------------------------------------------ sampling

    def _asample(self, body: Any) -> httpx.Response:
        key = (body["sampling_session_id"], body["seq_id"])
        names = [f"{key[0]}-{key[1]}-{index}" for index in range(body["num_samples"])]
        if key in self.samples:
            return httpx.Response(200, json={"request_id": self.samples[key], "sample_sequence_ids": names})
        sequence = SampledSequence(StopReason.LENGTH, np.array([5, 6], np.int32), np.array([-0.5, -0.25], np.float32))
        length = sum(len(chunk.get("tokens", [0])) for chunk in body["prompt"]["chunks"])
        scored = np.array([np.nan, *[-1.0] * (length - 1)], np.float32) if body["prompt_logprobs"] else None
        response = self._promise(
            "sample", SampleResponse([sequence] * body["num_samples"], scored), sample_sequence_ids=names
        )
        self.samples[key] = response.json()["request_id"]
        return response

    def _cancel_future(self, body: Any) -> httpx.Response:
        self.cancelled.append(body["request_id"])
        return httpx.Response(200, json={})

    # ------------------------------------------------------------------ results

    async def _retrieve(self, request_id: str, accept: str, *, may_announce: bool) -> httpx.Response:
        if request_id in self.forgotten:
            return httpx.Response(410, json={"detail": "gone"})
        if request_id not in self.promises:
            # Not carried out yet: hold the poll as the service does.
            with trio.move_on_after(self.hold):
                while request_id not in self.promises:
                    await self._executed.wait()
        if request_id not in self.promises:
            return httpx.Response(408, json={"type": "try_again", "request_id": request_id, "queue_state": "active"})
        ready_at, result = self.promises[request_id]
        with trio.move_on_after(self.hold):
            await trio.sleep_until(ready_at)
        if trio.current_time() < ready_at:
            return httpx.Response(408, json={"type": "try_again", "request_id": request_id, "queue_state": "active"})
        if self.large_bytes and may_announce:
            return httpx.Response(200, json={"status": "complete_metadata", "response_payload_size": self.large_bytes})
        return self._reveal(result, accept)

    def _reveal(self, result: object, accept: str) -> httpx.Response:
        """Write a result as this kind of server does."""
        if isinstance(result, Exception):
            return httpx.Response(200, json={"error": str(result), "category": "user"})
        if isinstance(result, dict):
            return httpx.Response(200, json=result)
        content_type, content = encode_result(result, accept=accept)
        return httpx.Response(200, content=content, headers={"content-type": content_type})


@asynccontextmanager
async def open_fake(
    fake: FakeTinker,
    settings: Settings = SETTINGS,
    observers: Iterable[Observer] = (),
    taken_over: SessionId | None = None,
) -> AsyncGenerator[TinkerClient, None]:
    """Open a client of *fake*; *taken_over* is a session of another process."""
    below = httpx.MockTransport(fake.handle)
    async with open_tinker(settings, below=below, observers=observers, session_id=taken_over) as tinker:
        yield tinker


async def make_trainer(tinker: TinkerClient) -> TrainingClient:
    """Make a model."""
    return await tinker.create_lora_training_client("fake/model", rank=8)


def a_datum(length: int = 3) -> Datum:
    """Make an example."""
    tokens = list(range(length))
    return Datum(ModelInput.from_ints(tokens), {"target_tokens": tokens, "weights": [1.0] * length})
