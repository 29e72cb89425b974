"""What custom losses cost: the eight regularizers of a composition beside their bare numpy formulas, and beside torch."""
