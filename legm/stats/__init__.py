"""Pure statistics over runs: aggregates, counts, tests of significance, and how numbers are written."""
