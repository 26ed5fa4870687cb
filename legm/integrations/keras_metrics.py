"""Which metrics of a training a callback of Keras logs: those of epochs, and those of every n-th batch.

The callback of legm's own and those that stand for W&B's and MLflow's are made of the class here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["KerasMetrics"]


class KerasMetrics:
    """A callback of Keras, but for its base class and for what it does with metrics."""

    by_epoch = True
    """Whether the metrics of epochs are logged."""
    every = 0
    """After how many batches their metrics are logged; 0 for none."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log the metrics of an epoch."""
        if self.by_epoch:
            self.take_epoch(logs or {}, epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log the metrics of a batch, where they are wanted."""
        number = self.count_batch(batch)
        if self.every and number is not None and number % self.every == 0:
            self.take_batch(logs or {}, number)

    def count_batch(self, batch: int) -> int | None:
        """The number of a batch that has ended, which says whether it is logged; None: it is not.

        Args:
            batch: its number in the epoch.
        """
        return batch

    def take_epoch(self, logs: Mapping[str, Any], epoch: int) -> None:
        """Take the metrics of an epoch.

        Args:
            logs: by name.
            epoch: the first is 0.
        """
        raise NotImplementedError

    def take_batch(self, logs: Mapping[str, Any], number: int) -> None:
        """Take the metrics of a batch.

        Args:
            logs: by name.
            number: what :meth:`count_batch` returned.
        """
        raise NotImplementedError
