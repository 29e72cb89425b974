"""Looking at many children without drawing them all."""

from supervisors import Actor, SupervisorSpec, open_supervisor


class Quiet(Actor):
    async def rest(self) -> None:
        """Do nothing."""


async def test_children_are_counted_and_a_few_are_shown() -> None:
    """In start order, from where one asks; a number beyond the end shows none."""
    async with open_supervisor("root") as root:
        for place in range(5):
            await root.start_child(Quiet, name=f"c{place}")
        await root.terminate_child("c1")

        survey = root.survey(start=1, count=2)

        assert survey.statuses == {"running": 4, "down": 1}
        assert [child.name for child in survey.children] == ["c1", "c2"]
        assert (survey.is_dynamic, survey.restarts, survey.queued) == (False, 0, 0)
        assert root.survey(start=9, count=2).children == ()
        assert root.survey(start=-3).children == ()


async def test_what_is_below_a_child_is_not_looked_at() -> None:
    """Or a look at the root would be a look at everything."""
    async with open_supervisor("root") as root:
        inner = await root.start_supervisor(SupervisorSpec("inner", dynamic=True))
        await inner.start_child(Quiet)

        (drawn,) = root.survey(count=10).children

        assert (drawn.kind, drawn.children) == ("supervisor", ())
        assert inner.survey().is_dynamic
        assert root.survey().statuses == {"running": 1}


async def test_no_children_are_no_statuses() -> None:
    """An empty supervisor is as well as any."""
    async with open_supervisor("root") as root:
        assert root.survey(count=3).statuses == {}
