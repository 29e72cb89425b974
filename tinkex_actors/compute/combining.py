"""Put the results of one call's slices back together: outputs in order, metrics reduced by the suffix of their names.

=================== ================================================================================================
suffix              value from x_1 … x_n, with w_i data in slice i
=================== ================================================================================================
``sum`` ``min``     what they say
``max``
``mean``            Σ w_i x_i / Σ w_i, and 0 when no slice has data
``slack``           max - mean, and 0 when no slice has data
``hash2``           Σ (x_i mod 2^64) mod 2^64: does not depend on the order
``hash_unordered``  a fixed 53-bit hash of the sorted values (BLAKE2b of their float64 bytes)
``unique``          x_1 under the name, x_i under ``name_i`` (the official SDK counts from ``name_1`` for x_2)
any other, or none  the mean
=================== ================================================================================================

Deliberate differences from the official SDK, which loses data here:

* the union of all slices' names is combined, not only the names that every slice has; a slice that lacks a name does
  not take part in it;
* a name without a suffix is averaged, and one with several colons goes by the last, instead of failing the result;
* an unknown suffix is averaged instead of dropped;
* no data at all make a mean of 0 instead of a division by zero.

On results that the SDK accepts, both agree (checked against it).
"""

import hashlib
import math
import struct
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from tinkex_actors.types import ForwardBackwardOutput

_WORD = 2**64


@frozen
class _Sample:
    """One metric over the slices that report it."""

    values: Sequence[float]
    weights: Sequence[int]


def combine_outputs(outputs: Sequence[ForwardBackwardOutput]) -> ForwardBackwardOutput:
    """Combine the slices' results, given in the order of the data.

    Returns:
        The outputs one after the other, the metrics reduced, the type of the first slice. Nothing makes an empty
        result of type ``""``.
    """
    return ForwardBackwardOutput(
        loss_fn_output_type=outputs[0].loss_fn_output_type if outputs else "",
        loss_fn_outputs=[datum for output in outputs for datum in output.loss_fn_outputs],
        metrics=combine_metrics(
            [output.metrics for output in outputs], [len(output.loss_fn_outputs) for output in outputs]
        ),
    )


def combine_metrics(metrics: Sequence[Mapping[str, float]], weights: Sequence[int]) -> dict[str, float]:
    """Reduce the slices' metrics.

    Args:
        metrics: One mapping for each slice.
        weights: How many data each slice has.

    Returns:
        By name, in the order of first appearance; ``unique`` metrics add numbered names.
    """
    names = dict.fromkeys(name for slice_metrics in metrics for name in slice_metrics)
    combined: dict[str, float] = {}
    for name in names:
        present = [(m[name], w) for m, w in zip(metrics, weights, strict=True) if name in m]
        sample = _Sample([value for value, _ in present], [weight for _, weight in present])
        stem, _, suffix = name.rpartition(":")
        if stem and suffix == "unique":
            combined |= _number(name, sample.values)
        else:
            combined[name] = _REDUCERS.get(suffix if stem else "mean", _mean)(sample)
    return combined


def _number(name: str, values: Sequence[float]) -> dict[str, float]:
    return {name if index == 1 else f"{name}_{index}": value for index, value in enumerate(values, 1)}


def _mean(sample: _Sample) -> float:
    total = sum(sample.weights)
    weighted = [weight * value for value, weight in zip(sample.values, sample.weights, strict=True) if weight]
    return _sum_of(weighted) / total if total else 0.0


def _slack(sample: _Sample) -> float:
    return _max(sample) - _mean(sample) if sum(sample.weights) else 0.0


def _sum(sample: _Sample) -> float:
    return _sum_of(sample.values)


def _sum_of(values: Sequence[float]) -> float:
    # fsum does not depend on the order, but refuses infinities of both signs.
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def _min(sample: _Sample) -> float:
    return math.nan if any(map(math.isnan, sample.values)) else min(sample.values)


def _max(sample: _Sample) -> float:
    return math.nan if any(map(math.isnan, sample.values)) else max(sample.values)


def _hash2(sample: _Sample) -> float:
    # Doubles carry 53 of the 64 bits; what arrives is summed exactly.
    if not all(map(math.isfinite, sample.values)):
        return math.nan
    return sum(int(value) % _WORD for value in sample.values) % _WORD


def _hash_unordered(sample: _Sample) -> float:
    # The two zeros are equal and of different bytes: sorted as they come, their order would count.
    packed = b"".join(struct.pack("<d", value + 0.0) for value in sorted(sample.values))
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") >> 11


_REDUCERS: Mapping[str, Callable[[_Sample], float]] = {
    "sum": _sum,
    "min": _min,
    "max": _max,
    "mean": _mean,
    "slack": _slack,
    "hash2": _hash2,
    "hash_unordered": _hash_unordered,
}
