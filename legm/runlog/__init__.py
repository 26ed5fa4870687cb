"""A run's append-only log: its format, its folder, and what writes it."""
