"""What the door says about settings that do not fit."""

import pytest
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, open_fake


async def test_feature_gates_that_do_not_exist_are_named_in_the_log(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """They are ignored, as the official client does, but not in silence: a misspelt gate is found at once."""
    async with open_fake(FakeTinker(), evolve(SETTINGS, feature_gates=("async_sampling", "asinc_sampling"))):
        pass
    (record,) = caplog.records
    assert "feature gates that do not exist are ignored gates=['asinc_sampling']" in record.getMessage()
    assert autojump_clock.current_time() < 5
