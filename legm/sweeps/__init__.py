"""Sweeps: a script is run with parameters that Optuna chooses, by as many agents as there are machines.

A sweep is a study of Optuna in a journal below the root directory. Each trial is one call of the script,
whose runs have the trial's tag. Their metrics are read from the run logs. Optuna is imported on first use.
"""
