"""The actors of a Tinker session: state and time."""
