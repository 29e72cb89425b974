"""Weights to sample from, in memory and on the disk."""

from pathlib import Path

import numpy as np
import pytest

from tests.tinkex_actors.local.engine.tiny_models import random_base
from tests.tinkex_actors.local.worlds import make_run, make_workshop
from tinkex_actors.local.checkpoints import Recipe
from tinkex_actors.local.engine import Adapter
from tinkex_actors.local.refusals import Gone
from tinkex_actors.local.translation import recipe_to_spec
from tinkex_actors.local.weights import AdapterCache, Weights

RECIPE = Recipe("random", 2, train_unembed=True, train_mlp=True, train_attn=True)


def test_a_snapshot_is_read_again_bit_for_bit(tmp_path: Path) -> None:
    """Forgetting an adapter must not change what is sampled."""
    shelves = make_workshop(tmp_path).shelves
    base = random_base(dtype=np.float32)
    adapter = Adapter.create(base, recipe_to_spec(RECIPE, seed=3)).copy()
    shelves.snapshots.write("a", adapter)
    again = Weights(base, RECIPE, file="a").at_hand(shelves)
    assert again is not None
    assert all(np.array_equal(again.weights[name], array) for name, array in adapter.weights.items())


def test_a_snapshot_that_is_gone_says_so(tmp_path: Path) -> None:
    """Its session has ended."""
    shelves = make_workshop(tmp_path).shelves
    shelves.snapshots.remove("a")
    with pytest.raises(Gone, match="save the weights again"):
        Weights(random_base(dtype=np.float32), RECIPE, file="a").at_hand(shelves)


def test_adapters_used_longest_ago_are_forgotten_beyond_the_limit(tmp_path: Path) -> None:
    """A loop that samples after every step makes thousands of them."""
    run = make_run(make_workshop(tmp_path))
    adapter = Adapter.create(run.base, recipe_to_spec(RECIPE))
    cache, weights = AdapterCache(2), [Weights(run.base, RECIPE, file=name, adapter=adapter) for name in "abc"]
    for one in (weights[0], weights[1], weights[0], weights[2]):
        cache.touch(one)
    assert [one.adapter is None for one in weights] == [False, True, False]
    cache.forget(weights[0])
    assert weights[0].adapter is None


def test_the_base_model_alone_takes_no_room(tmp_path: Path) -> None:
    """It is in memory anyway."""
    shelves = make_workshop(tmp_path).shelves
    alone = Weights(random_base(dtype=np.float32))
    AdapterCache(1).touch(alone)
    assert alone.at_hand(shelves) is None
