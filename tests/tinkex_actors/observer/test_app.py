"""What the page tells, and to whom."""

import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

import tinkex_actors.observer
from supervisors import TaskSupervisor
from tests.tinkex_actors.observer.scene import SECRET, Worker, open_lines, open_scene
from tinkex_actors.observer import ObserverSettings

TOKEN = "a-token-of-enough-letters"  # noqa: S105 - a test's


async def test_the_tree_is_told_with_states_lives_and_restarts() -> None:
    """What Erlang's observer shows first."""
    async with open_scene() as scene:
        scene.worker.cast_nowait(Worker.crash)
        await scene.worker.ended(life=1)
        await scene.worker.call(Worker.work)

        node = await scene.node("root/worker")

    assert (node["kind"], node["status"], node["life"], node["restarts"]) == ("Worker", "running", 2, 1)
    assert node["exit"].startswith("crashed: RuntimeError: refused the key")


async def test_a_crash_is_on_the_line_within_a_second_with_its_traceback_and_without_its_secrets() -> None:
    """Nobody reloads the page; nobody reads a key on it."""
    async with open_scene() as scene, open_lines(scene) as lines:
        await lines.wait_for("event: events")
        began = trio.current_time()
        scene.worker.cast_nowait(Worker.crash)
        with trio.fail_after(5):
            heard = await lines.wait_for("RestartScheduled")

        assert trio.current_time() - began < 1
    assert "ChildCrashed" in heard
    assert "Traceback" in heard
    assert SECRET not in heard
    assert "tml-***" in heard


async def test_nothing_new_is_nothing_sent() -> None:
    """A page that is left open over night costs nobody anything."""
    async with open_scene(ObserverSettings(interval=0.01)) as scene, open_lines(scene) as lines:
        await lines.wait_for("event: events")
        await lines.wait_for("data: ")

        with trio.move_on_after(0.3) as silence:
            await lines.wait_for("event")

    assert silence.cancelled_caught


async def test_a_thousand_actors_are_numbers_until_they_are_opened_a_page_at_a_time() -> None:
    """What a page asks for is what it shows."""
    async with open_scene() as scene:
        many = await scene.root.start_supervisor("many", dynamic=True)
        for _ in range(250):
            await many.start_child(Worker)

        shut = await scene.node("root/many")
        opened = await scene.node("root/many", open="root/many", start="200:root/many")

    assert shut["below"] == {"total": 250, "statuses": {"running": 250}, "restarts": 0}
    assert (shut["is_open"], shut["children"]) == (False, [])
    assert (opened["start"], len(opened["children"])) == (200, 50)


async def test_one_actor_is_shown_with_its_stack_its_trace_and_its_last_exit() -> None:
    """A click on it; it is traced from then on, and no longer when nobody looks."""
    async with open_scene() as scene:
        scene.worker.cast_nowait(Worker.crash)
        await scene.worker.ended(life=1)
        before = await scene.get("/api/actor", path="root/worker")
        await scene.worker.call(Worker.work)
        after = await scene.get("/api/actor", path="root/worker")
        scene.watch.end_traces(before=trio.current_time() + 60)
        await scene.worker.call(Worker.work)
        later = await scene.get("/api/actor", path="root/worker")

    assert "raise RuntimeError" in before["traceback"]
    assert SECRET not in before["traceback"]
    assert before["stacks"]
    assert [event["operation"] for event in after["trace"]] == ["work", "work"]
    assert later["trace"] == []


@pytest.mark.parametrize(("path", "status"), [("root/nobody", 404), ("elsewhere", 404), ("root", 400), ("", 404)])
async def test_what_is_no_actor_is_said(path: str, status: int) -> None:
    """A page may be older than the tree."""
    async with open_scene() as scene:
        answer = await scene.http.get("/api/actor", params={"path": path})

    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_requests_are_told_with_their_latencies() -> None:
    """To one per cent; and Prometheus reads the same."""
    async with open_scene() as scene:
        (told,) = (await scene.get("/api/state"))["sets"]
        text = (await scene.http.get("/metrics")).text

    (row,) = told["requests"]
    assert (row["operation"], row["count"], row["failures"]) == ("sample", 1, 0)
    assert row["p99"] == pytest.approx(0.25, rel=0.01)
    assert 'tinkex_request_duration_seconds_count{operation="sample",tree="root"} 1.0' in text


@pytest.mark.parametrize("path", ["/api/state", "/api/stream", "/api/actor", "/metrics"])
async def test_without_the_token_nothing_is_told(path: str) -> None:
    """Nor with another; the page itself holds nothing, and comes."""
    settings = ObserverSettings(token=TOKEN)
    path = f"{path}?token={TOKEN}"  # addresses are written down everywhere: it counts nothing there
    for headers in ({}, {"authorization": "Bearer another-token-of-letters"}, {"cookie": f"token={TOKEN}"}):
        async with open_scene(settings, headers) as scene:
            assert (await scene.http.get(path)).status_code == 401
            assert (await scene.http.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:80", 200),
        ("localhost:1", 200),
        ("[::1]:80", 200),
        ("[::1]", 200),
        ("evil.example", 421),
        ("evil.example:80", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("127.0.0.1@evil.example", 421),
        ("10.0.0.1", 421),
    ],
)
async def test_a_request_that_means_another_host_is_refused(host: str, status: int) -> None:
    """A name bent to the loopback would let any site read along, and the page itself tell it where it is."""
    async with open_scene() as scene:
        for path in ("/", "/api/state", "/healthz"):
            assert (await scene.http.get(path, headers={"host": host})).status_code == status


