"""What a restarted server still knows."""

from pathlib import Path

import pytest

from tests.tinkex_actors.local.worlds import ME, NOW, make_run, make_workshop
from tinkex_actors.local.futures import Finished, Futures, Lost
from tinkex_actors.local.records import SamplerRecord
from tinkex_actors.local.registry import Registry
from tinkex_actors.local.sessions import Session
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure
from tinkex_actors.types.ids import SamplingSessionId, SessionId


def test_sessions_runs_and_samplers_come_back_as_they_were(tmp_path: Path) -> None:
    """In the order of their creation, with what was changed later."""
    path = tmp_path / "registry.sqlite3"
    registry = Registry.open(path)
    first = Session(SessionId("a"), ME, NOW, 0.0, tags=("t",), user_metadata={"k": None}, idempotency_key="i")
    registry.put_session(first)
    registry.put_session(Session(SessionId("b"), ME, NOW, 0.0))
    first.ended = "success"
    registry.put_session(first)
    run = make_run(make_workshop(tmp_path)).record
    run.user_metadata = {"k": "v"}
    registry.put_run(run)
    sampler = SamplerRecord(
        sampling_session_id=SamplingSessionId("q"), session_id=SessionId("a"), number=0, owner=ME, base_model="m"
    )
    registry.put_sampler(sampler)
    registry.close()

    again = Registry.open(path)
    a, b = again.sessions(now=9.0)
    assert (a.session_id, a.ended, a.tags, a.user_metadata, a.last_beat) == ("a", "success", ("t",), {"k": None}, 9.0)
    assert (a.idempotency_key, b.session_id, b.ended) == ("i", "b", None)
    [restored] = again.runs()
    assert (restored.model_id, restored.recipe, restored.optimizer) == (run.model_id, run.recipe, run.optimizer)
    assert restored.user_metadata == {"k": "v"}
    assert [one.sampling_session_id for one in again.samplers()] == ["q"]
    again.close()


def test_promises_come_back_with_their_outcome(tmp_path: Path) -> None:
    """A client that was away while the server restarted still gets its results."""
    path = tmp_path / "registry.sqlite3"
    registry = Registry.open(path)
    futures = Futures(1000, log=registry)
    done, failed, open_sample, open_step = (
        futures.open(kind, owner=ME, session_id=SessionId("s")) for kind in ("Sample", "Sample", "Sample", "OptimStep")
    )
    futures.settle(done.request_id, Finished("application/json", b"{}"))
    futures.settle(failed.request_id, FutureFailure("no", RequestErrorCategory.USER))
    registry.close()

    again = Registry.open(path)
    later = Futures(1000, log=again)
    assert later.find(done.request_id, ME).outcome == Finished("application/json", b"{}")
    assert later.find(failed.request_id, ME).outcome == FutureFailure("no", RequestErrorCategory.USER)
    assert isinstance(later.find(open_sample.request_id, ME).outcome, Lost)
    lost = later.find(open_step.request_id, ME).outcome
    assert isinstance(lost, FutureFailure)
    assert lost.category is RequestErrorCategory.SERVER
    again.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message must tell which one."""
    with pytest.raises(OSError, match="nowhere"):
        Registry.open(tmp_path / "nowhere" / "registry.sqlite3")
