"""Models are made: of a base model, or of a checkpoint, in the words of whichever server there is.

A model's making is its ledger's request 0, so a crash on the way is survived as any other. Where a server cannot make a
model from a checkpoint in one request, the client asks what the checkpoint was made of, makes such a model, and loads the
checkpoint as its first request: the result is the same.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from attrs import frozen

from tinkex_actors.actors.errors import ClientClosed
from tinkex_actors.actors.ledger import Call, Entry, Ledger
from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.pending import Audience, Slot
from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.clients.desk import Desk
from tinkex_actors.transport.ask import ask
from tinkex_actors.transport.endpoints import CREATE_MODEL, CREATE_VIA_LOAD, GET_INFO, LOAD_WEIGHTS
from tinkex_actors.transport.endpoints_rest import WEIGHTS_INFO
from tinkex_actors.types import (
    AdamOptimizerConfig,
    GetInfoResponse,
    LoadWeightsResponse,
    LoraConfig,
    ModelId,
    NotSupportedByServer,
    OptimizerConfig,
    TinkerPath,
    WeightsInfoResponse,
)
from tinkex_actors.wire.requests import CreateModelRequest, GetInfoRequest, LoadWeightsRequest, WeightsInfoRequest

R = TypeVar("R")


@frozen(eq=False)
class MadeModel:
    """A model that is ready, and the ledger of its requests."""

    ledger: Ledger
    info: GetInfoResponse


@frozen(kw_only=True)
class Wanted:
    """A model to be made of a checkpoint."""

    path: TinkerPath
    with_optimizer: bool
    base_model: str | None = None
    user_metadata: Mapping[str, Any] | None = None
    optimizer: OptimizerConfig | None = None
    weights_access_token: str | None = None


async def create_model(
    tree: TinkerTree,
    base_model: str,
    lora: LoraConfig,
    *,
    optimizer: OptimizerConfig | None,
    user_metadata: Mapping[str, Any] | None,
) -> MadeModel:
    """Make a model of a base model.

    Raises:
        TinkerError: The server refuses, or does not answer; nothing is left behind.
    """
    number = tree.record.take_model_number()
    operation = _creation(tree, number, base_model, lora, optimizer=optimizer, user_metadata=user_metadata)
    return await _make(tree, number, operation, lambda made: made.model_id)


async def create_from_checkpoint(tree: TinkerTree, wanted: Wanted) -> MadeModel:
    """Make a model of a checkpoint, in one request where the server can.

    Raises:
        TinkerError: The server refuses, or does not answer; nothing is left behind.
    """
    if tree.record.capabilities.create_via_load:
        with suppress(NotSupportedByServer):
            return await _create_via_load(tree, wanted)
    return await _create_then_load(tree, wanted)


async def _create_via_load(tree: TinkerTree, wanted: Wanted) -> MadeModel:
    session_id, number = tree.record.id, tree.record.take_model_number()
    request = LoadWeightsRequest(
        wanted.path,
        wanted.with_optimizer,
        session_id=session_id,
        model_seq_id=number,
        base_model=wanted.base_model,
        user_metadata=_copy(wanted.user_metadata),
        optimizer_config=wanted.optimizer,
        weights_access_token=wanted.weights_access_token,
    )
    is_known = "create_via_load" in tree.record.known
    operation = Operation(
        row=CREATE_VIA_LOAD,
        request=lambda _: request,
        capability="create_via_load",
        feature="" if is_known else "making a model from a checkpoint in one request",
        misses="model_id",
    )
    # The service does not say which id it gave: it is always this one.
    return await _make(tree, number, operation, lambda made: made.model_id or f"{session_id}:train:{number}")


async def _create_then_load(tree: TinkerTree, wanted: Wanted) -> MadeModel:
    told = await Desk(tree.transport, tree.settings).ask(WEIGHTS_INFO, WeightsInfoRequest(wanted.path))
    number = tree.record.take_model_number()
    create = _creation(
        tree,
        number,
        wanted.base_model or told.base_model,
        _adapter_of(told),
        optimizer=wanted.optimizer or told.optimizer_config,
        user_metadata=wanted.user_metadata,
    )
    return await _make(tree, number, create, lambda made: made.model_id, then=partial(_loading, wanted))


def _loading(wanted: Wanted, model_id: ModelId) -> Operation[LoadWeightsResponse]:
    return Operation(
        row=LOAD_WEIGHTS,
        request=lambda number: LoadWeightsRequest(
            wanted.path,
            wanted.with_optimizer,
            model_id=model_id,
            seq_id=number,
            weights_access_token=wanted.weights_access_token,
        ),
    )


def _adapter_of(told: WeightsInfoResponse) -> LoraConfig:
    """Describe the adapter of a checkpoint; what the server leaves out has its default."""
    plain = LoraConfig()
    return LoraConfig(
        told.lora_rank or plain.rank,
        train_unembed=plain.train_unembed if told.train_unembed is None else told.train_unembed,
        train_mlp=plain.train_mlp if told.train_mlp is None else told.train_mlp,
        train_attn=plain.train_attn if told.train_attn is None else told.train_attn,
    )


def _creation(
    tree: TinkerTree,
    number: int,
    base_model: str,
    lora: LoraConfig,
    *,
    optimizer: OptimizerConfig | None,
    user_metadata: Mapping[str, Any] | None,
) -> Operation[Any]:
    request = CreateModelRequest(
        tree.record.id, number, base_model, lora, optimizer or AdamOptimizerConfig(), _copy(user_metadata)
    )
    return Operation(row=CREATE_MODEL, request=lambda _: request)


def begin_ledger(tree: TinkerTree, model_number: int, *, next_number: int = 0) -> Ledger:
    """Begin the ledger of the session's model *model_number*, whose first request takes *next_number*; it is worked off."""
    ledger = Ledger(
        tree.name_client("trainer"),
        f"tinkex-{tree.record.id}-model-{model_number}",
        next_number=next_number,
        owner=tree.record.ids(),
        most=tree.settings.figures.train_in_flight,
        tracing=tree.tracing,
    )
    tree.add_trainer(ledger)
    return ledger


async def _make(
    tree: TinkerTree,
    number: int,
    creation: Operation[R],
    model_id_of: Callable[[R], str],
    *,
    then: Callable[[ModelId], Operation[Any]] | None = None,
) -> MadeModel:
    """Have the first requests of a ledger carried out one after the other; leave nothing behind if one fails."""
    ledger = begin_ledger(tree, number)
    try:
        model_id = ModelId(model_id_of(await _carry_out(ledger, creation)))
        ledger.owner["model_id"] = model_id
        if then is not None:
            await _carry_out(ledger, then(model_id))
        info = await ask(tree.transport, GET_INFO, GetInfoRequest(model_id))
    except BaseException:
        tree.remove(ledger.name, ClientClosed(f"{ledger.name} was never made"))
        raise
    return MadeModel(ledger, info)


async def _carry_out(ledger: Ledger, operation: Operation[R]) -> R:
    slot = Slot[R](Audience(operation.name))
    ledger.enlist(Call([Entry(operation, slot)]))
    return await slot.wait()


def _copy(user_metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if user_metadata is None else dict(user_metadata)
