"""What a user holds of something to sample from."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, NoReturn

from attrs import evolve

from tinkex_actors.actors.ledger import Entry
from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.pending import Audience, Pending, Slot
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.actors.waits import draw_waits
from tinkex_actors.clients.checks import (
    check_count,
    check_prompt,
    check_sampling_params,
    check_targets,
    check_text,
)
from tinkex_actors.clients.client import Client
from tinkex_actors.clients.handle import SamplerHandle
from tinkex_actors.clients.sample_stream import SampleStream, StreamSource
from tinkex_actors.compute.prompt_answers import Asked, align_prompt, check_lengths, misfit, name_missing
from tinkex_actors.html import show_facts
from tinkex_actors.transport.ask import ask
from tinkex_actors.transport.endpoints import CREATE_SAMPLING_SESSION, SAMPLE
from tinkex_actors.types import (
    EncodedTextChunk,
    ModelInput,
    NotSupportedByServer,
    SampleResponse,
    SamplingParams,
    SamplingSessionId,
    TensorData,
    TinkerPath,
)
from tinkex_actors.types.model_input import DmelChunk, ImageAssetPointerChunk, ImageChunk
from tinkex_actors.wire.requests import CreateSamplingSessionRequest, SampleRequest

_BYTES_PER_TOKEN = 10


class SamplingClient(Client[SampleLedger]):
    """Samples from one model. Any number of samples may be under way at once; they have no order.

    Cancelling the last task that awaits a sample withdraws it.
    """

    def __init__(
        self,
        tree: TinkerTree,
        ledger: SampleLedger,
        session_id: SamplingSessionId,
        base_model: str,
        *,
        records_stability: bool = False,
    ) -> None:
        super().__init__(tree, ledger, base_model)
        self._session_id = session_id
        self._records_stability = records_stability

    def __repr__(self) -> str:
        return f"<SamplingClient {self.name} of {self._base_model or 'an unknown base model'}>"

    def _repr_html_(self) -> str:
        """Show in a notebook what is sampled from, and what waits."""
        facts = {"base model": self._base_model, "sampling session": self._session_id}
        return show_facts(f"SamplingClient {self.name}", facts, drawing=draw_waits(self._tree.ledgers, self.name))

    @property
    def sampling_session_id(self) -> SamplingSessionId:
        """What the server calls it."""
        return self._session_id

    def sample(  # noqa: PLR0913 - the protocol's own options, by keyword
        self,
        prompt: ModelInput,
        num_samples: int = 1,
        sampling_params: SamplingParams | None = None,
        *,
        include_prompt_logprobs: bool = False,
        topk_prompt_logprobs: int = 0,
        topk_sample_logprobs: int = 0,
        target_prompt_logprobs: TensorData | None = None,
        prompt_alt_tokens_k: int = 0,
        prompt_logprobs_last_n: int | None = None,
    ) -> Pending[SampleResponse]:
        """Sample continuations of *prompt*.

        Args:
            prompt: At least one token.
            num_samples: How many sequences, >= 1.
            sampling_params: Length, temperature, seed, stop; the model's defaults if not given.
            include_prompt_logprobs: Score the prompt's tokens too.
            topk_prompt_logprobs: So many of the likeliest tokens at each prompt position; 0 for none.
            topk_sample_logprobs: The same at each sampled position.
            target_prompt_logprobs: Tokens to score at each prompt position: int64, shape ``(prompt length - 1, k)``.
            prompt_alt_tokens_k: So many draws at each prompt position; 0 for none.
            prompt_logprobs_last_n: Score only so many positions at the prompt's end.

        Raises:
            ValueError: The request makes no sense; nothing was sent and no number was taken.
            ClientBusy: As many samples wait to be sent as may; await some of them first.
            TinkerError: The client is closed.
        """
        request = self._request(
            prompt,
            num_samples,
            sampling_params,
            prompt_logprobs=include_prompt_logprobs,
            topk_prompt_logprobs=topk_prompt_logprobs,
            topk_sample_logprobs=topk_sample_logprobs,
            prompt_alt_tokens_k=prompt_alt_tokens_k,
            target_prompt_logprobs=target_prompt_logprobs,
            prompt_logprobs_last_n=prompt_logprobs_last_n,
        )
        return self._submit(request)

    def sample_stream(
        self, prompt: ModelInput, num_samples: int = 1, sampling_params: SamplingParams | None = None
    ) -> AbstractAsyncContextManager[SampleStream]:
        """Sample continuations, and read their tokens as they are drawn.

        ::

            async with sampler.sample_stream(prompt, 2, params) as stream:
                async for token in stream:
                    print(token.index, token.token, token.logprob, token.stop_reason)

        Where the server does not stream, the tokens of each sequence come when it is complete, each sequence being a request
        of its own (with the seed plus its index, where a seed is given). Leaving the block early ends the drawing, and so does
        ``await stream.aclose()``. A stream waits its turn among the samples, for pauses and budgets as they do; it is sent
        again while nothing of it has come, and no more once a token has.

        Args:
            prompt: At least one token.
            num_samples: How many sequences, >= 1.
            sampling_params: Length, temperature, seed, stop; the model's defaults if not given.

        Raises:
            ValueError: The request makes no sense; nothing was sent.
            TinkerError: The client is closed; the server refuses, or does not answer.
        """
        request = self._request(prompt, num_samples, sampling_params)
        tree = self._tree
        source = StreamSource(tree.transport, tree.record, self._ledger, tree.settings.figures)
        weight = estimate_bytes(prompt)
        return source.open(request, weight, lambda: [self._submit(part) for part in _one_by_one(request)])

    def _request(
        self, prompt: ModelInput, num_samples: int, sampling_params: SamplingParams | None, **options: Any
    ) -> SampleRequest:
        """Write a request down, or refuse what no server takes."""
        check_prompt(prompt)
        check_sampling_params(sampling_params)
        check_count("num_samples", num_samples, minimum=1)
        wanted: dict[str, Any] = {"prompt_logprobs": False, **options}
        request = SampleRequest(
            num_samples=num_samples,
            prompt=prompt,
            sampling_params=_listed(sampling_params or SamplingParams()),
            sampling_session_id=self._session_id,
            record_stability_info=self._records_stability,
            **wanted,
        )
        _check(request)
        return request

    def _submit(self, request: SampleRequest) -> Pending[SampleResponse]:
        # Not `Slot[...](...)`: that costs several times as much, and every sample passes here.
        slot: Slot[SampleResponse] = Slot(Audience(SAMPLE.name))
        operation = Operation(
            row=SAMPLE,
            request=request.numbered,
            weight_bytes=estimate_bytes(request.prompt),
        )
        entry = Entry(operation, slot)
        self._ledger.enlist(entry)
        return Pending(
            [slot],
            partial(_read_answer, slot, _asked(request), self._records_stability, request.num_samples),
            withdraw=partial(self._ledger.withdraw, entry),
            is_left_to_run=False,
        )

    async def compute_logprobs(
        self, prompt: ModelInput, *, prompt_logprobs_last_n: int | None = None
    ) -> list[float | None]:
        """Score the tokens of *prompt*: nats, one for each position, ``None`` where undefined, as at the first.

        Raises:
            NotSupportedByServer: The server scores no prompts.
        """
        answer = await self.sample(
            prompt,
            1,
            SamplingParams(max_tokens=1),
            include_prompt_logprobs=True,
            prompt_logprobs_last_n=prompt_logprobs_last_n,
        )
        # It was asked for, so it is there.
        return answer.prompt_logprobs or []

    def handle(self) -> SamplerHandle:
        """Describe this client for another process, where `open_sampler` makes a copy of it. It pickles, key included.

        Raises:
            SessionEnded: The session is over.
        """
        tree = self._tree
        settings, record = tree.settings, tree.record
        return SamplerHandle(
            session_id=record.id,
            sampling_session_id=self._session_id,
            base_model=self._base_model,
            base_url=settings.base_url if tree.address is None else tree.address(),
            default_headers=settings.default_headers,
            config=record.config,
            dynamic_config=record.dynamic_config,
            record_stability_info=self._records_stability,
            api_key=settings.api_key,
        )

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a client is nothing without its actors.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "a SamplingClient cannot be pickled; pickle client.handle(), and open_sampler(handle) over there"
        )

    def get_base_model(self) -> str:
        """Return the name of the base model; empty where the server does not say it."""
        return self._base_model


def open_sampling_client(
    tree: TinkerTree,
    session_id: SamplingSessionId,
    base_model: str,
    *,
    records_stability: bool = False,
    copy: int = 0,
) -> SamplingClient:
    """Have an actor serve the sampling session *session_id*, as copy number *copy* of its client."""
    ledger = SampleLedger(
        tree.name_client("sampler"),
        f"tinkex-{session_id}",
        session_id,
        copy,
        most=tree.settings.figures.samples_waiting,
        owner=tree.record.ids(),
        tracing=tree.tracing,
    )
    tree.add_sampler(ledger)
    return SamplingClient(tree, ledger, session_id, base_model, records_stability=records_stability)


async def create_sampling_session(
    tree: TinkerTree, *, base_model: str | None, model_path: TinkerPath | None
) -> SamplingSessionId:
    """Have the server prepare something to sample from: a base model, or saved weights.

    Raises:
        ValueError: Neither is given, or the path is none.
        TinkerError: The server refuses, or does not answer.
    """
    if base_model is None and model_path is None:
        raise ValueError("pass base_model=... or model_path=...; there is nothing to sample from")
    if base_model is not None:
        check_text("base_model", base_model)
    if model_path is not None:
        check_text("model_path", model_path)
        if not model_path.startswith("tinker://"):
            raise ValueError(f"model_path must begin with 'tinker://', got {model_path!r}")
    number, session_id = tree.record.take_sampler_number(), tree.record.id
    request = CreateSamplingSessionRequest(session_id, number, base_model, model_path)
    key = f"tinkex-{session_id}-sampler-{number}"
    return (await ask(tree.transport, CREATE_SAMPLING_SESSION, request, key=key)).sampling_session_id


def estimate_bytes(prompt: ModelInput) -> int:
    """Estimate a prompt's size as the service's budgets count it: ten bytes a token, everything else as it is."""
    return sum(_chunk_bytes(chunk) for chunk in prompt.chunks)


def _chunk_bytes(chunk: EncodedTextChunk | ImageChunk | ImageAssetPointerChunk | DmelChunk) -> int:
    match chunk:
        case EncodedTextChunk():
            return _BYTES_PER_TOKEN * chunk.length
        case ImageAssetPointerChunk():
            return len(chunk.location)
        case ImageChunk():
            return len(chunk.data)
        case DmelChunk():
            return len(chunk.dmel)


def _check(request: SampleRequest) -> None:
    """Refuse what no server takes, before a number is taken."""
    for name in ("topk_prompt_logprobs", "topk_sample_logprobs", "prompt_alt_tokens_k"):
        check_count(name, getattr(request, name), minimum=0)
    check_targets(request.target_prompt_logprobs)
    last_n = request.prompt_logprobs_last_n
    if last_n is not None:
        check_count("prompt_logprobs_last_n", last_n, minimum=1)
        if not request.prompt_logprobs:
            raise ValueError("prompt_logprobs_last_n needs prompt logprobs; pass include_prompt_logprobs=True")


def _listed(params: SamplingParams) -> SamplingParams:
    """Write a lone stop text as a list of one: the same to every server, and some take nothing else."""
    return evolve(params, stop=(params.stop,)) if isinstance(params.stop, str) else params


def _one_by_one(request: SampleRequest) -> list[SampleRequest]:
    """Ask for each sequence by itself; a seed makes each repeatable, and different from the others."""
    params, seed = request.sampling_params, request.sampling_params.seed
    return [
        evolve(request, num_samples=1, sampling_params=params if seed is None else evolve(params, seed=seed + index))
        for index in range(request.num_samples)
    ]


def _asked(request: SampleRequest) -> Asked | None:
    """Say what an answer is to hold besides the sequences; ``None`` if that is nothing, as mostly."""
    is_more = request.prompt_logprobs or request.topk_prompt_logprobs or request.topk_sample_logprobs
    if not is_more and request.target_prompt_logprobs is None and not request.prompt_alt_tokens_k:
        return None
    return Asked(
        prompt_length=_count_tokens(request.prompt),
        prompt_logprobs=bool(request.prompt_logprobs),
        topk_prompt_logprobs=request.topk_prompt_logprobs,
        topk_sample_logprobs=request.topk_sample_logprobs,
        target_prompt_logprobs=request.target_prompt_logprobs is not None,
        prompt_alt_tokens_k=request.prompt_alt_tokens_k,
        prompt_logprobs_last_n=request.prompt_logprobs_last_n,
    )


def _count_tokens(prompt: ModelInput) -> int | None:
    try:
        return prompt.length
    except ValueError:  # an image whose tokens only the server can count
        return None


def _read_answer(
    slot: Slot[SampleResponse],
    asked: Asked | None,
    needs_names: bool,  # noqa: FBT001 - bound in advance
    num_samples: int,
    values: Sequence[SampleResponse],
) -> SampleResponse:
    """Make of a server's answer what was asked for, with the names that the promise has for its sequences.

    Raises:
        NotSupportedByServer: A part that was asked for is not there.
        ResponseInvalid: There are not as many sequences, or entries for the prompt, as were asked for.
    """
    response = values[0]
    if len(response.sequences) != num_samples:
        raise misfit("sequences", f"{num_samples}, as asked for", len(response.sequences))
    if asked is not None:
        response = align_prompt(response, asked)
        missing = name_missing(response, asked)
        if missing is not None:
            raise NotSupportedByServer(missing)
        check_lengths(response, asked)
    names = slot.promise.sample_sequence_ids if slot.promise is not None else None
    if names is None:
        if needs_names:
            raise NotSupportedByServer("names for sampled sequences (record_stability_info)")
        return response
    try:
        return response.with_sequence_ids(names)
    except ValueError as error:
        raise misfit("sequences", f"{len(names)}, as promised", len(response.sequences)) from error
