"""Analyses over many runs: summaries, rankings, comparisons, overviews."""
