"""Several trees in one watch, and what becomes of them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from supervisors import ChildNotFound, open_supervisor
from tests.tinkex_actors.observer.scene import WORKER, Worker, open_scene
from tinkex_actors.clients import open_tinker
from tinkex_actors.local.server import open_server
from tinkex_actors.metrics import Metrics
from tinkex_actors.observer import Watch
from tinkex_actors.settings import Settings


async def test_two_trees_of_one_name_are_shown_side_by_side() -> None:
    """A program with two clients looks at both, and orders reach the one that was meant."""
    async with open_scene() as scene, open_supervisor("root", observers=[scene.watch]) as other:
        twin = await other.start_child(Worker, name=WORKER)
        name = scene.watch.add(other, metrics=Metrics())
        await twin.call(Worker.work)

        paths = [tree["path"] for tree in (await scene.get("/api/state"))["trees"]]
        first, second = scene.watch.find("root/worker"), scene.watch.find("root-2/worker")
        shown = await scene.get("/api/actor", path="root-2/worker")

    assert (name, paths) == ("root-2", ["root", "root-2"])
    assert (first, second) == (scene.worker, twin)
    assert shown["path"] == "root-2/worker"


async def test_a_tree_that_has_ended_gives_its_name_to_the_next() -> None:
    """A client that is opened anew every hour is one line on the page, not one for each hour."""
    watch = Watch()
    for _ in range(3):
        async with open_supervisor("root") as root:
            assert watch.add(root) == "root"

    assert list(watch.trees) == ["root"]


async def test_clients_are_told_apart_by_the_names_that_they_are_given() -> None:
    """In the tree, and in each event."""
    watch = Watch()
    async with open_server() as server:
        settings = Settings.local(server.url)
        async with (
            open_tinker(settings, observers=[watch], name="student") as student,
            open_tinker(settings, observers=[watch], name="teacher") as teacher,
        ):
            with watch.showing(student), watch.showing(teacher):
                assert list(watch.trees) == ["student", "teacher"]
            assert watch.trees == {}

    assert {noted.path.partition("/")[0] for noted in watch.events} == {"student", "teacher"}


async def test_several_trees_are_one_page_for_prometheus() -> None:
    """Each metric is one family, and a label says whose it is; two families of one name are none that it takes."""
    async with open_scene() as scene, open_supervisor("root") as other:
        metrics = Metrics()
        metrics.record_histogram("tinkex_request_duration_seconds", 0.5, operation="sample")
        scene.watch.add(other, metrics=metrics)

        (family,) = text_string_to_metric_families((await scene.http.get("/metrics")).text)

    assert {one.labels["tree"] for one in family.samples} == {"root", "root-2"}


async def test_what_was_removed_is_not_found() -> None:
    """A page that was opened before says so instead of failing."""
    watch = Watch()
    async with open_supervisor("root") as root:
        watch.add(root)
        watch.remove(root)
        with pytest.raises(ChildNotFound, match="there is no tree"):
            watch.find("root/worker")
