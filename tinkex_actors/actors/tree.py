"""The tree: which actors there are, under whom, in which order. This is the only module that knows them all.

::

    tinker (one_for_one)
    ├─ local                     the embedded server, where there is one
    ├─ telemetry
    ├─ waits                     tells what has waited for long
    └─ session (rest_for_one)
       ├─ session                opens the conversation
       ├─ heartbeat
       ├─ poller
       ├─ clients (dynamic)      trainer-0, sampler-0, …
       └─ roster                 calls every client that has a ledger

Whatever must outlive a crash is plain data held here: the session's record, the ledgers, the queue of events. Users wait
for slots in ledgers and never for an actor, so no crash reaches them unless the tree itself gives up.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import trio
from attrs import define, field

from supervisors import (
    Actor,
    ActorNotAlive,
    ChildCrashed,
    ChildNotFound,
    ChildSpec,
    Event,
    Name,
    Observer,
    Ref,
    StartError,
    Strategy,
    Supervisor,
    SupervisorSpec,
    Tree,
    open_supervisor,
)
from tinkex_actors.activity import working_on
from tinkex_actors.actors.crash_door import Crashable, InjectedCrash
from tinkex_actors.actors.errors import ClientClosed, SessionEnded, fresh
from tinkex_actors.actors.heartbeat import HEARTBEAT_NAME, Heartbeat, OpenLine
from tinkex_actors.actors.ledger import Ledger
from tinkex_actors.actors.loss_threads import LossThreads
from tinkex_actors.actors.poller import POLLER, Poller
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.actors.retriever import Retriever
from tinkex_actors.actors.roster import ROSTER, Roster
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.actors.sampler import Sampler
from tinkex_actors.actors.session import SESSION, Session
from tinkex_actors.actors.snapshot import ClientSnapshot
from tinkex_actors.actors.tally import Tally
from tinkex_actors.actors.telemetry import TELEMETRY_NAME, Telemetry, TelemetryQueue
from tinkex_actors.actors.trainer import Trainer
from tinkex_actors.actors.tree_notes import note_clients
from tinkex_actors.actors.unheard import tell_unheard
from tinkex_actors.actors.waits import WAITS, Waits, list_waits
from tinkex_actors.crash_log import CrashLog
from tinkex_actors.log import get_log
from tinkex_actors.metrics import Metrics
from tinkex_actors.settings import Settings
from tinkex_actors.tracing import Tracing
from tinkex_actors.transport.ask import tell
from tinkex_actors.transport.endpoints import FINISH_SESSION
from tinkex_actors.transport.seam import Transport
from tinkex_actors.transport.stack import Line
from tinkex_actors.types.errors import TinkerError
from tinkex_actors.types.ids import SessionId
from tinkex_actors.types.sessions import FinishReason
from tinkex_actors.types.telemetry import Severity
from tinkex_actors.wire.requests import FinishReasonBody, FinishSessionRequest

_log = get_log()
_GROUP = "session"
_CLIENTS = "clients"


@define(eq=False)
class TinkerTree:
    """A running tree, and the data that outlives its actors."""

    settings: Settings
    transport: Transport
    root: Supervisor
    record: SessionRecord
    events: TelemetryQueue
    open_line: OpenLine | None = None
    """Opens a line of the heartbeat's own, where that is possible."""
    metrics: Metrics = field(factory=Metrics)
    """No actor: there is nothing in it to restart, and it outlives every crash."""
    address: Callable[[], str] | None = None
    """Says where the server is at the moment, if that is not what the settings say."""
    # Tokenizers belong to the layer of the clients, which keep them here.
    tokenizers: dict[str, Any] = field(factory=dict[str, Any])
    """What clients have loaded to read text with, by name, the latest last."""
    load_tokenizer: Callable[[str], Any] | None = None
    """Where else they come from."""
    loss_threads: LossThreads = field(init=False)
    retriever: Retriever = field(init=False)
    """Asks for results; no actor either, since it keeps nothing but a budget."""
    ledgers: dict[str, Ledger | SampleLedger] = field(factory=dict[str, Ledger | SampleLedger])
    members: dict[str, ChildSpec[Actor]] = field(factory=dict[str, ChildSpec[Actor]])
    end: TinkerError | None = None
    """Why there is nothing more to be had, once that is so."""
    _named: Counter[str] = field(factory=Counter[str])

    def __attrs_post_init__(self) -> None:
        self.loss_threads = LossThreads(self.settings.figures.loss_threads)
        self.retriever = _make_retriever(self.settings, self.transport, self.record)

    @property
    def tracing(self) -> Tracing | None:
        """What begins the spans of users' calls, where they are traced."""
        return self.transport.tracing if isinstance(self.transport, Line) else None

    def tree(self) -> Tree:
        """Take a snapshot of the whole tree; ``str`` of it is a drawing."""
        tree = self.root.tree()
        return tree.annotate(note_clients(self.ledgers, f"{tree.path}/{_GROUP}/{_CLIENTS}"))

    def snapshot(self) -> ClientSnapshot:
        """Look at everything, without waiting for anybody."""
        now, record, line = trio.current_time(), self.record, self.transport
        return ClientSnapshot(
            tree=self.tree(),
            session_id=record.session_id,
            heard_ago=None if record.last_heartbeat is None else now - record.last_heartbeat,
            missed_beats=record.missed_beats,
            breaker=line.breaker.state(now) if isinstance(line, Line) else "closed",
            sampling_paused_for=max(0.0, line.paced.paused_until - now) if isinstance(line, Line) else 0.0,
            waits=list_waits(self.ledgers, now),
            telemetry_queued=len(self.events.events),
            telemetry_dropped=self.events.dropped,
        )

    def check_open(self) -> None:
        """Refuse to go on when the client is closed.

        Raises:
            ClientClosed: It is.
        """
        if self.end is not None:
            raise fresh(self.end)

    def name_client(self, kind: str) -> str:
        """Make a name that no other client of this tree has or had: ``trainer-0``, ``trainer-1``, ….

        Raises:
            ClientClosed: There are no more clients.
        """
        self.check_open()
        self._named[kind] += 1
        return f"{kind}-{self._named[kind] - 1}"

    def crash(self, name: str, reason: str) -> None:
        """Crash the actor of that name on purpose.

        Raises:
            ChildNotFound: There is none at the moment.
        """
        self.root.whereis(Name(name, Crashable)).cast_nowait(Crashable.crash_on_purpose, reason)

    def add_trainer(self, ledger: Ledger) -> None:
        """Have a Trainer work off *ledger*, in this life and every later one."""
        poller = self.root.whereis(POLLER)
        figures = self.settings.figures
        self._add(ledger, Trainer, lambda: Trainer(ledger, self.record, self.transport, poller, figures))

    def add_sampler(self, ledger: SampleLedger) -> None:
        """Have a Sampler work off *ledger*, in this life and every later one."""
        figures = self.settings.figures
        self._add(ledger, Sampler, lambda: Sampler(ledger, self.record, self.transport, self.retriever, figures))

    def remove(self, name: str, error: TinkerError) -> None:
        """Close the ledger of that name, and stop whoever works it off."""
        ledger = self.ledgers.pop(name, None)
        if ledger is not None:
            del self.members[name]
            tell_unheard([ledger], error)
            ledger.close(error)
            self._tell_roster(lambda roster: roster.cast_nowait(Roster.dismiss, name))

    def lose_session(self, error: SessionEnded) -> None:
        """The server has ended the session: close everything that hung on it."""
        for ledger in self.ledgers.values():
            ledger.close(error)
        self.ledgers.clear()
        self.members.clear()

    def close(self, error: TinkerError) -> None:
        """Fail whatever still waits; the actors are gone or going."""
        self.end = error
        with working_on(self.record):
            tell_unheard(self.ledgers.values(), error)
        for ledger in self.ledgers.values():
            ledger.close(error)

    def end_session(self, session_id: SessionId, why: str) -> None:
        """Pass on that the server has ended a session."""
        self.root.whereis(SESSION).cast_nowait(Session.end, session_id, why)

    def clients(self) -> Supervisor:
        """The supervisor of the trainers and samplers."""
        return self.root.supervisor(_GROUP).supervisor(_CLIENTS)

    def _add(self, ledger: Ledger | SampleLedger, actor: type[Actor], make: Callable[[], Actor]) -> None:
        self.ledgers[ledger.name] = ledger
        self.members[ledger.name] = ChildSpec(make, name=Name(ledger.name, actor))
        self._tell_roster(lambda roster: roster.cast_nowait(Roster.enrol))

    def _tell_roster(self, say: Callable[[Ref[Roster]], None]) -> None:
        """Tell the roster to look; one that is being reborn looks by itself."""
        try:
            say(self.root.whereis(ROSTER))
        except (ChildNotFound, ActorNotAlive):
            return


