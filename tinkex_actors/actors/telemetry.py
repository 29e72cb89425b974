"""Telemetry: tells the service how the session fares, and never costs the session anything.

Events wait in a bounded queue and leave in batches: every few seconds, when there are enough, and once more at the end,
after the session's. A batch that the server could not take stays at the head of the queue; one that it will never take, and
what no longer fits behind the others, is dropped and counted. Nobody waits for a delivery who does not ask to, and nothing here contains a key, a request's body, or
the words of an error.
"""

import platform
import uuid
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import trio
from attrs import define, field

from supervisors import Exit, ExitKind, Name
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.failure_report import find_user_error, list_frames
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.log import get_log
from tinkex_actors.settings import SDK_VERSION, Figures
from tinkex_actors.transport.ask import tell
from tinkex_actors.transport.endpoints import TELEMETRY
from tinkex_actors.transport.policy import is_retryable
from tinkex_actors.transport.seam import Transport
from tinkex_actors.types.errors import APIStatusError, TinkerError
from tinkex_actors.types.telemetry import (
    GenericEvent,
    SessionEndEvent,
    SessionStartEvent,
    Severity,
    TelemetryBatch,
    TelemetryEvent,
    UnhandledExceptionEvent,
)

_log = get_log()
_NO_SUCH_ROUTE = frozenset({404, 405})
_NOT_ALLOWED = frozenset({401, 402, 403})
"""Statuses that are about the key and not about the batch."""


@define(eq=False)
class TelemetryQueue:
    """Events that wait: plain data, so that a crash of the reporter loses none."""

    capacity: int
    events: deque[TelemetryEvent] = field(factory=deque[TelemetryEvent])
    dropped: int = 0
    """Events that found no room, or that the server will not take."""
    numbered: int = 0
    """Events so far, the dropped ones not counted."""
    delivered: int = 0
    """Events that the server has taken."""
    gone: int = 0
    """Events that wait no more: delivered, or refused for good."""
    began_at: float | None = None
    """When the session's beginning was reported, on trio's clock."""
    process_uuid: str = field(factory=lambda: str(uuid.uuid4()))

    def put(self, make: Callable[[int], TelemetryEvent]) -> None:
        """Append the event that *make* builds for its index, or drop it if there is no room."""
        if len(self.events) >= self.capacity:
            self.dropped += 1
            return
        self.events.append(make(self.numbered))
        self.numbered += 1

    @contextmanager
    def noting_a_failure(self) -> Generator[None, None, None]:
        """Report an error that leaves the block, and let it go on."""
        try:
            yield
        except Exception as error:
            self.put_failure(error)
            raise

    def put_failure(self, error: BaseException) -> None:
        """Append what is told of a failure that ends the client: a user's error as such, anything else as unhandled."""
        known = find_user_error(error)
        if known is None:
            self.put(
                lambda index: UnhandledExceptionEvent(
                    event_id=_new_id(),
                    event_session_index=index,
                    timestamp=_now(),
                    error_type=type(error).__name__,
                    error_message="",
                    traceback=list_frames(error) or None,
                )
            )
            return
        data = {"error_type": type(known).__name__, "status_code": getattr(known, "status_code", None)}
        self.put(
            lambda index: GenericEvent(
                event_id=_new_id(),
                event_session_index=index,
                timestamp=_now(),
                event_name="user_error",
                event_data=data,
                severity=Severity.WARNING,
            )
        )

    def forget(self, batch: Sequence[TelemetryEvent], *, is_taken: bool) -> None:
        """Take away what is delivered, or dropped for good. Another flush may have done so with the same batch meanwhile."""
        for event in batch:
            if self.events and self.events[0] is event:
                self.events.popleft()
                self.gone += 1
                self.delivered += is_taken
                self.dropped += not is_taken

    def put_end(self, now: float) -> None:
        """Append the session's end, if its beginning was told."""
        if self.began_at is None:
            return
        lasted = str(timedelta(seconds=now - self.began_at))
        self.began_at = None
        self.put(
            lambda index: SessionEndEvent(
                event_id=_new_id(), event_session_index=index, timestamp=_now(), duration=lasted
            )
        )


