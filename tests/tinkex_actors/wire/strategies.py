"""Random but legal nouns, for round trips and for comparison with the official SDK."""

from typing import Any, cast

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tinker import types as sdk
from tinker.types.image_chunk import ImageChunk as ImageChunkOfSdk

from tinkex_actors.types import (
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ImageChunk,
    LossFnOutput,
    ModelId,
    ModelInput,
    PromptAltTokens,
    PromptProvenanceSpan,
    SampledProvenanceSpan,
    SampledSequence,
    SampleResponse,
    StopReason,
    TensorData,
    TopkLogprobs,
)

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
FLOATS = st.floats(width=32, allow_nan=True)
NUMBERS = st.floats(allow_nan=False)


def float_arrays(shape: Any) -> st.SearchStrategy[Any]:
    return hnp.arrays(np.float32, shape, elements=FLOATS)


def token_arrays(shape: Any) -> st.SearchStrategy[Any]:
    return hnp.arrays(np.int32, shape)


SHAPES = hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5)
DENSE = (float_arrays(SHAPES) | hnp.arrays(np.int64, SHAPES)).map(TensorData.from_numpy)
SPARSE = hnp.arrays(np.int64, (3, 9), elements=st.sampled_from([0, 0, 0, 0, 7])).map(TensorData.from_numpy_sparse)
TENSORS = DENSE | SPARSE

CHUNKS = (
    st.builds(EncodedTextChunk, token_arrays(st.integers(0, 6)))
    | st.builds(
        ImageChunk, st.binary(max_size=9), st.sampled_from(["png", "jpeg"]), st.none() | st.integers(0, 2**31 - 1)
    )
    | st.builds(DmelChunk, st.binary(max_size=9))
)
SPANS = st.one_of(
    *(
        st.builds(kind, sequence_id=NAMES, offset=st.integers(0, 2**63 - 1), length=st.integers(0, 2**63 - 1))
        for kind in (PromptProvenanceSpan, SampledProvenanceSpan)
    )
)
SPAN_LISTS = st.lists(SPANS, min_size=1, max_size=3)
INPUTS = st.builds(ModelInput, st.lists(CHUNKS, max_size=3))
BARE_DATA = st.builds(Datum, INPUTS, st.dictionaries(NAMES, TENSORS, max_size=3))
DATA = BARE_DATA | st.builds(Datum, INPUTS, st.dictionaries(NAMES, TENSORS, max_size=2), SPAN_LISTS, SPAN_LISTS)
CONFIGS = st.none() | st.dictionaries(NAMES, NUMBERS | NAMES, min_size=1, max_size=3)
REQUESTS = st.builds(
    ForwardBackwardRequest,
    st.builds(ForwardBackwardInput, st.lists(DATA, max_size=3).map(tuple), NAMES, CONFIGS),
    NAMES.map(ModelId),
    st.integers(0, 2**31 - 1),
    st.booleans(),
)

# The result's message has no way to say that a row is empty.
ROWS = hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5).filter(lambda shape: all(shape[1:]))
COLUMNS = (float_arrays(ROWS) | hnp.arrays(np.int64, ROWS)).map(TensorData.from_numpy)
METRICS = st.dictionaries(NAMES, NUMBERS, max_size=3)


@st.composite
def _rows(draw: st.DrawFn) -> list[LossFnOutput]:
    """Data whose tensors share names but not always element types and trailing shapes."""
    names = draw(st.sets(NAMES, min_size=1, max_size=2))
    return [{name: draw(COLUMNS) for name in sorted(names)} for _ in range(draw(st.integers(0, 4)))]


OUTPUTS = st.builds(ForwardBackwardOutput, st.sampled_from(["ArrayRecord", "CrossEntropyLossReturn"]), _rows(), METRICS)


@st.composite
def _tables(draw: st.DrawFn) -> TopkLogprobs:
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 3)))
    return TopkLogprobs(draw(token_arrays(shape)), draw(float_arrays(shape)))


@st.composite
def _sequences(draw: st.DrawFn) -> SampledSequence:
    length = draw(st.integers(1, 6))
    logprobs = draw(st.none() | float_arrays(length))
    return SampledSequence(
        draw(st.sampled_from(StopReason)), draw(token_arrays(length)), logprobs, draw(st.none() | _tables())
    )


RESPONSES = st.builds(
    SampleResponse,
    st.lists(_sequences(), max_size=3),
    st.none() | float_arrays(st.integers(1, 6)),
    st.none() | _tables(),
    st.none() | TENSORS,
    st.integers(0, 2**31 - 1),
    st.none() | st.builds(PromptAltTokens, DENSE, DENSE),
)


def to_sdk(request: ForwardBackwardRequest) -> sdk.ForwardBackwardRequest:
    """The same request in the official SDK's types."""
    given = request.forward_backward_input
    return sdk.ForwardBackwardRequest(
        sdk.ForwardBackwardInput(
            data=[_datum_to_sdk(datum) for datum in given.data],
            loss_fn=cast("Any", given.loss_fn),
            loss_fn_config=None if given.loss_fn_config is None else dict(given.loss_fn_config),
        ),
        model_id=request.model_id,
        seq_id=request.seq_id,
    )


def _datum_to_sdk(datum: Datum) -> sdk.Datum:
    return sdk.Datum(
        sdk.ModelInput(chunks=[_chunk_to_sdk(chunk) for chunk in datum.model_input.chunks]),
        {name: _tensor_to_sdk(tensor) for name, tensor in datum.loss_fn_inputs.items()},
        _spans_to_sdk(datum.model_input_spans),
        _spans_to_sdk(datum.loss_fn_input_spans),
    )


def _chunk_to_sdk(chunk: Any) -> Any:
    match chunk:
        case EncodedTextChunk():
            return sdk.EncodedTextChunk(tokens=chunk.tokens.tolist())
        case ImageChunk():
            return ImageChunkOfSdk(data=chunk.data, format=chunk.format, expected_tokens=chunk.expected_tokens)
        case _:
            return sdk.DmelChunk(dmel=chunk.dmel)


def _tensor_to_sdk(tensor: TensorData) -> sdk.TensorData:
    crow, col = tensor.sparse_crow_indices, tensor.sparse_col_indices
    return sdk.TensorData(
        tensor.data,
        cast("Any", tensor.dtype.value),
        None if tensor.shape is None else list(tensor.shape),
        None if crow is None else crow.tolist(),
        None if col is None else col.tolist(),
    )


def _spans_to_sdk(spans: Any) -> Any:
    kinds: dict[type, Any] = {
        PromptProvenanceSpan: sdk.PromptProvenanceSpan,
        SampledProvenanceSpan: sdk.SampledProvenanceSpan,
    }
    if spans is None:
        return None
    return [kinds[type(s)](sequence_id=s.sequence_id, offset=s.offset, length=s.length) for s in spans]
