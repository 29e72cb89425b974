"""One publishes, many hear: each with a buffer, and its own way to be late."""

import trio

from supervisors import Overflow, Subscription, Topic


async def hear(name: str, events: Subscription[int], pause: float) -> None:
    heard: list[int] = []
    async for event in events:
        heard.append(event)
        await trio.sleep(pause)
    print(name, "heard", heard, "and missed", events.dropped)


async def main() -> None:
    topic = Topic[int]("numbers")
    with (
        topic.subscribe(1, overflow=Overflow.WAIT) as quick,
        topic.subscribe(2, overflow=Overflow.DROP_OLDEST) as slow,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear, "quick", quick, 0)
            nursery.start_soon(hear, "slow", slow, 60)
            for number in range(6):
                await topic.publish(number)  # waits for "quick", never for "slow"
                await trio.sleep(1)
            topic.close()  # ends both loops, behind what they have


if __name__ == "__main__":
    trio.run(main)
