"""Saving a model's weights, loading them, and sampling from them: each takes its place in the model's line."""

from collections.abc import Mapping, Sequence

from tinkex_actors.actors.errors import ClientClosed
from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.pending import Pending
from tinkex_actors.clients.model_client import ModelClient
from tinkex_actors.clients.sampling import SamplingClient, create_sampling_session, open_sampling_client
from tinkex_actors.clients.weights_words import check_name, check_path, missing, require_path
from tinkex_actors.transport.endpoints import (
    LOAD_WEIGHTS,
    SAVE_WEIGHTS,
    SAVE_WEIGHTS_EXTERNAL,
    SAVE_WEIGHTS_FOR_SAMPLER,
    UNLOAD_MODEL,
)
from tinkex_actors.types import (
    LoadWeightsResponse,
    SamplingClientKind,
    SaveWeightsExternalResponse,
    SaveWeightsForSamplerResponse,
    SaveWeightsResponse,
    TinkerPath,
)
from tinkex_actors.wire.requests import (
    LoadWeightsRequest,
    SaveWeightsExternalRequest,
    SaveWeightsForSamplerRequest,
    SaveWeightsRequest,
    UnloadModelRequest,
)

_MOST_RECIPIENTS = 10


class ModelWeights(ModelClient):
    """What can be done with one model's weights."""

    def save_state(
        self,
        name: str,
        *,
        ttl_seconds: int | None = None,
        overwrite: bool = False,
        user_metadata: Mapping[str, str] | None = None,
    ) -> Pending[SaveWeightsResponse]:
        """Save weights and optimizer, to train on from there.

        Args:
            name: The checkpoint's name within this model; not empty, without a slash.
            ttl_seconds: When the server may delete it, at least an hour; ``None`` is never.
            overwrite: Whether a checkpoint of that name is replaced.
            user_metadata: Kept with it.

        Raises:
            ValueError: The name or the time makes no sense; nothing was sent.
            TinkerError: The client takes in nothing more. Awaiting raises what the server says to a name that is taken: a
                `RequestFailedError` or a `ConflictError`. A save that was sent twice because its answer was lost is a
                success, on every kind of server.
        """
        check_name(name, ttl_seconds)
        metadata = None if user_metadata is None else dict(user_metadata)
        path = TinkerPath(f"tinker://{self.model_id}/weights/{name}")
        operation = Operation(
            row=SAVE_WEIGHTS,
            request=lambda number: SaveWeightsRequest(self.model_id, name, number, overwrite, ttl_seconds, metadata),
            claim=path,
            done_before=lambda: SaveWeightsResponse(path),
        )
        return self._carry_out(operation)

    def load_state(self, path: str, *, weights_access_token: str | None = None) -> Pending[LoadWeightsResponse]:
        """Load a checkpoint's weights, and leave the optimizer as it is. Some servers allow it only as the first request.

        Args:
            path: What `save_state` returned: a ``tinker://…/weights/…`` path.
            weights_access_token: Shows that somebody else's weights may be loaded.

        Raises:
            ValueError: The path is none; nothing was sent.
            TinkerError: The client takes in nothing more.
        """
        return self._load(path, weights_access_token, optimizer=False)

    def load_state_with_optimizer(
        self, path: str, *, weights_access_token: str | None = None
    ) -> Pending[LoadWeightsResponse]:
        """Load a checkpoint's weights and its optimizer. Arguments and errors as `load_state`."""
        return self._load(path, weights_access_token, optimizer=True)

    def save_weights_for_sampler(
        self, name: str, *, ttl_seconds: int | None = None, user_metadata: Mapping[str, str] | None = None
    ) -> Pending[SaveWeightsForSamplerResponse]:
        """Save weights to sample from, under a name. Arguments as `save_state`."""
        check_name(name, ttl_seconds)
        metadata = None if user_metadata is None else dict(user_metadata)
        return self._submit(
            SAVE_WEIGHTS_FOR_SAMPLER,
            lambda number: SaveWeightsForSamplerRequest(
                self.model_id, path=name, seq_id=number, ttl_seconds=ttl_seconds, user_metadata=metadata
            ),
        )

    async def save_weights_and_get_sampling_client(
        self,
        name: str | None = None,
        *,
        kind: SamplingClientKind | str = SamplingClientKind.SNAPSHOT,
        record_stability_info: bool = False,
    ) -> SamplingClient:
        """Save the weights as they will be when this call's turn comes, and sample from them.

        Args:
            name: Keep the weights under this name. Without one they live as long as the session.
            kind: Without a name: whether the sampler keeps these weights, or follows later saves of this kind.
            record_stability_info: Have the server keep what losses such as ``stable_reinforce`` need of each sample.
        """
        if name is not None:
            saved = await self.save_weights_for_sampler(name)
            path = require_path(saved)
            return await self.create_sampling_client(path, record_stability_info=record_stability_info)
        sampler_number = self._tree.record.take_sampler_number()
        chosen = SamplingClientKind(kind)
        ephemeral = await self._submit(
            SAVE_WEIGHTS_FOR_SAMPLER,
            lambda number: SaveWeightsForSamplerRequest(
                self.model_id, sampling_session_seq_id=sampler_number, kind=chosen, seq_id=number
            ),
        )
        if ephemeral.sampling_session_id is None:
            raise missing("sampling_session_id")
        return open_sampling_client(
            self._tree, ephemeral.sampling_session_id, self._base_model, records_stability=record_stability_info
        )

    def save_weights_external(
        self, name: str, *, ttl_seconds: int | None = None, age_encryption_recipients: Sequence[str] | None = None
    ) -> Pending[SaveWeightsExternalResponse]:
        """Export the adapter as PEFT files, to be fetched with `tinkex_actors.clients.download`.

        Args:
            name: As for `save_state`.
            ttl_seconds: As for `save_state`.
            age_encryption_recipients: Encrypt the files for these age or SSH public keys, at most ten.

        Raises:
            ValueError: The name or a figure makes no sense; nothing was sent.
            TinkerError: The client takes in nothing more. Awaiting raises `NotSupportedByServer` where there is no export.
        """
        check_name(name, ttl_seconds)
        recipients = None if age_encryption_recipients is None else tuple(age_encryption_recipients)
        if recipients is not None and not 0 < len(recipients) <= _MOST_RECIPIENTS:
            raise ValueError(f"age_encryption_recipients must be 1 to {_MOST_RECIPIENTS} keys, got {len(recipients)}")
        operation = Operation(
            row=SAVE_WEIGHTS_EXTERNAL,
            request=lambda number: SaveWeightsExternalRequest(self.model_id, name, number, ttl_seconds, recipients),
            capability="external_weights",
        )
        return self._carry_out(operation)

    async def unload(self) -> None:
        """Have the server drop the model, when everything submitted before is done. Nothing can follow.

        Raises:
            NotSupportedByServer: Models go with their session there; the client goes on.
        """
        request = UnloadModelRequest(self.model_id)
        await self._carry_out(Operation(row=UNLOAD_MODEL, request=lambda _: request, capability="unload_model"))
        self._tree.remove(self.name, ClientClosed(f"{self.name}: the model was unloaded"))

    async def create_sampling_client(self, model_path: str, *, record_stability_info: bool = False) -> SamplingClient:
        """Sample from saved weights: a ``tinker://…/sampler_weights/…`` path."""
        session_id = await create_sampling_session(self._tree, base_model=None, model_path=TinkerPath(model_path))
        return open_sampling_client(self._tree, session_id, self._base_model, records_stability=record_stability_info)

    def _load(self, path: str, token: str | None, *, optimizer: bool) -> Pending[LoadWeightsResponse]:
        checked = check_path(path)
        return self._submit(
            LOAD_WEIGHTS,
            lambda number: LoadWeightsRequest(
                checked, optimizer, model_id=self.model_id, seq_id=number, weights_access_token=token
            ),
        )
