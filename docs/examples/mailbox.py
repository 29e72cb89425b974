"""A mailbox with a bound: what a sender that is too fast gets to feel."""

import trio
import trio.lowlevel

from supervisors import Actor, Mailbox, MailboxFull, Overflow, open_supervisor


class Printer(Actor):
    """Needs a second for a page."""

    async def page(self, number: int) -> None:
        await trio.sleep(1)
        print(f"{trio.current_time():.0f} s: page {number}")


async def main() -> None:
    async with open_supervisor() as root:
        patient = await root.start_child(Printer, restart="temporary", mailbox=Mailbox(1, Overflow.WAIT))
        for number in range(3):
            await patient.cast(Printer.page, number)  # waits for room
        print(f"{trio.current_time():.0f} s: all sent")
        try:
            patient.cast_nowait(Printer.page, 3)  # never waits
        except MailboxFull as full:
            print(full)
        await patient.stop(drain=True)  # serves what is queued first

        newest = await root.start_child(Printer, restart="temporary", mailbox=Mailbox(1, Overflow.DROP_OLDEST))
        for number in range(10, 14):
            newest.cast_nowait(Printer.page, number)
            await trio.lowlevel.checkpoint()  # the first one is begun
        print("dropped:", newest.snapshot().dropped)
        await newest.stop(drain=True)


if __name__ == "__main__":
    trio.run(main)
