"""The client finds out which words a server understands, and does not ask twice."""

import httpx
import numpy as np
import pytest
from attrs import define, field
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FakeTinker, LoseAnswer, Say, a_datum, make_trainer, open_fake
from tests.tinkex_actors.servers.json_generation import JsonTinker
from tests.tinkex_actors.servers.mixture import MixtureTinker
from tinkex_actors.transport.coding import decode_content
from tinkex_actors.types import (
    BadRequestError,
    Datum,
    DimuonParams,
    ModelInput,
    NotFoundError,
    TensorData,
    UnprocessableEntityError,
)


@define
class JsonWithSwitches(JsonTinker):
    """Answers `client/config`, and takes JSON only all the same."""

    unknown: frozenset[str] = field(default=frozenset({"client/dynamic_config", "finish"}))


def content_types(fake: FakeTinker) -> list[str]:
    routes = {"forward", "forward_backward"}
    return [headers["content-type"].removeprefix("application/") for route, headers in fake.headers if route in routes]


async def train_twice(fake: FakeTinker) -> None:
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        for _ in range(2):
            await trainer.forward_backward([a_datum()], "cross_entropy")
            await trainer.optim_step()
    steps = [(1, "forward_backward"), (2, "optim_step"), (3, "forward_backward"), (4, "optim_step")]
    assert fake.model.executed == steps


@pytest.mark.parametrize(
    ("fake", "tried"),
    [
        (FakeTinker(), ["x-protobuf", "x-protobuf"]),
        (JsonTinker(), ["json", "json"]),
        (JsonWithSwitches(), ["x-protobuf", "json", "json"]),
        (MixtureTinker(), ["x-protobuf", "x-protobuf"]),
    ],
)
async def test_a_servers_encoding_is_found_once(fake: FakeTinker, tried: list[str], autojump_clock: MockClock) -> None:
    """Refused under one wording, sent again in the other under the same number; then it is known."""
    await train_twice(fake)
    assert content_types(fake) == tried
    assert autojump_clock.current_time() < 5


async def test_a_server_without_switches_that_takes_protobuf_only_is_found_out(autojump_clock: MockClock) -> None:
    """The likelier wording is tried first, and it is only likelier."""
    fake = FakeTinker()
    fake.fail("client/config", Say(404))
    await train_twice(fake)
    assert content_types(fake) == ["json", "x-protobuf", "x-protobuf"]
    assert autojump_clock.current_time() < 5


async def test_what_is_refused_in_every_wording_is_the_requests_fault(autojump_clock: MockClock) -> None:
    """The first refusal is raised, the other is a note on it; once the encoding is known, one refusal is enough."""
    fake = FakeTinker()
    fake.fail("forward_backward", Say(422, b'{"detail": "targets are too long"}'))
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        with pytest.raises(UnprocessableEntityError, match="targets are too long") as refused:
            await trainer.forward_backward([a_datum()], "cross_entropy")
        assert "415" in refused.value.__notes__[0]
        await trainer.forward_backward([a_datum()], "cross_entropy")
        fake.fail("forward_backward", Say(400, b'{"detail": "no"}'))
        with pytest.raises(BadRequestError):
            await trainer.forward_backward([a_datum()], "cross_entropy")
    assert content_types(fake) == ["x-protobuf", "json", "x-protobuf", "x-protobuf"]
    assert fake.model.numbers == [1]
    assert autojump_clock.current_time() < 5


async def test_slices_find_the_encoding_side_by_side(autojump_clock: MockClock) -> None:
    """Several slices of the first batch are refused at once; each is worded anew, and the batch is whole."""
    fake = JsonWithSwitches(config={"fwdbwd_max_chunk_len": 1})
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        output = await trainer.forward_backward([a_datum()] * 4, "cross_entropy")
        await trainer.optim_step()
    assert len(output.loss_fn_outputs) == 4
    assert fake.model.numbers == [1, 2, 3, 4, 5]
    assert autojump_clock.current_time() < 5


async def test_a_lost_answer_on_the_way_through_the_wordings_is_asked_for_again(autojump_clock: MockClock) -> None:
    """The number is the same in every wording, so a repeat is recognised."""
    fake = JsonWithSwitches()
    fake.fail("forward_backward", Say(422), LoseAnswer())
    await train_twice(fake)
    assert autojump_clock.current_time() < 5


