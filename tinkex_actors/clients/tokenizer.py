"""A model's tokenizer: which one it is, where it is found, and text to tokens and back.

A model's tokenizer is named by the server or guessed from the model's name. The one of the model that comes with this
package lies in it; a name that is a directory on this machine is read from there, as the embedded server's are; any other
is fetched from the Hugging Face hub once and kept in its cache. Most need nothing but ``tokenizers``; a few bring code of
their own, which ``transformers`` runs, at a revision that is pinned here. A client keeps what it has loaded, and
``open_tinker(load_tokenizer=...)`` says where else tokenizers come from.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import tokenizers
from attrs import frozen

from tinkex_actors.actors.tree import TinkerTree

_LLAMA_3 = "meta-llama/Llama-3"
_LLAMA_3_TOKENIZER = "thinkingmachineslabinc/meta-llama-3-instruct-tokenizer"
_ORGANISATION_MODEL_VARIANT = 2
_TINY = "tinkex/tiny"
_TINY_FOLDER = Path(__file__).parents[1] / "local" / "models" / "tiny"
_KEPT = 32
_OF_THE_SERVICE = ("TML/", "thinkingmachines/")
_SERVICE_PACKAGE = "tml_tokenizers"
_PINNED = {
    "moonshotai/Kimi-K2-Thinking": ("moonshotai/Kimi-K2-Thinking", "612681931a8c906ddb349f8ad0f582cb552189cd"),
    "moonshotai/Kimi-K2.5": ("moonshotai/Kimi-K2.5", "4d01dfe0332d63057c186e0b262165819efb6611"),
    "moonshotai/Kimi-K2.5-Text-Only": ("moonshotai/Kimi-K2.5", "4d01dfe0332d63057c186e0b262165819efb6611"),
    "moonshotai/Kimi-K2.6": ("moonshotai/Kimi-K2.6", "b5aabbfb20227ed42becbf5541dbffd213942c58"),
    "moonshotai/Kimi-K3": ("moonshotai/Kimi-K3", "f831ab66814297da540d832a5235f8e904f29d06"),
}
"""Tokenizers that are code: where it is, and the revision that was read before it is run."""


class Codec(Protocol):
    """What makes tokens of text: all that a tokenizer of a user's own needs."""

    def encode(self, text: str, /, *, add_special_tokens: bool) -> Sequence[int]:
        """Return the tokens of *text*."""
        ...

    def decode(self, tokens: Sequence[int], /, *, skip_special_tokens: bool) -> str:
        """Return the text of *tokens*."""
        ...

    def token_to_id(self, token: str, /) -> int | None:
        """Return the id of one token by its name."""
        ...


@frozen(eq=False)
class _Fast:
    """A tokenizer of the ``tokenizers`` library."""

    tokenizer: tokenizers.Tokenizer

    def encode(self, text: str, /, *, add_special_tokens: bool) -> Sequence[int]:
        return self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids

    def decode(self, tokens: Sequence[int], /, *, skip_special_tokens: bool) -> str:
        return self.tokenizer.decode(list(tokens), skip_special_tokens=skip_special_tokens)

    def token_to_id(self, token: str, /) -> int | None:
        return self.tokenizer.token_to_id(token)


@frozen(eq=False)
class _Slow:
    """A tokenizer of the ``transformers`` library, which ships no types for it."""

    tokenizer: Any

    def encode(self, text: str, /, *, add_special_tokens: bool) -> Sequence[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=add_special_tokens))

    def decode(self, tokens: Sequence[int], /, *, skip_special_tokens: bool) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=skip_special_tokens))

    def token_to_id(self, token: str, /) -> int | None:
        found = self.tokenizer.get_vocab().get(token)
        return None if found is None else int(found)


