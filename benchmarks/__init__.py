"""legm measured beside other experiment trackers: ``python -m benchmarks``; see README.md here."""
