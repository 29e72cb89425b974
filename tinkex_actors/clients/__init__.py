"""What users hold: refs with the names of the domain, and no state."""
