"""What is special in JSON about sessions and accounts.

Both have unions told apart by ``type``, which services extend.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import cattrs

from tinkex_actors.types import (
    BillingEventInfo,
    CheckpointBillingEvent,
    ClientSessionFinished,
    SamplingPrefillBillingEvent,
    SamplingSampleBillingEvent,
    SessionActive,
    SessionCancelled,
    SessionFailed,
    SessionFailedReason,
    SessionFailedRequestReason,
    SessionFailedSamplingSessionReason,
    SessionFailedTrainingRunReason,
    SessionStatus,
    StorageBillingEvent,
    TrainingBillingEvent,
    UnknownVariant,
)
from tinkex_actors.wire._json_hooks import register_union
from tinkex_actors.wire._json_rules import as_dict
from tinkex_actors.wire._mismatch import Mismatch, show

Tags: TypeAlias = Mapping[str, type[Any]]

_STATUSES: Tags = {
    "active": SessionActive,
    "cancelled": SessionCancelled,
    "failed": SessionFailed,
    "client_finished": ClientSessionFinished,
}
_REASONS: Tags = {
    "request": SessionFailedRequestReason,
    "training_run": SessionFailedTrainingRunReason,
    "sampling_session": SessionFailedSamplingSessionReason,
}
_USAGES: Tags = {
    "training": TrainingBillingEvent,
    "sampling_prefill": SamplingPrefillBillingEvent,
    "sampling_sample": SamplingSampleBillingEvent,
    "checkpoint": CheckpointBillingEvent,
    "storage": StorageBillingEvent,
}


def register_directory_hooks(converter: cattrs.Converter) -> None:
    """Teach *converter* the unions of statuses, reasons and usages."""
    for union, tags in ((SessionStatus, _STATUSES), (SessionFailedReason, _REASONS), (BillingEventInfo, _USAGES)):
        register_union(converter, union, partial(_read_tagged, tags))
    converter.register_unstructure_hook(UnknownVariant, lambda value: {"type": value.type, **value.fields})


def _read_tagged(tags: Tags, converter: cattrs.Converter, value: Any) -> object:
    body = as_dict(value)
    tag = body.get("type")
    if not isinstance(tag, str) or not tag:
        raise Mismatch("type", f"{', '.join(tags)} or another name", show(tag))
    if tag in tags:
        variant: object = converter.structure(body, tags[tag])
        return variant
    return UnknownVariant(tag, {name: part for name, part in body.items() if name != "type"})
