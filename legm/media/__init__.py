"""Pictures, sounds, tables and the like of a run: what users give, and how it is kept."""
