"""A sample's answer in protobuf, both directions.

Empty log-probabilities count as absent, which is how the protocol spells it.
"""

import numpy as np

from tinkex_actors.types import (
    PromptAltTokens,
    SampledSequence,
    SampleResponse,
    StopReason,
    TopkLogprobs,
)
from tinkex_actors.types.tensors import FloatArray
from tinkex_actors.wire import tinker_public_pb2 as pb
from tinkex_actors.wire._arrays import read_array, read_tensor, write_tensor
from tinkex_actors.wire._mismatch import Mismatch, read_answer

_READ_STOP = {int(pb.STOP_REASON_STOP): StopReason.STOP, int(pb.STOP_REASON_LENGTH): StopReason.LENGTH}
_WRITTEN_STOP = {StopReason.STOP: pb.STOP_REASON_STOP, StopReason.LENGTH: pb.STOP_REASON_LENGTH}


def encode_sample_response(response: SampleResponse) -> bytes:
    """Write the answer. Sequence ids are not part of it: they travel with the promise."""
    message = pb.SampleResponse(prompt_cache_hit_tokens=response.prompt_cache_hit_tokens)
    for sequence in response.sequences:
        _write_sequence(message.sequences.add(), sequence)
    if response.prompt_logprobs_np is not None:
        message.prompt_logprobs = _float_bytes(response.prompt_logprobs_np)
    if response.topk_prompt_logprobs_np is not None:
        _write_topk(message.topk_prompt_logprobs, response.topk_prompt_logprobs_np)
    if response.target_prompt_logprobs is not None:
        write_tensor(message.target_prompt_logprobs, response.target_prompt_logprobs)
    if response.prompt_alt_tokens is not None:
        write_tensor(message.prompt_alt_tokens.tokens, response.prompt_alt_tokens.tokens)
        write_tensor(message.prompt_alt_tokens.logprobs, response.prompt_alt_tokens.logprobs)
    return message.SerializeToString()


def _float_bytes(values: FloatArray) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def _write_sequence(message: pb.SampledSequence, sequence: SampledSequence) -> None:
    message.stop_reason = _WRITTEN_STOP[sequence.stop_reason]
    message.tokens = np.ascontiguousarray(sequence.tokens_np, "<i4").tobytes()
    if sequence.logprobs_np is not None:
        message.logprobs = _float_bytes(sequence.logprobs_np)
    if sequence.topk_logprobs_np is not None:
        _write_topk(message.topk_sampled_logprobs, sequence.topk_logprobs_np)


def _write_topk(message: pb.TopkLogprobs, table: TopkLogprobs) -> None:
    message.length, message.k = table.token_ids.shape
    message.token_ids = np.ascontiguousarray(table.token_ids, "<i4").tobytes()
    message.logprobs = _float_bytes(table.logprobs)


def decode_sample_response(body: bytes) -> SampleResponse:
    """Read the answer; the sequences have no ids yet. Arrays are read-only views of *body*.

    Raises:
        ResponseInvalid: Whatever is wrong with it.
    """
    return read_answer(read_sample_response, body, operation="sample")


def read_sample_response(body: bytes) -> SampleResponse:
    """Read the answer, complaining by `Mismatch`; `decode_sample_response` is its public form."""
    message = pb.SampleResponse.FromString(body)
    return SampleResponse(
        sequences=[_read_sequence(sequence, f"sequences[{i}]") for i, sequence in enumerate(message.sequences)],
        prompt_logprobs_np=_read_logprobs(message.prompt_logprobs, "prompt_logprobs"),
        topk_prompt_logprobs_np=_read_topk(message.topk_prompt_logprobs, "topk_prompt_logprobs"),
        target_prompt_logprobs=(
            read_tensor(message.target_prompt_logprobs, "target_prompt_logprobs")
            if message.HasField("target_prompt_logprobs")
            else None
        ),
        prompt_cache_hit_tokens=message.prompt_cache_hit_tokens,
        prompt_alt_tokens=(
            PromptAltTokens(
                read_tensor(message.prompt_alt_tokens.tokens, "prompt_alt_tokens.tokens"),
                read_tensor(message.prompt_alt_tokens.logprobs, "prompt_alt_tokens.logprobs"),
            )
            if message.HasField("prompt_alt_tokens")
            else None
        ),
    )


def _read_sequence(message: pb.SampledSequence, path: str) -> SampledSequence:
    stop_reason = _READ_STOP.get(message.stop_reason)
    if stop_reason is None:
        raise Mismatch(f"{path}.stop_reason", "STOP or LENGTH", str(message.stop_reason))
    tokens = read_array(message.tokens, "<i4", f"{path}.tokens")
    logprobs = _read_logprobs(message.logprobs, f"{path}.logprobs")
    if logprobs is not None and logprobs.size != tokens.size:
        raise Mismatch(f"{path}.logprobs", f"{tokens.size}, one for each token", str(logprobs.size))
    topk = _read_topk(message.topk_sampled_logprobs, f"{path}.topk_sampled_logprobs")
    return SampledSequence(stop_reason, tokens, logprobs, topk)


def _read_logprobs(buffer: bytes, path: str) -> FloatArray | None:
    return read_array(buffer, "<f4", path) if buffer else None


def _read_topk(message: pb.TopkLogprobs, path: str) -> TopkLogprobs | None:
    # An absent table reads as one of no rows.
    length, k = message.length, message.k
    if length == 0 or k == 0:
        return None
    ids = read_array(message.token_ids, "<i4", f"{path}.token_ids")
    logprobs = read_array(message.logprobs, "<f4", f"{path}.logprobs")
    if ids.size != length * k or logprobs.size != length * k:
        raise Mismatch(path, f"{length} x {k} token ids and logprobs", f"{ids.size} and {logprobs.size}")
    return TopkLogprobs(ids.reshape(length, k), logprobs.reshape(length, k))
