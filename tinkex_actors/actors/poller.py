"""Poller: asks for promised results until they are there.

Each retrieval is an operation that leaves its turn, so any number of them go on side by side. A caller who goes away
takes its polling with it; a caller who lost its poller asks the next life for the same promise again, which is harmless.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import trio

from supervisors import Name
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.operation import Retrieval, Value
from tinkex_actors.actors.polling import AskAgain, Failed, PollRules, Progress, decide_poll
from tinkex_actors.settings import Figures
from tinkex_actors.transport.ask import send
from tinkex_actors.transport.budget import ByteBudget
from tinkex_actors.transport.endpoints import RETRIEVE_FUTURE, RETRIEVE_FUTURE_PROTOBUF
from tinkex_actors.transport.seam import Answer, Transport
from tinkex_actors.types.errors import APIConnectionError, TinkerError
from tinkex_actors.wire.futures import has_protobuf_result
from tinkex_actors.wire.requests import RetrieveFutureRequest


class Poller(Crashable):
    """Turns promises into results."""

    expected_errors = (TinkerError,)

    def __init__(self, transport: Transport, figures: Figures, chance: Callable[[], float]) -> None:
        self._transport = transport
        self._figures = figures
        self._chance = chance
        self._downloads = ByteBudget(figures.response_bytes)

    # The results of different promises have different types; the caller's retrieval knows its own.
    async def retrieve(self, retrieval: Retrieval[Any]) -> Value[Any]:
        """Ask for the result until the operation has ended.

        Raises:
            RequestFailedError: It has failed.
            PromiseExpired: The server has forgotten it.
            ResponseInvalid: The result cannot be read.
            APIStatusError: The server refuses to be asked.
        """
        async with self.off_turn():
            return await self._poll(retrieval)

    async def _poll(self, retrieval: Retrieval[Any]) -> Value[Any]:
        progress = Progress(payload_bytes=retrieval.payload_bytes)
        retrieval.operation.standing.attempts = 0
        retrieval.operation.standing.wait("the result")
        while True:
            began = trio.current_time()
            outcome = await self._ask_within_budget(retrieval, progress)
            rules = PollRules(figures=self._figures, chance=self._chance(), now=datetime.now(UTC))
            match decide_poll(retrieval, outcome, progress, rules):
                case Value() as value:
                    return value
                case Failed(error):
                    raise error
                case AskAgain(delay, progress):
                    until = max(trio.current_time() + delay, began + self._figures.poll_interval_min)
                    _note(retrieval, outcome, progress, until)
                    await trio.sleep_until(until)

    async def _ask_within_budget(self, retrieval: Retrieval[Any], progress: Progress) -> Answer | APIConnectionError:
        """Ask; a large result that was announced is fetched when there is room for it."""
        if progress.payload_bytes is None:
            return await self._ask(retrieval, progress)
        async with self._downloads.hold(progress.payload_bytes):
            return await self._ask(retrieval, progress)

    async def _ask(self, retrieval: Retrieval[Any], progress: Progress) -> Answer | APIConnectionError:
        row = retrieval.operation.row
        headers = {"X-Tinker-Request-Iteration": str(progress.polls), "X-Tinker-Request-Type": row.request_type}
        endpoint = RETRIEVE_FUTURE_PROTOBUF if has_protobuf_result(row.result) else RETRIEVE_FUTURE
        request = RetrieveFutureRequest(
            retrieval.promise.request_id, allow_metadata_only=progress.payload_bytes is None
        )
        try:
            return await send(self._transport, endpoint, request, headers=headers)
        except APIConnectionError as lost:
            return lost


def _note(retrieval: Retrieval[Any], outcome: Answer | APIConnectionError, progress: Progress, until: float) -> None:
    """Write down where the operation stands."""
    standing = retrieval.operation.standing
    standing.attempts = progress.polls
    standing.wait("the result", until)
    if isinstance(outcome, APIConnectionError):
        standing.last_error = str(outcome)
    elif progress.failures:
        standing.last_error = f"a poll was answered with {outcome.status}"
    else:
        standing.name_queue(progress.queue_state, progress.queue_state_reason, trio.current_time())


POLLER = Name("poller", Poller)