def _group(tree: TinkerTree) -> SupervisorSpec:
    """Describe everything that hangs on the session, in the order of dependence."""
    settings, figures, record, transport = tree.settings, tree.settings.figures, tree.record, tree.transport
    return SupervisorSpec(
        _GROUP,
        strategy=Strategy.REST_FOR_ONE,
        max_restarts=figures.max_restarts,
        max_seconds=figures.max_seconds,
        children=[
            ChildSpec(lambda: Session(record, transport, settings, tree.lose_session), name=SESSION),
            ChildSpec(
                lambda: Heartbeat(record, transport, figures, tree.end_session, tree.open_line), name=HEARTBEAT_NAME
            ),
            ChildSpec(lambda: Poller(tree.retriever), name=POLLER),
            SupervisorSpec(_CLIENTS, dynamic=True, max_restarts=figures.max_restarts, max_seconds=figures.max_seconds),
            ChildSpec(lambda: Roster(tree.members, tree.clients), name=ROSTER),
        ],
    )


def _make_retriever(settings: Settings, transport: Transport, record: SessionRecord) -> Retriever:
    def response_bytes() -> float:
        return min(settings.figures.response_bytes, record.config.inflight_response_bytes_semaphore_size)

    chance = Random().random  # noqa: S311 - jitter only spreads load
    return Retriever(transport, settings.figures, chance, response_bytes)


