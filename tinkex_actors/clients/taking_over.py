"""Going on where another process left: its model, its session.

A session lives on the server until it is finished or has been silent for minutes, and a model as long as its session. A
process that knows the ids, and how far the numbers had come, can go on as if it were the other one.
"""

from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.clients.creation import MadeModel, begin_ledger
from tinkex_actors.transport.ask import ask, send
from tinkex_actors.transport.endpoints import FINISH_SESSION, GET_INFO
from tinkex_actors.transport.refusal import status_error
from tinkex_actors.types import ModelId, SessionId
from tinkex_actors.types.sessions import FinishReason
from tinkex_actors.wire.requests import FinishReasonBody, FinishSessionRequest, GetInfoRequest

_IS_OVER = frozenset({404, 405, 409, 410})
"""What is said of a session that is over, or by a server where it ends with its heartbeats."""


async def attach_model(tree: TinkerTree, model_id: ModelId, *, next_number: int, model_number: int) -> MadeModel:
    """Find a model of the tree's session, and a ledger whose first request takes *next_number*.

    Raises:
        TinkerError: The server does not know it, or does not answer.
    """
    info = await ask(tree.transport, GET_INFO, GetInfoRequest(model_id))
    ledger = begin_ledger(tree, model_number, next_number=next_number)
    ledger.owner["model_id"] = model_id
    return MadeModel(ledger, info)


async def finish_left_session(tree: TinkerTree, session_id: SessionId) -> None:
    """End a session that another process left; one that is over is no error.

    Raises:
        APIStatusError: The server refuses.
        APIConnectionError: It does not answer.
    """
    request = FinishSessionRequest(FinishReasonBody(FinishReason.ERRORED))
    answer = await send(tree.transport, FINISH_SESSION, request, path_values={"session_id": session_id})
    if not answer.is_success and answer.status not in _IS_OVER:
        raise status_error(FINISH_SESSION, answer)
