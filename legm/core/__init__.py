"""Pure functions over records: what an experiment is, and what a run came to."""
