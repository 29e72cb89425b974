"""Looking at an actor that runs, and holding it up."""

from collections import deque

import trio
import trio.lowlevel

from supervisors import Actor, Down, Ref, TraceEvent, open_supervisor


class Bank(Actor):
    """Holds an account."""

    def __init__(self) -> None:
        self.balance = 100

    async def withdraw(self, amount: int) -> int:
        await trio.sleep(1)  # the paper work
        self.balance -= amount
        return self.balance


class Auditor(Actor):
    """Wants to be told when the bank is gone."""

    def __init__(self, bank: Ref[Bank]) -> None:
        self._bank = bank

    async def on_start(self) -> None:
        self.monitor(self._bank, Auditor.note)

    async def note(self, down: Down) -> None:
        print("down:", down.ref.path, down.exit)


async def main() -> None:
    async with open_supervisor() as root:
        bank = await root.start_child(Bank, name="bank", restart="temporary")
        await root.start_child(lambda: Auditor(bank), name="auditor")
        log: deque[TraceEvent] = deque(maxlen=100)
        bank.trace(log.append)

        bank.cast_nowait(Bank.withdraw, 30)
        bank.cast_nowait(Bank.withdraw, 30)
        await trio.sleep(0.5)
        seen = bank.snapshot()  # waits for nothing, and nobody notices
        print(f"{seen.status}: {seen.operation} for {seen.age} s, {seen.queued} queued, {len(seen.stacks)} stack")

        await bank.suspend()  # waits for the running operation; the rest queues
        print("balance:", await bank.get_state(lambda bank: bank.balance))
        await bank.replace_state(lambda bank: setattr(bank, "balance", 1000))
        bank.resume()
        print("balance:", await bank.get_state(lambda bank: bank.balance))  # after what was sent before
        print("traced:", len(log), "events, the last:", log[-1].operation)

        bank.kill()
        await trio.lowlevel.checkpoint()


if __name__ == "__main__":
    trio.run(main)
