"""A session and its model outlive the process that made them; another one goes on, and nothing happens twice."""

import pytest

from tinkex_actors.actors.errors import SessionEnded
from tinkex_actors.clients import open_tinker
from tinkex_actors.local.server import open_server
from tinkex_actors.settings import Settings
from tinkex_actors.types import AdamParams, Datum, ModelInput, SessionId

BATCH = [Datum(ModelInput.from_ints([1, 2, 3]), {"target_tokens": [2, 3, 4], "weights": [1.0, 1.0, 1.0]})]


async def test_requests_repeated_by_another_process_are_carried_out_once_and_answered_again() -> None:
    """The second process repeats the last step under its old number, then goes on: three steps, not four."""
    async with open_server() as server:
        settings = Settings.local(server.url)
        async with open_tinker(settings) as first:
            trainer = await first.create_lora_training_client("tinkex/tiny", rank=2, seed=1)
            await trainer.optim_step(AdamParams(learning_rate=1e-3))
            number = trainer.next_number
            loss = (await trainer.forward_backward(BATCH, "cross_entropy")).metrics
            await trainer.optim_step(AdamParams(learning_rate=1e-3))
            async with open_tinker(settings, session_id=first.session_id) as second:
                again = await second.attach_training_client(trainer.model_id, next_number=number)
                assert (await again.forward_backward(BATCH, "cross_entropy")).metrics == loss
                await again.optim_step(AdamParams(learning_rate=1e-3))
                await again.optim_step(AdamParams(learning_rate=1e-3))
                sampler = await again.save_weights_and_get_sampling_client()
                assert (await sampler.sample(ModelInput.from_ints([1, 2]))).sequences

        assert (server.audit.count("forward_backward"), server.audit.count("optim_step")) == (1, 3)


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_session_that_is_over_cannot_be_taken_over(is_known: bool) -> None:  # noqa: FBT001 - a parameter
    """Ended by its process, or never there: told at the door."""
    async with open_server() as server:
        settings = Settings.local(server.url)
        async with open_tinker(settings) as first:
            session_id = first.session_id if is_known else SessionId("no-such-session")

        with pytest.raises(SessionEnded, match="cannot be taken over"):
            async with open_tinker(settings, session_id=session_id):
                pass


async def test_a_session_that_was_left_can_be_ended_by_another() -> None:
    """So that a model nobody drives any more is not driven by a process that comes back from the dead."""
    async with open_server() as server:
        settings = Settings.local(server.url)
        async with open_tinker(settings) as left, open_tinker(settings) as other:
            await other.finish_session(left.session_id)
            await other.finish_session(left.session_id)
            assert server.service.sessions.alive() == 1
