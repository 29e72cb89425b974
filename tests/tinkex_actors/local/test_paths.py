"""The names of checkpoints."""

import pytest

from tinkex_actors.local.paths import CheckpointPath, Kind
from tinkex_actors.local.refusals import BadRequest
from tinkex_actors.types.ids import ModelId


def test_a_path_reads_as_it_is_written() -> None:
    """Run ids contain colons; names do not contain slashes."""
    path = CheckpointPath(ModelId("s:train:0"), Kind.SAMPLER, "step-1")
    assert str(path) == "tinker://s:train:0/sampler_weights/step-1"
    assert CheckpointPath.parse(str(path)) == path
    assert path.checkpoint_id == "sampler_weights/step-1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s/weights/x",
        "tinker://s/weights",
        "tinker://s/weights/a/b",
        "tinker:///weights/x",
        "tinker://s/other/x",
        "tinker://s/weights/",
        "tinker://s/weights/..",
        "tinker://s/weights/a%2Fb",
        "tinker://s/weights/" + "a" * 256,
        "tinker://s/weights/a\n",
    ],
)
def test_a_path_of_another_form_is_refused(text: str) -> None:
    """Names end up in URLs and listings; nothing may break out of them."""
    with pytest.raises(BadRequest, match=r"tinker://RUN|kind|name"):
        CheckpointPath.parse(text)
