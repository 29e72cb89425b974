"""The text page, read back by Prometheus' own parser."""

from prometheus_client.parser import text_string_to_metric_families

from tinkex_actors.metrics import Metrics
from tinkex_actors.metrics.prometheus import write_prometheus


def _samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    text = write_prometheus(metrics).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_kind_is_told_and_read_back() -> None:
    """Names, labels and values arrive, also labels with quotes and line ends in them."""
    metrics = Metrics(clock=lambda: 0.0)
    metrics.increment("tinkex_requests_total", 3, operation='a "b"\n')
    metrics.set_gauge("tinkex_active_sessions", 2)
    metrics.summary("training_loss").of().observe(1.5)
    for duration in (0.0004, 0.3, 90.0):
        metrics.record_histogram("tinkex_request_duration_seconds", duration)

    samples = _samples(metrics)

    assert samples[("tinkex_requests_total", ('a "b"\n',))] == 3
    assert samples[("tinkex_active_sessions", ())] == 2
    assert samples[("training_loss", ())] == 1.5
    assert samples[("tinkex_request_duration_seconds_bucket", ("0.001",))] == 1
    assert samples[("tinkex_request_duration_seconds_bucket", ("0.5",))] == 2
    assert samples[("tinkex_request_duration_seconds_bucket", ("+Inf",))] == 3
    assert samples[("tinkex_request_duration_seconds_count", ())] == 3


def test_nothing_counted_is_an_empty_page() -> None:
    """A process that has just begun is well."""
    assert write_prometheus(Metrics()) == b""
