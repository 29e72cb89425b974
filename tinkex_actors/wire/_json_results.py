"""Results and training requests in JSON, for servers and clients of the generation before protobuf.

Servers of that generation answer samples and forward_backward in JSON, and take training data in JSON. Null stands for
NaN. The tables of likeliest tokens are lists of pairs there, with null for an empty position.
"""

import math
from typing import Any

import cattrs
import numpy as np
from attrs import frozen

from tinkex_actors.types import (
    EMPTY_LOGPROB,
    Datum,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    LossFnOutput,
    ModelId,
    ModelInput,
    PromptAltTokens,
    RequestInvalid,
    SampledSequence,
    SampleResponse,
    StopReason,
    TensorData,
    TopkLogprobs,
)
from tinkex_actors.types.tensors import FloatArray
from tinkex_actors.wire._json_hooks import read_metrics, read_numbers, read_tensor_json, read_tokens, write_tensor_json
from tinkex_actors.wire._json_rules import as_dict, as_list, at, read_each
from tinkex_actors.wire._mismatch import Mismatch, show


@frozen
class ForwardBackwardJsonRequest:
    """``forward_backward`` in JSON."""

    forward_backward_input: ForwardBackwardInput
    model_id: ModelId
    seq_id: int | None = None


@frozen
class ForwardJsonRequest:
    """``forward`` in JSON; protobuf has a flag instead."""

    forward_input: ForwardBackwardInput
    model_id: ModelId
    seq_id: int | None = None


def register_result_hooks(converter: cattrs.Converter) -> None:
    """Teach *converter* the results and the training data."""
    converter.register_structure_hook(SampleResponse, lambda value, _: _read_sample(converter, value))
    converter.register_structure_hook(ForwardBackwardOutput, lambda value, _: _read_output(value))
    converter.register_structure_hook(ForwardBackwardInput, lambda value, _: _read_input(converter, value))
    converter.register_unstructure_hook(SampleResponse, _write_sample)
    converter.register_unstructure_hook(ForwardBackwardOutput, _write_output)
    converter.register_unstructure_hook(ForwardBackwardInput, lambda value: _write_input(converter, value))


def _read_sample(converter: cattrs.Converter, value: Any) -> SampleResponse:
    body = as_dict(value)
    sequences = at("sequences", lambda: read_each(enumerate(as_list(body.get("sequences"))), _read_sequence))
    alternatives = body.get("prompt_alt_tokens")
    return SampleResponse(
        sequences=sequences,
        prompt_logprobs_np=_read_logprobs(body.get("prompt_logprobs"), "prompt_logprobs"),
        topk_prompt_logprobs_np=at("topk_prompt_logprobs", lambda: _read_topk(body.get("topk_prompt_logprobs"))),
        target_prompt_logprobs=at(
            "target_prompt_logprobs", lambda: _read_optional_tensor(body.get("target_prompt_logprobs"))
        ),
        prompt_cache_hit_tokens=at(
            "prompt_cache_hit_tokens", lambda: converter.structure(body.get("prompt_cache_hit_tokens") or 0, int)
        ),
        prompt_alt_tokens=(
            at("prompt_alt_tokens", lambda: converter.structure(alternatives, PromptAltTokens))
            if alternatives is not None
            else None
        ),
    )


def _read_optional_tensor(value: Any) -> TensorData | None:
    return None if value is None else read_tensor_json(value)


def _read_sequence(value: Any) -> SampledSequence:
    body = as_dict(value)
    reason = body.get("stop_reason")
    if not isinstance(reason, str) or reason not in set(StopReason):
        raise Mismatch("stop_reason", "stop or length", show(reason))
    tokens = read_tokens(body.get("tokens"), "tokens")
    logprobs = _read_logprobs(body.get("logprobs"), "logprobs")
    if logprobs is not None and logprobs.size != tokens.size:
        raise Mismatch("logprobs", f"{tokens.size}, one for each token", str(logprobs.size))
    topk = at("topk_logprobs", lambda: _read_topk(body.get("topk_logprobs")))
    return SampledSequence(reason, tokens, logprobs, topk)


def _read_logprobs(value: Any, path: str) -> FloatArray | None:
    # An empty list is how these servers say that there are none.
    return None if not value and value != 0 else _to_float32(value, path)


def _to_float32(value: Any, path: str) -> FloatArray:
    try:
        with np.errstate(over="raise"):
            return read_numbers(value, path).astype(np.float32)
    except FloatingPointError:
        raise Mismatch(path, "numbers that fit float32", show(value)) from None


def _read_topk(value: Any) -> TopkLogprobs | None:
    if not value:
        return None
    rows = read_each(enumerate(as_list(value)), _read_row)
    k = max(len(row) for row in rows)
    if k == 0:
        return None
    ids = np.zeros((len(rows), k), np.int32)
    logprobs = np.full((len(rows), k), EMPTY_LOGPROB, np.float32)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = [token for token, _ in row]
        logprobs[index, : len(row)] = [logprob for _, logprob in row]
    return TopkLogprobs(ids, logprobs)


def _read_row(value: Any) -> list[tuple[int, float]]:
    pairs = [] if value is None else as_list(value)
    for pair in pairs:
        if not _is_pair(pair):
            raise Mismatch("", "pairs of a token id and a logprob", show(pair))
    return [(token, math.nan if logprob is None else float(logprob)) for token, logprob in pairs]


