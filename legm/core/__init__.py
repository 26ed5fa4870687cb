"""Pure functions over records: the identity of configurations and the results of runs."""
