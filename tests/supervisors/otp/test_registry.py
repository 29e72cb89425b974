"""Registries: keys, values, listeners, locks, and names of children: RG-01 to RG-27."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    Actor,
    ActorNotAlive,
    AlreadyRegistered,
    AlreadyStarted,
    Backoff,
    DuplicateRegistry,
    Entry,
    Exit,
    ExitKind,
    NotRegistered,
    Ref,
    Registered,
    Registry,
    StartError,
    SubscriberTooSlow,
    Supervisor,
    Unregistered,
    open_supervisor,
)
from supervisors import Overflow as On
from tests.supervisors.otp.actors import Boom, settle


class Room(Actor):
    """Has a name in a registry."""

    def __init__(self, fails: list[Exception] | None = None, stop_takes: float = 0) -> None:
        self._fails = [] if fails is None else fails
        self._stop_takes = stop_takes

    async def on_start(self) -> None:
        """Fail as often as told to."""
        if self._fails:
            raise self._fails.pop()

    async def on_stop(self, reason: Exit) -> None:
        """Take a moment to tidy up, if told to."""
        assert reason.is_clean
        await trio.sleep(self._stop_takes)

    async def who(self) -> str:
        """Answer."""
        return self.path


def rooms() -> Registry[str, Room, int]:
    """A unique registry."""
    return Registry[str, Room, int]("rooms")


async def start(root: Supervisor, name: str = "a") -> Ref[Room]:
    """An owner without a key."""
    return await root.start_child(Room, name=name, restart="temporary")


@pytest.mark.otp("RG-01")
async def test_a_taken_key_is_refused_and_its_owner_named() -> None:
    """For the owner itself too; nothing has changed by it."""
    registry = rooms()
    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        registry.register("lobby", one, 1)
        for who in (one, two):
            with pytest.raises(AlreadyRegistered, match="'lobby' in registry 'rooms' belongs to root/one") as caught:
                registry.register("lobby", who, 2)
            assert caught.value.owner == one
        assert registry.select() == (Entry("lobby", one, 1),)
        assert (registry.keys(one), registry.keys(two)) == (("lobby",), ())


@pytest.mark.otp("RG-02", "RG-26")
async def test_whoever_saw_an_owner_end_can_have_its_key_at_once(autojump_clock: MockClock) -> None:
    """The key belongs to the owner through its clean-up, and to nobody in the step in which the end is known."""
    registry = rooms()
    async with open_supervisor() as root:
        one = await root.start_child(lambda: Room(stop_takes=0.5), restart="temporary")
        two = await start(root, "two")
        registry.register("lobby", one, 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.stop)
            await settle()
            with pytest.raises(AlreadyRegistered):
                registry.register("lobby", two, 2)
            await one.ended()
            registry.register("lobby", two, 2)
        assert registry.lookup_all("lobby") == (Entry("lobby", two, 2),)


@pytest.mark.otp("RG-02")
async def test_a_killed_owner_is_never_looked_up(autojump_clock: MockClock) -> None:
    """A lookup that finds an owner finds a living one, at every moment of its end."""
    registry = rooms()
    async with open_supervisor() as root:
        for number in range(20):
            owner = await start(root, f"owner-{number}")
            registry.register("lobby", owner, number)
            owner.kill()
            while registry.lookup("lobby") is not None:
                assert owner.snapshot().exit is None
                await trio.lowlevel.checkpoint()
            assert owner.snapshot().exit is not None


@pytest.mark.otp("RG-03")
async def test_a_duplicate_registry_lists_every_entry() -> None:
    """Several owners, and several entries of one, oldest first."""
    registry = DuplicateRegistry[str, Room, int]()
    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        for owner, value in ((one, 1), (two, 2), (one, 3)):
            registry.register("hall", owner, value)
        assert [entry.value for entry in registry.lookup_all("hall")] == [1, 2, 3]
        assert registry.keys(one) == ("hall", "hall")
        assert registry.values("hall", one) == (1, 3)


@pytest.mark.otp("RG-04")
async def test_a_registry_counts_its_entries() -> None:
    """Exactly."""
    registry = rooms()
    async with open_supervisor() as root:
        owner = await start(root)
        assert (len(registry), registry.count()) == (0, 0)
        registry.register("a", owner, 1)
        registry.register("b", owner, 2)
        assert (len(registry), registry.count()) == (2, 2)
        assert repr(registry) == "<Registry rooms, 2 entries>"
        assert "a" in registry
        assert "c" not in registry


@pytest.mark.otp("RG-05")
async def test_keys_are_compared_strictly() -> None:
    """What Python calls equal may be different keys; so may tuples of them."""
    registry = Registry[object, Room, int]()
    keys = [1, 1.0, True, (1, "x"), (1.0, "x"), "1", b"1"]
    async with open_supervisor() as root:
        owner = await start(root)
        for number, key in enumerate(keys):
            registry.register(key, owner, number)
        assert [entry.value for key in keys for entry in registry.lookup_all(key)] == list(range(len(keys)))


@pytest.mark.otp("RG-06")
async def test_only_the_owner_of_a_key_updates_its_value() -> None:
    """A stranger is refused before the function is called; the owner's function is given the old value."""
    registry = rooms()
    seen: list[int] = []

    def increment(value: int) -> int:
        seen.append(value)
        return value + 1

    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        with pytest.raises(NotRegistered, match="belongs to nobody, not to root/one"):
            registry.update("lobby", one, increment)
        registry.register("lobby", one, 1)
        with pytest.raises(NotRegistered, match="belongs to root/one, not to root/two"):
            registry.update("lobby", two, increment)
        assert seen == []
        assert registry.update("lobby", one, increment) == 2
        assert (seen, registry.lookup("lobby")) == ([1], Entry("lobby", one, 2))