def _is_pair(value: Any) -> bool:
    match value:
        case [int() as token, int() | float() | None]:
            return _is_token(token)
        case _:
            return False


def _is_token(value: Any) -> bool:
    return type(value) is int and -(2**31) <= value < 2**31


def _write_sample(response: SampleResponse) -> dict[str, Any]:
    body: dict[str, Any] = {
        "sequences": [_write_sequence(sequence) for sequence in response.sequences],
        "prompt_logprobs": response.prompt_logprobs_np,
        "topk_prompt_logprobs": response.topk_prompt_logprobs,
        "prompt_cache_hit_tokens": response.prompt_cache_hit_tokens,
    }
    if response.target_prompt_logprobs is not None:
        body["target_prompt_logprobs"] = write_tensor_json(response.target_prompt_logprobs)
    if response.prompt_alt_tokens is not None:
        body["prompt_alt_tokens"] = {
            "tokens": write_tensor_json(response.prompt_alt_tokens.tokens),
            "logprobs": write_tensor_json(response.prompt_alt_tokens.logprobs),
        }
    return {name: part for name, part in body.items() if part is not None}


def _write_sequence(sequence: SampledSequence) -> dict[str, Any]:
    body = {
        "stop_reason": sequence.stop_reason,
        "tokens": sequence.tokens_np,
        "logprobs": sequence.logprobs_np,
        "topk_logprobs": sequence.topk_logprobs,
    }
    return {name: part for name, part in body.items() if part is not None}


def _read_output(value: Any) -> ForwardBackwardOutput:
    body = as_dict(value)
    kind = body.get("loss_fn_output_type", "ArrayRecord")
    if not isinstance(kind, str):
        raise Mismatch("loss_fn_output_type", "text", show(kind))
    outputs: list[LossFnOutput] = at(
        "loss_fn_outputs", lambda: read_each(enumerate(as_list(body.get("loss_fn_outputs"))), _read_tensors)
    )
    metrics: dict[str, float] = at("metrics", lambda: read_metrics(body.get("metrics") or {}))
    return ForwardBackwardOutput(kind, outputs, metrics)


def _read_tensors(value: Any) -> dict[str, TensorData]:
    tensors = as_dict(value)
    return dict(zip(tensors, read_each(tensors.items(), read_tensor_json), strict=True))


def _write_tensors(tensors: dict[str, TensorData]) -> dict[str, Any]:
    return {name: write_tensor_json(tensor) for name, tensor in tensors.items()}


def _write_output(output: ForwardBackwardOutput) -> dict[str, Any]:
    return {
        "loss_fn_output_type": output.loss_fn_output_type,
        "loss_fn_outputs": [_write_tensors(tensors) for tensors in output.loss_fn_outputs],
        "metrics": output.metrics,
    }


def _read_input(converter: cattrs.Converter, value: Any) -> ForwardBackwardInput:
    body = as_dict(value)

    def read_datum(datum: Any) -> Datum:
        parts = as_dict(datum)
        inputs = at("loss_fn_inputs", lambda: _read_tensors(parts.get("loss_fn_inputs") or {}))
        return Datum(at("model_input", lambda: converter.structure(parts.get("model_input"), ModelInput)), inputs)

    data = at("data", lambda: read_each(enumerate(as_list(body.get("data"))), read_datum))
    loss_fn = body.get("loss_fn")
    if not isinstance(loss_fn, str) or not loss_fn:
        raise Mismatch("loss_fn", "the name of a loss", show(loss_fn))
    return ForwardBackwardInput(
        tuple(data), loss_fn, at("loss_fn_config", lambda: _read_config(body.get("loss_fn_config")))
    )


def _read_config(value: Any) -> dict[str, float | str] | None:
    if value is None:
        return None
    config = as_dict(value)
    for name, part in config.items():
        if type(part) not in {int, float, str}:
            raise Mismatch(name, "a number or text", show(part))
    return {name: part if isinstance(part, str) else float(part) for name, part in config.items()}


def _write_input(converter: cattrs.Converter, value: ForwardBackwardInput) -> dict[str, Any]:
    body: dict[str, Any] = {
        "data": [
            {
                "loss_fn_inputs": _write_tensors(datum.loss_fn_inputs),
                "model_input": converter.unstructure(datum.model_input),
            }
            for datum in value.data
        ],
        "loss_fn": value.loss_fn,
    }
    if value.loss_fn_config is not None:
        body["loss_fn_config"] = value.loss_fn_config
    _check_finite(value)
    return body


def _check_finite(value: ForwardBackwardInput) -> None:
    # JSON has no infinity: it would arrive as null, which means NaN.
    places = {f"loss_fn_config.{name}": part for name, part in (value.loss_fn_config or {}).items()}
    infinite = [place for place, part in places.items() if not isinstance(part, str) and not math.isfinite(part)]
    for index, datum in enumerate(value.data):
        tensors = datum.loss_fn_inputs.items()
        infinite += [f"data[{index}].loss_fn_inputs.{name}" for name, tensor in tensors if np.isinf(tensor.data).any()]
    if infinite:
        raise RequestInvalid(
            path=infinite[0], expected="finite numbers, as this server takes JSON only", got="infinity"
        )
