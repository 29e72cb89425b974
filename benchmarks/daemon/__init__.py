"""What durability costs, and what batching saves."""
