"""Training: every endpoint here but ``get_info`` answers with a promise."""

from attrs import evolve

from tinkex_actors.local.http.call import Answer, Call, answer_with
from tinkex_actors.local.operations import Expose, Load, Operation, Pass, Save, Step
from tinkex_actors.local.paths import Kind, check_name
from tinkex_actors.local.refusals import BadRequest, TooLarge, Unprocessable
from tinkex_actors.local.service import Service
from tinkex_actors.types.errors import RequestInvalid
from tinkex_actors.types.futures import Promise
from tinkex_actors.types.ids import ModelId
from tinkex_actors.types.model_input import EncodedTextChunk
from tinkex_actors.types.service import GetInfoResponse, ModelData
from tinkex_actors.types.training import ForwardBackwardInput
from tinkex_actors.wire import ForwardBackwardJsonRequest, ForwardJsonRequest
from tinkex_actors.wire.futures import PROTOBUF
from tinkex_actors.wire.fwdbwd import decode_forward_backward_request
from tinkex_actors.wire.requests import (
    CreateModelRequest,
    GetInfoRequest,
    LoadWeightsRequest,
    OptimStepRequest,
    SaveWeightsExternalRequest,
    SaveWeightsForSamplerRequest,
    SaveWeightsRequest,
    UnloadModelRequest,
)

_TTL_BOUNDS = (3600, 10 * 365 * 24 * 3600)


async def create_model(service: Service, call: Call) -> Answer:
    """``POST create_model``."""
    model_id, request_id = await service.create_model(call.owner, call.decode(CreateModelRequest))
    return answer_with(Promise(request_id, model_id=model_id))


async def get_info(service: Service, call: Call) -> Answer:
    """``POST get_info``, answered at once."""
    run = service.runs.find(call.owner, call.decode(GetInfoRequest).model_id)
    entry = service.bases.find(run.recipe.base_model)
    return answer_with(
        GetInfoResponse(
            run.model_id,
            ModelData(entry.model.config.architecture, run.recipe.base_model, entry.tokenizer_id),
            run.optimizer,
            is_lora=True,
            lora_rank=run.recipe.rank,
            model_name=run.recipe.base_model,
        )
    )


async def forward_backward(service: Service, call: Call) -> Answer:
    """``POST forward_backward``: protobuf, or JSON from clients of the generation before."""
    if PROTOBUF not in call.headers.get("content-type", ""):
        old = call.decode(ForwardBackwardJsonRequest)
        operation = _pass(service, old.forward_backward_input, forward_only=False)
        return await _submit(service, call, old.model_id, old.seq_id, operation)
    try:
        request = decode_forward_backward_request(call.body)
    except RequestInvalid as error:
        raise Unprocessable(str(error)) from error
    operation = _pass(service, request.forward_backward_input, forward_only=request.forward_only)
    return await _submit(service, call, request.model_id, request.seq_id, operation)


async def forward(service: Service, call: Call) -> Answer:
    """``POST forward``, JSON: newer clients have a flag instead."""
    request = call.decode(ForwardJsonRequest)
    operation = _pass(service, request.forward_input, forward_only=True)
    return await _submit(service, call, request.model_id, request.seq_id, operation)


async def optim_step(service: Service, call: Call) -> Answer:
    """``POST optim_step``."""
    request = call.decode(OptimStepRequest)
    return await _submit(service, call, request.model_id, request.seq_id, Step(request.params))


async def save_weights(service: Service, call: Call) -> Answer:
    """``POST save_weights``."""
    request = call.decode(SaveWeightsRequest)
    operation = Save(
        name=check_name(request.path),
        checkpoint_kind=Kind.TRAINING,
        overwrite=request.overwrite,
        ttl_seconds=check_ttl(request.ttl_seconds),
        user_metadata=request.user_metadata,
    )
    return await _submit(service, call, request.model_id, request.seq_id, operation)


