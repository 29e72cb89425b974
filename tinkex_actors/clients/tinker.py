"""What users hold of one session with one server: everything else is made through it."""

from collections.abc import Mapping
from typing import Any

from supervisors import Supervisor, Tree
from tinkex_actors.actors.snapshot import ClientSnapshot
from tinkex_actors.actors.telemetry import TELEMETRY_NAME, Telemetry
from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.clients.admin import AdminClient
from tinkex_actors.clients.checks import check_text
from tinkex_actors.clients.creation import MadeModel, Wanted, create_from_checkpoint, create_model
from tinkex_actors.clients.desk import Desk
from tinkex_actors.clients.rest import RestClient
from tinkex_actors.clients.sampling import SamplingClient, create_sampling_session, open_sampling_client
from tinkex_actors.clients.taking_over import attach_model, finish_left_session
from tinkex_actors.clients.training import TrainingClient
from tinkex_actors.clients.weights_words import check_path
from tinkex_actors.html import show_facts
from tinkex_actors.metrics import Metrics
from tinkex_actors.redaction import mask_url
from tinkex_actors.settings import Settings
from tinkex_actors.transport.ask import ask
from tinkex_actors.transport.endpoints import GET_SAMPLER, SERVER_CAPABILITIES
from tinkex_actors.types import (
    APIStatusError,
    Capabilities,
    GetServerCapabilitiesResponse,
    LoraConfig,
    ModelId,
    OptimizerConfig,
    SamplingSessionId,
    SessionId,
    TinkerPath,
)

_NO_SUCH_ROUTE = frozenset({404, 405})


