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

With hypothesis at hand, ``TestSupervisor = SupervisorMachine.TestCase`` holds the supervisor against its model.

General layout: ``_simulate`` runs programs; ``_faults`` is what goes wrong, ``_inject`` has it happen, ``_shrink`` finds
the fewest of it; ``_scheduler`` seeds trio; ``_event_log`` is the observer that remembers.
``_model`` is a supervisor on paper, ``_program`` what can be done to one; ``_perform`` does it to a real one, and
``_machine`` has hypothesis write it.
"""

from typing import TYPE_CHECKING, Any

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

__all__ = [
    "EventLog",
    "Fault",
    "FaultKind",
    "Faults",
    "InjectedCrash",
    "Note",
    "Simulation",
    "SimulationFailed",
    "Stuck",
    "SupervisorMachine",
    "TwoLives",
    "simulate",
]


def __getattr__(name: str) -> Any:
    # Asked for by name only: who does not use the machine does not need hypothesis.
    if name == "SupervisorMachine":
        from supervisors.testing._machine import SupervisorMachine  # noqa: PLC0415 - as said above

        return SupervisorMachine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
