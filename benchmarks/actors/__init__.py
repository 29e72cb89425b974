"""What the runtime costs, beside what trio costs: ``python -m benchmarks.actors``."""
