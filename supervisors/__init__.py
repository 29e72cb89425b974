"""Actors, mailboxes and supervisors on trio: OTP's contract with structured lifetimes.

The method is the message: an operation of an actor is a public ``async def`` method, and a :class:`Ref` is told which
one, with what arguments. mypy and pyright check the whole of it::

    class Counter(Actor):
        expected_errors = (ValueError,)              # answers; anything else that escapes is a crash

        def __init__(self, start: int = 0) -> None:
            self._value = start

        async def add(self, by: int) -> int:
            if by < 0:
                raise ValueError(f"by must be >= 0, got {by}")
            self._value += by
            return self._value

    COUNTER = Name("counter", Counter)

    async def main() -> None:
        async with open_supervisor("root", strategy=Strategy.ONE_FOR_ONE, max_restarts=3, max_seconds=5.0) as root:
            counter = await root.start_child(lambda: Counter(40), name=COUNTER)
            print(await counter.call(Counter.add, 2))        # 42
            counter.cast_nowait(Counter.add, 1)              # no answer wanted
            print(await root.whereis(COUNTER).call(Counter.add, by=1))
            print(root.tree())

    trio.run(main)

What an actor can do with itself: ``self.ref`` (its own address; ``self.ref.cast_nowait(...)`` is the message to
oneself), ``self.stop()``, ``async with self.off_turn():``, ``self.start_soon(fn, *args)`` for helper tasks,
``self.send_after``, ``self.send_every`` and ``self.send_when_idle`` for timers, ``self.continue_with`` for what comes
next, ``self.monitor`` to be told of another's end. Helpers, timers and monitors end with the life.

What a ref can do: ``call``, ``cast``, ``cast_nowait``, ``ended``, ``stop``, ``kill``; to look without disturbing,
``snapshot``, ``trace`` and ``statistics``; to hold an actor up, ``suspend``, ``resume``, ``get_state``,
``replace_state``.

What a supervisor can do: ``start_child``, ``start_supervisor`` (``SupervisorSpec(..., dynamic=True)`` for children that
come and go), ``terminate_child``, ``restart_child``, ``delete_child``, ``which_children``, ``count_children``,
``child``, ``supervisor``, ``whereis``, ``tree``, ``survey``.

Beside them: :func:`child_from` (children from context managers and plain async functions), :func:`explain` (what a spec
promises), :class:`Watchdog` (reports operations that take too long), :class:`PartitionSupervisor`,
:class:`TaskSupervisor` (functions run as children, with results and streams), :class:`Registry` and
:class:`DuplicateRegistry` (typed keys, names for children), :class:`Groups`, :class:`Topic` (publish and subscribe),
:class:`StateMachine`, and :func:`run` for programs that end by signals.

General layout: ``_restart``, ``_spec`` with its ``_checks``, ``_exit``, ``_events`` and ``_errors`` are pure;
``_reply`` is one message and its one answer, ``_mailbox`` a bound for many; ``_life`` is one incarnation, ``_turn`` that of an actor, ``_off_turn``
who may touch its state; ``_slot`` and ``_cell`` hold one child over many lives; ``_team`` and ``_group_restart`` order
starts, restarts and stops, ``_root`` the outermost; ``_actor``, ``_ref`` and
``_supervisor`` are what users write and hold. ``_task``, ``_stream`` and ``_tasks``, ``_registry`` and ``_group``,
``_topic``, ``_machine`` and ``_state_machine`` stand on top of these.
"""

