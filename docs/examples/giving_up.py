"""A supervisor that gives up says so, with the crashes that made it."""

import trio

from supervisors import Actor, RestartLimitExceeded, open_supervisor


class Hopeless(Actor):
    """Crashes as soon as it lives."""

    async def on_start(self) -> None:
        self.ref.cast_nowait(Hopeless.work)

    async def work(self) -> None:
        raise ConnectionError("no route to the database")


async def main() -> None:
    try:
        async with open_supervisor("app", max_restarts=2, max_seconds=5.0) as app:
            await app.start_child(Hopeless)
            await trio.sleep_forever()
    except RestartLimitExceeded as error:
        print(error)
        print("last straw:", error.__cause__)
        print("crashes:", len(error.failures.exceptions))


if __name__ == "__main__":
    trio.run(main)
