"""Make an answer about a prompt what the protocol says it is, whichever server gave it.

Scores of a prompt of P tokens are P entries, the first undefined. Some servers leave the first one out, some know no
``prompt_logprobs_last_n`` and score everything. What was asked for and is missing altogether is named.
"""

import numpy as np
from attrs import evolve, frozen

from tinkex_actors.types import EMPTY_LOGPROB, ResponseInvalid, SampleResponse, TopkLogprobs
from tinkex_actors.types.tensors import FloatArray


@frozen(kw_only=True)
class Asked:
    """What a sample was to bring besides its sequences."""

    prompt_length: int | None
    """In tokens; ``None`` if only the server can count them."""
    prompt_logprobs: bool = False
    topk_prompt_logprobs: int = 0
    topk_sample_logprobs: int = 0
    target_prompt_logprobs: bool = False
    prompt_alt_tokens_k: int = 0
    prompt_logprobs_last_n: int | None = None


def align_prompt(response: SampleResponse, asked: Asked) -> SampleResponse:
    """Give the prompt's scores one entry for each token, undefined where they are or were not asked for.

    Returns:
        *response* itself if it is so already.
    """
    scores, table = response.prompt_logprobs_np, response.topk_prompt_logprobs_np
    length, last_n = asked.prompt_length, asked.prompt_logprobs_last_n
    if length is None or not (asked.prompt_logprobs or asked.topk_prompt_logprobs):
        return response
    if scores is None and length == 1 and asked.prompt_logprobs:
        scores = np.full(1, np.nan, np.float32)
    if scores is not None and scores.size == length - 1:
        scores = np.concatenate((np.full(1, np.nan, np.float32), scores))
    if table is not None and len(table.token_ids) == length - 1:
        table = _with_an_empty_first_row(table)
    if scores is not None and last_n is not None:
        scores = _only_the_last(scores, last_n)
    if scores is response.prompt_logprobs_np and table is response.topk_prompt_logprobs_np:
        return response
    return evolve(response, prompt_logprobs_np=scores, topk_prompt_logprobs_np=table)


def name_missing(response: SampleResponse, asked: Asked) -> str | None:
    """Name the first thing that was asked for and is not there, in words for people; ``None`` if all is."""
    is_scorable = asked.prompt_length is None or asked.prompt_length > 1
    drawn = [sequence for sequence in response.sequences if sequence.tokens_np.size]
    wanted = {
        "logprobs of the prompt": (asked.prompt_logprobs, response.prompt_logprobs_np is not None),
        "the likeliest tokens of the prompt (topk_prompt_logprobs)": (
            is_scorable and asked.topk_prompt_logprobs,
            response.topk_prompt_logprobs_np is not None,
        ),
        "the likeliest tokens of samples (topk_sample_logprobs)": (
            asked.topk_sample_logprobs,
            all(sequence.topk_logprobs_np is not None for sequence in drawn),
        ),
        "logprobs of chosen tokens in the prompt (target_prompt_logprobs)": (
            asked.target_prompt_logprobs,
            response.target_prompt_logprobs is not None,
        ),
        "draws at every position of the prompt (prompt_alt_tokens_k)": (
            is_scorable and asked.prompt_alt_tokens_k,
            response.prompt_alt_tokens is not None,
        ),
    }
    return next((name for name, (is_wanted, is_there) in wanted.items() if is_wanted and not is_there), None)


def check_lengths(response: SampleResponse, asked: Asked) -> None:
    """Check that what is told about the prompt is about all of it: an entry each, or scores land on the wrong tokens.

    Raises:
        ResponseInvalid: There are more or fewer entries than the prompt has tokens.
    """
    length, scores, table = asked.prompt_length, response.prompt_logprobs_np, response.topk_prompt_logprobs_np
    if length is None:
        return
    if asked.prompt_logprobs and scores is not None and scores.size != length:
        raise misfit("prompt_logprobs", f"{length}, one for each token", scores.size)
    if asked.topk_prompt_logprobs and table is not None and len(table.token_ids) != length:
        raise misfit("topk_prompt_logprobs", f"{length} rows, one for each token", len(table.token_ids))
    targets, draws = response.target_prompt_logprobs, response.prompt_alt_tokens
    for name, told in {
        "target_prompt_logprobs": targets,
        "prompt_alt_tokens.tokens": None if draws is None else draws.tokens,
        "prompt_alt_tokens.logprobs": None if draws is None else draws.logprobs,
    }.items():
        if told is not None and told.shape is not None and told.shape[:1] != (length - 1,):
            raise misfit(name, f"{length - 1} rows, one for each token but the first", told.shape)


def misfit(path: str, expected: str, got: object) -> ResponseInvalid:
    """Make the error for an answer that holds another number of things than were asked for."""
    return ResponseInvalid(path=path, expected=expected, got=str(got), operation="asample")


def _only_the_last(scores: FloatArray, last_n: int) -> FloatArray:
    if np.isnan(scores[:-last_n]).all():
        return scores
    kept = scores.copy()
    kept[:-last_n] = np.nan
    return kept


def _with_an_empty_first_row(table: TopkLogprobs) -> TopkLogprobs:
    k = table.token_ids.shape[1]
    return TopkLogprobs(
        np.concatenate((np.zeros((1, k), np.int32), table.token_ids)),
        np.concatenate((np.full((1, k), EMPTY_LOGPROB, np.float32), table.logprobs)),
    )
