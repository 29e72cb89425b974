"""A door for tests and demonstrations: an actor that can be told to crash.

A program that survives crashes wants to be seen surviving one. The crash is an ordinary one: an exception that escapes
from an operation, with everything that follows from it.
"""

from supervisors import Actor


class InjectedCrash(Exception):
    """Somebody crashed the actor on purpose."""


class Crashable(Actor):
    """An actor with the door."""

    async def crash_on_purpose(self, reason: str) -> None:
        """Crash."""
        raise InjectedCrash(reason)
