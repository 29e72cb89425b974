"""The client's metrics know its tree, and outlive its crashes."""

import trio

from tinkex_actors.clients import open_tinker
from tinkex_actors.types import AdamParams


async def test_crashes_restarts_and_requests_are_counted() -> None:
    """The same set before and after the crash; gauges tell what is there now."""
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=1)
        crash = f"tinker/session/clients/{trainer.name}"
        trainer.crash("on purpose")
        with trio.fail_after(10):
            await trainer.optim_step(AdamParams())
        snapshot = tinker.metrics.snapshot()

    assert snapshot.counters["tinkex_actor_crashes_total"] == {(crash,): 1}
    assert snapshot.counters["tinkex_actor_restarts_total"] == {(crash,): 1}
    assert snapshot.counters["tinkex_requests_success"][("create_model",)] == 1
    assert snapshot.histograms["tinkex_request_duration_seconds"][("create_model",)].p99 > 0
    assert snapshot.gauges["tinkex_active_sessions"] == {(): 1}
    assert snapshot.gauges["tinkex_actors_alive"][()] >= 6
