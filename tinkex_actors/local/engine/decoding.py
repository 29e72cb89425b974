"""The samples of one request while they are being decoded."""

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import Factory, define, field, frozen

from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.choice import Policy, TopLogprobs, choose
from tinkex_actors.local.engine.head import log_sum_exp
from tinkex_actors.local.engine.kv_cache import SampleAttention
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
    """Which samples go on, what they have so far, and the logits of their next tokens."""

    logits: FloatArray
    """``(len(active), vocab)``."""
    cache: SampleAttention
    prompt: PromptScores
    stop: StopRule
    limit: int
    """Most tokens a sample may have."""
    policy: Policy
    streams: list[np.random.Generator]
    """One a sample."""
    topk: int
    active: npt.NDArray[np.int64] = Factory(lambda self: np.arange(len(self.streams)), takes_self=True)
    """Numbers of the samples that go on."""
    samples: list[_Sample] = Factory(lambda self: [_Sample() for _ in self.streams], takes_self=True)

    def _numbers(self) -> list[int]:
        return [int(number) for number in self.active]

    def take(self) -> tuple[SampledToken, ...]:
        """Choose and record the next token of every active sample."""
        uniforms = np.array([self.streams[i].random() for i in self._numbers()])
        chosen = choose(self.logits, uniforms, self.policy)
        logprobs = self.logits - log_sum_exp(self.logits.copy())[:, None]
        if self.topk:
            self._record_top(logprobs)
        taken = np.take_along_axis(logprobs, chosen[:, None], axis=1)[:, 0]
        return tuple(
            self._record(sample, int(token), float(logprob))
            for sample, token, logprob in zip(self._numbers(), chosen, taken, strict=True)
        )

    def _record_top(self, logprobs: npt.NDArray[np.float64]) -> None:
        for sample, row in zip(self._numbers(), logprobs, strict=True):
            top = TopLogprobs.empty(1, self.topk)
            top.fill(slice(0, 1), row[None])
            self.samples[sample].top.append(top)

    def _record(self, number: int, token: int, logprob: float) -> SampledToken:
        sample = self.samples[number]
        sample.tokens.append(token)
        sample.logprobs.append(logprob)
        if self.stop.is_met(sample.tokens):
            sample.stop_reason = "stop"
            return SampledToken(number, token, logprob, "stop")
        return SampledToken(number, token, logprob, "length" if len(sample.tokens) >= self.limit else None)

    def advance(self, tokens: tuple[SampledToken, ...]) -> npt.NDArray[np.int64]:
        """Let the finished samples go, and return the last tokens of the others, which the model must read next."""
        going = [i for i, token in enumerate(tokens) if token.stop_reason is None]
        if len(going) < len(tokens):
            self.active = self.active[going]
            self.cache.keep(np.array(going, np.int64))
        self.cache.advance()
        return np.array([tokens[i].token for i in going], np.int64)

    def finish(self) -> tuple[SampledSequence, ...]:
        """Return every sample as far as it came, in the order of their numbers."""
        return tuple(sample.finish() for sample in self.samples)
