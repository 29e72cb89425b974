"""Sampling from a base model, alone or with an adapter, token by token.

One request is one prompt and a number of samples that are decoded together, beside other requests of the same weights.
The same request gives the same bits, whatever else runs: sample *i* draws from its own random stream made of the seed
and *i*, and no arithmetic is shared with other requests.

Log-probabilities are those of the model itself, before temperature, top-k and top-p: what a learner with the same
weights would compute for the same tokens.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.base_model import BaseModel
from tinkex_actors.local.engine.choice import Policy
from tinkex_actors.local.engine.decoder import infer
from tinkex_actors.local.engine.decoding import Decoding, SampledSequence, take_step
from tinkex_actors.local.engine.errors import EngineInputError
from tinkex_actors.local.engine.examples import check_tokens
from tinkex_actors.local.engine.kv_cache import PromptAttention, SampleCache
from tinkex_actors.local.engine.lora import Adapter, project
from tinkex_actors.local.engine.prompt_scores import (
    PromptQuestion,
    PromptScores,
    WantedScores,
    check_wanted,
    score_prompt,
)
from tinkex_actors.local.engine.randomness import random_stream
from tinkex_actors.local.engine.stopping import StopRule


@frozen(kw_only=True, eq=False)
class SampleRequest:
    """What to sample."""

    prompt: npt.NDArray[np.integer]
    """``(P,)`` token ids, P >= 1."""
    seed: int
    """Any integer; sample *i* draws from the stream of ``(seed, i)``."""
    num_samples: int = 1
    max_tokens: int | None = None
    """None means until the model's context is full."""
    temperature: float = 1.0
    """0 takes the most likely token each time."""
    top_k: int = -1
    """Below 1 means all tokens."""
    top_p: float = 1.0
    stop_tokens: tuple[int, ...] | None = None
    """Tokens that end a sample; None means the model's end-of-sequence tokens, ``()`` means none at all."""
    stop_strings: tuple[str, ...] = ()
    """Texts that end a sample as soon as its decoded text contains one; they need the model's tokenizer."""
    topk_sample_logprobs: int = 0
    """How many most likely tokens to report for each sampled one."""
    prompt_scores: WantedScores = field(factory=WantedScores)
    """What to report about the prompt."""


@frozen(eq=False)
class SampleResult:
    """What a request came to."""

    sequences: tuple[SampledSequence, ...]
    """In the order of the samples' numbers."""
    prompt: PromptScores


def _never() -> bool:
    return False


class Sampler:
    """Samples from frozen weights; safe to use for several requests at once from several threads."""

    def __init__(self, base: BaseModel, adapter: Adapter | None = None) -> None:
        self.base = base
        self.adapter = adapter
        """Read-only, as :meth:`TrainableModel.snapshot` returns it."""

    def sample(self, request: SampleRequest, *, cancelled: Callable[[], bool] = _never) -> SampleResult:
        """Sample to the end.

        Args:
            request: What to sample.
            cancelled: Asked before each token; once true, what there is is returned.

        Raises:
            EngineInputError: The request is wrong.
        """
        decoding = self.begin(request)
        while not (decoding.is_done or cancelled()):
            take_step(self.base, self.adapter, [decoding])
        return SampleResult(decoding.finish(), decoding.prompt)

    def begin(self, request: SampleRequest) -> Decoding:
        """Read the prompt; :func:`take_step` then takes the request further, alone or beside others of these weights.

        Raises:
            EngineInputError: The request is wrong.
        """
        _check_request(request)
        config = self.base.config
        prompt = check_tokens(request.prompt, config)
        wanted = check_wanted(request.prompt_scores, len(prompt), config)
        question = PromptQuestion(prompt, wanted, request.temperature, request.seed)
        stop = StopRule.of(self.base, request.stop_tokens, request.stop_strings)
        attention = PromptAttention(len(prompt))
        hidden = infer(self.base, self.adapter, prompt, attention)
        room = max(config.max_positions - len(prompt), 1)
        return Decoding(
            logits=np.repeat(self._logits(hidden[-1:]), request.num_samples, axis=0),
            cache=SampleCache(attention, request.num_samples),
            prompt=score_prompt(self.base, self.adapter, hidden, question),
            stop=stop,
            limit=room if request.max_tokens is None else min(request.max_tokens, room),
            policy=Policy(request.temperature, request.top_k, request.top_p),
            streams=[random_stream(request.seed, "sample", i) for i in range(request.num_samples)],
            topk=request.topk_sample_logprobs,
        )

    def _logits(self, hidden: FloatArray) -> FloatArray:
        return project(hidden, self.base.unembedding, self.adapter)[0]


def _check_request(request: SampleRequest) -> None:
    for name, least in (("num_samples", 1), ("topk_sample_logprobs", 0)):
        value = getattr(request, name)
        if value < least:
            raise EngineInputError(f"expected {name} >= {least}, got {value}")
    if request.max_tokens is not None and request.max_tokens < 1:
        raise EngineInputError(f"expected max_tokens >= 1 or None, got {request.max_tokens}")
    if not (math.isfinite(request.temperature) and request.temperature >= 0):
        raise EngineInputError(f"expected a finite temperature >= 0, got {request.temperature}")
    if not 0 < request.top_p <= 1:
        raise EngineInputError(f"expected 0 < top_p <= 1, got {request.top_p}")