class Tokenizer:
    """Text to tokens and back."""

    def __init__(self, tokenizer: tokenizers.Tokenizer | Codec) -> None:
        """Wrap a tokenizer of the ``tokenizers`` or the ``transformers`` library, or anything that does the same.

        Raises:
            TypeError: It neither encodes nor decodes.
        """
        self._codec = _as_codec(tokenizer)

    def __repr__(self) -> str:
        return f"<Tokenizer {type(self._codec).__name__.removeprefix('_')}>"

    @classmethod
    def load(cls, name: str) -> "Tokenizer":
        """Read the tokenizer from the directory *name*, or fetch it by that name. Blocks; the hub may take seconds.

        Raises:
            FileNotFoundError: The directory has no ``tokenizer.json``.
            ModuleNotFoundError: This tokenizer needs a package that is not installed; the message names it.
            ValueError: The hub has no such tokenizer, or cannot be reached.
        """
        folder = _TINY_FOLDER if name == _TINY else Path(name)
        if folder.is_dir():
            return cls(_read_folder(folder))
        if name in _PINNED:
            return cls(_load_pinned(name))
        if name.startswith(_OF_THE_SERVICE) and (codec := _load_of_the_service(name)) is not None:
            return cls(codec)
        try:
            return cls(tokenizers.Tokenizer.from_pretrained(name))
        except Exception as error:
            raise ValueError(f"no tokenizer {name!r} on this machine or on the hub: {error}") from error

    def encode(self, text: str, /, *, add_special_tokens: bool = False) -> list[int]:
        """Return the tokens of *text*; names of special tokens in it become those tokens."""
        return list(self._codec.encode(text, add_special_tokens=add_special_tokens))

    def decode(self, tokens: Sequence[int], /, *, skip_special_tokens: bool = False) -> str:
        """Return the text of *tokens*."""
        return self._codec.decode(tokens, skip_special_tokens=skip_special_tokens)

    def token_to_id(self, token: str, /) -> int | None:
        """Return the id of one token by its name, or ``None`` if there is none of that name."""
        return self._codec.token_to_id(token)


LoadTokenizer = Callable[[str], Tokenizer | tokenizers.Tokenizer | Codec | None]
"""Finds a tokenizer by its name, whatever `Tokenizer` wraps; ``None`` leaves it to the client. May block."""


def find_tokenizer(tree: TinkerTree, name: str) -> Tokenizer:
    """Return the tokenizer of that name, loaded once for each client: by the client's own loader, or from where it is.

    Raises:
        ValueError: There is none, as `Tokenizer.load` says, or the model has no name.
        TypeError: The client's own loader returned something else.
    """
    if not name:
        raise ValueError("the server does not say which model this is; load its tokenizer with Tokenizer.load(name)")
    kept = tree.tokenizers
    found: Tokenizer | None = kept.pop(name, None)
    if found is None and tree.load_tokenizer is not None:
        loaded = tree.load_tokenizer(name)
        found = loaded if loaded is None or isinstance(loaded, Tokenizer) else Tokenizer(loaded)
    # Whatever was asked for last goes last.
    kept[name] = found = found or Tokenizer.load(name)
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
    return found


# Any: what a user's loader may return in spite of the types.
def _as_codec(tokenizer: Any) -> Codec:
    if isinstance(tokenizer, tokenizers.Tokenizer):
        return _Fast(tokenizer)
    if not (callable(getattr(tokenizer, "encode", None)) and callable(getattr(tokenizer, "decode", None))):
        raise TypeError(
            f"a tokenizer must have encode and decode, got {type(tokenizer).__name__}; "
            "load_tokenizer is a plain function and returns a tokenizer, or None"
        )
    is_slow = not hasattr(tokenizer, "token_to_id") and hasattr(tokenizer, "get_vocab")
    return _Slow(tokenizer) if is_slow else cast("Codec", tokenizer)


def _read_folder(folder: Path) -> tokenizers.Tokenizer:
    file = folder / "tokenizer.json"
    if not file.exists():
        raise FileNotFoundError(f"no tokenizer.json in {folder}; put the model's own there")
    return tokenizers.Tokenizer.from_file(str(file))


def _load_pinned(name: str) -> Codec:
    """Load a tokenizer that is code, at the revision that is known."""
    repository, revision = _PINNED[name]
    transformers = _import("transformers", name)
    try:
        # The only code that is run is that of the revision above.
        loaded = transformers.AutoTokenizer.from_pretrained(repository, revision=revision, trust_remote_code=True)
    except (OSError, ValueError) as error:
        raise ValueError(f"no tokenizer {name!r} on this machine or on the hub: {error}") from error
    return _Slow(loaded)


def _load_of_the_service(name: str) -> Codec | None:
    """Load a tokenizer of the service's own package, which may not know it either."""
    found = _import(_SERVICE_PACKAGE, name).get_tokenizer(name)
    return None if found is None else _Slow(found)


def _import(package: str, name: str) -> Any:
    try:
        return import_module(package)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(f"the tokenizer {name!r} needs the package {package}", name=package) from missing


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
