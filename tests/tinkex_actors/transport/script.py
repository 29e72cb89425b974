"""A transport that plays a script: each step is a status, an answer, a failure, or a silence."""

import trio
from attrs import define, field
from trio.testing import MockClock

from tinkex_actors.transport.seam import Answer, Body, Route
from tinkex_actors.types.errors import APIConnectionError, APITimeoutError

Step = int | Answer | APIConnectionError


def lost() -> APIConnectionError:
    """Make a failure as the bottom makes them."""
    return APIConnectionError("connection reset")


def late() -> APITimeoutError:
    """Make a timeout as the bottom makes them."""
    return APITimeoutError("no answer in time")


@define
class Script:
    """Plays its steps in order, one a request, and remembers what was sent and when."""

    clock: MockClock
    steps: list[Step]
    sent: list[Body] = field(factory=list[Body])
    times: list[float] = field(factory=list[float])

    @classmethod
    def on(cls, clock: MockClock, *steps: Step) -> "Script":
        """Write a script whose times are *clock*'s."""
        return cls(clock, list[Step](steps))

    async def send(self, route: Route, body: Body, /) -> Answer:
        """Play the next step."""
        self.sent.append(body)
        self.times.append(self.clock.current_time())
        await trio.lowlevel.checkpoint()
        match self.steps.pop(0):
            case int() as status:
                return Answer(status=status, content=b'{"detail": "scripted"}')
            case Answer() as answer:
                return answer
            case APIConnectionError() as failure:
                failure.operation = route.name
                raise failure
