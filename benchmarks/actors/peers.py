"""The same work in other actor libraries: each is skipped with a line when it is not installed (the extra ``bench``).

A round is *count* calls with an answer, one after another, by one caller; then *count* messages without an answer,
counted until the last was served; then *count* actors started and stopped. Peers that leave out one of these have none.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The peers are optional and mostly untyped: they are imported by name, and everything of theirs is Any.

import asyncio  # noqa: TID251 - one of the peers
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import trio
import trio.testing
from attrs import frozen

from benchmarks.measure import Stopwatch, Subject


@frozen
class Peer:
    """One library's way of doing the three things."""

    name: str
    call: Subject | None
    cast: Subject | None
    start_stop: Subject | None


def find_peers() -> tuple[list[Peer], list[str]]:
    """The peers that are installed, and a line for each that is not."""
    found, missing = [by_hand()], list[str]()
    for module, make in (("pykka", pykka), ("thespian", thespian), ("xoscar", xoscar), ("triotp", triotp)):
        try:
            import_module(module)
        except ImportError:
            missing.append(f"{module}: not installed (the extra `bench`; triotp needs Python 3.13)")
        else:
            found.append(make())
    if shutil.which("escript") is None:
        missing.append("Erlang: no `escript` on the PATH")
    else:
        found.append(erlang())
    return found, missing


# ------------------------------------------------------------------ asyncio, written by hand


async def _serve(queue: "asyncio.Queue[asyncio.Future[int] | None]") -> None:
    total = 0
    while True:
        future = await queue.get()
        total += 1
        if future is not None and not future.cancelled():
            future.set_result(total)


async def _hand_call(count: int) -> float:
    queue: asyncio.Queue[asyncio.Future[int] | None] = asyncio.Queue()
    server = asyncio.create_task(_serve(queue))
    loop = asyncio.get_running_loop()
    with Stopwatch() as watch:
        for _ in range(count):
            future = loop.create_future()
            queue.put_nowait(future)
            await future
    server.cancel()
    return watch.seconds


async def _hand_cast(count: int) -> float:
    queue: asyncio.Queue[asyncio.Future[int] | None] = asyncio.Queue()
    server = asyncio.create_task(_serve(queue))
    with Stopwatch() as watch:
        for _ in range(count):
            queue.put_nowait(None)
        future = asyncio.get_running_loop().create_future()
        queue.put_nowait(future)
        await future
    server.cancel()
    return watch.seconds


async def _hand_start_stop(count: int) -> float:
    with Stopwatch() as watch:
        for _ in range(count):
            server = asyncio.create_task(_serve(asyncio.Queue()))
            await asyncio.sleep(0)
            server.cancel()
            await asyncio.wait([server])
    return watch.seconds


def _on_asyncio(fn: Callable[[int], Awaitable[float]]) -> Subject:
    async def run(count: int) -> float:
        return await fn(count)

    return lambda count: asyncio.run(run(count))


def by_hand() -> Peer:
    """A task, a queue and a future: no supervision, no cancellation of calls."""
    return Peer("asyncio by hand", _on_asyncio(_hand_call), _on_asyncio(_hand_cast), _on_asyncio(_hand_start_stop))


# ------------------------------------------------------------------ pykka: a thread for each actor


def pykka() -> Peer:
    """Threads and queues."""
    library: Any = import_module("pykka")
    counter: Any = type("Counter", (library.ThreadingActor,), {"on_receive": _echo})

    def call(count: int) -> float:
        ref = counter.start()
        return _timed(count, ref.ask, ref.stop)

    def cast(count: int) -> float:
        ref = counter.start()
        return _timed(count, ref.tell, ref.stop)

    return Peer("pykka (threads)", call, cast, lambda count: _timed(count, lambda _: counter.start().stop()))


def _echo(_: object, message: object) -> object:
    return message


def _timed(count: int, action: Callable[[int], object], finish: Callable[[], object] | None = None) -> float:
    with Stopwatch() as watch:
        for number in range(count):
            action(number)
        if finish is not None:
            finish()
    return watch.seconds


# ------------------------------------------------------------------ thespian: its simple system, one thread


def thespian() -> Peer:
    """The system base without processes: a message is served before ``tell`` returns."""
    library: Any = import_module("thespian.actors")
    counter: Any = type("Counter", (library.Actor,), {"receiveMessage": _answer_numbers})

    def within(work: Callable[[Any, Any], float]) -> float:
        system = library.ActorSystem("simpleSystemBase")
        try:
            return work(system, system.createActor(counter))
        finally:
            system.shutdown()

    def start_stop(system: Any, _: object) -> None:
        system.tell(system.createActor(counter), library.ActorExitRequest())

    return Peer(
        "thespian (simple system)",
        lambda count: within(lambda system, actor: _timed(count, lambda number: system.ask(actor, number, 5))),
        lambda count: within(lambda system, actor: _timed(count, lambda _: system.tell(actor, "no answer"))),
        lambda count: within(lambda system, actor: _timed(count, lambda _: start_stop(system, actor))),
    )


def _answer_numbers(self: Any, message: object, sender: object) -> None:
    if isinstance(message, int):
        self.send(sender, message)


# ------------------------------------------------------------------ xoscar: one pool in this process


def xoscar() -> Peer:
    """Actors of one process, over its own RPC."""
    library: Any = import_module("xoscar")

    counter: Any = type("Counter", (library.Actor,), {"add": _add})

    async def call(count: int) -> float:
        async with await library.create_actor_pool("127.0.0.1:0", n_process=0) as pool:
            ref = await library.create_actor(counter, address=pool.external_address)
            with Stopwatch() as watch:
                for number in range(count):
                    await ref.add(number)
        return watch.seconds

    async def start_stop(count: int) -> float:
        async with await library.create_actor_pool("127.0.0.1:0", n_process=0) as pool:
            with Stopwatch() as watch:
                for _ in range(count):
                    await library.destroy_actor(await library.create_actor(counter, address=pool.external_address))
        return watch.seconds

    return Peer("xoscar (one process)", _on_asyncio(call), None, _on_asyncio(start_stop))


async def _add(_: object, by: int) -> int:
    return by


# ------------------------------------------------------------------ triotp: OTP's names on trio


def triotp() -> Peer:
    """Its gen_server; needs Python 3.13."""
    server: Any = import_module("triotp.gen_server")
    mailbox: Any = import_module("triotp.mailbox")
    module: Any = type("module", (), {})
    module.__name__ = "counter"

    async def init(value: object) -> object:
        return value

    async def handle_call(_: object, __: object, state: object) -> object:
        return server.Reply(state), state

    module.init, module.handle_call = init, handle_call

    async def work(count: int) -> float:
        mailbox._init()  # its node does that
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.start, module, 0, "counter")
            await trio.testing.wait_all_tasks_blocked()
            with Stopwatch() as watch:
                for _ in range(count):
                    await server.call("counter", "add")
            nursery.cancel_scope.cancel()
        return watch.seconds

    return Peer("triotp", lambda count: trio.run(work, count), None, None)


# ------------------------------------------------------------------ Erlang: a real one


def erlang() -> Peer:
    """``gen_server:call`` in the virtual machine; its own count of CPU time."""
    script = Path(__file__).with_name("counter.escript")

    def run(what: str, count: int) -> float:
        done = subprocess.run(["escript", script, what, str(count)], capture_output=True, text=True, check=True)  # noqa: S607 - on the PATH
        return float(done.stdout) / 1000

    return Peer("Erlang", lambda n: run("call", n), lambda n: run("cast", n), lambda n: run("start", n))
