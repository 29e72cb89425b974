"""Order of messages, one reply per call, and names under pressure: OR-02 to OR-12."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    Actor,
    ActorNotAlive,
    AlreadyRegistered,
    AlreadyStarted,
    Down,
    Name,
    Ref,
    Registry,
    Supervisor,
    Via,
    open_supervisor,
)
from supervisors._reply import Request
from tests.supervisors.otp.actors import Diary, Part, Worker, settle


class Steps(trio.abc.Instrument):
    """Counts the steps of all tasks."""

    count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - trio's signature
        """Count one."""
        self.count += 1


class Scribe(Actor):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.page: list[object] = []

    async def note(self, what: object) -> object:
        """Write it down, and repeat it."""
        self.page.append(what)
        return what

    async def read(self) -> list[object]:
        """Tell all."""
        return self.page

    async def watch(self, ref: Ref[Worker], tag: str) -> None:
        """Be told of an end."""
        self.monitor(ref, Scribe.hear, tag)

    async def watch_and_forget(self, ref: Ref[Worker]) -> None:
        """Be told of no end."""
        self.monitor(ref, Scribe.hear, "never").cancel()

    async def hear(self, down: Down, tag: str) -> None:
        """Note an end."""
        self.page.append((tag, down.exit.kind.value))

    async def count_steps(self, other: "Ref[Scribe]", start: trio.Event) -> int:
        """Ask somebody else a hundred times, and count the steps of all tasks meanwhile."""
        await start.wait()
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        for number in range(100):
            await other.call(Scribe.note, number)
        trio.lowlevel.remove_instrument(steps)
        return steps.count


async def scribe(root: Supervisor, name: str = "scribe") -> Ref[Scribe]:
    """Somebody who writes."""
    return await root.start_child(Scribe, name=name)


@pytest.mark.otp("OR-02", "OR-05")
async def test_a_call_has_one_reply_slot_that_is_written_once(autojump_clock: MockClock) -> None:
    """Not twice, and not after the caller went away: there is nobody a stray reply could reach."""
    async with open_supervisor() as root:
        cell = (await scribe(root))._cell
        request = Request(cell, "note", (1,), {})
        answers: list[object] = []

        async def wait() -> None:
            answers.append(await request.wait())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await settle()
            for answer in range(4):
                request.answer(answer)
            assert request.fail(ValueError()) is False
        assert answers == [0]
        abandoned = Request(cell, "note", (2,), {})
        with trio.move_on_after(1):
            await abandoned.wait()
        abandoned.answer("late")
        assert abandoned.is_gone


@pytest.mark.otp("OR-04")
async def test_a_monitor_leaves_nothing_behind_fired_or_not(autojump_clock: MockClock) -> None:
    """Neither at who was watched nor at who watched."""
    diary = Diary()
    async with open_supervisor() as root:
        watched = await root.start_child(Part(diary, "watched").spec(restart="temporary"))
        writer = await scribe(root)
        life = watched._cell.life
        own = writer._cell.life
        assert life is not None
        assert own is not None
        await writer.call(Scribe.watch_and_forget, watched)
        assert not life._endings
        await writer.call(Scribe.watch, watched, "tag")
        assert life._endings
        await watched.stop()
        await settle()
        assert not life._endings
        assert not own._endings
        assert await writer.call(Scribe.read) == [("tag", "shutdown")]


@pytest.mark.otp("OR-06")
async def test_a_call_costs_the_same_however_long_the_callers_own_queue_is(autojump_clock: MockClock) -> None:
    """A reply goes to its slot, not through the mailbox: counted in task steps, not in time."""
    counts: list[int] = []
    async with open_supervisor() as root:
        asker, asked = await scribe(root, "asker"), await scribe(root, "asked")

        async def count(start: trio.Event) -> None:
            counts.append(await asker.call(Scribe.count_steps, asked, start))

        for queued in (0, 50_000):
            start = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count, start)
                await settle()
                for number in range(queued):
                    asker.cast_nowait(Scribe.note, number)
                start.set()
    assert counts[0] == counts[1] > 0


@pytest.mark.otp("OR-07")
async def test_every_caller_gets_its_own_answers(autojump_clock: MockClock) -> None:
    """However the requests of many are mixed."""
    async with open_supervisor() as root:
        writer = await scribe(root)

        async def ask(who: int) -> None:
            for number in range(200):
                assert await writer.call(Scribe.note, (who, number)) == (who, number)

        async with trio.open_nursery() as nursery:
            for who in range(20):
                nursery.start_soon(ask, who)
        assert len(await writer.call(Scribe.read)) == 4000


@pytest.mark.otp("OR-08")
async def test_a_monitors_message_carries_what_it_was_set_with(autojump_clock: MockClock) -> None:
    """Arguments of the operation serve as the tag."""
    diary = Diary()
    async with open_supervisor() as root:
        watched = await root.start_child(Part(diary, "watched").spec(restart="temporary"))
        writer = await scribe(root)
        for tag in ("one", "two"):
            await writer.call(Scribe.watch, watched, tag)
        watched.kill()
        await settle()
        assert await writer.call(Scribe.read) == [("one", "killed"), ("two", "killed")]


@pytest.mark.otp("OR-09")
async def test_an_abandoned_start_leaves_neither_a_child_nor_a_message(autojump_clock: MockClock) -> None:
    """Whoever gave up has started nothing; if the supervisor ends first, the starter hears the reason."""
    diary = Diary()
    async with open_supervisor() as root:
        with trio.move_on_after(1):
            await root.start_child(Part(diary, "slow", start_takes=5).spec())
        assert root.which_children() == ()
        await trio.sleep(9)
        assert diary.entries == []


@pytest.mark.otp("OR-10a")
async def test_a_name_that_cannot_be_given_changes_nothing(autojump_clock: MockClock) -> None:
    """To the dead, twice, or ill-formed: refused, and everything is as before."""
    registry = Registry[str, Worker, int]()
    diary = Diary()
    async with open_supervisor() as root:
        dead = await root.start_child(Part(diary, "dead").spec(restart="temporary"))
        await dead.stop()
        alive = await root.start_child(Part(diary, "alive").make, name=Name("alive", Worker))
        with pytest.raises(ActorNotAlive):
            registry.register("key", dead, 1)
        registry.register("key", alive, 1)
        with pytest.raises(AlreadyRegistered):
            registry.register("key", alive, 2)
        with pytest.raises(AlreadyStarted):
            await root.start_child(Part(diary, "other").make, name=Name("alive", Worker))
        with pytest.raises(ValueError, match="non-empty string without '/'"):
            Name("a/b", Worker)
        assert registry.lookup_all("key")[0].value == 1
        assert root.whereis(Name("alive", Worker)) == alive
        assert [child.name for child in root.which_children()] == ["alive"]


@pytest.mark.otp("OR-10b")
async def test_a_name_is_free_for_the_next_owner_at_once_every_time(autojump_clock: MockClock) -> None:
    """Kill the owner, wait for its end, name another, look it up: hundreds of times, by both kinds of names."""
    registry = Registry[str, Worker, int]()
    diary = Diary()
    async with open_supervisor() as root:
        names: list[Name[Worker] | Via[Worker]] = [Name("name", Worker), registry.via("key", 0)]
        for name in names * 300:
            owner = await root.start_child(Part(diary, "owner").make, name=name, restart="temporary")
            found = root.whereis(name) if isinstance(name, Name) else registry.whereis("key")
            assert found == owner
            owner.kill()
            await owner.ended()
        assert (len(registry), root.which_children()) == (0, ())


@pytest.mark.otp("OR-11")
async def test_casts_and_calls_of_one_sender_are_handled_in_send_order(autojump_clock: MockClock) -> None:
    """Whatever the kind: one queue, first in, first out."""
    async with open_supervisor() as root:
        writer = await scribe(root)
        for number in range(0, 90, 3):
            writer.cast_nowait(Scribe.note, number)
            await writer.call(Scribe.note, number + 1)
            await writer.cast(Scribe.note, number + 2)
        assert await writer.call(Scribe.read) == list(range(90))


@pytest.mark.otp("OR-12")
async def test_each_senders_order_is_kept_among_many(autojump_clock: MockClock) -> None:
    """How they interleave is free."""
    async with open_supervisor() as root:
        writer = await scribe(root)

        async def send(who: str) -> None:
            for number in range(100):
                writer.cast_nowait(Scribe.note, (who, number))
                if number % 7 == 0:
                    await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, "a")
            nursery.start_soon(send, "b")
        page = await writer.call(Scribe.read)
        for who in ("a", "b"):
            assert [entry for entry in page if isinstance(entry, tuple) and entry[0] == who] == [
                (who, number) for number in range(100)
            ]
