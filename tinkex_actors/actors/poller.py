"""Poller: asks for promised results until they are there.

Each retrieval is an operation that leaves its turn, so any number of them go on side by side. A caller who goes away
takes its polling with it; a caller who lost its poller asks the next life for the same promise again, which is harmless.
"""

from typing import Any

from supervisors import Name
from tinkex_actors.activity import working_on
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.operation import Retrieval, Value
from tinkex_actors.actors.retriever import Retriever
from tinkex_actors.types.errors import TinkerError


class Poller(Crashable):
    """Turns promises into results."""

    expected_errors = (TinkerError,)

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

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
            with working_on(retrieval.operation.standing, "Poller.retrieve"):
                return await self._retriever.retrieve(retrieval)


POLLER = Name("poller", Poller)