@pytest.mark.otp("RG-07", "RG-16")
def test_a_duplicate_registry_has_neither_updates_nor_child_names() -> None:
    """Neither could say which entry is meant, so the type does not have them."""
    registry = DuplicateRegistry[str, Room, int]()
    assert not hasattr(registry, "update")
    assert not hasattr(registry, "via")


@pytest.mark.otp("RG-08")
async def test_dispatch_calls_with_all_entries_of_a_key_or_not_at_all() -> None:
    """What the function raises is the caller's."""
    registry = DuplicateRegistry[str, Room, int]()
    calls: list[tuple[int, ...]] = []
    async with open_supervisor() as root:
        owner = await start(root)
        registry.dispatch("hall", lambda entries: calls.append(tuple(entry.value for entry in entries)))
        assert calls == []
        registry.register("hall", owner, 1)
        registry.register("hall", owner, 2)
        registry.dispatch("hall", lambda entries: calls.append(tuple(entry.value for entry in entries)))
        assert calls == [(1, 2)]
        with pytest.raises(ZeroDivisionError):
            registry.dispatch("hall", lambda entries: len(entries) / 0)


@pytest.mark.otp("RG-09", "RG-27")
async def test_giving_up_a_key_touches_nobody_elses() -> None:
    """Also when there is nothing to give up, or the key is a stranger's."""
    registry = rooms()
    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        registry.register("a", one, 1)
        registry.register("b", one, 2)
        assert registry.unregister("a", two) is False
        assert registry.keys(one) == ("a", "b")
        assert registry.unregister("a", one) is True
        assert registry.unregister("a", one) is False
        assert registry.keys(one) == ("b",)


@pytest.mark.otp("RG-10")
async def test_giving_up_a_key_gives_up_all_its_entries_of_that_owner() -> None:
    """Entries of others under the same key stay."""
    registry = DuplicateRegistry[str, Room, int]()
    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        for owner, value in ((one, 1), (two, 2), (one, 3)):
            registry.register("hall", owner, value)
        registry.unregister("hall", one)
        assert registry.lookup_all("hall") == (Entry("hall", two, 2),)


