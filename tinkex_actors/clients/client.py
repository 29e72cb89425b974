"""What every client is that an actor works for: its name, its base model's tokenizer, and the server's queue for it."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tinkex_actors.actors.ledger import Ledger
from tinkex_actors.actors.queue_state import QueueObserver
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.clients.tokenizer import Tokenizer, find_tokenizer, tokenizer_name

L = TypeVar("L", bound=Ledger | SampleLedger)


class Client(Generic[L]):
    """A ledger for an actor to work off, of something made from *base_model*; that is empty where no server says it."""

    def __init__(self, tree: TinkerTree, ledger: L, base_model: str, *, tokenizer_id: str | None = None) -> None:
        self._tree = tree
        self._ledger = ledger
        self._base_model = base_model
        self._tokenizer_name = tokenizer_name(base_model, tokenizer_id)

    @property
    def name(self) -> str:
        """The name of the actor that works for this client."""
        return self._ledger.name

    def get_tokenizer(self) -> Tokenizer:
        """Return the base model's tokenizer. Blocks while it reads, or fetches, the file; once for each `TinkerClient`.

        Raises:
            ValueError: There is none, or the server does not say which model this is.
        """
        return find_tokenizer(self._tree, self._tokenizer_name)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of *text*. Blocks at first, as `get_tokenizer` does."""
        return self.get_tokenizer().encode(text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of *tokens*. Blocks at first, as `get_tokenizer` does."""
        return self.get_tokenizer().decode(tokens)

    def on_queue_state_change(self, observer: QueueObserver) -> Callable[[], None]:
        """Tell *observer* whenever the server's queue for this client changes; call what is returned to end that.

        It is called in the program's loop and must not block; what it raises is logged and disturbs nobody.
        """
        return self._ledger.queue.observe(observer)

    def crash(self, reason: str) -> None:
        """Crash the actor behind this client, to see what happens: nothing that its users notice.

        Raises:
            ChildNotFound: There is none at the moment: it is being started, as just after the client was made.
        """
        self._tree.crash(self.name, reason)
