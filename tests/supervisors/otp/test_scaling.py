"""Costs that must grow with the number of children and not with its square: SU-40, SU-41."""

from collections.abc import Awaitable, Callable
from time import process_time

import pytest

from supervisors import ChildSpec, open_supervisor
from tests.supervisors.otp.actors import Diary, Part

SMALL, FACTOR = 100, 10
LIMIT = 50
"""OTP's own bound for ten times as many. A square would be a hundred."""


async def ratio(measure: Callable[[int], Awaitable[float]]) -> float:
    """How much longer ten times as many take; CPU time, and the best of three small runs, against chance."""
    small = min([await measure(SMALL) for _ in range(3)])
    return await measure(SMALL * FACTOR) / small


@pytest.mark.otp("SU-40")
async def test_terminating_many_temporary_children_takes_time_in_proportion() -> None:
    """Each termination looks its child up; it must not look through all."""
    part = Part(Diary(), "a")

    async def terminate(size: int) -> float:
        async with open_supervisor() as root:
            pool = await root.start_supervisor("pool", dynamic=True)
            refs = [await pool.start_child(part.make, restart="temporary") for _ in range(size)]
            started = process_time()
            for ref in refs:
                await pool.terminate_child(ref)
            return process_time() - started

    assert await ratio(terminate) <= LIMIT


@pytest.mark.otp("SU-41")
async def test_starting_and_stopping_many_static_children_takes_time_in_proportion() -> None:
    """From the list of specs to the last stop."""
    part = Part(Diary(), "a")

    async def start_and_stop(size: int) -> float:
        started = process_time()
        async with open_supervisor(children=[ChildSpec(part.make, name=str(n)) for n in range(size)]):
            pass
        return process_time() - started

    assert await ratio(start_and_stop) <= LIMIT
