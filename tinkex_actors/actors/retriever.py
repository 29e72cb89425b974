"""Asking for a promised result until it is there: what the Poller does for trainers, and a Sampler does by itself.

There are thousands of samples and each asks for itself, so an actor in between would only cost. What is shared is the
budget of large results that are on their way here.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import trio

from tinkex_actors.actors.operation import Retrieval, Value
from tinkex_actors.actors.polling import AskAgain, Failed, PollRules, Progress, decide_poll
from tinkex_actors.settings import Figures
from tinkex_actors.transport.ask import send
from tinkex_actors.transport.budget import ByteBudget
from tinkex_actors.transport.endpoints import RETRIEVE_FUTURE, RETRIEVE_FUTURE_PROTOBUF
from tinkex_actors.transport.seam import Answer, Sending, Transport
from tinkex_actors.types.errors import APIConnectionError
from tinkex_actors.types.futures import PAUSED, QueueState
from tinkex_actors.wire.futures import has_protobuf_result
from tinkex_actors.wire.requests import RetrieveFutureRequest


class Retriever:
    """Turns promises into results."""

    def __init__(
        self,
        transport: Transport,
        figures: Figures,
        chance: Callable[[], float],
        response_bytes: Callable[[], float] | float,
    ) -> None:
        """Ask over *transport*.

        Args:
            transport: Where to ask.
            figures: The delays.
            chance: Gives numbers in ``[0, 1)`` for the jitter.
            response_bytes: The budget of large results on their way here, in bytes.
        """
        self._transport = transport
        self._rules = PollRules(figures=figures, chance=chance, now=partial(datetime.now, UTC))
        self._downloads = ByteBudget(response_bytes)

    # The results of different promises have different types; the caller's retrieval knows its own.
    async def retrieve(self, retrieval: Retrieval[Any]) -> Value[Any]:
        """Ask for the result until the operation has ended. Cancelling gives the asking up, and nothing else.

        Raises:
            RequestFailedError: It has failed.
            PromiseExpired: The server has forgotten it.
            ResponseInvalid: The result cannot be read.
            APIStatusError: The server refuses to be asked.
        """
        outcome: Answer | APIConnectionError
        progress = Progress(payload_bytes=retrieval.payload_bytes)
        retrieval.operation.standing.attempts = 0
        while True:
            retrieval.operation.standing.wait("the result")
            began = trio.current_time()
            try:
                is_announced = progress.payload_bytes is not None
                outcome = await (self._fetch if is_announced else self._ask)(retrieval, progress)
            except APIConnectionError as lost:
                outcome = lost
            match decide_poll(retrieval, outcome, progress, self._rules):
                case Value() as value:
                    _end_pause(retrieval)
                    return value
                case Failed(error):
                    _end_pause(retrieval)
                    raise error
                case AskAgain(delay, progress):
                    until = max(trio.current_time(), began + self._rules.figures.poll_interval_min) + delay
                    _note(retrieval, outcome, progress, until)
                    await trio.sleep_until(until)

    def _ask(self, retrieval: Retrieval[Any], progress: Progress) -> Sending:
        row = retrieval.operation.row
        headers = {"X-Tinker-Request-Iteration": str(progress.polls), "X-Tinker-Request-Type": row.request_type}
        endpoint = RETRIEVE_FUTURE_PROTOBUF if has_protobuf_result(row.result) else RETRIEVE_FUTURE
        request = RetrieveFutureRequest(
            retrieval.promise.request_id, allow_metadata_only=progress.payload_bytes is None
        )
        return send(self._transport, endpoint, request, headers=headers, standing=retrieval.operation.standing)

    async def _fetch(self, retrieval: Retrieval[Any], progress: Progress) -> Answer:
        """Ask for a large result that was announced, when there is room for it."""
        async with self._downloads.hold(progress.payload_bytes or 0):
            return await self._ask(retrieval, progress)


def _end_pause(retrieval: Retrieval[Any]) -> None:
    """Take back the pause that this operation met: servers name the state only while there is no result."""
    standing = retrieval.operation.standing
    # Mostly the state was never named; an enum's hash is a call in Python, and every sample passes here.
    if standing.queue_state is not QueueState.UNKNOWN and standing.queue_state in PAUSED:
        standing.name_queue(QueueState.ACTIVE, None, trio.current_time())


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
