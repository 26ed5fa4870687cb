"""``import wandb`` in a process that was begun by a script under ``python -m legm.compat``."""

from legm.compat.imports import answer

answer()

import wandb  # noqa: E402, F401 - now the stand-in
