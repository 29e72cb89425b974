"""Tools for testing supervised programs: event logs, and simulations that a seed repeats exactly.

::

    async def main() -> None:                          # makes all of its state anew
        async with open_supervisor(max_restarts=100) as root:
            till = await root.start_child(Till, name="till")
            ...
            assert paid == booked

    @pytest.mark.parametrize("seed", range(20))
    def test_no_payment_is_lost(seed: int) -> None:
        simulate(main, seed=seed, faults=Faults(crash=0.05, delay=0.1, kill=0.02))

With hypothesis at hand, :class:`TreeMachine` disturbs a tree of yours and judges what holds in every tree::

    class ShopMachine(TreeMachine):
        def make_spec(self) -> SupervisorSpec:
            return shop()

    TestShop = ShopMachine.TestCase

and ``TestSupervisor = SupervisorMachine.TestCase`` holds the supervisors of this package against their model.

General layout: ``_simulate`` runs programs; ``_faults`` is what goes wrong, ``_inject`` has it happen, ``_shrink`` finds
the fewest of it; ``_scheduler`` seeds trio; ``_event_log`` is the observer that remembers.
``_disorder`` disturbs a given tree, ``_audit`` judges its events, ``_spec_machine`` has hypothesis write the disorder.
``_model`` and ``_model_team`` are a tree on paper (``_table`` its rows), ``_program`` what can be done to one; ``_perform``
does it to a real one, and ``_machine`` has hypothesis write it.
"""

from typing import TYPE_CHECKING, Any

from supervisors.testing._audit import BrokenLaw as BrokenLaw
from supervisors.testing._disorder import Ask as Ask
from supervisors.testing._disorder import Crash as Crash
from supervisors.testing._disorder import Disturbance as Disturbance
from supervisors.testing._disorder import FailStarts as FailStarts
from supervisors.testing._disorder import Finish as Finish
from supervisors.testing._disorder import Kill as Kill
from supervisors.testing._disorder import Revive as Revive
from supervisors.testing._disorder import Terminate as Terminate
from supervisors.testing._disorder import Wait as Wait
from supervisors.testing._disorder import disturb as disturb
from supervisors.testing._event_log import EventLog as EventLog
from supervisors.testing._event_log import Note as Note
from supervisors.testing._faults import Fault as Fault
from supervisors.testing._faults import FaultKind as FaultKind
from supervisors.testing._faults import Faults as Faults
from supervisors.testing._faults import InjectedCrash as InjectedCrash
from supervisors.testing._simulate import Simulation as Simulation
from supervisors.testing._simulate import SimulationFailed as SimulationFailed
from supervisors.testing._simulate import Stuck as Stuck
from supervisors.testing._simulate import TwoLives as TwoLives
from supervisors.testing._simulate import simulate as simulate

if TYPE_CHECKING:
    from supervisors.testing._machine import SupervisorMachine as SupervisorMachine
    from supervisors.testing._spec_machine import TreeMachine as TreeMachine

__all__ = [
    "Ask",
    "BrokenLaw",
    "Crash",
    "Disturbance",
    "EventLog",
    "FailStarts",
    "Fault",
    "FaultKind",
    "Faults",
    "Finish",
    "InjectedCrash",
    "Kill",
    "Note",
    "Revive",
    "Simulation",
    "SimulationFailed",
    "Stuck",
    "SupervisorMachine",
    "Terminate",
    "TreeMachine",
    "TwoLives",
    "Wait",
    "disturb",
    "simulate",
]


def __getattr__(name: str) -> Any:
    # Asked for by name only: who does not use the machines does not need hypothesis.
    if name == "SupervisorMachine":
        from supervisors.testing._machine import SupervisorMachine  # noqa: PLC0415 - as said above

        return SupervisorMachine
    if name == "TreeMachine":
        from supervisors.testing._spec_machine import TreeMachine  # noqa: PLC0415 - as said above

        return TreeMachine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
