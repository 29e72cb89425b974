"""Every attempt is counted once, with how it ended."""

import pytest

from tinkex_actors.metrics import Metrics
from tinkex_actors.transport.endpoints_rest import HEALTH
from tinkex_actors.transport.metered import Metered
from tinkex_actors.transport.seam import Answer, Body, Route
from tinkex_actors.types import APIConnectionError


class Scripted:
    """A transport that answers in order."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = list(answers)

    async def send(self, route: Route, body: Body, /) -> Answer:
        del route, body
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.tinkex("T58", "T88")
async def test_attempts_are_counted_by_operation_and_outcome() -> None:
    """A refusal and a lost connection are failures, and each took its time."""
    metrics = Metrics()
    transport = Metered(Scripted(Answer(status=200), Answer(status=503), APIConnectionError("lost")), metrics)
    for _ in range(2):
        await transport.send(HEALTH, Body())
    with pytest.raises(APIConnectionError):
        await transport.send(HEALTH, Body())

    snapshot = metrics.snapshot()

    assert {name: values[("healthz",)] for name, values in snapshot.counters.items()} == {
        "tinkex_requests_total": 3,
        "tinkex_requests_success": 1,
        "tinkex_requests_failure": 2,
    }
    assert snapshot.histograms["tinkex_request_duration_seconds"][("healthz",)].count == 3
