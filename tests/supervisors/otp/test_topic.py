"""Topics: who hears what, who is late, and what a failure costs: GE-02 to GE-08."""
# ruff: noqa: ARG001, PT012 - a test has virtual time by naming the clock; what escapes a whole block is the point

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import Overflow, SubscriberTooSlow, Subscription, Topic
from tests.supervisors.otp.actors import Boom, settle


async def take(events: Subscription[int], count: int) -> list[int]:
    """Read some events."""
    return [await anext(events) for _ in range(count)]


@pytest.mark.otp("GE-02", "GE-03")
async def test_a_subscription_is_its_block() -> None:
    """It begins and ends with it; what was published before or after is not heard."""
    topic = Topic[int]()
    assert topic.publish_nowait(1) == 0
    with topic.subscribe() as events:
        assert topic.subscribers == 1
        assert topic.publish_nowait(2) == 1
        assert await take(events, 1) == [2]
    assert topic.subscribers == 0
    assert topic.publish_nowait(3) == 0


@pytest.mark.otp("GE-02")
@pytest.mark.parametrize("capacity", [0, -1, 1.5, True])
def test_a_bound_that_is_none_is_refused_at_once(capacity: Any) -> None:
    """Before anybody is subscribed."""
    with pytest.raises(ValueError, match="capacity must be an int >= 1"):
        Topic[int]().subscribe(capacity)


@pytest.mark.otp("GE-05")
async def test_the_failure_of_a_subscriber_is_its_own(autojump_clock: MockClock) -> None:
    """It ends its own block and subscription; the others hear on, and the publisher hears nothing of it."""
    topic = Topic[int]()
    heard: list[int] = []

    async def fail() -> None:
        with pytest.raises(Boom), topic.subscribe() as events:
            async for _ in events:
                raise Boom

    async def hear() -> None:
        with topic.subscribe() as events:
            async for event in events:
                heard.append(event)  # noqa: PERF401 - read by the test meanwhile

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        nursery.start_soon(hear)
        await settle()
        assert topic.publish_nowait(1) == 2
        await settle()
        assert topic.publish_nowait(2) == 1
        await settle()
        assert heard == [1, 2]
        nursery.cancel_scope.cancel()


@pytest.mark.otp("GE-05")
async def test_a_publisher_can_wait_for_the_slowest(autojump_clock: MockClock) -> None:
    """Until all who asked for it have room; then all are told at once, in one order."""
    topic = Topic[int]()
    with topic.subscribe(1, overflow=Overflow.WAIT) as slow, topic.subscribe() as quick:
        await topic.publish(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(topic.publish, 2)
            nursery.start_soon(topic.publish, 3)
            await settle()
            assert quick.queued == 1
            assert await take(slow, 2) in ([1, 2], [1, 3])
            await take(slow, 1)
        assert sorted(await take(quick, 3)) == [1, 2, 3]


async def test_a_publisher_that_gives_up_has_told_nobody(autojump_clock: MockClock) -> None:
    """Cancelled or refused: all or none."""
    topic = Topic[int]()
    with topic.subscribe(1, overflow=Overflow.WAIT) as slow, topic.subscribe() as quick:
        topic.publish_nowait(1)
        with pytest.raises(trio.WouldBlock):
            topic.publish_nowait(2)
        with trio.move_on_after(1):
            await topic.publish(3)
        assert (slow.queued, quick.queued) == (1, 1)


async def test_a_waiting_publisher_goes_on_when_the_slow_one_leaves(autojump_clock: MockClock) -> None:
    """Nobody waits for who is not there."""
    topic = Topic[int]()
    with topic.subscribe() as quick:
        async with trio.open_nursery() as nursery:
            with topic.subscribe(1, overflow=Overflow.WAIT):
                await topic.publish(1)
                nursery.start_soon(topic.publish, 2)
                await settle()
        assert await take(quick, 2) == [1, 2]


@pytest.mark.parametrize(("overflow", "kept"), [(Overflow.DROP_OLDEST, [3, 4]), (Overflow.DROP_NEWEST, [1, 2])])
async def test_a_full_buffer_drops_what_its_owner_chose_and_counts_it(overflow: Overflow, kept: list[int]) -> None:
    """The publisher is not disturbed."""
    topic = Topic[int]()
    with topic.subscribe(2, overflow=overflow) as events:
        for event in (1, 2, 3, 4):
            topic.publish_nowait(event)
        assert (events.queued, events.dropped) == (2, 2)
        assert await take(events, 2) == kept


async def test_a_subscriber_may_rather_be_cut_off_than_miss_an_event() -> None:
    """It gets what it had, then the error; the publisher does not count it any more."""
    topic = Topic[int]("news")
    with topic.subscribe(1, overflow=Overflow.RAISE) as events:
        topic.publish_nowait(1)
        topic.publish_nowait(2)
        assert topic.subscribers == 0
        assert await take(events, 1) == [1]
        with pytest.raises(SubscriberTooSlow, match="more than 1 events of 'news' were waiting; subscribe again"):
            await anext(events)


@pytest.mark.otp("GE-08")
async def test_closing_a_topic_ends_every_loop_behind_its_last_event(autojump_clock: MockClock) -> None:
    """Nothing that was published is lost; later publishers are told, later subscribers hear nothing."""
    topic = Topic[int]("news")
    with topic.subscribe() as events, topic.subscribe(1, overflow=Overflow.WAIT):
        topic.publish_nowait(1)
        async with trio.open_nursery() as nursery:

            async def publish() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await topic.publish(2)

            nursery.start_soon(publish)
            await settle()
            topic.close()
        assert [event async for event in events] == [1]
    assert topic.is_closed
    with topic.subscribe() as late:
        assert [event async for event in late] == []
    with pytest.raises(trio.ClosedResourceError, match="'news' is closed"):
        topic.publish_nowait(3)


async def test_a_cancelled_wait_loses_no_event(autojump_clock: MockClock) -> None:
    """Whoever asks next has it."""
    topic = Topic[int]()
    with topic.subscribe() as events:
        with trio.move_on_after(1):
            await anext(events)
        topic.publish_nowait(1)
        assert await take(events, 1) == [1]


async def test_a_subscription_is_for_one_block() -> None:
    """Used outside, or twice, it says what to do instead."""
    topic = Topic[int]("news")
    subscription = topic.subscribe()
    with pytest.raises(RuntimeError, match="inside its own `with` block"):
        await anext(subscription)
    with subscription:
        pass
    with pytest.raises(RuntimeError, match=r"call subscribe\(\) once per block"), subscription:
        pass
