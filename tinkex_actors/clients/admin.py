"""What administrators of an organisation may see: what was done, and what it costs. All of it is reading."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args

from tinkex_actors.clients.checks import check_is
from tinkex_actors.clients.desk import DeskClient
from tinkex_actors.transport.endpoints_rest import AUDIT, BILLING_USAGE, STORAGE_USAGE
from tinkex_actors.types import (
    AuditEventType,
    AuditLogResponse,
    BillingUsageResponse,
    CurrentCheckpointStorageUsageResponse,
)

_LONGEST = timedelta(days=14)


class AdminClient(DeskClient):
    """The organisation's log and bills. Got by ``tinker.create_admin_client()`` or as ``rest.admin``.

    Every method raises `PermissionDeniedError` for a key without the right, and `NotSupportedByServer` on a server that
    has no such thing.
    """

    async def get_audit_log(self, event_type: AuditEventType = "all", *, day: date | None = None) -> AuditLogResponse:
        """Ask what was done in the organisation's name on one day, UTC.

        Args:
            event_type: To what.
            day: Which day; by default today.

        Raises:
            TypeError: The day is none; nothing was sent.
            ValueError: There is no such type; nothing was sent.
        """
        if event_type not in get_args(AuditEventType):
            raise ValueError(f"event_type must be one of {', '.join(get_args(AuditEventType))}, got {event_type!r}")
        check_is("day", day, date | None)
        # A datetime is a date too, but its text is another.
        query = {} if day is None else {"day": f"{day:%Y-%m-%d}"}
        return await self._desk.ask(AUDIT, None, query={"event_type": event_type, **query})

    async def get_billing_usage(self, starting_on: datetime, ending_before: datetime) -> BillingUsageResponse:
        """Ask what was used, by the hour, and what it is estimated to cost.

        Args:
            starting_on: A full hour with a time zone.
            ending_before: A later one, at most 14 days on; not included.

        Raises:
            ValueError: They are not; nothing was sent.
        """
        start, end = _full_hour("starting_on", starting_on), _full_hour("ending_before", ending_before)
        if not timedelta(0) < end - start <= _LONGEST:
            raise ValueError(f"ending_before must be up to 14 days after starting_on, got {end - start} after it")
        query = {"starting_on": _write(start), "ending_before": _write(end)}
        return await self._desk.ask(BILLING_USAGE, None, query=query)

    async def get_current_checkpoint_storage_usage(
        self, *, project_id: str | None = None
    ) -> CurrentCheckpointStorageUsageResponse:
        """Ask how much the organisation, or one of its projects, keeps in checkpoints."""
        query = {} if project_id is None else {"project_id": project_id}
        return await self._desk.ask(STORAGE_USAGE, None, query=query)


def _full_hour(name: str, moment: datetime) -> datetime:
    check_is(name, moment, datetime)
    if moment.tzinfo is None:
        raise ValueError(f"{name} must have a time zone, got {moment}; add tzinfo=UTC")
    moment = moment.astimezone(UTC)
    if moment != moment.replace(minute=0, second=0, microsecond=0):
        raise ValueError(f"{name} must be a full hour in UTC, got {moment}")
    return moment


def _write(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
