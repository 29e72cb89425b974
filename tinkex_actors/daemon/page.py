"""The observer's page of a daemon: an actor of its tree, which serves it and begins again when it fails.

No run waits for it, or ends by it: an address that is taken, a full disk or a bug in the page costs the page alone, and is
tried again for as long as the daemon lives.
"""

from importlib.util import find_spec
from itertools import chain, repeat
from pathlib import Path

import attrs
import trio
from attrs import define, field

from supervisors import Backoff, ChildSpec, Job, Restart, Supervisor, child_from
from tinkex_actors.daemon.plan import ObserverPlan, check_token
from tinkex_actors.daemon.site import RunSite
from tinkex_actors.log import get_log
from tinkex_actors.observer import ObserverSettings, OpenedObserver, Watch, open_observer
from tinkex_actors.observer.server import ADDRESS_FILE

_log = get_log()
OBSERVER = "observer"
"""The actor that serves it, in the daemon's tree."""
_EXTRA = ("h11", "prometheus_client")
_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds until the address is tried again."""
_FIRST_PATIENCE = 5.0
"""Seconds that the runs give the page to be served before they begin."""


@define(eq=False)
class Page:
    """The page over all its lives."""

    settings: ObserverSettings
    watch: Watch = field(factory=Watch)
    opened: OpenedObserver | None = None
    """Where it is at the moment."""
    _served: trio.Event = field(factory=trio.Event)
    """Set while it is there."""
    _tried: trio.Event = field(factory=trio.Event)

    async def start(self, root: Supervisor) -> None:
        """Show the tree of *root*, and serve the page under it; wait until it is served, or known not to be."""
        self.watch.untouchable.add(f"{self.watch.add(root)}/{OBSERVER}")
        await root.start_child(self._describe())
        with trio.move_on_after(_FIRST_PATIENCE):
            await self._tried.wait()

    async def wait(self) -> OpenedObserver:
        """Wait until it is served, and say where."""
        while self.opened is None:
            await self._served.wait()
        return self.opened

    def show(self, site: RunSite) -> None:
        """Show a run: what it says of itself, and the trees of its clients."""
        site.watch = self.watch
        self.watch.reports[site.folder] = site.report

    def _describe(self) -> ChildSpec[Job]:
        backoff = Backoff(initial=1.0, maximum=60.0, reset_after=60.0)
        return child_from(self._serve, name=OBSERVER, restart=Restart.PERMANENT, backoff=backoff, shutdown=2.0)

    async def _serve(self) -> None:
        """Serve it; an address that cannot be had is no crash, but somebody else's, or not there yet."""
        for delay in chain(_DELAYS, repeat(_DELAYS[-1])):
            try:
                async with open_observer(self.watch, self.settings) as self.opened:
                    _log.info("the observer's page is served", url=self.opened.base_url)
                    self._served.set()
                    self._tried.set()
                    await trio.sleep_forever()
            except OSError as fault:
                _log.warning("the observer's page is not served; the runs go on", error=str(fault), next_try_in=delay)
            finally:
                self.opened = None
                if self._served.is_set():  # who waits already waits for this very event
                    self._served = trio.Event()
                self._tried.set()
            await trio.sleep(delay)


def make_page(plan: ObserverPlan, folder: Path) -> Page:
    """Make the page of a daemon whose runs lie in *folder*; nothing is served yet.

    Raises:
        ValueError: The token's file cannot be read, or holds none.
    """
    settings = ObserverSettings(
        host=plan.host,
        port=plan.port,
        allow_control=plan.allow_control,
        runs=[folder],
        address_file=folder / ADDRESS_FILE,
    )
    token = read_token(plan)
    return Page(settings if token is None else attrs.evolve(settings, token=token))


def read_token(plan: ObserverPlan) -> str | None:
    """Return the token that *plan* has or names; ``None`` to have one made where one is needed.

    Raises:
        ValueError: Its file cannot be read, or holds none.
    """
    if plan.token_file is None:
        return plan.token
    try:
        token = check_token(plan.token_file.read_text(encoding="utf-8").strip())
    except OSError as fault:
        raise ValueError(f"{plan.token_file} cannot be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise ValueError(f"{plan.token_file}: {fault}") from fault
    return token


def missing_extra() -> str | None:
    """Name a library that the page needs and that is not installed."""
    return next((name for name in _EXTRA if find_spec(name) is None), None)
