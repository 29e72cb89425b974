"""A scripted server like today's SkyRL tx: protobuf is taken, the switches answer, and much of the service is not there.

Its own ways, beside those of the JSON generation: ids without structure, arrival order instead of numbers, prompt scores
without the undefined first one, sampler paths of two segments, no metrics, failed operations as HTTP 400, polls held for
five minutes, fields nobody knows, null for NaN, and refusals of what it does not take: sparse tensors, other optimizers,
a stop that is no list, a sample without `max_tokens`.
"""

from typing import Any

import httpx
import numpy as np
import trio
from attrs import define, evolve

from tests.tinkex_actors.fake_tinker import FakeModel, FakeTinker
from tests.tinkex_actors.servers.json_generation import UNKNOWN, JsonTinker, missing
from tinkex_actors.types import (
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    RequestInvalid,
    SampleResponse,
    TensorData,
)
from tinkex_actors.wire.fwdbwd import decode_forward_backward_request

_HERE = UNKNOWN - {"client/config", "samplers"}


@define
class MixtureTinker(JsonTinker):
    """The server."""

    hold: float = 300.0
    unknown: frozenset[str] = _HERE

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Serve one request; a client that distrusts a long silence is gone before a poll is answered."""
        if not request.url.path.endswith("retrieve_future"):
            return await super().handle(request)
        with trio.move_on_after(request.extensions["timeout"]["read"]):
            return await super().handle(request)
        raise httpx.ReadTimeout("silent for too long", request=request)

    def _client_config(self, _: Any) -> httpx.Response:
        return httpx.Response(200, json={"pjwt_auth_enabled": False, "engine": "jax"})

    def _take_batch(self, route: str, request: httpx.Request) -> httpx.Response:
        if request.headers["content-type"] != "application/x-protobuf":
            return super()._take_batch(route, request)
        try:
            asked = decode_forward_backward_request(request.content)
        except RequestInvalid as error:
            return httpx.Response(422, json={"detail": str(error)})
        if asked.forward_backward_input.is_sparse:
            return httpx.Response(422, json={"detail": "sparse tensors are not supported"})
        return self._submit("forward" if asked.forward_only else "forward_backward", asked)

    def _create_model(self, body: Any) -> httpx.Response:
        model_id = f"model_{body['model_seq_id']:08x}"
        self.models.setdefault(model_id, FakeModel())
        return self._promise("create_model", {"model_id": model_id, "status": "ready"}, status="pending", future_id=1)

    def _get_info(self, body: Any) -> httpx.Response:
        data = {"base_model": "fake/model", "lora_config": {"rank": 8}, "model_name": "fake/model"}
        return httpx.Response(200, json={"model_id": body["model_id"], "status": "ready", "model_data": data})

    def _create_sampling_session(self, body: Any) -> httpx.Response:
        return httpx.Response(200, json={"sampling_session_id": f"sampling_{body['sampling_session_seq_id']:08x}"})

    def _path(self, model_id: str, route: str, name: str) -> str:
        return (
            f"tinker://{model_id}/{name}"
            if route == "save_weights_for_sampler"
            else super()._path(model_id, route, name)
        )

    def _submit(self, route: str, request: Any) -> httpx.Response:
        if route == "save_weights" and self._path(request["model_id"], route, request["path"]) in self.saved:
            return httpx.Response(409, json={"detail": "the checkpoint exists"})
        return super()._submit(route, request)

    def _compute(self, model: FakeModel, request: ForwardBackwardRequest) -> ForwardBackwardOutput | Exception:
        output = super()._compute(model, request)
        if isinstance(output, Exception):
            return output
        losses = [
            {"elementwise_loss": TensorData.from_numpy(-fields["logprobs"].data)} for fields in output.loss_fn_outputs
        ]
        both = [{**fields, **loss} for fields, loss in zip(output.loss_fn_outputs, losses, strict=True)]
        return evolve(output, loss_fn_outputs=both, metrics={})

    def _asample(self, body: Any) -> httpx.Response:
        params = body["sampling_params"]
        if "max_tokens" not in params:
            return missing("max_tokens")
        if isinstance(params.get("stop"), str):
            return httpx.Response(422, json={"detail": "stop must be a list"})
        return super()._asample(body)

    def _reveal(self, result: object, accept: str) -> httpx.Response:
        if isinstance(result, Exception):
            return httpx.Response(400, json={"detail": str(result)})
        if isinstance(result, SampleResponse) and result.prompt_logprobs_np is not None:
            result = evolve(result, prompt_logprobs_np=np.asarray(result.prompt_logprobs_np[1:]))
        # Protobuf only for who asks for it: the step over the JSON generation is deliberate.
        return FakeTinker._reveal(self, result, accept)
