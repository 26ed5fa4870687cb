"""``wandb.init(sync_tensorboard=True)``: the scalars that a script writes for TensorBoard are logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from legm.compat.import_callbacks import call_when_imported
from legm.compat.tensorboard_writers import WRITERS, watch_tensorboard_scalars

__all__ = ["log_tensorboard_scalars"]


def log_tensorboard_scalars(log: Callable[[dict[str, float], int], object]) -> Callable[[], None]:
    """Log the scalars of PyTorch's and tensorboardX's writers, once the script has imported one.

    Args:
        log: called with the values by tag and their step.

    Returns:
        What ends it.
    """
    is_on = [True]

    def take(values: dict[str, float], step: int) -> None:
        if is_on:
            log(values, step)

    def watch(module: Any) -> None:
        watch_tensorboard_scalars(module, take)

    for name in WRITERS:
        call_when_imported(name, watch)
    return is_on.clear
