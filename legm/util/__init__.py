"""Files, locks and progress bars, independent of experiments."""
