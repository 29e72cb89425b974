"""Batching, combining and losses: arithmetic without a clock or a network."""
