"""Requests while they are being decoded, and the step that takes several of them one token further."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import Factory, define, field, frozen

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.base_model import BaseModel
from tinkex_actors.local.engine.choice import Policy, TopLogprobs, choose
from tinkex_actors.local.engine.decoder import infer
from tinkex_actors.local.engine.head import log_sum_exp, row_slices
from tinkex_actors.local.engine.kv_cache import SampleCache, StepAttention
from tinkex_actors.local.engine.lora import Adapter, project
from tinkex_actors.local.engine.prompt_scores import PromptScores
from tinkex_actors.local.engine.stopping import StopRule

StopReason: TypeAlias = Literal["stop", "length"]


@frozen
class SampledToken:
    """One token of one sample, as soon as it is there."""

    sample: int
    token: int
    logprob: float
    """Nats."""
    stop_reason: StopReason | None
    """Why the sample ends with this token; None when it goes on."""


@frozen(eq=False)
class SampledSequence:
    """One finished sample. The token or text that ended it is part of it."""

    tokens: npt.NDArray[np.int32]
    logprobs: npt.NDArray[np.float32]
    """Of each token, nats, of the shape of ``tokens``."""
    stop_reason: StopReason
    """``length`` also when the sampling was cancelled."""
    topk_logprobs: TopLogprobs | None = None
    """A row for each token, when asked for."""


@define(eq=False)
class _Sample:
    tokens: list[int] = field(factory=list[int])
    logprobs: list[float] = field(factory=list[float])
    top: list[TopLogprobs] = field(factory=list[TopLogprobs])
    stop_reason: StopReason = "length"

    def finish(self) -> SampledSequence:
        top = TopLogprobs.stack(self.top) if self.top else None
        tokens, logprobs = np.array(self.tokens, np.int32), np.array(self.logprobs, np.float32)
        return SampledSequence(tokens, logprobs, self.stop_reason, top)


@define(eq=False, kw_only=True)
class Decoding:
    """One request: which samples go on, what they have so far, and the logits of their next tokens."""

    logits: FloatArray
    """``(len(active), vocab)``."""
    cache: SampleCache
    prompt: PromptScores
    stop: StopRule
    limit: int
    """Most tokens a sample may have."""
    policy: Policy
    streams: list[np.random.Generator]
    """One a sample."""
    topk: int
    active: list[int] = Factory(lambda self: list(range(len(self.streams))), takes_self=True)
    """Numbers of the samples that go on."""
    samples: list[_Sample] = Factory(lambda self: [_Sample() for _ in self.streams], takes_self=True)

    @property
    def is_done(self) -> bool:
        """Whether no sample goes on."""
        return not self.active

    def finish(self) -> tuple[SampledSequence, ...]:
        """Return every sample as far as it came, in the order of their numbers."""
        return tuple(sample.finish() for sample in self.samples)

    def record(self, choices: "_Choices") -> tuple[SampledToken, ...]:
        """Note one token of every active sample."""
        if self.topk:
            self._record_top(choices)
        return tuple(map(self._record, self.active, choices.tokens, choices.logprobs))

    def _record(self, number: int, token: int, logprob: float) -> SampledToken:
        sample = self.samples[number]
        sample.tokens.append(token)
        sample.logprobs.append(logprob)
        if self.stop.is_met(sample.tokens):
            sample.stop_reason = "stop"
            return SampledToken(number, token, logprob, "stop")
        return SampledToken(number, token, logprob, "length" if len(sample.tokens) >= self.limit else None)

    def _record_top(self, choices: "_Choices") -> None:
        for row, number in enumerate(self.active):
            top = TopLogprobs.empty(1, self.topk)
            top.fill(slice(0, 1), self.logits[row : row + 1] - choices.log_normaliser[row])
            self.samples[number].top.append(top)

    def advance(self, tokens: Sequence[SampledToken]) -> list[int]:
        """Let the finished samples go, and return the last tokens of the others, which the model must read next."""
        going = [row for row, token in enumerate(tokens) if token.stop_reason is None]
        if len(going) < len(tokens):
            self.active = [self.active[row] for row in going]
            if going:
                self.cache.keep(np.array(going, np.int64))
        return [tokens[row].token for row in going]


Step: TypeAlias = tuple[Decoding, tuple[SampledToken, ...]]


def take_step(base: BaseModel, adapter: Adapter | None, decodings: Sequence[Decoding]) -> list[Step]:
    """Take requests to the same weights one token further, together.

    Each gets the bits it would get alone: see `kv_cache`.

    Args:
        base: The model.
        adapter: What it has learned, if anything.
        decodings: None of them done; they are changed.

    Returns:
        The new tokens of each request, in an order of the step's own.
    """
    # Equals side by side, so that few calls serve many requests.
    ordered = sorted(decodings, key=lambda one: (len(one.active), one.policy.key))
    steps = [(decoding, decoding.record(chosen)) for decoding, chosen in _choose(ordered)]
    last = [decoding.advance(tokens) for decoding, tokens in steps]
    going = [decoding for decoding in ordered if decoding.active]
    if going:
        _read(base, adapter, going, [token for tokens in last for token in tokens])
    return steps


def _read(base: BaseModel, adapter: Adapter | None, decodings: Sequence[Decoding], tokens: Sequence[int]) -> None:
    """Let the model read the last token of every sample."""
    for decoding in decodings:
        decoding.cache.advance()
    attention = StepAttention([decoding.cache for decoding in decodings], base.config)
    hidden = infer(base, adapter, np.array(tokens, np.int64), attention)
    logits, _ = project(hidden, base.unembedding, adapter, attention.multiply)
    stop = 0
    for decoding in decodings:
        start, stop = stop, stop + len(decoding.active)
        decoding.logits = logits[start:stop]


@frozen(eq=False)
class _Choices:
    """The next tokens of some rows."""

    tokens: list[int]
    logprobs: list[float]
    log_normaliser: npt.NDArray[np.float64]

    def of(self, rows: slice) -> "_Choices":
        return _Choices(self.tokens[rows], self.logprobs[rows], self.log_normaliser[rows])


def _choose(decodings: Sequence[Decoding]) -> Iterator[tuple[Decoding, _Choices]]:
    """Choose for every active sample; neighbours that choose by the same policy in one call."""
    start = 0
    while start < len(decodings):
        policy, stop = decodings[start].policy, start + 1
        while stop < len(decodings) and decodings[stop].policy == policy:
            stop += 1
        alike = decodings[start:stop]
        choices, row = _choose_alike(alike, policy), 0
        for decoding in alike:
            yield decoding, choices.of(slice(row, row + len(decoding.active)))
            row += len(decoding.active)
        start = stop


def _choose_alike(decodings: Sequence[Decoding], policy: Policy) -> _Choices:
    logits = np.concatenate([one.logits for one in decodings]) if len(decodings) > 1 else decodings[0].logits
    uniforms = np.array([one.streams[number].random() for one in decodings for number in one.active])
    tokens = np.empty(len(logits), np.int64)
    log_normaliser = np.empty(len(logits), np.float64)
    for rows in row_slices(len(logits), logits.shape[1]):
        tokens[rows] = choose(logits[rows], uniforms[rows], policy)
        log_normaliser[rows] = log_sum_exp(logits[rows].copy())
    chosen = np.take_along_axis(logits, tokens[:, None], axis=1)[:, 0]
    return _Choices(tokens.tolist(), (chosen - log_normaliser).tolist(), log_normaliser)
