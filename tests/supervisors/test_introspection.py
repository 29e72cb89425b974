"""Looking at an actor, holding it up, and reading its state (section SY of the catalogue)."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import ActorNotAlive, Exit, open_supervisor
from tests.supervisors.cast import Bug, Clerk, open_clerk, outcome_of, settle


@pytest.mark.otp("SY-05", "SY-08")
async def test_a_suspended_actor_serves_no_calls_until_it_is_resumed(autojump_clock: MockClock) -> None:
    """Repeating either is fine; the status says so."""
    async with open_clerk() as (_, clerk):
        await clerk.suspend()
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await clerk.call(Clerk.echo, "a")
        assert clerk.snapshot().is_suspended
        await clerk.suspend()
        clerk.resume()
        clerk.resume()
        assert await clerk.call(Clerk.echo, "b") == "b"
        assert not clerk.snapshot().is_suspended


@pytest.mark.otp("SY-10")
async def test_what_arrives_while_suspended_is_served_in_order_afterwards(autojump_clock: MockClock) -> None:
    """The state can be read meanwhile."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk):
        await clerk.suspend()
        clerk.cast_nowait(Clerk.echo, "one")
        clerk.cast_nowait(Clerk.echo, "two")
        assert await clerk.get_state(lambda it: list(it.log)) == []
        clerk.resume()
        await clerk.call(Clerk.echo, "three")
        assert log == ["one", "two", "three"]


@pytest.mark.otp("SY-11", "SY-12")
async def test_an_order_to_stop_reaches_a_suspended_actor() -> None:
    """Control traffic is not mail; clean-up runs."""
    log: list[str] = []
    async with open_clerk(log, restart="temporary") as (_, clerk):
        await clerk.suspend()
        assert (await clerk.stop()).kind.value == "shutdown"
        assert log == ["stop shutdown"]


async def test_suspending_waits_for_the_running_operation(autojump_clock: MockClock) -> None:
    """And is withdrawn by whoever does not want to wait that long."""
    async with open_clerk() as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 2)
        await settle()
        with trio.move_on_after(1):
            await clerk.suspend()
        await clerk.call(Clerk.echo, "a")
        assert trio.current_time() == 2
        clerk.cast_nowait(Clerk.wait, 2)
        await settle()
        await clerk.suspend()
        assert trio.current_time() == 4


async def test_an_operation_off_turn_does_not_have_its_turn_back_while_suspended(autojump_clock: MockClock) -> None:
    """Suspended means that nobody touches the state."""
    log: list[str] = []
    async with open_clerk(log) as (_, clerk), trio.open_nursery() as nursery:
        nursery.start_soon(outcome_of, list[Any](), clerk.call, Clerk.wait_off_turn, 1.0)
        await settle()
        await clerk.suspend()
        await trio.sleep(5)
        assert log == ["leave"]
        clerk.resume()
        await settle()
        assert log == ["leave", "back"]


async def test_a_new_life_is_not_suspended() -> None:
    """Suspension is of a life, not of an address."""
    async with open_clerk() as (_, clerk):
        await clerk.suspend()
        clerk.kill()
        assert await clerk.call(Clerk.echo, "new") == "new"


@pytest.mark.otp("GS-30", "SY-09", "SY-07")
@pytest.mark.parametrize("is_suspended", [False, True])
async def test_state_can_be_read_and_replaced(is_suspended: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """A change that raises changes nothing, and the actor lives."""

    def replace(clerk: Clerk) -> None:
        clerk.log = ["replaced"]

    def fail(clerk: Clerk) -> None:
        clerk.log = ["half done"]
        raise Bug("no")

    async with open_clerk() as (_, clerk):
        if is_suspended:
            await clerk.suspend()
        await clerk.replace_state(replace)
        with pytest.raises(Bug):
            await clerk.replace_state(fail)
        assert await clerk.get_state(lambda it: it.log) == ["replaced"]
        assert clerk.life == 1


@pytest.mark.otp("SY-13")
async def test_reading_the_state_is_a_barrier(autojump_clock: MockClock) -> None:
    """Everything sent before has been served."""
    async with open_clerk() as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 1)
        clerk.cast_nowait(Clerk.echo, "a")
        assert await clerk.get_state(lambda it: list(it.log)) == ["wait 1", "waited", "a"]


async def test_a_snapshot_never_waits(autojump_clock: MockClock) -> None:
    """It is for the actor that does not answer any more."""
    async with open_clerk() as (_, clerk):
        clerk.cast_nowait(Clerk.wait, 10)
        clerk.cast_nowait(Clerk.echo, "a")
        clerk.cast_nowait(Clerk.echo, "b")
        await settle()
        snapshot = clerk.snapshot()
        assert (snapshot.status, snapshot.operation, snapshot.queued) == ("running", "wait", 2)


@pytest.mark.otp("GS-40")
async def test_an_actor_whose_texts_raise_hurts_nobody() -> None:
    """Its repr, its errors' messages and its exit are described without them."""

    class Silent(Exception):
        def __str__(self) -> str:
            raise Bug("no text")

        __repr__ = __str__

    class Mute(Clerk):
        def __repr__(self) -> str:
            raise Bug("no text")

        async def fail(self) -> None:
            raise Silent

        async def on_stop(self, _: Exit, /) -> None:
            raise Silent

    async with open_supervisor() as root:
        mute = await root.start_child(Mute, name="mute")
        heard: list[Any] = []
        await outcome_of(heard, mute.call, Mute.fail)
        assert "Silent, whose text raises Bug" in str(heard[0])
        assert "mute" in str(root.tree())
        assert await mute.call(Clerk.echo, "next life") == "next life"


async def test_looking_into_a_dead_actor_says_that_it_is_dead() -> None:
    """Not a hang."""
    async with open_clerk(restart="temporary") as (_, clerk):
        await clerk.stop()
        for look in (clerk.suspend, lambda: clerk.get_state(repr)):
            with pytest.raises(ActorNotAlive):
                await look()


async def test_suspending_an_actor_that_ends_meanwhile_says_so(autojump_clock: MockClock) -> None:
    """Whoever waits for its turn is told that there will be none."""
    async with open_clerk(restart="temporary") as (_, clerk), trio.open_nursery() as nursery:
        clerk.cast_nowait(Clerk.wait, 5)
        await settle()
        heard: list[Any] = []
        nursery.start_soon(outcome_of, heard, clerk.suspend)
        await settle()
        clerk.kill()
        await settle()
        assert [type(item) for item in heard] == [ActorNotAlive]


async def test_a_drawing_says_what_its_owner_adds() -> None:
    """The runtime knows messages and lives; what they are about, only the program does."""
    async with open_supervisor("shop") as shop:
        await shop.start_child(lambda: Clerk([]), name="clerk")
        picture = shop.tree()

        noted = picture.annotate({"shop/clerk": ("on the phone",), "shop/nobody": ("lost",)})

        assert str(noted) == "shop (running)\n└─ clerk Clerk (running, on the phone)"
        assert str(picture) == "shop (running)\n└─ clerk Clerk (running)"
