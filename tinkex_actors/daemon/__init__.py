"""Long runs: what they read, what they do, and what they leave on disk."""
