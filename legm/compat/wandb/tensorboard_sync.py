"""``wandb.init(sync_tensorboard=True)``: the scalars that a script writes for TensorBoard are logged."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from legm.compat.import_callbacks import call_when_imported

__all__ = ["log_tensorboard_scalars"]

_WRITERS = ("torch.utils.tensorboard.writer", "tensorboardX.writer")


def log_tensorboard_scalars(log: Callable[[dict[str, float], int], object]) -> Callable[[], None]:
    """Log the scalars of PyTorch's and tensorboardX's writers, once the script has imported one.

    Args:
        log: called with the values by tag and their step.

    Returns:
        What ends it.
    """
    is_on = [True]

    def wrap(module: Any) -> None:
        original = module.FileWriter.add_event

        @functools.wraps(original)
        def add_event(self: Any, event: Any, step: Any = None, *args: Any, **kwargs: Any) -> Any:
            if is_on and event.WhichOneof("what") == "summary":
                values = {
                    one.tag: one.simple_value
                    for one in event.summary.value
                    if one.WhichOneof("value") == "simple_value"
                }
                if values:
                    log(values, int(step or 0))
            return original(self, event, step, *args, **kwargs)

        module.FileWriter.add_event = add_event

    for name in _WRITERS:
        call_when_imported(name, wrap)
    return is_on.clear