async def test_sparse_tensors_are_sent_dense_where_they_are_refused(autojump_clock: MockClock) -> None:
    """Once: what the server cannot read is known afterwards."""
    fake = MixtureTinker()
    matrix = np.zeros((3, 9), np.float32)
    matrix[:, 0] = 1.0
    sparse = TensorData.from_numpy_sparse(matrix)
    datum = Datum(ModelInput.from_ints([1, 2, 3]), {"target_tokens": np.ones((3, 9), np.int64), "weights": sparse})
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        for _ in range(2):
            await trainer.forward_backward([datum], "cross_entropy")
        assert not tinker.capabilities.sparse_tensors
    assert len(fake.times["forward_backward"]) == 3
    sent = fake.sent("forward_backward")[-1]
    assert np.array_equal(sent.forward_backward_input.data[0].loss_fn_inputs["weights"].to_numpy(), matrix)
    assert autojump_clock.current_time() < 5


async def test_a_refusal_of_the_request_is_not_taken_for_a_lack_of_the_server(autojump_clock: MockClock) -> None:
    """A server that has other optimizers, and makes models of checkpoints, may still find a request wrong."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", Say(422, b'{"detail": "learning_rate is too large"}'))
        with pytest.raises(UnprocessableEntityError, match="learning_rate is too large"):
            await trainer.optim_step(DimuonParams(learning_rate=1e9))
        fake.fail("load_weights", Say(400, b'{"detail": "the base model is another"}'))
        with pytest.raises(BadRequestError, match="the base model is another"):
            await tinker.create_training_client_from_state("tinker://m/weights/a", base_model="b")
        assert tinker.capabilities.create_via_load
        await trainer.optim_step(DimuonParams(learning_rate=0.1))
    assert not fake.sent("weights_info")
    assert autojump_clock.current_time() < 5


async def test_a_model_that_is_gone_is_not_asked_about_in_other_words(autojump_clock: MockClock) -> None:
    """A 404 to the first wording is about the model: the route is where every kind of server has it."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("forward_backward", Say(404, b'{"detail": "no such model"}'))
        with pytest.raises(NotFoundError, match="no such model"):
            await trainer.forward_backward([a_datum()], "cross_entropy")
    assert content_types(fake) == ["x-protobuf"]
    assert autojump_clock.current_time() < 5


async def test_slices_go_one_by_one_where_the_server_says_so(autojump_clock: MockClock) -> None:
    """`parallel_fwdbwd_chunks` off: in order, the next only when the last was promised."""
    fake = FakeTinker(config={"fwdbwd_max_chunk_len": 1, "parallel_fwdbwd_chunks": False})
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.forward_backward([a_datum()] * 4, "cross_entropy")
    assert [request.seq_id for request in fake.sent("forward_backward")] == [1, 2, 3, 4]
    assert fake.times["forward_backward"] == sorted(set(fake.times["forward_backward"]))
    assert autojump_clock.current_time() < 5


async def test_a_look_that_is_refused_is_not_blamed_on_a_route_that_is_not_there(autojump_clock: MockClock) -> None:
    """The other wording of forward only has a route of its own; its absence is a note, not the answer."""
    fake = FakeTinker()
    fake.fail("forward_backward", Say(400, b'{"detail": "targets are too long"}'))
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        with pytest.raises(BadRequestError, match="targets are too long"):
            await trainer.forward([a_datum()], "cross_entropy")
    assert content_types(fake) == ["x-protobuf", "json"]
    assert autojump_clock.current_time() < 5


async def test_batches_are_compressed_where_the_server_says_so(autojump_clock: MockClock) -> None:
    """`proto_compress_fwdbwd`: one frame of zstd, and the header that says it."""

    @define
    class Compressed(FakeTinker):
        async def _carry_out(self, route: str, request: httpx.Request) -> httpx.Response:
            if route == "forward_backward":
                content = decode_content({"content-encoding": request.headers["content-encoding"]}, request.content)
                headers = {"content-type": request.headers["content-type"]}
                request = httpx.Request("POST", request.url, headers=headers, content=content)
            return await super()._carry_out(route, request)

    fake = Compressed(config={"proto_compress_fwdbwd": True})
    await train_twice(fake)
    sent = [headers.get("content-encoding") for route, headers in fake.headers if route == "forward_backward"]
    assert sent == ["zstd", "zstd"]
    assert autojump_clock.current_time() < 5
