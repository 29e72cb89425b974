"""What clients find after the server was restarted on the same data."""

from pathlib import Path

from tests.tinkex_actors.local.http.test_sampling import ask, drawn, sampler
from tests.tinkex_actors.local.site import open_site


async def test_a_session_goes_on_and_training_resumes_from_the_last_checkpoint(tmp_path: Path) -> None:
    """Weights are lost with the process; what was saved is not."""
    async with open_site(tmp_path, is_kept=True) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        await site.learn(model_id, 1)
        await site.step(model_id, 2)
        saved = await site.fetch(await site.post("save_weights", model_id=model_id, path="a", seq_id=3))
    async with open_site(tmp_path, is_kept=True) as site:
        assert (await site.post("session_heartbeat", session_id=session_id)).status == 200
        gone = await site.step(model_id, 4)
        assert (gone.status, "last checkpoint" in gone.detail) == (410, True)
        load = {"session_id": session_id, "model_seq_id": 1, "path": saved.json["path"], "optimizer": True}
        loaded = (await site.fetch(await site.post("load_weights", **load))).json
        assert (await site.fetch(await site.step(loaded["model_id"], 1))).status == 200


async def test_results_and_lost_promises_are_answered(tmp_path: Path) -> None:
    """Settled ones with their result, samples with 410, the rest as the server's failure."""
    async with open_site(tmp_path, is_kept=True) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        done = await site.step(model_id, 1)
        await site.fetch(done)
        behind_a_gap = await site.step(model_id, 3)
    async with open_site(tmp_path, is_kept=True) as site:
        assert (await site.fetch(done)).json["metrics"]["grad_norm"] == 0
        assert (await site.fetch(behind_a_gap)).json["category"] == "server"


async def test_samplers_go_on_with_the_same_weights(tmp_path: Path) -> None:
    """Those of checkpoints and those of snapshots without a name: both can be read again."""
    async with open_site(tmp_path, is_kept=True) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        saved = await site.fetch(await site.post("save_weights_for_sampler", model_id=model_id, path="s", seq_id=1))
        named = await sampler(site, session_id, 0, model_path=saved.json["path"])
        before = (await drawn(site, await ask(site, named))).sequences[0].tokens
        nameless = await site.post("save_weights_for_sampler", model_id=model_id, sampling_session_seq_id=1, seq_id=2)
        nameless_id = (await site.fetch(nameless)).json["sampling_session_id"]
        assert (await drawn(site, await ask(site, nameless_id))).sequences[0].tokens == before
    async with open_site(tmp_path, is_kept=True) as site:
        assert (await drawn(site, await ask(site, named))).sequences[0].tokens == before
        assert (await drawn(site, await ask(site, nameless_id))).sequences[0].tokens == before


async def test_copies_of_a_sampling_client_are_numbered_on(tmp_path: Path) -> None:
    """A number given twice would make two copies share their requests."""
    numbers, sampling_session_id = list[int](), ""
    for _ in range(2):
        async with open_site(tmp_path, is_kept=True) as site:
            sampling_session_id = sampling_session_id or await sampler(site, await site.session())
            joined = await site.post("join_sampling_session", sampling_session_id=sampling_session_id)
            numbers.append(joined.json["client_counter"])
    assert numbers == [1, 2]


async def test_an_ended_session_stays_ended(tmp_path: Path) -> None:
    """Its end was acknowledged."""
    async with open_site(tmp_path, is_kept=True) as site:
        session_id = await site.session()
        await site.post(f"sessions/{session_id}/finish", reason={"type": "success"}, detail=None)
    async with open_site(tmp_path, is_kept=True) as site:
        assert (await site.post("session_heartbeat", session_id=session_id)).status == 410
