"""Sharing work out: order, failures, and what is set for the whole process."""

import threading
from typing import Any, cast

import pytest
from threadpoolctl import threadpool_info

from tinkex_actors.local.engine.cores import map_in_order, prepare_process, usable_cores


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_results_come_in_the_order_of_the_pieces(workers: int) -> None:
    assert list(map_in_order(lambda n: n * n, range(20), workers=workers)) == [n * n for n in range(20)]


def test_pieces_are_computed_side_by_side() -> None:
    """Both wait for each other, which one after the other would never end."""
    barrier = threading.Barrier(2, timeout=10)
    assert sorted(map_in_order(lambda _: barrier.wait(), range(2), workers=2)) == [0, 1]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_failure_comes_in_its_place(workers: int) -> None:
    results = map_in_order(lambda n: 6 // n, [3, 2, 0, 1], workers=workers)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_blas_gets_one_thread() -> None:
    """However often it is asked."""
    prepare_process()
    prepare_process()
    pools = cast("list[dict[str, Any]]", threadpool_info())
    assert {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"} == {1}


def test_there_is_a_core() -> None:
    assert usable_cores() >= 1
