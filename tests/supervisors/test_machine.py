"""The order of a state machine's events, held to a naive reading of gen_statem's rules under random handlers."""

from collections import deque
from enum import Enum

import trio
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors import StateMachine, open_supervisor


class Is(Enum):
    """States."""

    A = "A"
    B = "B"
    C = "C"


@frozen
class Rule:
    """What a handler does with one event in one state."""

    target: Is | None = None
    is_postponed: bool = False
    inserts: tuple[str, ...] = ()
    timeout: str | None = None
    """An event for a state timeout of zero seconds."""


Rules = dict[tuple[Is, str], Rule]

LEAVES = ("x", "y")
"""Events that insert nothing: what is inserted comes to an end."""

PLAIN = st.builds(Rule, target=st.sampled_from([None, *Is]))
RULE = st.one_of(
    PLAIN,
    st.just(Rule(is_postponed=True)),
    st.builds(
        Rule,
        target=st.sampled_from([None, *Is]),
        inserts=st.lists(st.sampled_from(LEAVES), max_size=2).map(tuple),
        timeout=st.sampled_from([None, *LEAVES]),
    ),
)
RULES = st.fixed_dictionaries(
    {(state, event): PLAIN if event in LEAVES else RULE for state in Is for event in ("p", "q", "r", *LEAVES)}
)


def expect(rules: Rules, sent: list[str]) -> list[str]:
    """Read the rules slowly: one list of what comes next, and one of what is postponed."""
    state, log = Is.A, ["enter A"]
    coming: deque[tuple[str, bool]] = deque((event, False) for event in sent)  # and whether it is a state timeout
    postponed: list[tuple[str, bool]] = []
    while coming:
        event, is_timeout = coming.popleft()
        log.append(f"{event} in {state.value}")
        rule = rules[state, event]
        front = [(name, False) for name in rule.inserts]
        if rule.is_postponed:
            postponed.append((event, is_timeout))
        is_change = rule.target is not None and rule.target is not state
        if is_change or rule.timeout is not None:
            coming = deque(entry for entry in coming if not entry[1])
        if rule.timeout is not None:
            front.append((rule.timeout, True))
        if is_change and rule.target is not None:
            state = rule.target
            log.append(f"enter {state.value}")
            front += [(name, False) for name, _ in postponed]
            postponed = []
        coming.extendleft(reversed(front))
    return log


class Ruled(StateMachine[Is]):
    """Does as the rules say."""

    def __init__(self, rules: Rules, log: list[str]) -> None:
        super().__init__(Is.A)
        self._rules = rules
        self._log = log

    async def on_enter(self, previous: Is) -> None:
        """Log it."""
        assert previous in Is
        self._log.append(f"enter {self.state.value}")

    async def event(self, name: str) -> None:
        """Log it, and do as the rules say."""
        self._log.append(f"{name} in {self.state.value}")
        rule = self._rules[self.state, name]
        for inserted in rule.inserts:
            self.next_event(Ruled.event, inserted)
        if rule.timeout is not None:
            self.state_timeout(0, Ruled.event, rule.timeout)
        if rule.target is not None:
            self.next_state(rule.target)
        if rule.is_postponed:
            self.postpone()


async def observe(rules: Rules, sent: list[str]) -> list[str]:
    """Have a machine do it."""
    log: list[str] = []
    async with open_supervisor() as root:
        machine = await root.start_child(lambda: Ruled(rules, log))
        for event in sent:
            machine.cast_nowait(Ruled.event, event)
        await wait_all_tasks_blocked()
    return log


@given(RULES, st.lists(st.sampled_from(["p", "q", "r", *LEAVES]), max_size=8))
def test_events_come_in_the_order_of_the_rules(rules: Rules, sent: list[str]) -> None:
    """Inserted, then due, then postponed, then sent: whatever the handlers do."""
    assert trio.run(observe, rules, sent, clock=MockClock(autojump_threshold=0)) == expect(rules, sent)
