"""``wandb.watch``: histograms of a PyTorch model's gradients and weights during training.

They are part of the current row, under ``gradients/<name>`` and ``parameters/<name>``; the names of models
after the first one in a process have wandb's prefix ``graph_<n>``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from legm.compat.script_session import SESSION
from legm.compat.wandb.media import Histogram

__all__ = ["ModelWatcher"]

_BINS = 64


class ModelWatcher:
    """The models that a run watches.

    Args:
        log: called with a name and a histogram.
    """

    _models = itertools.count()  # counts across all runs of the process

    def __init__(self, log: Callable[[str, Histogram], object]) -> None:
        self._log = log
        self._hooks: dict[int, list[Any]] = {}

    def watch(self, models: Any, log: str | None, log_freq: int, idx: int | None) -> None:
        """Watch models from now on; an object that is not a PyTorch model is reported."""
        if log not in {"gradients", "parameters", "all", None}:
            SESSION.notices.report_unsupported(
                f"wandb.watch(log={log!r})", "it must be gradients, parameters, all or None"
            )
            return
        for at, model in enumerate(_watched_models(models)):
            if not _is_watched_module(model):
                SESSION.notices.report_unsupported(
                    "wandb.watch", f"{type(model).__qualname__} is not a PyTorch model"
                )
                continue
            count = next(self._models)
            number = count if idx is None else idx + at
            prefix = f"graph_{number}" if number > 0 else ""
            self.unwatch(model)
            hooks = self._hooks[id(model)] = []
            if log in {"parameters", "all"}:
                hooks.append(model.register_forward_hook(self._parameter_hook(prefix, log_freq)))
            if log in {"gradients", "all"}:
                hooks += [
                    parameter.register_hook(self._gradient_hook(f"gradients/{prefix}{name}", log_freq))
                    for name, parameter in model.named_parameters()
                    if parameter.requires_grad
                ]

    def unwatch(self, models: Any = None) -> None:
        """Stop watching these models, or all models."""
        for one in list(self._hooks) if models is None else map(id, _watched_models(models)):
            for hook in self._hooks.pop(one, ()):
                hook.remove()

    def _parameter_hook(self, prefix: str, log_freq: int) -> Callable[..., None]:
        is_due = _watch_once_every(log_freq)

        def forward(model: Any, *_: Any) -> None:
            if is_due():
                for name, parameter in model.named_parameters():
                    self._log_histogram(f"parameters/{prefix}{name}", parameter)

        return forward

    def _gradient_hook(self, name: str, log_freq: int) -> Callable[[Any], None]:
        is_due = _watch_once_every(log_freq)

        def watch_backward(gradient: Any) -> None:
            if is_due():
                self._log_histogram(name, gradient)

        return watch_backward

    def _log_histogram(self, name: str, tensor: Any) -> None:
        try:
            histogram = _watched_histogram(tensor)
        except Exception as error:  # noqa: BLE001 - the training continues
            SESSION.notices.report_unsupported(f"the histogram of {name}", str(error))
            return
        if histogram is not None:
            self._log(name, histogram)


def _watched_models(models: Any) -> Sequence[Any]:
    return models if isinstance(models, (tuple, list)) else (models,)


def _is_watched_module(model: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _watch_once_every(count: int) -> Callable[[], bool]:
    """A function that returns true once in so many calls."""
    calls = itertools.count(1)
    return lambda: next(calls) % max(count, 1) == 0


def _watched_histogram(tensor: Any) -> Histogram | None:
    """The histogram of a tensor's values, computed by PyTorch; None if no value is finite."""
    values = tensor.detach().cpu()
    if values.is_sparse:
        values = values.to_dense()
    values = values.reshape(-1)
    if values.element_size() < 8:  # PyTorch has no histogram of half precision
        values = values.float()
    values = values[values.isfinite()]
    if not len(values):
        return None
    low, high = values.min().item(), values.max().item()
    if low == high:
        return Histogram(np_histogram=([len(values)], [low, high]))
    counts = values.histc(bins=_BINS, min=low, max=high)
    edges = [low + (high - low) * at / _BINS for at in range(_BINS + 1)]
    return Histogram(np_histogram=(counts.tolist(), edges))