class Telemetry(Crashable):
    """Reports events in batches."""

    def __init__(self, queue: TelemetryQueue, record: SessionRecord, transport: Transport, figures: Figures) -> None:
        self._queue = queue
        self._record = record
        self._transport = transport
        self._figures = figures
        self._is_flushing = False

    async def on_start(self) -> None:
        """Begin to report."""
        self.send_every(self._figures.telemetry_interval, Telemetry.flush)

    async def begin_session(self) -> None:
        """Report that the session began."""
        self._queue.began_at = trio.current_time()
        self._put(lambda index: SessionStartEvent(event_id=_new_id(), event_session_index=index, timestamp=_now()))

    # The service takes any JSON as an event's data.
    async def note(self, name: str, data: Mapping[str, Any], severity: Severity = Severity.INFO) -> None:
        """Report that something of the kind *name* happened."""
        self._put(
            lambda index: GenericEvent(
                event_id=_new_id(),
                event_session_index=index,
                timestamp=_now(),
                event_name=name,
                event_data=dict(data),
                severity=severity,
            )
        )

    async def flush(self) -> None:
        """Send what waits, batch after batch, until the queue is empty or the server does not take it."""
        if self._is_flushing:
            return
        self._is_flushing = True
        try:
            async with self.off_turn():
                await self._send_batches()
        finally:
            self._is_flushing = False

    async def drain(self) -> None:
        """Wait until everything that was reported before is taken, or refused for good; how long is the caller's to limit."""
        queue = self._queue
        target = queue.gone + len(queue.events)
        async with self.off_turn():
            while queue.gone < target and self._record.capabilities.telemetry:
                before = queue.gone
                await self._send_batches()
                if queue.gone == before:
                    await trio.sleep(self._figures.telemetry_interval)

    async def on_stop(self, reason: Exit) -> None:
        """Report the end, and send what is left, if the server takes it at once; a crash is no end."""
        if reason.kind in {ExitKind.NORMAL, ExitKind.SHUTDOWN} and self._record.capabilities.telemetry:
            self._queue.put_end(trio.current_time())
        with trio.move_on_after(self._figures.last_flush_timeout):
            await self._send_batches()

    def _put(self, make: Callable[[int], TelemetryEvent]) -> None:
        if self._record.capabilities.telemetry:
            self._queue.put(make)
            # Not at every event of a full queue: a server that is away is asked again in its interval.
            if self._queue.numbered % self._figures.telemetry_batch == 0:
                self.ref.cast_nowait(Telemetry.flush)

    async def _send_batches(self) -> None:
        while self._queue.events and self._record.capabilities.telemetry and self._record.session_id is not None:
            batch = tuple(self._queue.events)[: self._figures.telemetry_batch]
            message = TelemetryBatch(
                events=batch,
                platform=platform.system(),
                sdk_version=SDK_VERSION,
                session_id=self._record.session_id,
                process_uuid=self._queue.process_uuid,
            )
            is_taken = await self._deliver(message)
            if is_taken is None:
                return
            self._queue.forget(batch, is_taken=is_taken)

    async def _deliver(self, message: TelemetryBatch) -> bool | None:
        """Tell whether the server has taken a batch; ``None`` if it may yet."""
        try:
            await tell(self._transport, TELEMETRY, message)
        except APIStatusError as refusal:
            return self._hear(refusal, len(message.events))
        except TinkerError as error:
            _log.debug("telemetry was not delivered; it stays queued", error=str(error), queued=len(self._queue.events))
            return None
        return True

    def _hear(self, refusal: APIStatusError, count: int) -> bool | None:
        if refusal.status_code in _NO_SUCH_ROUTE:
            self._record.learn("telemetry", is_there=False)
            return None
        if refusal.status_code in _NOT_ALLOWED or is_retryable(refusal.status_code):
            _log.debug("telemetry was not taken; it stays queued", error=str(refusal), queued=len(self._queue.events))
            return None
        # It would be refused for ever, and everything behind it would wait for that.
        _log.debug("telemetry was refused and is dropped", error=str(refusal), events=count)
        return False


def _new_id() -> str:
    return str(uuid.uuid4())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


TELEMETRY_NAME = Name("telemetry", Telemetry)
