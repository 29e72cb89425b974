"""Where the time of a call goes: its trace, through the actors and down to the requests."""

from collections.abc import Sequence

import trio
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tinkex_actors import Datum, ModelInput, open_tinker
from tinkex_actors.tracing.otel import OpenTelemetry

exporter = InMemorySpanExporter()  # a program has one that sends: OTLP, Jaeger, a vendor's
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))


def draw(spans: Sequence[ReadableSpan], parent: int | None, depth: int = 0) -> None:
    """Print the tree of the spans."""
    below = [one for one in spans if (one.parent.span_id if one.parent else None) == parent]
    for span in sorted(below, key=lambda one: one.start_time or 0):
        told = span.attributes or {}
        status = told.get("http.response.status_code")
        print("  " * depth + span.name + (f" -> {status}" if status else ""))
        draw(spans, span.context.span_id if span.context else 0, depth + 1)


async def main() -> None:
    """Train one step under the program's own span."""
    data = [Datum(ModelInput.from_ints([1, 2, 3]), {"target_tokens": [2, 3, 4], "weights": [1.0, 1.0, 1.0]})]
    async with open_tinker(local=True, tracing=OpenTelemetry(provider)) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=4, seed=0)
        exporter.clear()
        with provider.get_tracer("mine").start_as_current_span("step 1"):
            gradients = trainer.forward_backward(data, "cross_entropy")
            await trainer.optim_step()
            await gradients
    draw(exporter.get_finished_spans(), None)


if __name__ == "__main__":
    trio.run(main)
