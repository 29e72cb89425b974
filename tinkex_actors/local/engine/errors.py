"""What the engine refuses, one class per reaction.

``EngineError``
├── ``ModelLoadError``: the model directory is unusable; fix the directory, no request will help.
└── ``EngineInputError`` (also a ``ValueError``): this request is wrong; the engine's state is as before it.
"""


class EngineError(Exception):
    """The root of everything the engine raises on purpose."""


class ModelLoadError(EngineError):
    """A model directory is missing, incomplete, broken or of an unsupported architecture."""


class EngineInputError(EngineError, ValueError):
    """A request cannot be computed; nothing was changed."""
