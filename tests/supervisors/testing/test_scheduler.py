"""Seeding trio's order of tasks, and leaving no trace of it."""

import random

import pytest
import trio

from supervisors.testing._scheduler import seeded_scheduler


async def run_order() -> list[int]:
    """In which order ten tasks get their three steps."""
    order: list[int] = []

    async def step(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(step, number)
    return order


def test_a_seed_decides_the_order_of_tasks() -> None:
    """The same order again, and another one for another seed."""
    orders: list[list[int]] = []
    for seed in (1, 1, 2):
        with seeded_scheduler(seed):
            orders.append(trio.run(run_order))

    assert orders[0] == orders[1] != orders[2]


def test_everything_is_as_before_afterwards() -> None:
    """A simulation must not make the program around it predictable."""
    random.seed(42)
    expected = random.random()  # noqa: S311 - seeded on purpose
    random.seed(42)

    with seeded_scheduler(1):
        random.random()  # noqa: S311 - seeded on purpose

    assert random.random() == expected  # noqa: S311 - seeded on purpose


def test_a_trio_without_the_switch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better than a simulation that is not one."""
    monkeypatch.delattr("trio._core._run._r")

    with pytest.raises(RuntimeError, match="cannot be seeded"), seeded_scheduler(1):
        raise AssertionError
