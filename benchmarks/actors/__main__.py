"""Print the tables: ``python -m benchmarks.actors [--rounds N] [--scale X] [--only TITLE]``."""

import argparse
from functools import partial

from benchmarks.actors import extras, floors, memory, ours, peers, shape
from benchmarks.actors.floors import on_trio
from benchmarks.measure import Contender, Subject, compare, table

Measure = tuple[str, Contender, list[Contender], int]


def _ours(name: str, run: Subject, reach: float) -> Contender:
    return Contender(name, run, reach)


def measures() -> list[Measure]:
    """Every table: title, floor, contenders, operations a round."""
    deque_floor = Contender("deque append + popleft", floors.append_and_pop)
    return [
        ("Call", Contender("two task switches", on_trio(floors.two_switches)),
         [_ours("call", on_trio(ours.call), 1.3)], 5_000),
        ("Call, 100 callers", Contender("two task switches, 100 pairs", on_trio(floors.hundred_pairs)),
         [_ours("call", on_trio(ours.hundred_callers), 0.8)], 10_000),
        ("Call in time", Contender("two switches in fail_after", on_trio(floors.two_switches_in_time)),
         [_ours("call in fail_after", on_trio(ours.call_in_time), 1.3)], 5_000),
        ("Cast", deque_floor,
         [_ours("cast_nowait, sender's side", on_trio(ours.cast_sender), 4),
          _ours("cast_nowait, through to the actor", on_trio(ours.cast_through), 16),
          _ours("cast, bounded mailbox", on_trio(ours.cast_bounded), 32),
            Contender("trio's own channel of 100, for comparison", on_trio(floors.through_channel))], 20_000),
        ("Cast beside its shape, sender", Contender("a method that keeps what it is given", on_trio(shape.sender)),
         [_ours("cast_nowait, sender's side", on_trio(ours.cast_sender), 1.3)], 20_000),
        ("Cast beside its shape, through", Contender("keep, then await one after the other", on_trio(shape.through)),
         [_ours("cast_nowait, through to the actor", on_trio(ours.cast_through), 1.3)], 20_000),
        ("Cast beside its shape, bounded", Contender("the same, two tasks that wait for each other", on_trio(shape.bounded)),
         [_ours("cast, bounded mailbox", on_trio(ours.cast_bounded), 1.3)], 20_000),
        ("Extra features", Contender("call", on_trio(ours.call)),
         [_ours("unused: others in the tree use them all", on_trio(extras.unused), 1.05),
          _ours("unused: traced, counted, suspended, and no more", on_trio(extras.put_away), 1.05),
            Contender("used: a bounded mailbox", on_trio(extras.bounded)),
            Contender("used: statistics", on_trio(extras.counted))], 5_000),
        ("Start and stop", Contender("start_soon, park, cancel", on_trio(floors.park_and_cancel)),
         [_ours("start_child, stop", on_trio(ours.start_and_stop), 2.5)], 1_000),
        ("Restart", Contender("crash, start_soon, one question", on_trio(floors.crash_and_start)),
         [_ours("crash, restart, call; 1 sibling", on_trio(partial(ours.restart_among, 1)), 2.0),
          _ours("the same; 1,000 siblings", on_trio(partial(ours.restart_among, 1_000)), 2.0)], 500),
        ("Timers, 10,000 pending", Contender("heap push + pop of (time, order, action)", floors.push_and_pop_actions),
         [_ours("a timer of the tree, armed and fired", on_trio(ours.timer_heap), 2.0),
            Contender("heap push + pop of bare times", floors.push_and_pop),
            Contender("send_after 0, through to the actor", on_trio(ours.timers))], 5_000),
    ]  # fmt: skip


def peer_measures() -> tuple[list[Measure], list[str]]:
    """The tables of the peers, against ours; and a line for each peer that is missing."""
    found, missing = peers.find_peers()
    call = [Contender(peer.name, peer.call) for peer in found if peer.call is not None]
    cast = [Contender(peer.name, peer.cast) for peer in found if peer.cast is not None]
    start = [Contender(peer.name, peer.start_stop) for peer in found if peer.start_stop is not None]
    return [
        ("Peers: call", Contender("supervisors", on_trio(ours.call)), call, 2_000),
        ("Peers: cast, through to the actor", Contender("supervisors", on_trio(ours.cast_through)), cast, 5_000),
        ("Peers: start and stop", Contender("supervisors", on_trio(ours.start_and_stop)), start, 300),
    ], missing


def main() -> None:
    """Run every table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.actors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the operations of a round")
    parser.add_argument("--only", default="", help="tables whose title contains this")
    options = parser.parse_args()
    peer_tables, missing = peer_measures()
    for title, floor, contenders, count in [*measures(), *peer_tables]:
        if options.only.lower() in title.lower():
            rows = compare(floor, contenders, count=max(int(count * options.scale), 100), rounds=options.rounds)
            print(table(title, rows), end="\n\n", flush=True)
    if options.only.lower() in "memory":
        print(memory.table(max(int(100_000 * options.scale), 1_000)), end="\n\n", flush=True)
    print("\n".join(missing))


if __name__ == "__main__":
    main()
