"""``tinkex sample``: a prompt in, continuations out."""

import json
from functools import partial
from pathlib import Path
from typing import cast

import click
import trio
from attrs import evolve, frozen

from tinkex_actors.cli._asking import Callback, json_option, output_of, require_one, server_options, settings_of
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._logging import log_to_stderr
from tinkex_actors.cli._output import Output, plain
from tinkex_actors.cli._sample_stream import write_stream
from tinkex_actors.clients import SamplingClient, TinkerClient, Tokenizer, open_tinker
from tinkex_actors.settings import Settings
from tinkex_actors.types import ModelInput, SampleResponse, SamplingParams


@frozen(kw_only=True)
class _Wish:
    """What is to be sampled, and from what."""

    base_model: str | None
    model_path: str | None
    text: str | None
    tokens: tuple[int, ...] | None
    tokenizer: str | None
    num_samples: int
    params: SamplingParams

    async def write_stream(self, settings: Settings, *, is_json: bool) -> None:
        """Draw one sample, and write its tokens as they come."""
        async with open_tinker(evolve(settings, telemetry=False)) as tinker:
            source = await _Source.open(tinker, self)
            await write_stream(source.sampler, source.tokens, self.params, source.tokenizer, is_json=is_json)


def _prompt_options(function: Callback) -> Callback:
    for option in (
        click.option("--tokenizer", metavar="NAME|DIR", help="Another tokenizer than the base model's."),
        click.option("--prompt-file", type=click.Path(path_type=Path), help="A text file, or a JSON list of tokens."),
        click.option("-p", "--prompt", help="The text to continue."),
        click.option("--model-path", help="A tinker://run/sampler_weights/name to sample from."),
        click.option("--base-model", help="A base model to sample from."),
    ):
        function = option(function)
    return function


def _sampling_options(function: Callback) -> Callback:
    for option in (
        click.option("--stream", is_flag=True, help="Write each token when it is drawn; with --json, an object a line."),
        click.option("-o", "--output", "out", type=click.Path(path_type=Path), help="Write the answer to this file."),
        click.option("--stop", multiple=True, help="A text that ends a continuation; may be given again."),
        click.option("--seed", type=int, help="Makes the draw repeatable."),
        click.option("--top-p", type=click.FloatRange(0, 1), default=1.0, show_default=True),
        click.option("--top-k", type=click.IntRange(min=-1), default=-1, show_default=True, help="-1 is all."),
        click.option("--temperature", type=click.FloatRange(min=0), default=1.0, show_default=True, help="0 is greedy."),
        click.option("--max-tokens", type=click.IntRange(min=1), default=64, show_default=True),
        click.option("-n", "--num-samples", type=click.IntRange(min=1), default=1, show_default=True),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command("sample")
@_prompt_options
@_sampling_options
@server_options
@json_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    base_model: str | None,
    model_path: str | None,
    prompt: str | None,
    prompt_file: Path | None,
    tokenizer: str | None,
    num_samples: int,
    max_tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int | None,
    stop: tuple[str, ...],
    out: Path | None,
    stream: bool,
    base_url: str | None,
    api_key: str | None,
    timeout: float,
    is_json: bool,
) -> None:
    """Sample continuations of a prompt from a base model or from saved weights."""
    require_one(base_model=base_model, model_path=model_path)
    require_one(prompt=prompt, prompt_file=prompt_file)
    if stream and (num_samples > 1 or out is not None):
        raise click.UsageError("--stream is of one sample, and goes without --output")
    text, tokens = (prompt, None) if prompt_file is None else _read_prompt(prompt_file)
    params = SamplingParams(
        max_tokens=max_tokens, seed=seed, stop=list(stop) or None, temperature=temperature, top_k=top_k, top_p=top_p
    )
    wish = _Wish(
        base_model=base_model, model_path=model_path, text=text, tokens=tokens, tokenizer=tokenizer,
        num_samples=num_samples, params=params,
    )  # fmt: skip
    log_to_stderr()
    settings, output = settings_of(base_url, api_key, timeout), output_of(is_json=is_json)
    if stream:
        trio.run(partial(wish.write_stream, settings, is_json=output.is_json))
        return
    document, shown = trio.run(_sample, settings, wish)
    _deliver(output, document, shown, out)


