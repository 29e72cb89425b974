"""`tinkex_actors.types.weights` and its neighbours: paths, switches, capabilities, queue states."""

from typing import cast

import attrs
import pytest
from tinker.types import ClientConfigResponse as SdkConfig
from tinker.types import ClientDynamicConfigResponse as SdkDynamicConfig

from tinkex_actors.types import (
    Capabilities,
    CheckpointType,
    ClientConfigResponse,
    ClientDynamicConfigResponse,
    ParsedCheckpointTinkerPath,
    QueueState,
)


@pytest.mark.tinkex("T131")
@pytest.mark.parametrize(
    ("path", "kind", "checkpoint_id"),
    [
        ("tinker://s:train:0/weights/a b", CheckpointType.TRAINING, "weights/a b"),
        ("tinker://s:train:0/sampler_weights/000020", CheckpointType.SAMPLER, "sampler_weights/000020"),
        ("tinker://s:train:0/external_weights/x", CheckpointType.EXTERNAL, "external_weights/x"),
    ],
)
def test_a_path_is_taken_apart(path: str, kind: CheckpointType, checkpoint_id: str) -> None:
    """The run's id may hold colons."""
    parsed = ParsedCheckpointTinkerPath.from_tinker_path(path)
    assert (parsed.training_run_id, parsed.checkpoint_type, parsed.checkpoint_id) == ("s:train:0", kind, checkpoint_id)
    assert parsed.tinker_path == path


@pytest.mark.tinkex("T131")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("run/weights/a", "must begin with tinker://"),
        ("https://run/weights/a", "must begin with tinker://"),
        ("tinker://run/a", "must be tinker://run/kind/name"),
        ("tinker://run/weights/a/b", "must be tinker://run/kind/name"),
        ("tinker://run/states/a", "must be one of weights, sampler_weights, external_weights, got 'states'"),
    ],
)
def test_what_is_no_checkpoint_path_is_refused(path: str, message: str) -> None:
    """A mistyped path must not become a URL."""
    with pytest.raises(ValueError, match=message):
        ParsedCheckpointTinkerPath.from_tinker_path(path)


def test_a_path_is_put_together_from_its_ids() -> None:
    """Lists name the run and the checkpoint apart."""
    parsed = ParsedCheckpointTinkerPath.from_ids("s:train:0", "sampler_weights/a b")
    assert parsed == ParsedCheckpointTinkerPath.from_tinker_path("tinker://s:train:0/sampler_weights/a b")
    assert (parsed.kind, parsed.name) == ("sampler_weights", "a b")
    with pytest.raises(ValueError, match="must be tinker://run/kind/name"):
        ParsedCheckpointTinkerPath.from_ids("s:train:0", "a")


def test_switches_and_their_defaults_are_the_official_ones() -> None:
    """A server that says nothing is treated alike by both clients."""
    assert attrs.asdict(ClientConfigResponse()) == SdkConfig().model_dump()
    assert attrs.asdict(ClientDynamicConfigResponse()) == SdkDynamicConfig().model_dump()


def test_a_capability_is_given_up_by_name() -> None:
    """What the server refused once is not asked for again."""
    assert Capabilities().without("finish") == Capabilities(finish=False)
    with pytest.raises(ValueError, match=r"a capability must be one of protobuf_requests, .*, got 'flying'"):
        Capabilities().without("flying")


@pytest.mark.tinkex("T128")
@pytest.mark.parametrize(
    ("text", "state"),
    [("active", QueueState.ACTIVE), ("Paused_Rate_Limit", QueueState.PAUSED_RATE_LIMIT), ("new", QueueState.UNKNOWN)],
)
def test_queue_states_are_read_leniently(text: str, state: QueueState) -> None:
    """In any case; a new one is unknown rather than an error."""
    assert QueueState(text) is state
    assert QueueState(cast("str", 7)) is QueueState.UNKNOWN
