"""Make trio's order of tasks a function of a seed.

trio shuffles the tasks that can run, so that nobody relies on an order. For Hypothesis it has a switch that sorts them
first, and then the order is that of its private ``random.Random``; there is no public way to it. This module is the
only one that touches these two names, and says so when a trio comes that no longer has them.
"""

import random
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

_SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"
_SHUFFLER = "_r"


@contextmanager
def seeded_scheduler(seed: int) -> Generator[None]:
    """Within the block, trio's order of tasks and the module :mod:`random` depend on *seed* alone.

    Wraps a whole ``trio.run``. Whatever was set before is set again at the end.

    Raises:
        RuntimeError: This trio has no such switch.
    """
    loop: Any = import_module("trio._core._run")  # private names: typed by the check below
    shuffler = getattr(loop, _SHUFFLER, None)
    if not hasattr(loop, _SWITCH) or not isinstance(shuffler, random.Random):
        raise RuntimeError("this version of trio cannot be seeded; simulate() is known to work with trio 0.30 to 0.35")
    was, order, chance = getattr(loop, _SWITCH), shuffler.getstate(), random.getstate()
    setattr(loop, _SWITCH, True)
    shuffler.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        setattr(loop, _SWITCH, was)
        shuffler.setstate(order)
        random.setstate(chance)