def _read_prompt(file: Path) -> tuple[str | None, tuple[int, ...] | None]:
    """Read a prompt: a JSON list of tokens, an object with one, or else text."""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as fault:
        raise CommandFailed(f"cannot read {file}: {getattr(fault, 'strerror', None) or 'it is not text'}") from fault
    try:
        parsed = json.loads(text)
    except ValueError:
        return text, None
    listed = cast("dict[str, object]", parsed).get("tokens") if isinstance(parsed, dict) else parsed
    if not isinstance(listed, list):
        return text, None
    tokens = cast("list[object]", listed)
    if not tokens or not all(isinstance(token, int) and not isinstance(token, bool) for token in tokens):
        raise CommandFailed(f"{file} must hold a list of at least one token, all whole numbers")
    return None, tuple(cast("list[int]", tokens))


async def _sample(settings: Settings, wish: _Wish) -> tuple[dict[str, object], str]:
    """Sample; return the answer for programs and for people."""
    # One short command is no session worth reporting on.
    async with open_tinker(evolve(settings, telemetry=False)) as tinker:
        source = await _Source.open(tinker, wish)
        answer = await source.sampler.sample(ModelInput.from_ints(source.tokens), wish.num_samples, wish.params)
    return _describe(source.sampler, source.tokens, answer, source.tokenizer)


@frozen
class _Source:
    """What is sampled from, and the prompt in its tokens."""

    sampler: SamplingClient
    tokens: tuple[int, ...]
    tokenizer: Tokenizer | None

    @classmethod
    async def open(cls, tinker: TinkerClient, wish: _Wish) -> "_Source":
        """Find the model, and its tokenizer where there is text.

        Raises:
            CommandFailed: There is no tokenizer, or nothing to continue.
        """
        sampler = await tinker.create_sampling_client(base_model=wish.base_model, model_path=wish.model_path)
        tokenizer = None if wish.text is None and wish.tokenizer is None else await _load(sampler, wish.tokenizer)
        tokens = wish.tokens if tokenizer is None or wish.text is None else tuple(tokenizer.encode(wish.text))
        if not tokens:
            raise CommandFailed("the prompt is empty; there is nothing to continue")
        return cls(sampler, tokens, tokenizer)


async def _load(sampler: SamplingClient, name: str | None) -> Tokenizer:
    try:
        return await trio.to_thread.run_sync(sampler.get_tokenizer if name is None else lambda: Tokenizer.load(name))
    except (ValueError, OSError) as fault:
        raise CommandFailed(
            f"{fault}; name another with --tokenizer, or give --prompt-file a list of tokens"
        ) from fault


def _describe(
    sampler: SamplingClient, prompt: tuple[int, ...], answer: SampleResponse, tokenizer: Tokenizer | None
) -> tuple[dict[str, object], str]:
    sequences = [
        {
            "text": None if tokenizer is None else tokenizer.decode(one.tokens),
            "tokens": list(one.tokens),
            "logprobs": None if one.logprobs is None else list(one.logprobs),
            "stop_reason": one.stop_reason,
        }
        for one in answer.sequences
    ]
    document: dict[str, object] = {
        "base_model": sampler.get_base_model(), "prompt_tokens": list(prompt), "sequences": sequences
    }  # fmt: skip
    texts = [str(one["tokens"] if one["text"] is None else one["text"]) for one in sequences]
    return document, "\n---\n".join(texts)


def _deliver(output: Output, document: dict[str, object], shown: str, out: Path | None) -> None:
    if out is None:
        output.done(document, shown)
        return
    text = json.dumps(plain(document), indent=2) if output.is_json else shown
    try:
        out.write_text(text + "\n")
    except OSError as fault:
        raise CommandFailed(f"cannot write {out}: {fault.strerror}") from fault
    output.note(f"written to {out}")
