"""The record of what was carried out."""

from pathlib import Path

import numpy as np
import orjson

from tinkex_actors.local.audit import AuditLog, batch_digest
from tinkex_actors.types.data import Datum
from tinkex_actors.types.ids import ModelId
from tinkex_actors.types.model_input import ModelInput
from tinkex_actors.types.tensors import TensorData

RUN = ModelId("s:train:0")


def test_operations_are_counted_by_model_and_kind() -> None:
    """Exactly-once is proved by comparing these numbers with what was asked."""
    log = AuditLog.open(None)
    for number in (1, 2):
        log.append(RUN, number, "optim_step")
    log.append(ModelId("other"), 1, "optim_step")
    assert log.executed[RUN, "optim_step"] == 2
    assert log.count("optim_step") == 3
    assert [entry.number for entry in log.of(RUN)] == [1, 2]
    assert log.of(RUN, "sample") == []
    assert [entry.index for entry in log] == list(range(len(log)))


def test_the_file_goes_on_where_an_earlier_process_stopped(tmp_path: Path) -> None:
    """The order of the log is the order of the world, over restarts too."""
    path = tmp_path / "audit.jsonl"
    for number in (1, 2):
        log = AuditLog.open(path)
        log.append(RUN, number, "optim_step", parameters={"learning_rate": 0.1})
        log.close()
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [(line["index"], line["number"]) for line in lines] == [(0, 1), (1, 2)]
    assert lines[0]["parameters"] == {"learning_rate": 0.1}


def test_a_batch_is_named_by_its_content() -> None:
    """A request sent again in another encoding is the same batch; one other number makes another."""
    matrix = np.array([[0, 0, 7], [0, 0, 0]])
    sparse = TensorData([7], "int64", [2, 3], [0, 1, 1], [2])
    tokens = ModelInput.from_ints([1, 2])
    name = batch_digest([Datum(tokens, {"target_tokens": matrix})], "cross_entropy")
    assert batch_digest([Datum(tokens, {"target_tokens": sparse})], "cross_entropy") == name
    assert batch_digest([Datum(tokens, {"target_tokens": matrix + 1})], "cross_entropy") != name
    assert batch_digest([Datum(tokens, {"target_tokens": matrix})], "ppo") != name
