"""``kill -9`` at any moment loses nothing that was acknowledged.

``CRASH_ROUNDS`` says how often (2 by default).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import orjson
import pytest
import trio
from attrs import define, field, frozen

from tests.tinkex_actors.local.processes import Remote, open_process
from tests.tinkex_actors.local.site import KEY
from tests.tinkex_actors.local.worlds import batch
from tinkex_actors.wire.fwdbwd import decode_forward_backward_output

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "2"))
BATCH = batch(*b"to be, or not to be")


@frozen
class Saved:
    """A checkpoint that was acknowledged, and the loss that its weights had."""

    path: str
    loss: float


@define
class Life:
    """One process from its start to its murder."""

    remote: Remote
    round: int
    acknowledged: list[Saved] = field(factory=list[Saved])
    has_saved: trio.Event = field(factory=trio.Event)
    _seq_id: int = 0

    def number(self) -> int:
        """The next sequence number."""
        self._seq_id += 1
        return self._seq_id

    async def loss(self, model_id: str) -> float:
        """What the weights are worth."""
        fetched = await self.remote.fetch(await self.remote.learn(model_id, self.number(), BATCH))
        return decode_forward_backward_output(fetched.body).metrics["loss:sum"]

    async def train_and_save(self, model_id: str) -> None:
        """Train and save until the process dies."""
        try:
            while True:
                loss = await self.loss(model_id)
                name = f"r{self.round}-{self._seq_id}"
                save = {"model_id": model_id, "path": name, "seq_id": self.number(), "overwrite": True}
                saved = await self.remote.fetch(await self.remote.post("save_weights", **save))
                self.acknowledged.append(Saved(saved.json["path"], loss))
                self.has_saved.set()
                await self.remote.fetch(await self.remote.step(model_id, self.number()))
        except httpx.TransportError:
            return

    async def check(self, session_id: str, saved: Sequence[Saved]) -> str:
        """Find every checkpoint, and the newest as good as it was; returns a model that goes on from it."""
        listed = (await self.remote.get("checkpoints?limit=1000")).json["checkpoints"]
        assert {one.path for one in saved} <= {one["tinker_path"] for one in listed}
        load = {"session_id": session_id, "model_seq_id": 0, "path": saved[-1].path, "optimizer": True}
        model_id: str = (await self.remote.fetch(await self.remote.post("load_weights", **load))).json["model_id"]
        assert await self.loss(model_id) == saved[-1].loss
        return model_id


# The judge's plain httpx leaves the generator of a request half-way when the server dies while it sends.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
async def test_no_acknowledged_checkpoint_is_lost(tmp_path: Path) -> None:
    """Killed in the middle of training and saving, again and again, each time going on from the last checkpoint."""
    chance, saved = np.random.default_rng(1), list[Saved]()
    for round_ in range(ROUNDS + 1):
        async with open_process(tmp_path) as remote:
            life = Life(remote, round_)
            session_id = await remote.session()
            model_id = await life.check(session_id, saved) if saved else await remote.model(session_id)
            if round_ == ROUNDS:
                break
            async with trio.open_nursery() as nursery:
                nursery.start_soon(life.train_and_save, model_id)
                await life.has_saved.wait()
                await trio.sleep(chance.uniform(0, 0.2))
                remote.process.kill()
            saved += life.acknowledged
    assert len(saved) >= ROUNDS


async def test_a_terminated_server_answers_who_waits_and_stops(tmp_path: Path) -> None:
    """SIGTERM is an ordered stop: long polls are answered, the exit code is 0."""
    async with open_process(tmp_path) as remote:
        behind_a_gap = await remote.step(await remote.model(await remote.session()), 5)
        body = orjson.dumps({"request_id": behind_a_gap.json["request_id"]})
        statuses, sent = list[int](), trio.Event()

        async def note(event: str, _: object) -> None:
            if event == "http11.send_request_body.complete":
                sent.set()

        async def wait() -> None:
            answer = await remote.http.post(
                "/api/v1/retrieve_future", content=body, headers={"x-api-key": KEY}, extensions={"trace": note}
            )
            statuses.append(answer.status_code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await sent.wait()
            await remote.get("healthz")  # the server has read what was sent before
            remote.process.terminate()
        with trio.fail_after(10):
            assert await remote.process.wait() == 0
        assert statuses == [408]
