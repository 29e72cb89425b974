"""The official SDK, unmodified, finds nothing missing.

All scenarios run in one process of their own against one server, once; each test reads what became of its scenario.
"""

import json
import sys
from pathlib import Path

import pytest
import trio

from tinkex_actors.local import Limits, ServerOptions, open_server
from tinkex_actors.types.service import ClientConfigResponse

SCENARIOS = (
    "learns_and_samples",
    "pipelines_without_waiting",
    "combines_chunks",
    "resumes_from_a_checkpoint",
    "samples_in_every_way",
    "computes_logprobs_like_training",
    "reports_what_the_user_did_wrong",
    "trains_by_reinforcement",
    "follows_training_in_flight",
    "keeps_owners_apart",
    "manages_checkpoints",
    "samples_from_a_pickled_client",
    "opens_a_handle",
    "lets_go_of_a_sample",
    "keeps_what_was_written_beside_things",
    "publishes_and_copies",
    "answers_about_the_account",
    "trains_with_dimuon",
    "differentiates_custom_losses",
    "ends_once",
    "serves_its_command_line",
)


DEFAULT = ServerOptions()
EVERYTHING_ON = ServerOptions(
    flags=ClientConfigResponse(
        use_pyqwest_transport=True,
        proto_compress_fwdbwd=True,
        sample_use_retrieve_futures=True,
        sample_join_sampling_session=True,
        fwdbwd_max_chunk_len=100,
    ),
    limits=Limits(announced_result_bytes=64),
)
"""Another transport, compressed bodies, one poll for many samples, numbered copies, more chunks, results announced."""


async def play(options: ServerOptions) -> dict[str, str]:
    """Run the scenarios against a server in this process."""
    root = Path(__file__).parents[3]
    async with open_server(options) as server:
        command = [sys.executable, "-m", "tests.tinkex_actors.local.sdk_scenarios", server.url, *SCENARIOS]
        with trio.fail_after(600):
            process = await trio.run_process(command, capture_stdout=True, cwd=root)
    report: dict[str, str] = json.loads(process.stdout)
    return report


@pytest.fixture(scope="module", params=[DEFAULT, EVERYTHING_ON], ids=["default", "everything-on"])
def report(request: pytest.FixtureRequest) -> dict[str, str]:
    """What became of each scenario."""
    return trio.run(play, request.param)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_official_sdk(report: dict[str, str], scenario: str) -> None:
    """Each scenario is a promise of its own; its docstring says which."""
    assert report[scenario] == "ok", report[scenario]
