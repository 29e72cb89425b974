"""Kill everything, at any moment, and find nothing different."""
