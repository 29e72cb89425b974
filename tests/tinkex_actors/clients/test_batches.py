"""Many requests of one model, sent together: in order, each with its own result."""

import pytest

from tinkex_actors.clients import open_tinker
from tinkex_actors.clients.batches import MOST_ITEMS, forward_backward_batch, optim_step_batch
from tinkex_actors.local.server import open_server
from tinkex_actors.settings import Settings
from tinkex_actors.types import AdamParams, Datum, ForwardBackwardInput, ModelInput, RequestFailedError


def item(*tokens: int, loss: str = "cross_entropy") -> ForwardBackwardInput:
    datum = Datum(ModelInput.from_ints(list(tokens[:-1])), {"target_tokens": list(tokens[1:])})
    return ForwardBackwardInput((datum,), loss)


async def test_items_are_carried_out_in_order_and_bring_what_they_bring_alone() -> None:
    """One gradient, gathered from three passes; then three updates."""
    items = [item(1, 2, 3), item(4, 5, 6), item(7, 8, 9)]
    async with open_server() as server, open_tinker(Settings.local(server.url)) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=2, seed=1)
        alone = [(await trainer.forward(one.data, one.loss_fn)).metrics["loss:sum"] for one in items]

        together = [(await one).metrics["loss:sum"] for one in forward_backward_batch(trainer, items)]
        updates = [await one for one in optim_step_batch(trainer, [AdamParams(learning_rate=1e-3)] * 3)]

        assert together == alone
        assert len(updates) == 3
        assert [one.number for one in server.audit.of(trainer.model_id, "forward_backward")] == [4, 5, 6]


async def test_an_item_that_fails_leaves_the_others_alone() -> None:
    """A token that the model does not have fails on the server, and only there."""
    async with open_server() as server, open_tinker(Settings.local(server.url)) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=2)
        good, bad, fine = forward_backward_batch(trainer, [item(1, 2), item(1, 10**6), item(3, 4)])

        assert (await good).metrics
        with pytest.raises(RequestFailedError):
            await bad
        assert (await fine).metrics


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ([], "must have 1 to 64 items, got 0"),
        ([item(1, 2)] * (MOST_ITEMS + 1), "got 65; split it"),
        ([item(1, 2), item(1, 2, loss="cross")], r"items\[1\]: loss_fn must be one of"),
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused_whole(items: list[ForwardBackwardInput], sentence: str) -> None:
    """Before anything is sent, with the item that is wrong."""
    async with open_server() as server, open_tinker(Settings.local(server.url)) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=2)
        with pytest.raises(ValueError, match=sentence):
            forward_backward_batch(trainer, items)
        assert server.audit.count("forward_backward") == 0