@pytest.mark.otp("RG-11")
async def test_listeners_hear_of_every_change_in_order(autojump_clock: MockClock) -> None:
    """With the entry; and, better than OTP, of the deaths too, with the true exit."""
    registry = rooms()
    async with open_supervisor() as root:
        owner = await start(root)
        registry.register("a", owner, 1)
        with registry.listen() as events:
            assert registry.select() == (Entry("a", owner, 1),)
            registry.register("b", owner, 2)
            registry.unregister("a", owner)
            exit_ = await owner.stop()
            assert [await anext(events) for _ in range(3)] == [
                Registered("rooms", Entry("b", owner, 2)),
                Unregistered("rooms", Entry("a", owner, 1), None),
                Unregistered("rooms", Entry("b", owner, 2), exit_),
            ]


async def test_a_listener_that_falls_behind_is_cut_off_and_told() -> None:
    """Events are never lost in silence, and nobody's end waits for a listener."""
    registry = rooms()
    async with open_supervisor() as root:
        owner = await start(root)
        with registry.listen(1) as events:
            registry.register("a", owner, 1)
            registry.register("b", owner, 2)
            assert isinstance(await anext(events), Registered)
            with pytest.raises(SubscriberTooSlow, match="subscribe again"):
                await anext(events)
    with pytest.raises(ValueError, match="got WAIT"):
        registry.listen(overflow=On.WAIT)


@pytest.mark.otp("RG-12", "RG-21")
async def test_an_owner_without_a_key_is_not_remembered(autojump_clock: MockClock) -> None:
    """From the first key to the last, and not after a registration that failed."""
    registry = rooms()
    async with open_supervisor() as root:
        one, two = await start(root, "one"), await start(root, "two")
        registry.register("a", one, 1)
        registry.register("b", one, 1)
        with pytest.raises(AlreadyRegistered):
            registry.register("a", two, 2)
        assert len(registry._rows_of) == 1
        registry.unregister("a", one)
        assert len(registry._rows_of) == 1
        registry.unregister("b", one)
        assert (registry._rows_of, registry._rows) == ({}, {})


async def test_the_dead_register_nothing(autojump_clock: MockClock) -> None:
    """Their entry would never be removed."""
    registry = rooms()
    async with open_supervisor() as root:
        owner = await start(root)
        await owner.stop()
        with pytest.raises(ActorNotAlive):
            registry.register("a", owner, 1)
        assert registry.keys(owner) == ()


@pytest.mark.otp("RG-14", "RG-15")
async def test_a_child_can_be_named_by_a_registry(autojump_clock: MockClock) -> None:
    """It is known under the key, with the value, from before its ``on_start``; a second start is refused at once."""
    registry = rooms()
    async with open_supervisor() as root:
        room = await root.start_child(Room, name=registry.via("lobby", 7))
        assert registry.lookup("lobby") == Entry("lobby", room, 7)
        assert await registry.whereis("lobby").call(Room.who) == "root/rooms['lobby']"
        with pytest.raises(AlreadyStarted) as caught:
            await root.start_child(Room, name=registry.via("lobby", 8))
        assert caught.value.ref == room
        await root.terminate_child(room)
        with pytest.raises(NotRegistered, match="nobody has 'lobby'"):
            registry.whereis("lobby")


@pytest.mark.otp("RG-14", "RG-25")
async def test_a_failing_start_leaves_no_entry(autojump_clock: MockClock) -> None:
    """The original error comes out, and the name is free by then."""
    registry = rooms()
    async with open_supervisor() as root:
        with pytest.raises(StartError) as caught:
            await root.start_child(lambda: Room([Boom("init")]), name=registry.via("lobby", 7))
        assert isinstance(caught.value.__cause__, Boom)
        assert len(registry) == 0
        await root.start_child(Room, name=registry.via("lobby", 8))


async def test_a_named_child_has_its_key_again_in_its_next_life(autojump_clock: MockClock) -> None:
    """Old entry out, new entry in, and no moment between them when the restart is immediate."""
    registry = rooms()
    async with open_supervisor() as root:
        room = await root.start_child(Room, name=registry.via("lobby", 7))
        registry.update("lobby", room, lambda value: value + 1)
        with registry.listen() as events:
            room.kill()
            await trio.sleep(1)
            assert [type(await anext(events)) for _ in range(2)] == [Unregistered, Registered]
        assert registry.lookup("lobby") == Entry("lobby", room, 7)


