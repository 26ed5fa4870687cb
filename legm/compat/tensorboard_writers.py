"""The scalars that a script writes for TensorBoard, as the stand-ins of wandb and mlflow log them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from legm.integrations.wrapped_functions import wrap_function

__all__ = ["WRITERS", "watch_tensorboard_scalars"]

WRITERS = ("torch.utils.tensorboard.writer", "tensorboardX.writer")
"""The modules of PyTorch and tensorboardX that write them."""


def watch_tensorboard_scalars(module: Any, take: Callable[[dict[str, float], int], object]) -> None:
    """Call a function with the scalars of each event, before it is written.

    Args:
        module: one of :data:`WRITERS`.
        take: is called with the values by tag, and their step.
    """

    def add_event(
        original: Callable[..., Any], writer: Any, event: Any, step: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        if event.WhichOneof("what") == "summary":
            values = {
                one.tag: one.simple_value
                for one in event.summary.value
                if one.WhichOneof("value") == "simple_value"
            }
            if values:
                take(values, int(step or 0))
        return original(writer, event, step, *args, **kwargs)

    wrap_function(module.FileWriter, "add_event", add_event)
