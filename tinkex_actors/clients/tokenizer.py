"""A model's tokenizer: which one it is, where it is found, and text to tokens and back.

A model's tokenizer is named by the server or guessed from the model's name. The one of the model that comes with this
package lies in it; a name that is a directory on this machine is read from there, as the embedded server's are; any other
is fetched from the Hugging Face hub once and kept in its cache.
"""

from collections.abc import Sequence
from pathlib import Path

import tokenizers

_LLAMA_3 = "meta-llama/Llama-3"
_LLAMA_3_TOKENIZER = "thinkingmachineslabinc/meta-llama-3-instruct-tokenizer"
_ORGANISATION_MODEL_VARIANT = 2
_TINY = "tinkex/tiny"
_TINY_FOLDER = Path(__file__).parents[1] / "local" / "models" / "tiny"


class Tokenizer:
    """Text to tokens and back."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, name: str) -> "Tokenizer":
        """Read the tokenizer from the directory *name*, or fetch it by that name. Blocks; the hub may take seconds.

        Raises:
            FileNotFoundError: The directory has no ``tokenizer.json``.
            ValueError: The hub has no such tokenizer, or cannot be reached.
        """
        folder = _TINY_FOLDER if name == _TINY else Path(name)
        if folder.is_dir():
            file = folder / "tokenizer.json"
            if not file.exists():
                raise FileNotFoundError(f"no tokenizer.json in {folder}; put the model's own there")
            return cls(tokenizers.Tokenizer.from_file(str(file)))
        try:
            return cls(tokenizers.Tokenizer.from_pretrained(name))
        except Exception as error:
            raise ValueError(f"no tokenizer {name!r} on this machine or on the hub: {error}") from error

    def encode(self, text: str, /, *, add_special_tokens: bool = False) -> list[int]:
        """Return the tokens of *text*; names of special tokens in it become those tokens."""
        return self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids

    def decode(self, tokens: Sequence[int], /, *, skip_special_tokens: bool = False) -> str:
        """Return the text of *tokens*."""
        return self._tokenizer.decode(list(tokens), skip_special_tokens=skip_special_tokens)

    def token_to_id(self, token: str, /) -> int | None:
        """Return the id of one token by its name, or ``None`` if there is none of that name."""
        return self._tokenizer.token_to_id(token)


def tokenizer_name(model_name: str, tokenizer_id: str | None = None) -> str:
    """Find the name of a model's tokenizer.

    What the server says wins; a revision after a colon is cut, and of ``organisation/model/variant`` the first two parts
    count. The tokenizer of the gated Llama 3 models has an open copy.
    """
    if tokenizer_id:
        return tokenizer_id.partition(":")[0]
    name = model_name.partition(":")[0]
    if name.startswith(_LLAMA_3):
        return _LLAMA_3_TOKENIZER
    if name.count("/") == _ORGANISATION_MODEL_VARIANT:
        return name.rpartition("/")[0]
    return name
