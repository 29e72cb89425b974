"""``/metrics``: what all watched trees count, on one page; the label ``tree`` says which of them."""

from collections.abc import Iterator, Mapping

from tinkex_actors.metrics import Metrics


def write_page(sets: Mapping[str, Metrics]) -> bytes:
    """Write all sets in Prometheus' text format: a metric that several have is one family.

    Raises:
        ModuleNotFoundError: Its library is not there.
    """
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - an extra, needed here alone
    from prometheus_client.core import Metric  # noqa: PLC0415 - likewise
    from prometheus_client.registry import Collector  # noqa: PLC0415 - likewise

    from tinkex_actors.metrics.prometheus import tell_metrics  # noqa: PLC0415 - likewise

    families = dict[str, Metric]()
    for tree, metrics in sets.items():
        for told in tell_metrics(metrics):
            family = families.setdefault(told.name, Metric(told.name, told.documentation, told.type))
            family.samples += [one._replace(labels={"tree": tree, **one.labels}) for one in told.samples]

    class _Page(Collector):
        def collect(self) -> Iterator[Metric]:
            return iter(families.values())

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page())
    return generate_latest(registry)
