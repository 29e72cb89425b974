"""Print the tables: ``python -m benchmarks.engine [--rounds N] [--only TEXT] [--torch]``.

Training is measured against its matrix products alone, decoding against one sequence at a time. With ``--torch`` the
same model in torch (one thread) takes part, which needs torch and transformers.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from benchmarks.engine.floors import training_floor
from benchmarks.engine.models import SHIPPED, TEN_MILLION, random_adapter, random_base, random_batch
from benchmarks.engine.torch_twin import torch_forward_backward
from benchmarks.measure import Contender, Stopwatch, Subject, compare, table, timed
from tinkex_actors.local.engine import Decoding, ModelConfig, Sampler, SampleRequest, TrainableModel, take_step
from tinkex_actors.local.engine.training import TOKENS_AT_ONCE

T = TypeVar("T")

Measure = tuple[str, Contender, list[Contender]]


def timed_behind(prepare: Callable[[], T], work: Callable[[T], object]) -> Subject:
    """Turn work into a subject; what *prepare* makes is handed to it, and the making is not measured."""

    def run(count: int) -> float:
        seconds = 0.0
        for _ in range(count):
            prepared = prepare()
            with Stopwatch() as watch:
                work(prepared)
            seconds += watch.seconds
        return seconds

    return run


def training(title: str, config: ModelConfig, shape: tuple[int, int, int], *, torch: bool) -> Measure:
    """One forward_backward of ``shape`` = sequences, length, rank."""
    sequences, length, rank = shape
    base = random_base(config)
    model = TrainableModel(base, random_adapter(base, rank), workers=1)
    batch = random_batch(config, sequences, length)
    floor = training_floor(base, sequences=sequences, length=length, rank=rank, tokens_at_once=TOKENS_AT_ONCE)

    def step() -> None:
        model.forward_backward(batch, "cross_entropy", {}, backward=True)

    contenders = [Contender("forward_backward", timed(step), 2.0)]
    if torch:
        contenders.append(Contender("torch, one thread", timed(torch_forward_backward(base, model.adapter, batch))))
    return title, Contender("its matrix products", timed(floor)), contenders


def decoding(title: str, config: ModelConfig, tokens: int) -> Measure:
    """One sample of *tokens* behind a prompt that has been read, and many: 32 would be no gain for 32."""
    base = random_base(config)
    sampler = Sampler(base, random_adapter(base))

    def ask(samples: int) -> SampleRequest:
        return SampleRequest(prompt=np.arange(1, 65), seed=0, num_samples=samples, max_tokens=tokens, stop_tokens=())

    def begin(requests: int, samples: int) -> list[Decoding]:
        return [sampler.begin(ask(samples)) for _ in range(requests)]

    def draw(decodings: list[Decoding]) -> None:
        while decodings:
            take_step(base, sampler.adapter, decodings)
            decodings = [one for one in decodings if not one.is_done]

    def drawing(requests: int, samples: int) -> Subject:
        return timed_behind(partial(begin, requests, samples), draw)

    contenders = [Contender("32 samples of a request", drawing(1, 32), 4.0)]
    reaches = {8: None, 32: 4.0, 100: None}
    contenders += [Contender(f"{number} requests", drawing(number, 1), reach) for number, reach in reaches.items()]
    contenders.append(Contender("to read one prompt", timed(lambda: begin(1, 1))))
    return title, Contender("one sample", drawing(1, 1)), contenders


def measures(*, torch: bool) -> Sequence[Callable[[], Measure]]:
    """Every table, made when it is its turn."""
    return [
        lambda: training("Training, 0.8 M, 16 x 100, rank 32", SHIPPED, (16, 100, 32), torch=torch),
        lambda: training("Training, 10 M, 16 x 256, rank 16", TEN_MILLION, (16, 256, 16), torch=torch),
        lambda: decoding("Decoding, 0.8 M, 64 tokens", SHIPPED, 64),
        lambda: decoding("Decoding, 10 M, 64 tokens", TEN_MILLION, 64),
    ]


def main() -> None:
    """Run every table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", type=int, help="the number of one table, from 0")
    parser.add_argument("--torch", action="store_true", help="measure torch beside it")
    options = parser.parse_args()
    for number, measure in enumerate(measures(torch=options.torch)):
        if options.only in (None, number):
            title, floor, contenders = measure()
            print(table(title, compare(floor, contenders, count=1, rounds=options.rounds)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