@asynccontextmanager
async def open_tree(
    settings: Settings,
    transport: Transport,
    *,
    observers: Iterable[Observer] = (),
    before: ChildSpec[Actor] | None = None,
    open_line: OpenLine | None = None,
    record: SessionRecord | None = None,
    metrics: Metrics | None = None,
    name: str = "tinker",
) -> AsyncGenerator[TinkerTree, None]:
    """Open a session with all its actors; leaving the block stops them in reverse order and finishes the session.

    Args:
        settings: The figures, and what the session is opened with.
        transport: Must outlive the block.
        observers: Are told every event of the tree.
        before: Started before everything else, and stopped after.
        open_line: Opens a line of the heartbeat's own in the loop it is called in; without it the beats share *transport*.
        record: Where the session is written down, for whoever else must know it; by default a new one.
        metrics: Count the tree's crashes and restarts too.
        name: The root's.

    Raises:
        TinkerError: The session could not be opened.
        RestartLimitExceeded: An actor crashed too often.
    """
    record = record or SessionRecord()
    reason = FinishReason.INTERRUPTED
    reporter = _Reporter()
    metrics = metrics or Metrics()
    watchers = (reporter, Tally(metrics), CrashLog(record.ids, ordered=InjectedCrash))
    tree: TinkerTree | None = None
    try:
        async with _open_root(name, settings, (*observers, *watchers), record) as root:
            tree = TinkerTree(
                settings, transport, root, record, TelemetryQueue(settings.figures.telemetry_queue), open_line, metrics
            )
            _count_sessions(metrics, record)
            await _start(tree, reporter, before)
            # Inside the tree: the reporter is still there to send it.
            with tree.events.noting_a_failure():
                yield tree
            reason = FinishReason.SUCCESS
            if before is not None:
                # A server inside the tree is gone when the tree is.
                await _finish(record, transport, reason, settings.figures.close_timeout)
    except StartError as error:
        reason = FinishReason.ERRORED
        raise _first_cause(error) from None
    except Exception:
        reason = FinishReason.ERRORED
        raise
    finally:
        if tree is not None:
            tree.close(ClientClosed("the client was closed"))
        if before is None:
            await _finish(record, transport, reason, settings.figures.close_timeout)


