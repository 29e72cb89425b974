"""The embedded server: the protocol, and an engine in numpy."""
