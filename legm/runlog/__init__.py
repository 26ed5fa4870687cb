"""A run's append-only log: its format, its folder and its writer."""
