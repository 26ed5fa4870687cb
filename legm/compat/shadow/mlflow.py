"""``import mlflow`` in a process that was started by a script under ``python -m legm.compat``."""

from legm.compat.stand_in_imports import redirect_to_stand_ins

redirect_to_stand_ins()

import mlflow  # noqa: E402, F401 - now the stand-in
