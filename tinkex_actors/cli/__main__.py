"""``python -m tinkex_actors.cli`` is ``tinkex``."""

from tinkex_actors.cli import main

main()
