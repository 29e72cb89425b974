from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.daemon.schedule import Schedule


@given(steps=st.integers(1, 40), batch_size=st.integers(1, 9), num_examples=st.integers(1, 30), seed=st.integers(0, 9))
def test_each_epoch_shows_every_example_once(steps: int, batch_size: int, num_examples: int, seed: int) -> None:
    """Whatever the sizes, no example is favoured; only the run's last epoch may be cut short."""
    schedule = Schedule(steps=steps, batch_size=batch_size, learning_rate=1e-3, seed=seed)

    batches = list(schedule.batches(num_examples))

    assert [batch.step for batch in batches] == list(range(steps))
    epochs = [[i for batch in epoch for i in batch.members] for _, epoch in groupby(batches, key=lambda b: b.epoch)]
    assert all(sorted(epoch) == list(range(num_examples)) for epoch in epochs[:-1])
    assert len(set(epochs[-1])) == len(epochs[-1])


def test_the_order_is_a_function_of_the_seed() -> None:
    """A run that is told again must see the same batches; another seed must not."""
    first, again, other = (
        list(Schedule(steps=9, batch_size=4, learning_rate=1.0, seed=seed).batches(50)) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_the_rate_rises_over_the_warm_up_and_falls_to_the_end() -> None:
    """A large first step would destroy what the base model knows."""
    schedule = Schedule(steps=10, batch_size=1, learning_rate=1.0, warmup_steps=3)

    rates = [schedule.rate_at(step) for step in range(10)]

    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4:] == pytest.approx([6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7])


@given(steps=st.integers(1, 60), warmup=st.integers(0, 80))
def test_the_rate_is_always_positive_and_never_above_the_highest(steps: int, warmup: int) -> None:
    """Also when the warm-up is longer than the run."""
    schedule = Schedule(steps=steps, batch_size=1, learning_rate=0.01, warmup_steps=warmup)

    assert all(0 < schedule.rate_at(step) <= 0.01 for step in range(steps))
