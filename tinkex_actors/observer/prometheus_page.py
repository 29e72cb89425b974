"""``/metrics``: what all watched trees count, one after another."""

from collections.abc import Sequence

from tinkex_actors.metrics import Metrics


def write_pages(sets: Sequence[Metrics]) -> bytes:
    """Write all sets in Prometheus' text format.

    Raises:
        ModuleNotFoundError: Its library is not there.
    """
    from tinkex_actors.metrics.prometheus import write_prometheus  # noqa: PLC0415 - an extra, needed here alone

    return b"".join(write_prometheus(one) for one in sets)
