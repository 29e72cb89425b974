"""The work that every benchmark of the client does: a batch of 4.2 MB to train on, and a short sample.

One batch is 128 data of 2,048 tokens with int64 targets and float32 weights; its result holds 2,048 log-probabilities
for each datum, about 1 MB. A sample has a prompt of 256 tokens and brings 256 back.
"""

from typing import Any

import numpy as np

DATA, LENGTH, SAMPLE_LENGTH, VOCABULARY = 128, 2048, 256, 150_000
Arrays = list[tuple[Any, Any, Any]]
"""Of numpy; the SDK's field takes arrays that its type does not name."""


def batch() -> Arrays:
    """Tokens, targets and weights as arrays, as a data loader gives them."""
    random = np.random.default_rng(0)
    return [
        (
            random.integers(0, VOCABULARY, LENGTH, np.int32),
            random.integers(0, VOCABULARY, LENGTH, np.int64),
            random.random(LENGTH, np.float32),
        )
        for _ in range(DATA)
    ]
