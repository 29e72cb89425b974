"""A scripted server of the generation before protobuf (SDK 0.24 and earlier).

No switches, no `finish`, no names for sequences, no sampler look-up; training data and every result in JSON, `/forward`
for forward only, `unload_model`, `weights_info`, and a checkpoint is loaded as a model's first request.
"""

from typing import Any

import httpx
import orjson
from attrs import define, field

from tests.tinkex_actors.fake_tinker import FakeTinker
from tinkex_actors.types import ForwardBackwardRequest, RequestInvalid
from tinkex_actors.wire import ForwardBackwardJsonRequest, ForwardJsonRequest, decode_request

UNKNOWN = frozenset(
    {
        "client/config",
        "client/dynamic_config",
        "finish",
        "samplers",
        "cancel_future",
        "retrieve_futures",
        "join_sampling_session",
        "save_weights_external",
        "copy_weights",
    }
)
RECIPE = {"base_model": "fake/model", "is_lora": True, "lora_rank": 6, "train_mlp": True, "train_unembed": False}


def not_found() -> httpx.Response:
    """Answer as a framework does where there is no route."""
    return httpx.Response(404, json={"detail": "Not Found"})


def missing(name: str) -> httpx.Response:
    """Answer as a framework does where a body lacks a field."""
    return httpx.Response(422, json={"detail": [{"type": "missing", "loc": ["body", name], "msg": "Field required"}]})


def _decode(route: str, content: bytes) -> ForwardBackwardRequest:
    if route == "forward":
        look = decode_request(ForwardJsonRequest, content)
        return ForwardBackwardRequest(look.forward_input, look.model_id, look.seq_id or 0, forward_only=True)
    learn = decode_request(ForwardBackwardJsonRequest, content)
    return ForwardBackwardRequest(learn.forward_backward_input, learn.model_id, learn.seq_id or 0)


@define
class JsonTinker(FakeTinker):
    """The server."""

    unknown: frozenset[str] = UNKNOWN
    unloaded: list[str] = field(factory=list[str])

    async def _carry_out(self, route: str, request: httpx.Request) -> httpx.Response:
        if route in self.unknown:
            return not_found()
        if route in {"forward", "forward_backward"}:
            return self._take_batch(route, request)
        if route == "optim_step" and b'"adam_params"' not in request.content:
            return missing("adam_params")
        return await super()._carry_out(route, request)

    def _take_batch(self, route: str, request: httpx.Request) -> httpx.Response:
        try:
            return self._submit(route, _decode(route, request.content))
        except RequestInvalid as error:
            return httpx.Response(422, json={"detail": str(error)})

    def _load_weights(self, body: Any) -> httpx.Response:
        if "model_id" not in body:
            return missing("model_id")
        if self.models[body["model_id"]].arrived:
            return httpx.Response(400, json={"detail": "load_weights must be the first request"})
        return self._submit("load_weights", body)

    def _weights_info(self, body: Any) -> httpx.Response:
        if body["tinker_path"] not in self.saved:
            return httpx.Response(404, json={"detail": f"no checkpoint {body['tinker_path']}"})
        return httpx.Response(200, json=RECIPE)

    def _unload_model(self, body: Any) -> httpx.Response:
        self.unloaded.append(body["model_id"])
        return self._promise("unload_model", {"model_id": body["model_id"], "type": "unload_model"})

    def _asample(self, body: Any) -> httpx.Response:
        promised = orjson.loads(super()._asample(body).content)
        return httpx.Response(200, json={"request_id": promised["request_id"]})

    def _reveal(self, result: object, accept: str) -> httpx.Response:
        del accept
        return super()._reveal(result, "application/json")
