"""What objects say of themselves, on a prompt, in a log, in a notebook: short, always, and no secret."""

import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import numpy as np
import pytest
from attrs import evolve
from trio.testing import MockClock

import tinkex_actors
from supervisors import Actor, open_supervisor
from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, a_datum
from tinkex_actors import types
from tinkex_actors.clients import TinkerClient, Tokenizer, open_tinker
from tinkex_actors.observer.run_files import RunFiles
from tinkex_actors.redaction import is_secret_name
from tinkex_actors.settings import Settings
from tinkex_actors.types import (
    Datum,
    ForwardBackwardOutput,
    ModelInput,
    SampledSequence,
    SampleResponse,
    SamplingParams,
    StopReason,
    TensorData,
)

KEY, PASSWORD = "tml-0a1b2c3d4e5f", "hunter2"
LONGEST = 1000
MANY = list(range(50_000))
TENSOR = TensorData.from_numpy(np.zeros(50_000, np.float32))
SEQUENCE = SampledSequence(StopReason.LENGTH, np.arange(50_000, dtype=np.int32), np.zeros(50_000, np.float32))

VALUES: dict[str, Callable[[], object]] = {
    "AdamParams": tinkex_actors.AdamParams,
    "ClientClosed": lambda: tinkex_actors.ClientClosed("closed"),
    "Datum": lambda: Datum(ModelInput.from_ints(MANY), {"target_tokens": MANY, "weights": [1.0] * len(MANY)}),
    "Figures": tinkex_actors.Figures,
    "ForwardBackwardOutput": lambda: ForwardBackwardOutput("x", [{"logprobs": TENSOR}] * 500, {"loss:sum": 1.0}),
    "LoraConfig": tinkex_actors.LoraConfig,
    "ModelInput": lambda: ModelInput([ModelInput.from_ints(MANY).chunks[0]] * 500),
    "SampleResponse": lambda: SampleResponse([SEQUENCE] * 500),
    "SamplingParams": lambda: SamplingParams(max_tokens=7),
    "Settings": lambda: Settings(api_key=KEY, default_headers={"X-A": PASSWORD}),
    "TensorData": lambda: TENSOR,
    "Tokenizer": lambda: Tokenizer.load("tinkex/tiny"),
}


@asynccontextmanager
async def open_client() -> AsyncGenerator[TinkerClient]:
    """A client with a key, and a header that is nobody's business."""
    settings = evolve(SETTINGS, api_key=KEY, default_headers={"X-Secret": PASSWORD})
    async with open_tinker(settings, below=httpx.MockTransport(FakeTinker().handle)) as tinker:
        yield tinker


def _check(shown: str, longest: int = LONGEST) -> None:
    assert shown
    assert len(shown) <= longest
    assert KEY not in shown
    assert PASSWORD not in shown


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_shown_short_and_without_its_secrets(name: str) -> None:
    """However many tokens it holds: a prompt that prints fifty thousand numbers is of no use to anybody."""
    _check(repr(VALUES[name]()), 4000 if name in {"Figures", "Settings"} else LONGEST)


async def test_clients_say_what_they_are_connected_to(autojump_clock: MockClock) -> None:  # noqa: ARG001 - virtual time
    """On a prompt and in a notebook, while they work."""
    async with open_client() as tinker:
        trainer = await tinker.create_lora_training_client("fake/model", rank=2)
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        rest, admin = tinker.create_rest_client(), tinker.create_admin_client()
        pending = trainer.forward_backward([a_datum()], "cross_entropy")
        shown: list[Any] = [tinker, trainer, sampler, rest, admin, tinker.tree(), pending, rest.list_sessions()]
        for one in shown:
            _check(repr(one), 4000)
        for one in (tinker, trainer, sampler, rest, admin, tinker.tree()):
            _check(one._repr_html_(), 8000)
        assert repr(trainer) == "<TrainingClient trainer-0, model S0:train:0 of fake/model>"
        assert repr(sampler) == "<SamplingClient sampler-0 of fake/model>"
        assert repr(tinker).endswith("session S0>")
        assert "forward_backward" in trainer._repr_html_()
        await pending


def test_clients_that_are_closed_still_show_themselves(tmp_path: Path) -> None:
    """A notebook shows its last value when everything is over, and outside of any loop."""
    import trio  # noqa: PLC0415 - run here by hand, since the rest is outside of it

    async def use() -> list[Any]:
        async with open_client() as tinker:
            trainer = await tinker.create_lora_training_client("fake/model", rank=2)
            return [tinker, trainer, await tinker.create_sampling_client(base_model="fake/model")]

    for one in trio.run(use, clock=MockClock(autojump_threshold=0)):
        _check(repr(one))
        _check(one._repr_html_(), 8000)
    _check(RunFiles(tmp_path)._repr_html_(), 8000)


class Plain(Actor):
    """An actor."""


async def test_what_a_tree_hands_out_shows_itself() -> None:
    """Refs, supervisors and trees, alive and gone."""
    async with open_supervisor("root") as root:
        ref = await root.start_child(Plain, name="plain")
        shown = [ref, root, root.tree(), ref.snapshot()]
        for one in shown:
            _check(repr(one), 2000)
    for one in (ref, root):
        _check(repr(one))


def test_every_public_value_is_shown_in_a_line_of_this_file_or_has_no_secret() -> None:
    """A field that is named like a secret is shown masked, or not at all."""
    public = {name: getattr(types, name) for name in dir(types) if not name.startswith("_")}
    secret = [
        (name, one.name)
        for name, kind in public.items()
        if inspect.isclass(kind) and attrs.has(kind)
        for one in attrs.fields(kind)
        if is_secret_name(one.name) and one.repr is True
    ]
    assert secret == []
