"""`tinkex_actors.compute.combining`: reducers against the official SDK's, and where we deliberately keep more."""

import math
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tinker.lib.chunked_fwdbwd_helpers import combine_fwd_bwd_output_results
from tinker.types import ForwardBackwardOutput as SdkOutput

from tinkex_actors.compute import combine_metrics, combine_outputs
from tinkex_actors.types import ForwardBackwardOutput, LossFnOutput, TensorData

SUFFIXES = ["sum", "min", "max", "mean", "slack", "hash2", "unique"]
VALUES = st.integers(-(2**50), 2**50).map(float) | st.floats(-1e6, 1e6)


def _output(count: int, metrics: Mapping[str, float], kind: str = "ArrayRecord") -> ForwardBackwardOutput:
    return ForwardBackwardOutput(kind, [{} for _ in range(count)], dict(metrics))


@pytest.mark.tinkex("T112")
def test_means_are_weighted_by_data() -> None:
    """Slices are of unlike length."""
    combined = combine_metrics([{"x:mean": 1.0}, {"x:mean": 3.0}, {"x:mean": 5.0}], [1, 3, 2])
    assert combined == {"x:mean": pytest.approx(20 / 6)}


@pytest.mark.tinkex("T113")
def test_every_suffix_reduces_as_it_says() -> None:
    """The service's names come with them."""
    values = [[100.0, 50.0, 75.0], [1.5, 0.5, 1.0], [0.3, 0.1, 0.2], [1.0, 3.0, 5.0], [7.0, 8.0, 9.0]]
    names = ["a:sum", "a:max", "a:min", "a:slack", "a:unique"]
    slices = [dict(zip(names, column, strict=True)) for column in zip(*values, strict=True)]
    assert combine_metrics(slices, [1, 3, 2]) == {
        "a:sum": 225.0,
        "a:max": 1.5,
        "a:min": 0.1,
        "a:slack": pytest.approx(5 - 20 / 6),
        "a:unique": 7.0,
        "a:unique_2": 8.0,
        "a:unique_3": 9.0,
    }


@pytest.mark.tinkex("T114")
@pytest.mark.parametrize(
    ("slices", "weights", "combined"),
    [
        ([{"x:new": 1.0}, {"x:new": 4.0}], [2, 1], {"x:new": 2.0}),
        ([{"skyrl.ai/x": 1.0}, {"skyrl.ai/x": 4.0}], [2, 1], {"skyrl.ai/x": 2.0}),
        ([{"sum": 1.0}, {"sum": 4.0}], [2, 1], {"sum": 2.0}),
        ([{"a:b:sum": 1.0}, {"a:b:sum": 4.0}], [2, 1], {"a:b:sum": 5.0}),
        ([{}, {"x:sum": 4.0}], [2, 1], {"x:sum": 4.0}),
        ([{"x:mean": 1.0}, {}, {"x:mean": 3.0}], [1, 8, 1], {"x:mean": 2.0}),
        ([{"x:mean": 1.0}, {"x:mean": 3.0}], [0, 0], {"x:mean": 0.0}),
        ([{"x:mean": 1.0}, {"x:mean": math.nan}], [2, 0], {"x:mean": 1.0}),
        ([{"x:slack": 1.0}], [0], {"x:slack": 0.0}),
        ([], [], {}),
    ],
    ids=[
        "unknown suffix",
        "no suffix",
        "only a suffix",
        "two colons",
        "late",
        "missing once",
        "no data",
        "undefined without data",
        "slack",
        "empty",
    ],
)
def test_no_name_is_lost_and_none_spoils_the_result(
    slices: list[dict[str, float]], weights: list[int], combined: dict[str, float]
) -> None:
    """The official SDK drops the first five or fails the whole call; a training loop needs its loss."""
    assert combine_metrics(slices, weights) == combined


@pytest.mark.tinkex("T115")
@given(
    st.lists(VALUES, min_size=1, max_size=5).flatmap(lambda values: st.tuples(st.just(values), st.permutations(values)))
)
@example(([0.0, -0.0], [-0.0, 0.0]))
def test_the_unordered_hash_depends_on_the_values_alone(orders: tuple[list[float], list[float]]) -> None:
    """So that two runs can be compared; a fixed hash, unlike the language's own."""
    values, shuffled = orders
    hashed = _hash(values)
    assert _hash(shuffled) == hashed
    assert _hash([*values, 1.0]) != hashed
    assert isinstance(hashed, int)
    assert 0 <= hashed < 2**53


