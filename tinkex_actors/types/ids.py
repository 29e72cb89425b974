"""Identifiers: all are text on the wire, none may stand for another."""

from typing import NewType

SessionId = NewType("SessionId", str)
"""A session with the service; URL-safe, usually a UUID."""

ModelId = NewType("ModelId", str)
"""A model in training: ``{session}:train:{n}`` on the production service. Also called a training run's id."""

SamplingSessionId = NewType("SamplingSessionId", str)
"""Something that can be sampled from: ``{session}:sample:{n}`` on the production service."""

RequestId = NewType("RequestId", str)
"""A promise of the server to have done something. It never looks inside."""

SequenceId = NewType("SequenceId", str)
"""One sampled sequence, for provenance."""

TinkerPath = NewType("TinkerPath", str)
"""``tinker://{run}/{kind}/{name}``; see `tinkex_actors.types.weights.ParsedCheckpointTinkerPath`."""
