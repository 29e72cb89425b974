"""The array types of the engine, by what their numbers mean."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""float32 in service, float64 when gradients are checked by finite differences."""

FloatDType: TypeAlias = np.dtype[np.floating[Any]]
"""The dtype of such an array."""

IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
"""Token ids, positions, offsets."""
