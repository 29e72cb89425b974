"""A workshop without threads, and a run over a random model: what tests of the server's actors begin with."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import trio
from attrs import frozen

from tests.tinkex_actors.local.engine.tiny_models import random_base
from tinkex_actors.local.audit import AuditLog
from tinkex_actors.local.checkpoints import CheckpointStore, Recipe
from tinkex_actors.local.futures import Futures, FuturesLog
from tinkex_actors.local.keys import Owner
from tinkex_actors.local.limits import Limits
from tinkex_actors.local.records import RunRecord
from tinkex_actors.local.run import Run
from tinkex_actors.local.weights import SnapshotStore
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.types.data import Datum
from tinkex_actors.types.ids import ModelId, RequestId, SessionId
from tinkex_actors.types.model_input import ModelInput
from tinkex_actors.types.training import AdamOptimizerConfig, ForwardBackwardInput

T = TypeVar("T")

ME = Owner("me")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@frozen(eq=False, kw_only=True)
class InlineWorkshop(Workshop):
    """Computes on the event loop: an autojump clock would run away while a thread works."""

    async def compute(self, work: Callable[[], T], room: trio.CapacityLimiter) -> T:
        """Do *work* here and now."""
        async with room:
            return work()


def make_workshop(
    folder: Path, limits: Limits | None = None, log: FuturesLog | None = None, *, has_threads: bool = False
) -> Workshop:
    """A workshop over the store in *folder*; without threads unless told so."""
    limits = limits or Limits()
    return (Workshop if has_threads else InlineWorkshop)(
        futures=Futures(limits.kept_results_bytes, log=log),
        store=CheckpointStore.open(folder),
        snapshots=SnapshotStore.open(folder / "snapshots"),
        audit=AuditLog.open(None),
        limits=limits,
        now=lambda: NOW,
    )


def make_run(shop: Workshop, number: int = 0) -> Run:
    """A run that nothing was asked of yet, not even its creation."""
    record = RunRecord(
        model_id=ModelId(f"s:train:{number}"),
        session_id=SessionId("s"),
        number=number,
        owner=ME,
        recipe=Recipe("random", 2, train_unembed=True, train_mlp=True, train_attn=True),
        optimizer=AdamOptimizerConfig(),
        created_at=NOW,
        last_request_at=NOW,
        creation=RequestId("r"),
    )
    return Run(record, random_base(dtype=np.float32), shop.shelves)


def batch(*tokens: int) -> ForwardBackwardInput:
    """One datum that predicts each token's successor."""
    ids = list(tokens or (1, 2, 3, 4))
    return ForwardBackwardInput(
        (Datum(ModelInput.from_ints(ids[:-1]), {"target_tokens": ids[1:]}),), loss_fn="cross_entropy"
    )