async def test_a_new_life_whose_key_was_taken_has_failed_to_start(autojump_clock: MockClock) -> None:
    """Two owners of one key would be worse; the supervisor tries again, as with any failed start."""
    registry = rooms()
    async with open_supervisor() as root:
        options = {"initial": 1.0, "factor": 1.0}
        room = await root.start_child(Room, name=registry.via("lobby", 7), backoff=Backoff(**options))
        squatter = await start(root, "squatter")
        room.kill()
        await room.ended()
        registry.register("lobby", squatter, 0)
        await trio.sleep(1.5)
        assert not room.is_alive
        await squatter.stop()
        await trio.sleep(1.5)
        assert room.is_alive
        assert registry.whereis("lobby") == room


@pytest.mark.otp("RG-17")
async def test_a_crash_leaves_no_trace(autojump_clock: MockClock) -> None:
    """In neither table, whatever the owner had."""
    registry = DuplicateRegistry[str, Room, int]()
    async with open_supervisor() as root:
        owners = [await start(root, name) for name in "ab"]
        for owner in owners:
            registry.register("hall", owner, 1)
            registry.register("stairs", owner, 2)
        for owner in owners:
            owner.kill()
        await settle()
        assert (registry._rows, registry._rows_of) == ({}, {})
        assert [(await owner.ended()).kind for owner in owners] == [ExitKind.KILLED] * 2


@pytest.mark.otp("RG-18", "RG-20")
async def test_entries_are_selected_counted_and_given_up_by_a_predicate() -> None:
    """Functions instead of match specifications; what is none is refused."""
    registry = DuplicateRegistry[str, Room, int]()
    async with open_supervisor() as root:
        owner = await start(root)
        for value in range(5):
            registry.register("hall", owner, value)
        assert [entry.value for entry in registry.select(lambda entry: entry.value > 2)] == [3, 4]
        assert registry.count(lambda entry: entry.key == "hall" and entry.value % 2 == 0) == 3
        assert registry.unregister_match("hall", owner, lambda value: value < 3) == 3
        assert registry.values("hall", owner) == (3, 4)
        with pytest.raises(TypeError, match="must be a function, got"):
            registry.select(":_")  # type: ignore[arg-type]  # the point


@pytest.mark.otp("RG-19")
@pytest.mark.parametrize("key", [":_", "$1", "_", "%", ("_", "$1"), None, Ellipsis])
async def test_no_key_means_anything_else(key: object) -> None:
    """A key is looked up as it is written."""
    registry = Registry[object, Room, None]()
    async with open_supervisor() as root:
        owner = await start(root)
        registry.register("other", owner)
        assert registry.lookup(key) is None
        registry.register(key, owner)
        assert registry.whereis(key) == owner


@pytest.mark.otp("RG-22")
async def test_locks_of_one_key_are_serial_and_of_two_parallel(autojump_clock: MockClock) -> None:
    """First come, first served."""
    registry = rooms()
    log: list[tuple[str, float]] = []

    async def hold(key: str) -> None:
        async with registry.lock(key):
            await trio.sleep(1)
            log.append((key, trio.current_time()))

    async with trio.open_nursery() as nursery:
        for key in ("a", "a", "b"):
            nursery.start_soon(hold, key)
    assert sorted(log) == [("a", 1), ("a", 2), ("b", 1)]
    assert registry._locks == {}


@pytest.mark.otp("RG-23")
async def test_a_lock_is_free_however_its_holder_ended(autojump_clock: MockClock) -> None:
    """Raised, cancelled, or never got it: the next waiter does."""
    registry = rooms()

    async def hold_and_raise() -> None:
        async with registry.lock("a"):
            raise Boom

    async def hold_for(limit: float) -> None:
        with trio.move_on_after(limit):
            async with registry.lock("a"):
                await trio.sleep_forever()

    with pytest.raises(Boom):
        await hold_and_raise()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold_for, 2)
        await settle()
        nursery.start_soon(hold_for, 1)
        await settle()
        async with registry.lock("a"):
            assert trio.current_time() == 2
    assert registry._locks == {}
