"""Distributions for terms that need a vocabulary: the k likeliest tokens of every position, as a server reports them.

A server's log-probabilities are one number a target, so a datum with one target a position has no distribution. One with
k targets a position has: ``target_tokens`` of shape ``(n, k)`` bring log-probabilities of that shape from the forward
pass, and entropy, divergences and orthogonality have their vocabulary axis. The k tokens do not hold all probability:
what is left out is left alone.
"""

import numpy as np

from tinkex_actors.types import EMPTY_LOGPROB, Datum, ModelInput, TensorData, TopkLogprobs


def topk_datum(prompt: ModelInput, likeliest: TopkLogprobs, *, reference: str = "reference_logprobs") -> Datum:
    """Make a datum of a text that another model has scored: its likeliest tokens as targets, its opinion as reference.

    Args:
        prompt: The text, n + 1 tokens; no images.
        likeliest: ``topk_prompt_logprobs_np`` of a sample request for *prompt*, n + 1 rows.
        reference: Under which name the scorer's log-probabilities go into the datum.

    Returns:
        A datum of n positions: ``target_tokens`` int64 and *reference* float32, both ``(n, k)``. Position *i* is what
        comes after token *i*.

    Raises:
        ValueError: The rows are not the prompt's, or a position has fewer than k tokens (it was not scored).
    """
    tokens = prompt.to_ints()
    if likeliest.token_ids.shape[0] != len(tokens):
        raise ValueError(f"expected a row for each of {len(tokens)} tokens, got {likeliest.token_ids.shape[0]}")
    # Nothing comes before the first token, so it has no distribution.
    targets, logprobs = likeliest.token_ids[1:], likeliest.logprobs[1:]
    unscored = np.flatnonzero((logprobs <= EMPTY_LOGPROB).any(axis=1))
    if unscored.size:
        raise ValueError(
            f"expected {targets.shape[1]} tokens at every position, got fewer at {unscored[0]}; score the whole prompt"
        )
    inputs = {"target_tokens": TensorData.from_numpy(targets), reference: TensorData.from_numpy(logprobs)}
    return Datum(ModelInput.from_ints(tokens[:-1]), inputs)
