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
    # Asking for a part that is absent makes an empty one, which costs more than asking whether it is there.
    has = message.HasField
    return SampleResponse(
        [_read_numbered(sequence, index) for index, sequence in enumerate(message.sequences)],
        _read_logprobs(message.prompt_logprobs, "prompt_logprobs"),
        _read_topk(message.topk_prompt_logprobs, "topk_prompt_logprobs") if has("topk_prompt_logprobs") else None,
        read_tensor(message.target_prompt_logprobs, "target_prompt_logprobs")
        if has("target_prompt_logprobs")
        else None,
        message.prompt_cache_hit_tokens,
        _read_alternatives(message.prompt_alt_tokens) if has("prompt_alt_tokens") else None,
    )


def _read_alternatives(message: pb.PromptAltTokens) -> PromptAltTokens:
    return PromptAltTokens(
        read_tensor(message.tokens, "prompt_alt_tokens.tokens"),
        read_tensor(message.logprobs, "prompt_alt_tokens.logprobs"),
    )


def _read_numbered(message: pb.SampledSequence, index: int) -> SampledSequence:
    try:
        return _read_sequence(message)
    except Mismatch as mismatch:
        raise mismatch.under(f"sequences[{index}]") from mismatch


def _read_sequence(message: pb.SampledSequence) -> SampledSequence:
    stop_reason = _READ_STOP.get(message.stop_reason)
    if stop_reason is None:
        raise Mismatch("stop_reason", "STOP or LENGTH", str(message.stop_reason))
    tokens = read_array(message.tokens, "<i4", "tokens")
    logprobs = _read_logprobs(message.logprobs, "logprobs")
    if logprobs is not None and logprobs.size != tokens.size:
        raise Mismatch("logprobs", f"{tokens.size}, one for each token", str(logprobs.size))
    has_topk = message.HasField("topk_sampled_logprobs")
    topk = _read_topk(message.topk_sampled_logprobs, "topk_sampled_logprobs") if has_topk else None
    return SampledSequence(stop_reason, tokens, logprobs, topk)


def _read_logprobs(buffer: bytes, path: str) -> FloatArray | None:
    return read_array(buffer, "<f4", path) if buffer else None


def _read_topk(message: pb.TopkLogprobs, path: str) -> TopkLogprobs | None:
    length, k = message.length, message.k
    if length == 0 or k == 0:
        return None
    ids = read_array(message.token_ids, "<i4", f"{path}.token_ids")
    logprobs = read_array(message.logprobs, "<f4", f"{path}.logprobs")
    if ids.size != length * k or logprobs.size != length * k:
        raise Mismatch(path, f"{length} x {k} token ids and logprobs", f"{ids.size} and {logprobs.size}")
    return TopkLogprobs(ids.reshape(length, k), logprobs.reshape(length, k))
