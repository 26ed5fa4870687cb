"""Files, locks and progress bars: what has nothing to do with experiments."""
