"""Pure statistics over runs: aggregates, counts, significance tests, and the formatting of numbers."""
