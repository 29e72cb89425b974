"""Words on a terminal."""


def main() -> None:
    """Run the ``tinkex`` command."""
    raise SystemExit(2)
