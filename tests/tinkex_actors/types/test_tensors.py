"""`tinkex_actors.types.tensors`: what becomes a tensor, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinkex_actors.types import TensorData
from tinkex_actors.types.tensors import to_tokens


@pytest.mark.tinkex("T125")
@pytest.mark.parametrize(
    ("array", "dtype", "shape"),
    [
        (np.array([1.5, 2.5], np.float64), "float32", (2,)),
        (np.array([1, 2], np.int32), "int64", (2,)),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), "float32", (2, 2)),
        (np.array(7.0), "float32", None),
        (np.array([1, 2], np.uint64), "int64", (2,)),
    ],
)
def test_an_array_takes_the_wire_type_of_its_kind(array: np.ndarray, dtype: str, shape: tuple[int, ...] | None) -> None:
    """The wire knows two element types; users have many."""
    tensor = TensorData.from_numpy(array)
    assert (tensor.dtype, tensor.shape) == (dtype, shape)
    assert tensor.to_numpy().ravel().tolist() == array.ravel().tolist()


@pytest.mark.tinkex("T125")
@pytest.mark.parametrize(
    "array",
    [
        np.array([True]),
        np.array([1j]),
        np.array(["1"]),
        np.zeros(2, np.dtype("V2")),  # how numpy sees bfloat16
        np.array([2**63], np.uint64),
        np.array([1e300]),
    ],
    ids=["bool", "complex", "text", "bfloat16", "beyond int64", "beyond float32"],
)
def test_an_array_the_wire_cannot_hold_is_refused(array: np.ndarray) -> None:
    """A silent change of a training input is worse than an error."""
    with pytest.raises(ValueError, match="expected"):
        TensorData.from_numpy(array)


def test_a_right_array_is_not_copied() -> None:
    """A batch is megabytes; handing it over must cost nothing."""
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    assert np.shares_memory(TensorData.from_numpy(array).to_numpy(), array)


@pytest.mark.parametrize(
    ("values", "dtype", "shape", "message"),
    [
        ([1.5], "int64", None, "fit int64"),
        ([float("nan")], "int64", None, "fit int64"),
        ([1, 2, 3], "int64", [2, 2], "needs 4 elements, got 3"),
        ([1], "int64", [-1], "negative"),
        ([[1, 2], [3]], "int64", None, "ragged"),
        ([2**70], "int64", None, "numbers"),
        ([1], "int8", None, "int8"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(
    values: list[float], dtype: str, shape: list[int] | None, message: str
) -> None:
    """What the server would answer with 422 is caught where it was made."""
    with pytest.raises(ValueError, match=message):
        TensorData(values, dtype, shape)


def test_equality_compares_elements_and_takes_nan_for_itself() -> None:
    """Tests and ledgers compare requests; NaN is a legal logprob."""
    tensor = TensorData([1.0, float("nan")], "float32", [2])
    assert tensor == TensorData([1.0, float("nan")], "float32", [2])
    assert tensor != TensorData([1.0, 2.0], "float32", [2])
    assert tensor != TensorData([1.0, float("nan")], "float32", [2, 1])
    assert hash(tensor) == hash(TensorData([1.0, float("nan")], "float32", [2]))


def test_the_drawing_of_a_large_tensor_is_short() -> None:
    """It lands in logs."""
    assert len(repr(TensorData(np.zeros(10_000, np.float32), "float32", [10_000]))) < 200


@given(
    hnp.arrays(
        st.sampled_from([np.int64, np.float32]),
        st.tuples(st.integers(0, 6), st.integers(0, 6)),
        elements=st.integers(-1, 1),
    ),
    st.integers(-1, 1),
)
def test_sparse_storage_gives_the_matrix_back(matrix: np.ndarray, pad: int) -> None:
    """Whatever the pad value and whether or not it pays."""
    tensor = TensorData.from_numpy_sparse(matrix, pad_value=pad)
    assert tensor.tolist(pad_value=pad) == matrix.tolist()
    if tensor.is_sparse:
        assert matrix.shape[0] + 1 + 2 * tensor.data.size < matrix.size


def test_only_matrices_are_stored_sparsely() -> None:
    """Rows are what the storage compresses."""
    assert not TensorData.from_numpy_sparse(np.zeros(100)).is_sparse


@pytest.mark.parametrize(
    ("crow", "col", "shape"),
    [
        ([0, 1], [0], [2, 2]),
        ([0, 0, 2], [0], [2, 2]),
        ([1, 1, 1], [0], [2, 2]),
        ([0, 1, 0], [0], [2, 2]),
        ([0, 0, 1], [2], [2, 2]),
        ([0, 0, 1], [-1], [2, 2]),
        ([0, 0, 1], None, [2, 2]),
        ([0, 0, 1], [0], None),
        ([0, 0, 1], [0, 1], [2, 2]),
    ],
)
def test_sparse_indices_that_lie_are_refused(crow: list[int], col: list[int] | None, shape: list[int] | None) -> None:
    """They come from the network too, and index memory."""
    with pytest.raises(ValueError, match=r"sparse|crow|col"):
        TensorData([5], "int64", shape, crow, col)


@pytest.mark.parametrize("values", [[1.0], [[1]], [True], [2**31], [-(2**31) - 1], ["a"], [None]])
def test_what_is_not_a_list_of_token_ids_is_refused(values: list[object]) -> None:
    """A fraction or a huge id would be cut silently by a plain cast."""
    with pytest.raises(ValueError, match=r"tokens|array"):
        to_tokens(values)


@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_token_ids_survive_from_lists_and_wide_arrays(tokens: list[int]) -> None:
    """Both are what tokenizers give."""
    assert to_tokens(tokens).tolist() == tokens
    assert to_tokens(np.array(tokens, np.int64)).tolist() == tokens
