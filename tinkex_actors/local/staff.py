"""Who works in a server: where its actors live, and the one that decodes for all."""

from typing import Self

from attrs import frozen

from supervisors import Ref, Supervisor, SupervisorSpec
from tinkex_actors.local.decoding_room import DecodingRoom
from tinkex_actors.local.workshop import Workshop

_MANY_RESTARTS = 1000
"""One model's bug must not end the others: an actor that crashes again and again fails its own requests only."""


@frozen(eq=False)
class Staff:
    """The places for actors under one root."""

    models: Supervisor
    """One actor a model."""
    samplers: Supervisor
    """One actor a sampling session."""
    room: Ref[DecodingRoom]

    @classmethod
    async def hire(cls, root: Supervisor, shop: Workshop) -> Self:
        """Start them under *root*."""
        keeper = await root.start_supervisor(SupervisorSpec("decoding", max_restarts=_MANY_RESTARTS))
        room = await keeper.start_child(lambda: DecodingRoom(shop), name="room")
        return cls(
            await root.start_supervisor(_dynamic("models")), await root.start_supervisor(_dynamic("samplers")), room
        )


def _dynamic(name: str) -> SupervisorSpec:
    return SupervisorSpec(name, dynamic=True, max_restarts=_MANY_RESTARTS)