async def save_weights_for_sampler(service: Service, call: Call) -> Answer:
    """``POST save_weights_for_sampler``: by name, or as a sampling session without one."""
    request = call.decode(SaveWeightsForSamplerRequest)
    if (request.path is None) == (request.sampling_session_seq_id is None):
        raise BadRequest("save_weights_for_sampler needs path or sampling_session_seq_id, and not both")
    operation: Operation
    if request.path is not None:
        operation = Save(
            name=check_name(request.path),
            checkpoint_kind=Kind.SAMPLER,
            ttl_seconds=check_ttl(request.ttl_seconds),
            user_metadata=request.user_metadata,
        )
    else:
        operation = Expose(sampling_session_seq_id=request.sampling_session_seq_id or 0, client_kind=request.kind)
    return await _submit(service, call, request.model_id, request.seq_id, operation)


async def save_weights_external(service: Service, call: Call) -> Answer:
    """``POST save_weights_external``: the adapter alone, to be downloaded in PEFT's format."""
    request = call.decode(SaveWeightsExternalRequest)
    if request.age_encryption_recipients:
        raise BadRequest("this server does not encrypt exports; leave age_encryption_recipients out")
    operation = Save(
        name=check_name(request.path), checkpoint_kind=Kind.EXTERNAL, ttl_seconds=check_ttl(request.ttl_seconds)
    )
    return await _submit(service, call, request.model_id, request.seq_id, operation)


async def unload_model(service: Service, call: Call) -> Answer:
    """``POST unload_model``: free a model before its session ends. What still waits in it fails."""
    model_id = call.decode(UnloadModelRequest).model_id
    return answer_with(Promise(await service.unload(call.owner, model_id), model_id=model_id))


async def load_weights(service: Service, call: Call) -> Answer:
    """``POST load_weights``: into a model as its first request, or into a new one."""
    request = call.decode(LoadWeightsRequest)
    if request.model_id is None:
        model_id, request_id = await service.create_from_checkpoint(call.owner, request)
        return answer_with(Promise(request_id, model_id=model_id))
    if request.seq_id != 1:
        raise BadRequest(f"load_weights must be a model's first request (seq_id 1), got seq_id {request.seq_id}")
    checkpoint = await service.find_checkpoint(call.owner, request.path)
    return await _submit(service, call, request.model_id, request.seq_id, Load(checkpoint, request.optimizer))


async def create_custom_loss(_: Service, __: Call) -> Answer:
    """``POST create_custom_loss``: refused; a client without the flag for it computes its losses itself.

    Raises:
        BadRequest: Always.
    """
    raise BadRequest(
        "this server does not carry out traced losses; leave the flag custom_loss_server_side off and the client computes "
        "them itself"
    )


def check_ttl(ttl_seconds: int | None) -> int | None:
    """Return a time to live that the protocol allows.

    Raises:
        BadRequest: Below an hour or above ten years.
    """
    low, high = _TTL_BOUNDS
    if ttl_seconds is not None and not low <= ttl_seconds <= high:
        raise BadRequest(f"ttl_seconds must be within {low} and {high}, or absent for ever, got {ttl_seconds}")
    return ttl_seconds


def _pass(service: Service, asked: ForwardBackwardInput, *, forward_only: bool) -> Pass:
    if not asked.data:
        raise BadRequest("data must hold at least one datum, got none")
    limit = service.shop.limits.max_batch_tokens
    tokens = sum(
        len(chunk.tokens)
        for one in asked.data
        for chunk in one.model_input.chunks
        if isinstance(chunk, EncodedTextChunk)
    )
    if tokens > limit:
        raise TooLarge(f"a forward_backward request may have {limit} tokens, got {tokens}; send it in parts")
    return Pass(evolve(asked, data=tuple(asked.data)), forward_only=forward_only)


async def _submit(service: Service, call: Call, model_id: ModelId, seq_id: int | None, operation: Operation) -> Answer:
    request_id = await service.runs.submit(call.owner, model_id, seq_id, operation)
    return answer_with(Promise(request_id, model_id=model_id))
