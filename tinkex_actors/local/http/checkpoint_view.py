"""How a stored checkpoint looks to clients."""

from tinkex_actors.local.checkpoints import StoredCheckpoint
from tinkex_actors.types.ids import TinkerPath
from tinkex_actors.types.weights import Checkpoint, CheckpointType


def describe(stored: StoredCheckpoint) -> Checkpoint:
    """Show an entry of the store as clients know it."""
    return Checkpoint(
        stored.path.checkpoint_id,
        CheckpointType(stored.path.kind.checkpoint_type),
        stored.created_at,
        TinkerPath(str(stored.path)),
        size_bytes=stored.size_bytes,
        public=stored.is_public,
        user_metadata=None if stored.user_metadata is None else dict(stored.user_metadata),
        expires_at=stored.expires_at,
    )
