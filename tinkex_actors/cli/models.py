"""``tinkex model list``: the base models a server offers."""

import click

from tinkex_actors.cli._asking import asks_server
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._output import Output, table
from tinkex_actors.cli._words import say, say_yes
from tinkex_actors.clients import RestClient


@click.command("list")
@asks_server
@click.argument("substring", default="")
async def list_models(rest: RestClient, output: Output, *, substring: str) -> None:
    """List the base models, or those with SUBSTRING in their name, in any case."""
    offered = (await rest.get_server_capabilities()).supported_models
    models = [model for model in offered if substring.lower() in (model.model_name or "").lower()]
    if substring and not models:
        raise CommandFailed(f"no model has {substring!r} in its name; tinkex model list shows all {len(offered)}")
    rows = [
        (say(one.model_name), say(one.max_context_length), say_yes(one.trainable), say_yes(one.sampleable))
        for one in models
    ]
    output.show({"models": models}, table(("Model", "Max context", "Trainable", "Sampleable"), rows))
