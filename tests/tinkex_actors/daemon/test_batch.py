"""What a step trains on."""

import numpy as np
import pytest

from tinkex_actors.daemon.batch import StepBatch


def test_numbers_of_numpys_become_plain_ones() -> None:
    """A reward is most often a mean of an array."""
    batch = StepBatch(data=[], notes={"reward": np.float32(0.5), "hits": np.int64(3), "best": "a"})

    assert batch.notes == {"reward": 0.5, "hits": 3, "best": "a"}
    assert [type(value) for value in batch.notes.values()] == [float, int, str]


def test_a_note_that_no_file_could_tell_is_refused_where_it_is_made() -> None:
    """Later it would crash the journal, again and again."""
    with pytest.raises(TypeError, match=r"notes\['rewards'\] must be a number.*got ndarray"):
        StepBatch(data=[], notes={"rewards": np.zeros(3)})