from supervisors._actor import Actor as Actor
from supervisors._child_from import Host as Host
from supervisors._child_from import Job as Job
from supervisors._child_from import child_from as child_from
from supervisors._errors import ActorCrashed as ActorCrashed
from supervisors._errors import ActorNotAlive as ActorNotAlive
from supervisors._errors import AlreadyPresent as AlreadyPresent
from supervisors._errors import AlreadyRegistered as AlreadyRegistered
from supervisors._errors import AlreadyStarted as AlreadyStarted
from supervisors._errors import CallCycle as CallCycle
from supervisors._errors import CallError as CallError
from supervisors._errors import ChildNotFound as ChildNotFound
from supervisors._errors import ChildRestarting as ChildRestarting
from supervisors._errors import ChildRunning as ChildRunning
from supervisors._errors import Ignore as Ignore
from supervisors._errors import MailboxFull as MailboxFull
from supervisors._errors import NotRegistered as NotRegistered
from supervisors._errors import RestartLimitExceeded as RestartLimitExceeded
from supervisors._errors import StartError as StartError
from supervisors._errors import SubscriberTooSlow as SubscriberTooSlow
from supervisors._errors import SupervisorError as SupervisorError
from supervisors._errors import SupervisorsError as SupervisorsError
from supervisors._errors import SupervisorStopped as SupervisorStopped
from supervisors._errors import TaskStopped as TaskStopped
from supervisors._errors import TooManyChildren as TooManyChildren
from supervisors._events import CastFailed as CastFailed
from supervisors._events import ChildCrashed as ChildCrashed
from supervisors._events import ChildKilled as ChildKilled
from supervisors._events import ChildStarted as ChildStarted
from supervisors._events import ChildStopped as ChildStopped
from supervisors._events import ChildStuck as ChildStuck
from supervisors._events import Event as Event
from supervisors._events import MessageDropped as MessageDropped
from supervisors._events import Observer as Observer
from supervisors._events import ObserverFailed as ObserverFailed
from supervisors._events import OperationSlow as OperationSlow
from supervisors._events import RestartScheduled as RestartScheduled
from supervisors._events import SupervisorGaveUp as SupervisorGaveUp
from supervisors._exit import Exit as Exit
from supervisors._exit import ExitKind as ExitKind
from supervisors._explain import Explanation as Explanation
from supervisors._explain import explain as explain
from supervisors._group import Groups as Groups
from supervisors._machine import TimeoutKind as TimeoutKind
from supervisors._monitor import Down as Down
from supervisors._monitor import Monitor as Monitor
from supervisors._partition import PartitionSupervisor as PartitionSupervisor
from supervisors._partition import partitioned as partitioned
from supervisors._policy import BRUTAL_KILL as BRUTAL_KILL
from supervisors._policy import AutoShutdown as AutoShutdown
from supervisors._policy import Backoff as Backoff
from supervisors._policy import Mailbox as Mailbox
from supervisors._policy import Overflow as Overflow
from supervisors._policy import Restart as Restart
from supervisors._policy import Strategy as Strategy
from supervisors._ref import Ref as Ref
from supervisors._ref import Snapshot as Snapshot
from supervisors._registry import DuplicateRegistry as DuplicateRegistry
from supervisors._registry import Entry as Entry
from supervisors._registry import Registered as Registered
from supervisors._registry import Registry as Registry
from supervisors._registry import RegistryEvent as RegistryEvent
from supervisors._registry import Unregistered as Unregistered
from supervisors._root import open_supervisor as open_supervisor
from supervisors._run import run as run
from supervisors._spec import ChildSpec as ChildSpec
from supervisors._spec import Name as Name
from supervisors._spec import SupervisorSpec as SupervisorSpec
from supervisors._spec import Via as Via
from supervisors._state_machine import StateMachine as StateMachine
from supervisors._stream import Failed as Failed
from supervisors._stream import Finished as Finished
from supervisors._stream import StreamOutcome as StreamOutcome
from supervisors._supervisor import Supervisor as Supervisor
from supervisors._task import Task as Task
from supervisors._task import gather as gather
from supervisors._task import wait_tasks as wait_tasks
from supervisors._tasks import TaskScope as TaskScope
from supervisors._tasks import TaskSupervisor as TaskSupervisor
from supervisors._timer import LifeTimer as LifeTimer
from supervisors._topic import Subscription as Subscription
from supervisors._topic import Topic as Topic
from supervisors._trace import OperationBegan as OperationBegan
from supervisors._trace import OperationEnded as OperationEnded
from supervisors._trace import Statistics as Statistics
from supervisors._trace import TraceEvent as TraceEvent
from supervisors._trace import TraceHook as TraceHook
from supervisors._tree import ChildCounts as ChildCounts
from supervisors._tree import Survey as Survey
from supervisors._tree import Tree as Tree
from supervisors._watchdog import Watchdog as Watchdog

__all__ = [
    "BRUTAL_KILL",
    "Actor",
    "ActorCrashed",
    "ActorNotAlive",
    "AlreadyPresent",
    "AlreadyRegistered",
    "AlreadyStarted",
    "AutoShutdown",
    "Backoff",
    "CallCycle",
    "CallError",
    "CastFailed",
    "ChildCounts",
    "ChildCrashed",
    "ChildKilled",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "ChildStarted",
    "ChildStopped",
    "ChildStuck",
    "Down",
    "DuplicateRegistry",
    "Entry",
    "Event",
    "Exit",
    "ExitKind",
    "Explanation",
    "Failed",
    "Finished",
    "Groups",
    "Host",
    "Ignore",
    "Job",
    "LifeTimer",
    "Mailbox",
    "MailboxFull",
    "MessageDropped",
    "Monitor",
    "Name",
    "NotRegistered",
    "Observer",
    "ObserverFailed",
    "OperationBegan",
    "OperationEnded",
    "OperationSlow",
    "Overflow",
    "PartitionSupervisor",
    "Ref",
    "Registered",
    "Registry",
    "RegistryEvent",
    "Restart",
    "RestartLimitExceeded",
    "RestartScheduled",
    "Snapshot",
    "StartError",
    "StateMachine",
    "Statistics",
    "Strategy",
    "StreamOutcome",
    "SubscriberTooSlow",
    "Subscription",
    "Supervisor",
    "SupervisorError",
    "SupervisorGaveUp",
    "SupervisorSpec",
    "SupervisorStopped",
    "SupervisorsError",
    "Survey",
    "Task",
    "TaskScope",
    "TaskStopped",
    "TaskSupervisor",
    "TimeoutKind",
    "TooManyChildren",
    "Topic",
    "TraceEvent",
    "TraceHook",
    "Tree",
    "Unregistered",
    "Via",
    "Watchdog",
    "child_from",
    "explain",
    "gather",
    "open_supervisor",
    "partitioned",
    "run",
    "wait_tasks",
]

# Tracebacks and documentation show where users import a name from, not where it is written.
for _value in [globals()[_name] for _name in __all__]:
    if getattr(_value, "__module__", "").startswith("supervisors._"):
        _value.__module__ = __name__
