"""Tools for testing supervised programs: virtual time, event logs, fault injection."""
