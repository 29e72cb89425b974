"""Groups: joining, leaving, dying, and listening to it: PG-02 to PG-11."""
# ruff: noqa: ARG001, PT012 - a test has virtual time by naming the clock; what escapes a whole block is the point

import pytest
from trio.testing import MockClock

from supervisors import Actor, ActorNotAlive, Entry, Groups, Ref, Registered, Supervisor, Unregistered, open_supervisor


class Member(Actor):
    """In a group, or not."""


async def start(root: Supervisor, name: str = "a") -> Ref[Member]:
    """A member to be."""
    return await root.start_child(Member, name=name, restart="temporary")


@pytest.mark.otp("PG-01")
async def test_a_group_is_there_while_it_has_a_member() -> None:
    """Created by the first who joins, gone with the last who leaves."""
    groups = Groups[str, Member]()
    async with open_supervisor() as root:
        one = await start(root)
        groups.join("red", one)
        assert (groups.members("red"), groups.which_groups()) == ((one,), ("red",))
        assert repr(groups) == "<Groups groups, 1 groups>"
        assert groups.leave("red", one) is True
        assert (groups.members("red"), groups.which_groups()) == ((), ())


@pytest.mark.otp("PG-02", "PG-11")
async def test_membership_is_a_set() -> None:
    """Joining again changes nothing, leaving once is leaving; leaving what one is not in says so."""
    groups = Groups[str, Member]()
    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        for _ in range(16):
            groups.join("red", one, two, one)
        assert groups.members("red") == (one, two)
        assert groups.leave("blue", one) is False
        assert groups.leave("red", two, two) is True
        assert groups.leave("red", two) is False
        assert groups.leave("red", one) is True
        assert groups.which_groups() == ()


@pytest.mark.otp("PG-03")
async def test_the_dead_leave_all_their_groups(autojump_clock: MockClock) -> None:
    """The others stay."""
    groups = Groups[str, Member]()
    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        groups.join("red", one, two)
        groups.join("blue", one)
        one.kill()
        await one.ended()
        assert (groups.members("red"), groups.which_groups()) == ((two,), ("red",))


@pytest.mark.otp("PG-04")
async def test_leaving_and_dying_at_once_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    """Whichever comes first, neither fails for the other."""
    groups = Groups[str, Member]()
    async with open_supervisor() as root:
        for number in range(100):
            one = await start(root, f"member-{number}")
            groups.join("red", one)
            one.kill()
            if number % 2:
                groups.leave("red", one)
            await one.ended()
            groups.leave("red", one)
        assert (groups.which_groups(), groups._members._rows_of) == ((), {})


@pytest.mark.otp("PG-06")
async def test_only_living_actors_join() -> None:
    """Anything else is refused, and then nobody of that call has joined."""
    groups = Groups[str, Member]()
    async with open_supervisor() as root:
        one, dead = await start(root, "one"), await start(root, "dead")
        await dead.stop()
        with pytest.raises(TypeError, match="expected the Ref of an actor, got 'two'"):
            groups.join("red", one, "two")  # type: ignore[arg-type]  # the point
        with pytest.raises(ActorNotAlive):
            groups.join("red", one, dead)
        assert groups.which_groups() == ()


async def test_a_block_can_be_a_membership() -> None:
    """Left with the block, whatever the way."""
    groups = Groups[str, Member]()
    async with open_supervisor() as root:
        one = await start(root)
        with pytest.raises(ZeroDivisionError), groups.joined("red", one):
            assert groups.members("red") == (one,)
            raise ZeroDivisionError
        assert groups.members("red") == ()


@pytest.mark.otp("PG-08", "PG-09")
async def test_a_snapshot_and_the_events_after_it_fit_together(autojump_clock: MockClock) -> None:
    """Every change once per listener, none before the snapshot, none after the block."""
    groups = Groups[str, Member]("scope")
    async with open_supervisor() as root:
        one = await start(root)
        red, blue = (Entry(name, one, None) for name in ("red", "blue"))
        groups.join("red", one)
        with groups.listen() as first:
            assert {name: groups.members(name) for name in groups.which_groups()} == {"red": (one,)}
            groups.join("blue", one)
            with groups.listen() as second:
                assert groups.which_groups() == ("red", "blue")
                groups.leave("red", one)
                assert await anext(second) == Unregistered("scope", red, None)
                assert second.queued == 0
            groups.leave("blue", one)
            assert second.queued == 0
            assert [await anext(first) for _ in range(3)] == [
                Registered("scope", blue),
                Unregistered("scope", red, None),
                Unregistered("scope", blue, None),
            ]
            assert first.queued == 0


@pytest.mark.otp("PG-10")
async def test_joining_waits_for_nobody_however_many_groups_there_are() -> None:
    """There is no process to queue at: a join is there on the next line."""
    groups = Groups[int, Member]()
    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        for number in range(10_000):
            groups.join(number, one)
        groups.join(5_000, two)
        assert groups.members(5_000) == (one, two)
        assert len(groups.which_groups()) == 10_000
