import struct

import attrs

from tests.tinkex_actors.daemon.test_run_folder import RECORD
from tinkex_actors.daemon.plot import plot_loss


def test_the_plot_is_a_png_of_the_promised_size() -> None:
    """Width and height stand in the first chunk of every PNG."""
    records = [attrs.evolve(RECORD, step=step, train_mean_nll=2.0 / (step + 1)) for step in range(5)]

    image = plot_loss(records, title="tiny", crashes=[2])

    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", image[16:24]) == (1440, 810)
