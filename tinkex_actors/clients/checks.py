"""What a user hands over is looked at before anything is sent: its kind, and what it was expected to be."""

from collections.abc import Sequence
from types import UnionType
from typing import cast

import trio

from tinkex_actors.settings import Settings
from tinkex_actors.types import AdamParams, Datum, DimuonParams, ModelInput, SamplingParams, TensorData, TensorDtype

_MATRIX = 2


# object: these are the doors, and what comes in may be anything.
def check_door(settings: object) -> None:
    """Refuse to open anything with something else than settings, or outside of trio.

    Raises:
        TypeError: *settings* are something else.
        RuntimeError: No trio program runs here.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise TypeError(f"settings must be Settings, got {_kind(settings)}; write Settings(base_url=…, api_key=…)")
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        raise RuntimeError(
            "a client lives in a trio program, and none runs here; start it by trio.run(main), "
            "in a program of asyncio's in a thread of its own"
        ) from None


def check_data(data: object) -> None:
    """Refuse what is no list of examples.

    Raises:
        TypeError: It is something else, or holds something else.
    """
    if isinstance(data, Datum):
        raise TypeError("data must be a list of Datum, got a Datum; write [datum]")
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        raise TypeError(f"data must be a list of Datum, got {_kind(data)}")
    for at, one in enumerate(cast("Sequence[object]", data)):
        if not isinstance(one, Datum):
            raise TypeError(f"data[{at}] must be a Datum, got {_kind(one)}; write Datum(model_input, inputs)")


def check_prompt(prompt: object) -> None:
    """Refuse what is no prompt, or an empty one.

    Raises:
        TypeError: It is something else.
        ValueError: It has no token.
    """
    if not isinstance(prompt, ModelInput):
        how = "encode(...) gives the tokens, and " if isinstance(prompt, str) else ""
        raise TypeError(
            f"prompt must be a ModelInput, got {_kind(prompt)}; {how}ModelInput.from_ints(tokens) makes one"
        )
    if not prompt.chunks:
        raise ValueError("prompt must have at least one token, got none")


def check_sampling_params(params: object) -> None:
    """Refuse what does not say how to sample.

    Raises:
        TypeError: It is something else.
    """
    if params is not None and not isinstance(params, SamplingParams):
        raise TypeError(
            f"sampling_params must be SamplingParams, got {_kind(params)}; write SamplingParams(max_tokens=…)"
        )


def check_targets(targets: object) -> None:
    """Refuse what names no tokens to score at each position of a prompt.

    Raises:
        TypeError: It is something else.
        ValueError: It has another dtype or shape.
    """
    if targets is None:
        return
    if not isinstance(targets, TensorData):
        raise TypeError(
            f"target_prompt_logprobs must be a TensorData, got {_kind(targets)}; TensorData.from_numpy(ids) makes one"
        )
    if targets.dtype is not TensorDtype.INT64 or targets.shape is None or len(targets.shape) != _MATRIX:
        raise ValueError(
            "target_prompt_logprobs must be int64 token ids of shape (prompt length - 1, k), got "
            f"{targets.dtype} of shape {targets.shape}"
        )


def check_optim_params(params: object) -> None:
    """Refuse what is no optimizer's parameters.

    Raises:
        TypeError: It is something else.
    """
    if params is not None and not isinstance(params, AdamParams | DimuonParams):
        raise TypeError(f"params must be AdamParams or DimuonParams, got {_kind(params)}")


def check_count(name: str, value: object, *, minimum: int) -> None:
    """Refuse what is no whole number, or too small.

    Raises:
        TypeError: It is something else.
        ValueError: It is below *minimum*.
    """
    if check_int(name, value) < minimum:
        raise ValueError(f"{name} must be >= {minimum}, got {value}")


def check_int(name: str, value: object) -> int:
    """Refuse what is no whole number.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {_kind(value)}")
    return value


def check_text(name: str, value: object) -> None:
    """Refuse what is no text, or an empty one.

    Raises:
        TypeError: It is something else.
        ValueError: It is empty.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {_kind(value)}")
    if not value:
        raise ValueError(f"{name} must not be empty")


def check_is(name: str, value: object, kind: type | UnionType) -> None:
    """Refuse what is of another kind.

    Raises:
        TypeError: It is.
    """
    if not isinstance(value, kind):
        wanted = kind.__name__ if isinstance(kind, type) else str(kind)
        raise TypeError(f"{name} must be a {wanted}, got {_kind(value)}")


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
