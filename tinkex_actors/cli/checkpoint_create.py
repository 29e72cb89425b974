"""``tinkex checkpoint create``: a fresh adapter, or the copy of a checkpoint, saved under a name to begin from."""

import click
import trio
from attrs import evolve

from tinkex_actors.cli._asking import TINKER_PATH, json_option, output_of, require_one, server_options, settings_of
from tinkex_actors.cli._logging import log_to_stderr
from tinkex_actors.clients import TinkerClient, TrainingClient, open_tinker
from tinkex_actors.settings import Settings
from tinkex_actors.types import ParsedCheckpointTinkerPath


@click.command("create")
@click.option("--base-model", help="Make a fresh adapter of this base model.")
@click.option("--model-path", type=TINKER_PATH, help="Begin with this checkpoint instead.")
@click.option("--rank", type=click.IntRange(min=1), default=32, show_default=True, help="Of a fresh adapter.")
@click.option("--seed", type=int, help="Of a fresh adapter's random weights.")
@click.option("--name", default="saved", show_default=True, help="What the checkpoint is called.")
@click.option("--ttl", type=click.IntRange(min=3600), metavar="SECONDS", help="Delete it after so many seconds.")
@click.option("--sampler", is_flag=True, help="Save weights to sample from instead of a state to train on from.")
@server_options
@json_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    base_model: str | None,
    model_path: ParsedCheckpointTinkerPath | None,
    rank: int,
    seed: int | None,
    name: str,
    ttl: int | None,
    sampler: bool,
    base_url: str | None,
    api_key: str | None,
    timeout: float,
    is_json: bool,
) -> None:
    """Make an adapter, fresh or from a checkpoint, save it, and print the path."""
    require_one(base_model=base_model, model_path=model_path)

    async def make(tinker: TinkerClient) -> TrainingClient:
        """Make the model that is saved."""
        if model_path is None:
            return await tinker.create_lora_training_client(base_model or "", rank, seed=seed)
        return await tinker.create_training_client_from_state_with_optimizer(model_path.tinker_path)

    async def save(settings: Settings) -> tuple[str, str]:
        """Save it; return the run and the path."""
        async with open_tinker(evolve(settings, telemetry=False)) as tinker:
            trainer = await make(tinker)
            kind = trainer.save_weights_for_sampler if sampler else trainer.save_state
            return trainer.model_id, (await kind(name, ttl_seconds=ttl)).path or ""

    log_to_stderr()
    run_id, path = trio.run(save, settings_of(base_url, api_key, timeout))
    output_of(is_json=is_json).done({"run_id": run_id, "tinker_path": path}, path)
