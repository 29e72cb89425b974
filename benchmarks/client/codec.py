"""Encoding and decoding of the hot messages, beside the official SDK's: ``python -m benchmarks.client.codec``.

The SDK is the floor of every table, so the ratios are ours to its; everything runs in one process, in turns.
"""

import argparse

import numpy as np
from tinker import types as sdk
from tinker.proto.request_conv import forward_backward_request_to_proto
from tinker.proto.response_conv import deserialize_forward_backward_output, deserialize_sample_response

from benchmarks.client.batch import SAMPLE_LENGTH, Arrays, batch
from benchmarks.measure import Contender, compare, table, timed
from tinkex_actors.types import (
    Datum,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ModelId,
    ModelInput,
    Promise,
    SampledSequence,
    SampleResponse,
    SamplingParams,
    SamplingSessionId,
    StopReason,
    TensorData,
)
from tinkex_actors.wire import (
    SampleRequest,
    decode_answer,
    decode_forward_backward_output,
    decode_sample_response,
    encode_forward_backward_output,
    encode_forward_backward_parts,
    encode_forward_backward_request,
    encode_json,
    encode_sample_response,
)

PROMISE = b'{"request_id":"7f3a9c","sample_sequence_ids":["a"]}'

Measure = tuple[str, Contender, list[Contender], int]


def our_data(arrays: Arrays) -> tuple[Datum, ...]:
    """The batch in our types."""
    return tuple(Datum(ModelInput.from_ints(t), {"target_tokens": y, "weights": w}) for t, y, w in arrays)


def sdk_data(arrays: Arrays) -> list[sdk.Datum]:
    """The batch in the SDK's types, whose tokens are lists."""
    return [sdk.Datum(sdk.ModelInput.from_ints(t.tolist()), {"target_tokens": y, "weights": w}) for t, y, w in arrays]


def ours_of(data: tuple[Datum, ...]) -> ForwardBackwardRequest:
    """A request in our types."""
    return ForwardBackwardRequest(ForwardBackwardInput(data, "cross_entropy"), ModelId("s:train:0"), 1)


def sdks_of(data: list[sdk.Datum]) -> sdk.ForwardBackwardRequest:
    """The same in the SDK's."""
    given = sdk.ForwardBackwardInput(data=data, loss_fn="cross_entropy")
    return sdk.ForwardBackwardRequest(given, model_id="s:train:0", seq_id=1)


def training() -> list[Measure]:
    """Requests and results of forward_backward."""
    arrays = batch()
    mine, theirs = ours_of(our_data(arrays)), sdks_of(sdk_data(arrays))
    rows = [{"logprobs": TensorData.from_numpy(-weights)} for _, _, weights in arrays]
    body = encode_forward_backward_output(ForwardBackwardOutput("ArrayRecord", rows, {"loss:sum": 1.0}))
    return [
        (
            "Encode a batch of ready data",
            Contender("SDK", timed(lambda: forward_backward_request_to_proto(theirs).SerializeToString())),
            [
                Contender("in one piece", timed(lambda: encode_forward_backward_request(mine)), 0.12),
                Contender("in pieces for sendmsg", timed(lambda: encode_forward_backward_parts(mine)), 0.12),
            ],
            5,
        ),
        (
            "Make the data from arrays and encode them",
            Contender(
                "SDK", timed(lambda: forward_backward_request_to_proto(sdks_of(sdk_data(arrays))).SerializeToString())
            ),
            [Contender("ours", timed(lambda: encode_forward_backward_request(ours_of(our_data(arrays)))), 0.2)],
            5,
        ),
        (
            "Decode the result of a batch",
            Contender("SDK", timed(lambda: deserialize_forward_backward_output(body))),
            [Contender("ours", timed(lambda: decode_forward_backward_output(body)), 0.5)],
            50,
        ),
    ]


def sampling() -> list[Measure]:
    """Requests, promises and answers of a sample."""
    tokens = np.arange(SAMPLE_LENGTH, dtype=np.int32)
    listed: list[int] = tokens.tolist()
    sequence = SampledSequence(StopReason.LENGTH, tokens, -np.ones(SAMPLE_LENGTH, np.float32))
    body = encode_sample_response(SampleResponse([sequence]))
    params = SamplingParams(max_tokens=SAMPLE_LENGTH)
    sdk_params = sdk.SamplingParams(max_tokens=SAMPLE_LENGTH)

    def their_request() -> bytes:
        prompt = sdk.ModelInput.from_ints(listed)
        request = sdk.SampleRequest(prompt=prompt, sampling_params=sdk_params, sampling_session_id="q", seq_id=0)
        return request.model_dump_json(exclude_none=True).encode()

    def our_request() -> bytes:
        return encode_json(SampleRequest(1, ModelInput.from_ints(tokens), params, SamplingSessionId("q"), 0))

    return [
        ("Make and encode a sample's request", Contender("SDK", timed(their_request)),
         [Contender("ours", timed(our_request), 1.0)], 300),
        ("Decode a promise", Contender("SDK", timed(lambda: sdk.UntypedAPIFuture.model_validate_json(PROMISE))),
         [Contender("ours", timed(lambda: decode_answer(Promise, PROMISE)))], 1000),
        ("Decode a sample", Contender("SDK", timed(lambda: deserialize_sample_response(body))),
         [Contender("ours", timed(lambda: decode_sample_response(body)), 1.0)], 500),
    ]  # fmt: skip


def main() -> None:
    """Run every table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client.codec", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="tables whose title contains this")
    options = parser.parse_args()
    for title, floor, contenders, count in [*training(), *sampling()]:
        if options.only.lower() in title.lower():
            print(table(title, compare(floor, contenders, count=count, rounds=options.rounds)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
