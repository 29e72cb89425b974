"""Work with a result: linked to its caller, owned by the supervisor, or a stream of it."""

import trio

from supervisors import Failed, TaskSupervisor, open_supervisor


async def fetch(page: int) -> str:
    await trio.sleep(page)
    if page == 3:
        raise ValueError("no such page")
    return f"page {page}"


async def main() -> None:
    async with open_supervisor() as root:
        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True, max_children=10))

        print(await tasks.run(fetch, 1))  # linked: a cancelled caller takes it along

        job = await tasks.start(fetch, 60)  # the supervisor's: outlives its starter
        print(root.tree())
        job.cancel()

        async with tasks.stream(fetch, [2, 1, 4], max_concurrency=2) as pages:
            async for page in pages:  # in order; a slow first one holds nobody up
                print(page, "at", trio.current_time())
                if page == "page 1":
                    break  # the workers are stopped and awaited before the next line

        async with tasks.stream_outcomes(fetch, [9, 3, 1], max_concurrency=3, timeout=5, ordered=False) as outcomes:
            async for outcome in outcomes:
                end = repr(outcome.error) if isinstance(outcome, Failed) else outcome.value
                print(f"input {outcome.input}: {end}")


if __name__ == "__main__":
    trio.run(main)
