"""Ask why an operation takes so long: what it waits for, what went wrong so far, and when it goes on."""

import trio

from tinkex_actors import QueueChange, Settings, TinkerClient, Wait, open_tinker
from tinkex_actors.local import Fault, FaultKind, FaultPlan, ServerOptions, open_server

BROKEN = Fault(kind=FaultKind.STATUS, status=503, route="POST optim_step", count=2)


def tell(change: QueueChange) -> None:
    """Whenever the server names another state of its queue, or another reason."""
    print(change.client, change.state, change.reason)


async def find_trouble(tinker: TinkerClient) -> Wait:
    """Look every now and then; looking costs nobody anything."""
    while True:
        for wait in tinker.snapshot().waits:
            if wait.last_error:
                return wait
        await trio.sleep(0.01)


async def main() -> None:
    async with (
        open_server(ServerOptions(faults=FaultPlan([BROKEN]))) as server,
        open_tinker(Settings.local(server.url)) as tinker,
    ):
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
        trainer.on_queue_state_change(tell)
        update = trainer.optim_step()
        wait = await find_trouble(tinker)
        print(f"{wait.client}'s {wait.operation} waits for {wait.waits_for}")
        print("what went wrong:", wait.last_error)
        print("it goes on within a second:", wait.next_try_in is not None and wait.next_try_in < 1)
        await update
        print("waiting now:", len(tinker.snapshot().waits))


if __name__ == "__main__":
    trio.run(main)
