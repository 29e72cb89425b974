"""Finite or not: what a step asks about an array before it is sent."""

import math
from enum import StrEnum

import numpy as np

from tinkex_actors.types.tensors import Array


class Finiteness(StrEnum):
    """What the worst element of an array is. NaN is asked for first."""

    FINITE = "finite"
    NAN = "nan"
    INFINITY = "infinity"


def check_finite(array: Array) -> Finiteness:
    """Classify an array by its worst element; nothing is finite."""
    # A sum that is finite has finite elements only, and costs one pass without a copy.
    with np.errstate(invalid="ignore", over="ignore"):
        if math.isfinite(float(array.sum())):
            return Finiteness.FINITE
    if np.isnan(array).any():
        return Finiteness.NAN
    return Finiteness.FINITE if np.isfinite(array).all() else Finiteness.INFINITY
