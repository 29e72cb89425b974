"""The same child several times, and keys that find theirs: PS-01 to PS-12."""

from collections import Counter
from typing import Any

import attrs
import pytest

from supervisors import (
    ActorNotAlive,
    ChildNotFound,
    ChildSpec,
    PartitionSupervisor,
    Ref,
    StartError,
    Supervisor,
    SupervisorSpec,
    SupervisorStopped,
    open_supervisor,
    partitioned,
)
from tests.supervisors.otp.actors import Diary, Part, Worker, crash, kill


def shard(number: int) -> ChildSpec[Worker]:
    """A partition that knows its number."""
    return Part(Diary(), f"shard {number}").spec()


async def open_shards(root: Supervisor, partitions: int) -> "PartitionSupervisor[Ref[Worker]]":
    """Partitions of workers."""
    return await PartitionSupervisor.start(root, "shards", shard, partitions=partitions)


async def spread(shards: "PartitionSupervisor[Ref[Worker]]") -> set[str]:
    """Who answers for a hundred keys."""
    return {await shards.route(f"key {number}").call(Worker.ping) for number in range(100)}


@pytest.mark.otp("PS-01")
async def test_a_key_has_one_partition_and_keys_are_spread_over_all() -> None:
    """Our rule: their number is always said; how many processors there are says nothing about one thread."""
    async with open_supervisor() as root:
        shards = await open_shards(root, 4)
        assert shards.partitions == 4
        landed = Counter([shards.route(f"key {number}").path for number in range(100)])
        assert set(landed) == {f"root/shards/{number}" for number in range(4)}
        assert all(shards.route("same") == shards.route("same") for _ in range(10))


@pytest.mark.otp("PS-02")
async def test_partitions_are_found_by_their_path() -> None:
    """Our rule: names and registries are for actors; a supervisor is found from the root, also a declared one."""
    async with open_supervisor(children=[partitioned("shards", shard, partitions=2)]) as root:
        shards = PartitionSupervisor[Ref[Worker]](root.supervisor("shards"))
        assert await spread(shards) == {"shard 0", "shard 1"}


@pytest.mark.otp("PS-03")
async def test_a_partition_is_told_its_number_and_integers_are_routed_by_it() -> None:
    """An integer goes to itself modulo the number of partitions, a negative one by its absolute value."""
    async with open_supervisor() as root:
        shards = await open_shards(root, 3)
        answers = [await shards.route(key).call(Worker.ping) for key in (0, 1, 2, 3, -1)]
        assert answers == [f"shard {number}" for number in (0, 1, 2, 0, 1)]


@pytest.mark.otp("PS-04")
async def test_without_a_name_or_a_child_there_are_no_partitions() -> None:
    """Both are asked for, by the signature; an empty name is none."""
    incomplete: Any = PartitionSupervisor.start
    async with open_supervisor() as root:
        with pytest.raises(TypeError, match="'name' and 'make'"):
            await incomplete(root, partitions=2)
        with pytest.raises(TypeError, match="'make'"):
            await incomplete(root, "shards", partitions=2)
        with pytest.raises(ValueError, match="a name must be a non-empty string"):
            await incomplete(root, "", shard, partitions=2)
        assert root.which_children() == ()


BAD_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"partitions": 0}, "partitions must be an int >= 1, got 0"),
    ({"partitions": "two"}, "partitions must be an int >= 1, got 'two'"),
    ({"make": "shard"}, "make must be a function, got 'shard'"),
    ({"make": abs}, "make must answer a ChildSpec or a SupervisorSpec, got 0"),
    ({"auto_shutdown": "any_significant"}, "no option 'auto_shutdown', got 'any_significant'"),
]


@pytest.mark.otp("PS-05")
@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
async def test_a_bad_argument_is_named_with_its_value(arguments: dict[str, Any], message: str) -> None:
    """Before anything starts."""
    start: Any = PartitionSupervisor.start
    async with open_supervisor() as root:
        with pytest.raises((TypeError, ValueError), match=message):
            await start(root, "shards", **{"make": shard, "partitions": 2, **arguments})
        assert root.which_children() == ()


