"""The Tinker client as a supervised tree, and everything around it."""
