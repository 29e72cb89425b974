"""Between the protocol's sample requests and the engine's."""

from hashlib import sha256

import numpy as np

from tinkex_actors.local.engine import Decoding, EngineInputError
from tinkex_actors.local.engine.choice import TopLogprobs
from tinkex_actors.local.engine.decoding import SampledSequence as EngineSequence
from tinkex_actors.local.engine.prompt_scores import WantedScores
from tinkex_actors.local.engine.sampling import SampleRequest as EngineRequest
from tinkex_actors.local.translation import input_to_tokens
from tinkex_actors.types.sampling import (
    PromptAltTokens,
    SampledSequence,
    SampleResponse,
    SamplingParams,
    StopReason,
    TopkLogprobs,
)
from tinkex_actors.types.tensors import TensorData, TensorDtype
from tinkex_actors.wire.requests import SampleRequest


def request_to_engine(request: SampleRequest, default_seed: str) -> EngineRequest:
    """Unpack a sample request.

    Args:
        request: What to sample.
        default_seed: Where the draw begins if the request names no seed.

    Raises:
        EngineInputError: A part of the prompt is not text, or the targets are no integers.
    """
    params = request.sampling_params
    tokens, texts = _stops(params)
    return EngineRequest(
        prompt=input_to_tokens(request.prompt),
        seed=_digest(default_seed) if params.seed is None else params.seed,
        num_samples=request.num_samples,
        max_tokens=params.max_tokens,
        temperature=params.temperature,
        top_k=params.top_k,
        top_p=params.top_p,
        stop_tokens=tokens,
        stop_strings=texts,
        topk_sample_logprobs=request.topk_sample_logprobs,
        prompt_scores=WantedScores(
            logprobs=bool(request.prompt_logprobs),
            last_n=request.prompt_logprobs_last_n,
            topk=request.topk_prompt_logprobs,
            targets=None if request.target_prompt_logprobs is None else _targets(request.target_prompt_logprobs),
            alternatives=request.prompt_alt_tokens_k,
        ),
    )


def _stops(params: SamplingParams) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """Split the stops into tokens and texts; texts leave the model's own end in force, an empty list removes it."""
    stop = params.stop
    if stop is None:
        return None, ()
    if isinstance(stop, str):
        return None, (stop,)
    tokens = tuple(one for one in stop if isinstance(one, int))
    texts = tuple(one for one in stop if isinstance(one, str))
    return (None if texts else tokens), texts


def _digest(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "little")


def _targets(targets: TensorData) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Fill a sparse table with "nothing asked"."""
    if targets.dtype is not TensorDtype.INT64:
        raise EngineInputError(f"target_prompt_logprobs must be int64, got {targets.dtype}")
    return targets.to_numpy(pad_value=-1)


def decoding_to_response(decoding: Decoding, request: SampleRequest) -> SampleResponse:
    """Pack what a request came to, as far as it came."""
    prompt, targets = decoding.prompt, request.target_prompt_logprobs
    return SampleResponse(
        [_to_sequence(sequence) for sequence in decoding.finish()],
        prompt_logprobs_np=prompt.logprobs,
        topk_prompt_logprobs_np=_to_table(prompt.topk),
        target_prompt_logprobs=_in_layout_of(targets, prompt.targets),
        prompt_alt_tokens=_to_alternatives(prompt.alternatives, prompt.alternative_logprobs),
    )


def _to_sequence(sequence: EngineSequence) -> SampledSequence:
    return SampledSequence(
        StopReason(sequence.stop_reason), sequence.tokens, sequence.logprobs, _to_table(sequence.topk_logprobs)
    )


def _to_table(table: TopLogprobs | None) -> TopkLogprobs | None:
    return None if table is None else TopkLogprobs(table.token_ids, table.logprobs)


def _to_alternatives(
    tokens: np.ndarray[tuple[int, ...], np.dtype[np.int32]] | None,
    logprobs: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None,
) -> PromptAltTokens | None:
    if tokens is None or logprobs is None:
        return None
    return PromptAltTokens(TensorData.from_numpy(tokens), TensorData.from_numpy(logprobs))


def _in_layout_of(
    targets: TensorData | None, scores: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None
) -> TensorData | None:
    """Give the scores back as they were asked for: dense, or under the same sparse indices."""
    if targets is None or scores is None:
        return None
    crow, col = targets.sparse_crow_indices, targets.sparse_col_indices
    if crow is None or col is None:
        return TensorData.from_numpy(scores)
    rows = np.repeat(np.arange(len(crow) - 1), np.diff(crow))
    return TensorData(scores[rows, col], TensorDtype.FLOAT32, targets.shape, crow, col)