def _hash(values: list[float]) -> float:
    return combine_metrics([{"x:hash_unordered": value} for value in values], [1] * len(values))["x:hash_unordered"]


def test_the_unordered_hash_is_the_published_one() -> None:
    """Anyone can compute it: BLAKE2b of the sorted float64 bytes, 53 bits."""
    assert _hash([2.0, 1.0]) == 6801797945979512


@pytest.mark.tinkex("T116")
def test_the_first_slice_names_the_type_of_the_result() -> None:
    """Servers give the same everywhere; if not, the first is as good as any."""
    assert combine_outputs([_output(1, {}, "A"), _output(1, {}, "B")]).loss_fn_output_type == "A"


def test_outputs_keep_the_order_of_the_data() -> None:
    """Output i belongs to datum i."""
    outputs: list[LossFnOutput] = [{"logprobs": TensorData([float(i)], "float32", [1])} for i in range(5)]
    slices = [ForwardBackwardOutput("x", outputs[:2], {}), ForwardBackwardOutput("x", outputs[2:], {})]
    assert combine_outputs(slices).loss_fn_outputs == outputs
    assert combine_outputs([]) == ForwardBackwardOutput("", [], {})


@given(
    st.sets(st.sampled_from([f"{name}:{suffix}" for name in "ab" for suffix in SUFFIXES]), max_size=6),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.data(),
)
def test_where_the_official_sdk_gives_a_result_ours_is_the_same(
    names: set[str], weights: list[int], data: st.DataObject
) -> None:
    """Same names everywhere, one colon each, data in every slice."""
    metrics = [{name: data.draw(VALUES) for name in sorted(names)} for _ in weights]
    sdk = combine_fwd_bwd_output_results(
        [
            SdkOutput(loss_fn_output_type="x", loss_fn_outputs=[{}] * weight, metrics=slice_metrics)
            for slice_metrics, weight in zip(metrics, weights, strict=True)
        ]
    )
    ours = combine_outputs([_output(w, m, "x") for m, w in zip(metrics, weights, strict=True)])
    renumbered = {_renumber(name): value for name, value in sdk.metrics.items()}
    assert ours.metrics == approx(renumbered, [value for slice_metrics in metrics for value in slice_metrics.values()])
    assert len(ours.loss_fn_outputs) == len(sdk.loss_fn_outputs)


def approx(expected: Mapping[str, float], values: Iterable[float]) -> object:
    """The same but for rounding, of which large *values* that cancel leave theirs behind."""
    return pytest.approx(expected, rel=1e-9, abs=1e-12 * max(map(abs, values), default=0.0))


def _renumber(name: str) -> str:
    """The SDK calls a metric's second value ``name_1``; tinkex and we ``name_2``."""
    stem, _, number = name.partition(":unique_")
    return f"{stem}:unique_{int(number) + 1}" if number else name


@given(st.lists(st.tuples(VALUES, st.integers(1, 9)), min_size=1, max_size=8), st.data())
def test_reduction_does_not_depend_on_where_the_data_were_cut(
    data: list[tuple[float, int]], draw: st.DataObject
) -> None:
    """Sum, min, max and weighted mean of slices of slices are those of the slices."""
    cut = draw.draw(st.integers(0, len(data)))
    halves = [_reduce(half) for half in (data[:cut], data[cut:]) if half]
    weights = [sum(weight for _, weight in half) for half in (data[:cut], data[cut:]) if half]
    assert combine_metrics(halves, weights) == approx(_reduce(data), [value for value, _ in data])


def _reduce(data: list[tuple[float, int]]) -> dict[str, float]:
    metrics = [{f"x:{suffix}": value for suffix in ("sum", "min", "max", "mean")} for value, _ in data]
    return combine_metrics(metrics, [weight for _, weight in data])


@pytest.mark.parametrize("suffix", ["sum", "min", "max", "mean", "slack", "hash2", "hash_unordered"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_server_that_reports_nonsense_does_not_break_the_reduction(suffix: str, bad: float) -> None:
    """The result of the step is worth more than one figure."""
    combined = combine_metrics([{f"x:{suffix}": bad}, {f"x:{suffix}": 1.0}, {f"x:{suffix}": -bad}], [1, 1, 1])
    assert list(combined) == [f"x:{suffix}"]
