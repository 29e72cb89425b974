"""Restarting several children of one supervisor: all of them, or one and those started after it.

A group restart is a pair of wishes per child, "must end" and "must begin", worked off one at a time by a task of its
own: ends in reverse order, then begins in order. A failure in the middle only adds wishes, so there is never more than
one such task, and what it does next depends on nothing but the children as they are.
"""

from typing import TYPE_CHECKING, Any

import trio

from supervisors._policy import Strategy
from supervisors._slot import Intent, Slot

if TYPE_CHECKING:
    from supervisors._team import Team

AnySlot = Slot[Any]


class GroupRestart:
    """The children of a team that wait for a new life, and the task that sees to it."""

    __slots__ = ("_reborn", "_scope", "_team")

    def __init__(self, team: "Team") -> None:
        self._team = team
        self._reborn: set[AnySlot] = set()
        self._scope: trio.CancelScope | None = None

    def __contains__(self, slot: AnySlot) -> bool:
        return slot in self._reborn

    def discard(self, slot: AnySlot) -> None:
        """Wish nothing more for *slot*."""
        self._reborn.discard(slot)

    def restart(self, slot: AnySlot) -> None:
        """Wish a new life for *slot* and those that the strategy ties to it."""
        team = self._team
        slots = list(team.slots.values())
        if team.spec.strategy is Strategy.REST_FOR_ONE:
            slots = slots[slots.index(slot) :]
        # A terminated child stays down until restart_child: the operator's intent wins.
        slots = [other for other in slots if other.intent is not Intent.DOWN and other not in team.due]
        self._reborn.update(slots)
        for other in slots:
            if other.life is not None and other.intent is Intent.UP:
                other.intent = Intent.REPLACE
                other.notify()
                team.cancel_start(other)
        for other in self._reborn:
            if other.retry is not None:
                other.notify()  # the restart that waits for its pause has other things to do first
        if self._scope is None:
            self._scope = trio.CancelScope()
            team.start_task(self._run, self._scope)

    def is_awaiting(self, slot: AnySlot) -> bool:
        """Whether the group can do nothing until *slot* begins."""
        return bool(self._reborn) and self._survey() == (slot, None)

    def cancel(self) -> None:
        """Begin nothing more."""
        if self._scope is not None:
            self._scope.cancel()

    def end(self) -> None:
        """Drop all wishes, and tell those who waited for them."""
        reborn, self._reborn = self._reborn, set()
        for slot in reborn:
            slot.end_pause()
            if slot.life is None and not slot.expects_life():
                slot.refuse_mail()
            slot.notify()

    @trio.lowlevel.enable_ki_protection
    async def _run(self, scope: trio.CancelScope) -> None:
        try:
            with scope:
                while self._reborn and self._team.is_open:
                    await self._step()
        finally:
            self._scope = None

    async def _step(self) -> None:
        slot, old = self._survey()
        if old is not None:
            await old.stop(old.intent)
            return
        if slot.retry is not None:
            await slot.changed()
            return
        if slot.life is None:
            slot.begin()
        life = slot.life
        # Another failure may ask for yet another life of it: it is not waited for then, others have to end before it.
        while life is not None and slot.life is life and slot.intent is Intent.UP:
            if life.is_ready:
                self._reborn.discard(slot)
                return
            await slot.changed()

    def _survey(self) -> tuple[AnySlot, AnySlot | None]:
        """The first child to begin, and the last one whose old life must end before that: a terminated one's, too."""
        order = list(self._team.slots.values())
        first = next(slot for slot in order if slot in self._reborn)
        group = order if self._team.spec.strategy is Strategy.ONE_FOR_ALL else order[order.index(first) :]
        old = next((slot for slot in reversed(group) if slot.life is not None and slot.intent is not Intent.UP), None)
        return first, old