@pytest.mark.otp("PS-06")
async def test_when_a_stop_returns_the_partitions_are_gone() -> None:
    """Their address, their keys and their name in the tree."""
    async with open_supervisor() as root:
        shards = await PartitionSupervisor.start(root, "shards", shard, partitions=2, restart="temporary")
        ref = shards.route("key")
        await root.terminate_child(shards.supervisor)
        with pytest.raises(ChildNotFound):
            root.supervisor("shards")
        with pytest.raises(SupervisorStopped):
            shards.route("key")
        with pytest.raises(ActorNotAlive):
            await ref.call(Worker.ping)


@pytest.mark.otp("PS-07")
async def test_unknown_partitions_have_no_number() -> None:
    """Neither those that never were nor those that are gone."""
    async with open_supervisor() as root:
        with pytest.raises(ChildNotFound):
            root.supervisor("shards")
        shards = await open_shards(root, 2)
    with pytest.raises(SupervisorStopped, match="root/shards is gone"):
        _ = shards.partitions


@pytest.mark.otp("PS-08")
@pytest.mark.parametrize("sizes", [[7, 6, 5, 4, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8], [3, 8, 1, 5, 5, 2, 7, 4, 6]])
async def test_partitions_are_resized_step_by_step_or_by_leaps(sizes: list[int]) -> None:
    """As many are alive as were asked for, and keys are spread over exactly these."""
    async with open_supervisor() as root:
        shards = await open_shards(root, 8)
        before = 8
        for size in sizes:
            assert await shards.resize(size) == before
            before = size
            assert attrs.astuple(shards.count_children()) == (8, size, 0, 8)
            assert await spread(shards) == {f"shard {number}" for number in range(size)}


@pytest.mark.otp("PS-09")
async def test_with_zero_partitions_no_key_has_a_place() -> None:
    """Said at once; resizing back answers the old size and works."""
    async with open_supervisor() as root:
        shards = await open_shards(root, 2)
        assert await shards.resize(0) == 2
        with pytest.raises(ValueError, match="root/shards has zero partitions"):
            shards.route("key")
        assert await shards.resize(2) == 0
        assert await spread(shards) == {"shard 0", "shard 1"}


@pytest.mark.otp("PS-10")
@pytest.mark.parametrize("size", [3, -1, 1.5])
async def test_partitions_are_never_more_than_at_the_start(size: Any) -> None:
    """There is no spec for more; nothing is changed by the refusal."""
    async with open_supervisor() as root:
        shards = await open_shards(root, 2)
        with pytest.raises(ValueError, match=r"partitions must be an int within \[0, 2\]"):
            await shards.resize(size)
        assert shards.partitions == 2


@pytest.mark.otp("PS-11")
async def test_partitions_are_listed_by_number_and_counted_by_kind() -> None:
    """A partition may be a supervisor, too: many dynamic ones share the work of one."""
    async with open_supervisor() as root:
        workers = await open_shards(root, 3)
        assert [child.name for child in workers.which_children()] == ["0", "1", "2"]
        assert attrs.astuple(workers.count_children()) == (3, 3, 0, 3)
        pools = await PartitionSupervisor.start(
            root, "pools", lambda number: SupervisorSpec(f"pool {number}", dynamic=True), partitions=3
        )
        assert attrs.astuple(pools.count_children()) == (3, 3, 3, 0)
        await pools.route("key").start_child(Part(Diary(), "a").make)


@pytest.mark.otp("PS-12")
async def test_a_crashed_partition_comes_back_under_its_number() -> None:
    """The others are untouched."""
    async with open_supervisor() as root:
        shards = await open_shards(root, 2)
        for end in (kill, crash):
            await end(shards.route(0))
        assert [child.life for child in shards.which_children()] == [3, 1]
        assert await shards.route(0).call(Worker.ping) == "shard 0"


async def test_a_partition_that_cannot_start_again_ends_a_resize() -> None:
    """Those before it are in use, so the size is what could be reached."""
    parts = [Part(Diary(), str(number)) for number in range(4)]
    async with open_supervisor() as root:
        shards = await PartitionSupervisor.start(root, "shards", lambda number: parts[number].spec(), partitions=4)
        await shards.resize(1)
        parts[2].failing_starts = 1
        with pytest.raises(StartError, match="root/shards/2"):
            await shards.resize(4)
        assert attrs.astuple(shards.count_children()) == (4, 2, 0, 4)
        assert (await shards.resize(4), shards.partitions) == (2, 4)