def _count_sessions(metrics: Metrics, record: SessionRecord) -> None:
    gauge = metrics.gauge("tinkex_active_sessions", "Sessions open.")
    gauge.of().read = lambda: float(record.session_id is not None)


@asynccontextmanager
async def _open_root(
    name: str, settings: Settings, observers: Iterable[Observer], record: SessionRecord
) -> AsyncGenerator[Supervisor, None]:
    """Open the tree so that whatever its actors log names the session, and whatever the block logs does not."""
    figures = settings.figures
    async with AsyncExitStack() as stack:
        with working_on(record):
            opened = open_supervisor(
                name, max_restarts=figures.max_restarts, max_seconds=figures.max_seconds, observers=observers
            )
            root = await stack.enter_async_context(opened)
        yield root


def _make_waits(tree: TinkerTree) -> Waits:
    return Waits(tree.ledgers, tree.settings.figures, lambda: tree.record.config.sample_enable_stuck_detection)


async def _start(tree: TinkerTree, reporter: "_Reporter", before: ChildSpec[Actor] | None) -> None:
    with working_on(tree.record):
        await _start_all(tree, reporter, before)


async def _start_all(tree: TinkerTree, reporter: "_Reporter", before: ChildSpec[Actor] | None) -> None:
    if before is not None:
        await tree.root.start_child(before)
    if tree.settings.telemetry:
        events, record, transport, figures = tree.events, tree.record, tree.transport, tree.settings.figures
        telemetry = await tree.root.start_child(
            lambda: Telemetry(events, record, transport, figures), name=TELEMETRY_NAME
        )
        telemetry.cast_nowait(Telemetry.begin_session)
        reporter.telemetry = telemetry
    await tree.root.start_child(lambda: _make_waits(tree), name=WAITS)
    await tree.root.start_supervisor(_group(tree))


class _Reporter:
    """Tells the service about crashes: which actor and what kind, never the words, which may quote a user's data."""

    def __init__(self) -> None:
        self.telemetry: Ref[Telemetry] | None = None

    def notify(self, event: Event, /) -> None:
        """Pass crashes on."""
        if self.telemetry is not None and isinstance(event, ChildCrashed) and event.path != self.telemetry.path:
            data = {"path": event.path, "life": event.life, "error_type": type(event.exit.error).__name__}
            self.telemetry.cast_nowait(Telemetry.note, "actor.crashed", data, Severity.WARNING)


def _first_cause(error: StartError) -> BaseException:
    """Find what went wrong below nested starts."""
    cause: BaseException = error
    while isinstance(cause, StartError) and cause.__cause__ is not None:
        cause = cause.__cause__
    return cause


async def _finish(record: SessionRecord, transport: Transport, reason: FinishReason, within: float) -> None:
    """Tell the server that the session is over, within *within* seconds and whatever is being cancelled around us."""
    if record.session_id is None or record.is_borrowed or not record.capabilities.finish:
        return
    with trio.CancelScope(shield=True), trio.move_on_after(within):
        try:
            request = FinishSessionRequest(FinishReasonBody(reason))
            await tell(transport, FINISH_SESSION, request, path_values={"session_id": record.session_id})
        except TinkerError as error:
            _log.debug("the server was not told that the session is over; it will find out", error=str(error))
