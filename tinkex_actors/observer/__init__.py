"""A page that shows a running process: its supervision trees, runs, requests and events, live.

::

    watch = Watch()
    async with open_tinker(settings, observers=[watch]) as tinker:
        watch.add_client(tinker)
        async with open_observer(watch, ObserverSettings(runs=[Path("runs")])) as page:
            print(page.url)
            ...

The page asks for what it shows: a tree of ten thousand actors is looked at a hundred at a time. Nobody watching costs
nothing. It is served on the loopback unless told otherwise; elsewhere, or when it may change anything, only with a token.
"""

from tinkex_actors.observer.server import OpenedObserver as OpenedObserver
from tinkex_actors.observer.server import open_observer as open_observer
from tinkex_actors.observer.settings import ObserverSettings as ObserverSettings
from tinkex_actors.observer.watch import Watch as Watch
