"""Somebody else's tree under random disturbances: a hypothesis state machine.

The rules write a list of disturbances; at the end they happen to a fresh tree, and ``_audit``'s laws are judged. So a
whole example is one trio run, and a failing one shrinks to few disturbances and prints what repeats it.

Needs hypothesis, which nothing else of this package does.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from supervisors._spec import SupervisorSpec
from supervisors.testing._audit import BrokenLaw
from supervisors.testing._disorder import (
    Ask,
    Crash,
    Disturbance,
    FailStarts,
    Finish,
    Kill,
    Revive,
    Terminate,
    Wait,
    disturb,
)

WHO = st.integers(0, 19)


class TreeMachine(RuleBasedStateMachine):
    """Checks a tree of yours.

    ::

        class ShopMachine(TreeMachine):
            def make_spec(self) -> SupervisorSpec:
                return SupervisorSpec("shop", children=[ChildSpec(Till, name="till"), ...], max_restarts=5)

        TestShop = ShopMachine.TestCase

    Its actors crash, are killed, finish, fail to start, are terminated, restarted and asked by chance. Judged is what
    holds in every tree: no child ever has two lives, no limit is exceeded and no supervisor gives up below it, groups are
    restarted as groups, the stop is in reverse order, every call is answered, and the tree comes to rest. What your actors
    must never do, they assert themselves: an ``AssertionError`` in an actor is a broken law, too.
    """

    patience = 600.0
    """Virtual seconds the tree has to come to rest after the last disturbance."""

    def __init__(self) -> None:
        super().__init__()
        self.disturbances: list[Disturbance] = []
        self.seed = 0

    def make_spec(self) -> SupervisorSpec:
        """Make the tree, with all of its state anew. To be overridden."""
        raise TypeError(f"{type(self).__name__} needs a method make_spec that returns the SupervisorSpec of your tree")

    @initialize(seed=st.integers(0, 2**16))
    def choose_order(self, seed: int) -> None:
        """Choose the order of tasks."""
        self.seed = seed

    @rule(who=WHO, times=st.sampled_from([1, 1, 2, 5]))
    def crash(self, who: int, times: int) -> None:
        """An actor crashes; more than once, and its supervisor may give up."""
        self.disturbances += [Crash(who)] * times

    @rule(who=WHO)
    def kill(self, who: int) -> None:
        """An actor is killed."""
        self.disturbances.append(Kill(who))

    @rule(who=WHO)
    def finish(self, who: int) -> None:
        """An actor ends by itself."""
        self.disturbances.append(Finish(who))

    @rule(who=WHO, times=st.integers(1, 3))
    def crash_into_bad_starts(self, who: int, times: int) -> None:
        """An actor crashes, and its next starts fail."""
        self.disturbances += [FailStarts(who, times), Crash(who)]

    @rule(who=WHO)
    def terminate(self, who: int) -> None:
        """A child is ordered down."""
        self.disturbances.append(Terminate(who))

    @rule(who=WHO)
    def revive(self, who: int) -> None:
        """A child is ordered up."""
        self.disturbances.append(Revive(who))

    @rule(who=WHO)
    def ask(self, who: int) -> None:
        """An actor is asked something."""
        self.disturbances.append(Ask(who))

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.disturbances.append(Wait(seconds))

    def teardown(self) -> None:
        """Have it all happen to a fresh tree, and judge."""
        try:
            disturb(self.make_spec(), self.disturbances, seed=self.seed, patience=self.patience)
        except BrokenLaw as error:
            again = f"disturb(make_spec(), {self.disturbances}, seed={self.seed}, patience={self.patience})"
            raise BrokenLaw(f"{error}\nrepeated by {again}") from None