async def test_no_other_site_is_let_in() -> None:
    """Browsers let a site read another's answers, or send it more than a form, only if that one says so."""
    async with open_scene(ObserverSettings(allow_control=True)) as scene:
        asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        answers = [
            await scene.http.get("/api/state", headers=asked),
            await scene.http.options("/api/control", headers=asked),
            await scene.http.get("/api/control"),
        ]

    assert [one.status_code for one in answers] == [200, 405, 405]
    assert not any(name.startswith("access-control") for one in answers for name in one.headers)


@pytest.mark.parametrize(
    "path",
    ["/../settings.py", "/%2e%2e/settings.py", "/page.css/../../settings.py", "//etc/passwd", "/settings.py", "/."],
)
async def test_no_file_but_the_pages_own_is_given(path: str) -> None:
    """Paths are names in a table here, and no way into a folder."""
    async with open_scene() as scene:
        host, port = scene.page.base_url.removeprefix("http://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = b"".join([piece async for piece in stream])

    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_words_that_no_encoding_takes_are_shown_all_the_same() -> None:
    """A file's name in an error may hold bytes that are no text; the page goes on."""
    async with open_scene() as scene:
        many = await scene.root.start_supervisor("many", dynamic=True)
        await many.start_child(Worker, name="caf\udce9")

        node = await scene.node("root/many")

    assert [child["name"] for child in node["children"]] == ["caf\udce9"]


async def test_orders_need_leave_and_the_token_in_a_header() -> None:
    """Looking is no leave to act; a form of another site cannot set the header."""
    async with open_scene() as scene:
        assert (await scene.order("root/worker", "stop")).status_code == 403
    async with open_scene(ObserverSettings(allow_control=True), {}) as scene:
        assert (await scene.order("root/worker", "stop")).status_code == 401
        assert scene.worker.is_alive


async def test_an_actor_is_paused_resumed_restarted_and_stopped() -> None:
    """Each order is seen in the tree."""
    async with open_scene(ObserverSettings(allow_control=True)) as scene:
        seen = list[tuple[str, int]]()
        for action in ("pause", "resume", "restart", "stop", "restart"):
            answer = await scene.order("root/worker", action)
            assert answer.status_code == 200, answer.text
            node = await scene.node("root/worker")
            seen.append((node["status"], node["life"]))

    assert seen == [("suspended", 1), ("running", 1), ("running", 2), ("down", 2), ("running", 3)]


async def test_a_task_is_shown_and_can_be_stopped_but_not_paused() -> None:
    """It is a child like others, without a mailbox to look into."""
    async with open_scene(ObserverSettings(allow_control=True)) as scene:
        tasks = TaskSupervisor(await scene.root.start_supervisor("tasks", dynamic=True))
        task = await tasks.start(trio.sleep_forever)

        assert (await scene.node(task.path))["status"] == "running"
        assert "can be stopped, but not paused" in (await scene.order(task.path, "pause")).text
        assert (await scene.order(task.path, "stop")).status_code == 200
        assert task.is_done


async def test_a_child_that_its_supervisor_would_forget_is_killed_to_be_restarted() -> None:
    """Stopping it would be the end of it."""
    async with open_scene(ObserverSettings(allow_control=True)) as scene:
        many = await scene.root.start_supervisor("many", dynamic=True)
        child = await many.start_child(Worker, name="one")
        await scene.order(child.path, "restart")
        with trio.fail_after(5):
            await child.call(Worker.work)

        assert child.life == 2


@pytest.mark.parametrize(
    ("path", "action", "status"),
    [("root", "stop", 409), ("root/nobody", "stop", 409), ("root/worker", "explode", 400), ("nothing", "stop", 409)],
)
async def test_an_order_that_makes_no_sense_is_refused_with_the_reason(path: str, action: str, status: int) -> None:
    """And changes nothing."""
    async with open_scene(ObserverSettings(allow_control=True)) as scene:
        answer = await scene.order(path, action)

        assert answer.status_code == status
        assert answer.json()["detail"]
        assert scene.worker.life == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"{", 400), (b'{"path": 1, "action": "stop"}', 400), (b"[" * 9000, 400), (b"x" * 20_000, 413)],
)  # fmt: skip
async def test_a_body_that_is_no_order_is_refused(body: bytes, status: int) -> None:
    """Whatever its length."""
    async with open_scene(ObserverSettings(allow_control=True)) as scene:
        answer = await scene.http.post("/api/control", content=body)

    assert answer.status_code == status


async def test_the_page_asks_nobody_else() -> None:
    """It works without internet, and no third party learns of it: no address in it, and a policy that forbids any."""
    folder = Path(tinkex_actors.observer.__file__).parent
    texts = [
        (folder / name).read_text() for name in ("page.html", "page.css", "line.js", "tree.js", "panels.js", "actor.js")
    ]
    async with open_scene() as scene:
        answer = await scene.http.get("/")

    assert {found for text in texts for found in re.findall(r"https?://[^\"'\s]*", text)} <= {
        "http://www.w3.org/2000/svg"
    }
    assert "innerHTML" not in "".join(texts)
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'self'; script-src 'self'"
    )


async def test_open_pages_end_with_the_observer() -> None:
    """A stop waits for nobody's browser."""
    with trio.fail_after(5):
        async with open_scene() as scene:
            held = AsyncExitStack()
            lines = await held.enter_async_context(open_lines(scene))
            await lines.wait_for("event: trees")
        with pytest.raises(AssertionError, match="closed"):
            await lines.wait_for("nothing")
        await held.aclose()
