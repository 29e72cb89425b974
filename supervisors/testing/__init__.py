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

General layout: ``_simulate`` runs programs; ``_faults`` is what goes wrong, ``_inject`` has it happen, ``_shrink`` finds
the fewest of it; ``_scheduler`` seeds trio; ``_event_log`` is the observer that remembers.
"""

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
    "TwoLives",
    "simulate",
]