class TinkerClient:
    """One session with one server. Made by :func:`open_tinker`; closed when its block is left."""

    def __init__(self, tree: TinkerTree) -> None:
        self._tree = tree

    @property
    def session_id(self) -> SessionId:
        """What the server calls the session.

        Raises:
            SessionEnded: The server has ended it, and the next one is not open yet.
        """
        return self._tree.record.id

    @property
    def settings(self) -> Settings:
        """What the client was told."""
        return self._tree.settings

    @property
    def metrics(self) -> Metrics:
        """Counts and durations of this client's requests, crashes and restarts; a program may add its own."""
        return self._tree.metrics

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do, as far as the session has found out."""
        return self._tree.record.capabilities

    @property
    def supervisor(self) -> Supervisor:
        """The root of the client's tree: to look at its actors one by one, to trace and to hold them up."""
        return self._tree.root

    def __repr__(self) -> str:
        session = self._tree.record.session_id or "not open"
        return f"<TinkerClient {mask_url(self.settings.base_url)}, session {session}>"

    def _repr_html_(self) -> str:
        """Show the client in a notebook: where it is connected to, and its tree."""
        facts = {"server": self.settings.base_url, "session": self._tree.record.session_id or "not open"}
        return show_facts("TinkerClient", facts, drawing=str(self.tree()))

    def tree(self) -> Tree:
        """Take a snapshot of the supervision tree; ``str`` of it is a drawing with restart counts."""
        return self._tree.tree()

    def snapshot(self) -> ClientSnapshot:
        """Look at everything at once: the tree, the session, the way to the server, and why each operation waits.

        It waits for nobody, so a program that hangs can be asked. ``str`` of it is a page for people.
        """
        return self._tree.snapshot()

    async def drain_telemetry(self) -> None:
        """Wait until the server has taken every event reported so far; limit it with ``trio.move_on_after``.

        Returns at once where telemetry is off.
        """
        self._tree.check_open()
        if self._tree.settings.telemetry:
            await self._tree.root.whereis(TELEMETRY_NAME).call(Telemetry.drain)

    def crash(self, name: str, reason: str) -> None:
        """Crash one actor of the tree on purpose (``"session"``, ``"poller"``, ``"trainer-0"``, …), to see it come back.

        Raises:
            ChildNotFound: There is no actor of that name.
        """
        self._tree.crash(name, reason)

    async def create_lora_training_client(
        self,
        base_model: str,
        rank: int = 32,
        *,
        seed: int | None = None,
        train_mlp: bool = True,
        train_attn: bool = True,
        train_unembed: bool = True,
        user_metadata: Mapping[str, Any] | None = None,
        optimizer: OptimizerConfig | None = None,
    ) -> TrainingClient:
        """Make a model: a base model and a fresh low-rank adapter to train.

        Args:
            base_model: A name that the server knows; see `get_server_capabilities`.
            rank: Inner dimension of the adapter, >= 1.
            seed: Of the adapter's random initial weights.
            train_mlp: Adapt the feed-forward layers.
            train_attn: Adapt the attention layers.
            train_unembed: Adapt the output layer.
            user_metadata: Kept with the training run.
            optimizer: The optimizer's family, fixed for the model; AdamW by default.

        Raises:
            ValueError: Nothing would be trained, or the rank is below 1; nothing was sent.
            TinkerError: The server refuses, or does not answer.
        """
        check_text("base_model", base_model)
        lora = LoraConfig(rank, seed, train_unembed=train_unembed, train_mlp=train_mlp, train_attn=train_attn)
        return self._hold(
            await create_model(self._tree, base_model, lora, optimizer=optimizer, user_metadata=user_metadata)
        )

    async def create_training_client_from_state(
        self,
        path: str,
        *,
        base_model: str | None = None,
        user_metadata: Mapping[str, Any] | None = None,
        optimizer: OptimizerConfig | None = None,
        weights_access_token: str | None = None,
    ) -> TrainingClient:
        """Make a model from a checkpoint's weights, with a fresh optimizer; the adapter's shape is the checkpoint's.

        Args:
            path: What `TrainingClient.save_state` returned: a ``tinker://…/weights/…`` path.
            base_model: Another base model of the same shape; by default the checkpoint's.
            user_metadata: Kept with the training run.
            optimizer: The optimizer's family; the checkpoint's by default.
            weights_access_token: Shows that somebody else's weights may be loaded.

        Raises:
            ValueError: The path is none; nothing was sent.
            TinkerError: The server refuses, or does not answer.
        """
        wanted = Wanted(
            path=check_path(path),
            with_optimizer=False,
            base_model=base_model,
            user_metadata=user_metadata,
            optimizer=optimizer,
            weights_access_token=weights_access_token,
        )
        return self._hold(await create_from_checkpoint(self._tree, wanted))

    async def create_training_client_from_state_with_optimizer(
        self,
        path: str,
        *,
        base_model: str | None = None,
        user_metadata: Mapping[str, Any] | None = None,
        weights_access_token: str | None = None,
    ) -> TrainingClient:
        """Make a model from a checkpoint, optimizer included: training goes on as if it had not stopped.

        Arguments and errors as `create_training_client_from_state`.
        """
        wanted = Wanted(
            path=check_path(path),
            with_optimizer=True,
            base_model=base_model,
            user_metadata=user_metadata,
            weights_access_token=weights_access_token,
        )
        return self._hold(await create_from_checkpoint(self._tree, wanted))

    async def attach_training_client(
        self, model_id: ModelId, *, next_number: int, model_number: int = 0
    ) -> TrainingClient:
        """Go on with a model of this session that another process has made and left.

        A request that repeats one of the other process, under its number, is the same request to the server: it is
        carried out once, and answered to whoever asks.

        Args:
            model_id: What the server calls it.
            next_number: The sequence number that the next request takes.
            model_number: Which model of its session it was, from 0.

        Raises:
            TinkerError: The server does not know it, or does not answer.
        """
        return self._hold(await attach_model(self._tree, model_id, next_number=next_number, model_number=model_number))

    async def finish_session(self, session_id: SessionId) -> None:
        """End another session, one that a process left behind; its models stop. One that is over is no error.

        Raises:
            APIStatusError: The server refuses.
            APIConnectionError: It does not answer.
        """
        await finish_left_session(self._tree, session_id)

    async def create_sampling_client(
        self, *, base_model: str | None = None, model_path: str | None = None, record_stability_info: bool = False
    ) -> SamplingClient:
        """Sample from a base model, or from saved weights.

        Args:
            base_model: A name that the server knows.
            model_path: A ``tinker://…/sampler_weights/…`` path.
            record_stability_info: Have the server keep what losses such as ``stable_reinforce`` need of each sample.

        Raises:
            ValueError: Neither is given, or the path is none; nothing was sent.
            TinkerError: The server refuses, or does not answer.
        """
        path = None if model_path is None else TinkerPath(model_path)
        session_id = await create_sampling_session(self._tree, base_model=base_model, model_path=path)
        if base_model is None:
            base_model = await self._find_base_model(session_id)
        return open_sampling_client(self._tree, session_id, base_model, records_stability=record_stability_info)

    def create_rest_client(self) -> RestClient:
        """Look up training runs, checkpoints and sessions on the connections of this client; asks nothing yet."""
        return RestClient(Desk(self._tree.transport, self._tree.settings))

    def create_admin_client(self) -> AdminClient:
        """Look at the organisation's log and bills on the connections of this client; asks nothing yet."""
        return AdminClient(Desk(self._tree.transport, self._tree.settings))

    async def get_server_capabilities(self) -> GetServerCapabilitiesResponse:
        """Ask which base models there are."""
        return await ask(self._tree.transport, SERVER_CAPABILITIES, None)

    async def _find_base_model(self, session_id: SamplingSessionId) -> str:
        """Ask what is sampled from; older servers cannot say, and then only the tokenizer is not known."""
        try:
            found = await ask(self._tree.transport, GET_SAMPLER, None, path_values={"sampler_id": session_id})
        except APIStatusError as refusal:
            if refusal.status_code not in _NO_SUCH_ROUTE:
                raise
            return ""
        return found.base_model

    def _hold(self, made: MadeModel) -> TrainingClient:
        return TrainingClient(self._tree, made.ledger, made.info)
