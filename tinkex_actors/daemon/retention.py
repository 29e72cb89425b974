"""Which checkpoints stay: what the journal knows to be superseded is deleted on the server, and nothing else.

A checkpoint is first marked in the journal, then deleted, then marked as deleted: a process that dies in between deletes
it at the next start. What fails to be deleted is tried again after the next save.
"""

import trio
from attrs import define, evolve, field

from tinkex_actors.clients import RestClient
from tinkex_actors.daemon.entries import Checkpoint, CheckpointGone, CheckpointSaved, Known
from tinkex_actors.daemon.journal import Journal
from tinkex_actors.daemon.resuming import decide_superseded
from tinkex_actors.daemon.site import RunSite
from tinkex_actors.log import get_log
from tinkex_actors.types import NotFoundError, TinkerError

_log = get_log()


@define(eq=False)
class Retention:
    """The checkpoints of one life and those before it."""

    site: RunSite
    rest: RestClient
    life: int
    known: Known
    nursery: trio.Nursery
    """Where deletions run: training does not wait for them."""
    saved_steps: set[int] = field(factory=set[int])
    """Steps whose checkpoint was saved in this life."""
    _is_deleting: bool = False

    def was_intended(self, step: int) -> bool:
        """Whether this life, before its process was killed, had asked for a checkpoint of *step* and not heard of it."""
        return step not in self.saved_steps and any(
            (one.life, one.step, one.state) == (self.life, step, "intended") for one in self.known.checkpoints
        )

    def has_saved(self, step: int) -> bool:
        """Whether there is a checkpoint of *step*, of whatever life."""
        return any(one.step == step for one in self.known.saved())

    async def note_saved(self, saved: CheckpointSaved) -> None:
        """Write down that the server has a checkpoint, then let go of those it supersedes."""
        await self.site.journal.call(Journal.write, saved, is_durable=True)
        self.known = await self.site.journal.call(Journal.known, with_steps=False)
        self.saved_steps |= {
            one.step for one in self.known.checkpoints if (one.life, one.name) == (saved.life, saved.name)
        }
        await self.let_go(decide_superseded(self.known, self.site.plan.checkpoints))

    async def let_go(self, superseded: list[Checkpoint]) -> None:
        """Mark *superseded* in the journal, and delete on the server whatever is marked."""
        if superseded:
            gone = [CheckpointGone(name=one.name, life=one.life, state="superseded") for one in superseded]
            await self.site.journal.call(Journal.write, *gone, is_durable=True)
            self.known = await self.site.journal.call(Journal.known, with_steps=False)
        if not self._is_deleting:
            self._is_deleting = True
            self.nursery.start_soon(self._delete_marked)

    async def clear_up(self, gone_lives: frozenset[int]) -> None:
        """Mark what was asked for in lives that are over and never heard of, and delete it with the rest."""
        await self.let_go([one for one in self.known.checkpoints if one.state == "intended" and one.life in gone_lives])

    async def _delete_marked(self) -> None:
        tried = set[tuple[int, str]]()
        while left := [one for one in self.known.checkpoints if one.state == "superseded" and _key(one) not in tried]:
            tried.add(_key(left[0]))
            await self._delete(left[0])
        self._is_deleting = False

    async def _delete(self, one: Checkpoint) -> None:
        models = {life.life: life.model_id for life in self.known.lives}
        path = one.state_path or f"tinker://{models[one.life]}/weights/{one.name}"
        try:
            for each in (path, one.sampler_path):
                if each is not None:
                    await self._delete_path(each)
        except TinkerError as error:
            _log.warning("a superseded checkpoint could not be deleted; it is tried again", path=path, error=str(error))
            return
        await self.site.journal.call(Journal.write, CheckpointGone(name=one.name, life=one.life, state="deleted"))
        rest = tuple(o for o in self.known.checkpoints if _key(o) != _key(one))
        self.known = evolve(self.known, checkpoints=rest)

    async def _delete_path(self, path: str) -> None:
        try:
            await self.rest.delete_checkpoint_from_tinker_path(path)
        except NotFoundError:
            return


def _key(one: Checkpoint) -> tuple[int, str]:
    return one.life, one.name
