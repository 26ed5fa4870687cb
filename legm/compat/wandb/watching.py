"""``wandb.watch``: histograms of a PyTorch model's gradients and weights, while it is trained.

They are part of the row that is being put together, under ``gradients/<name>`` and ``parameters/<name>``;
models after the first one in a process have ``graph_<n>`` before their names, as wandb has it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from legm.compat.session import SESSION
from legm.compat.wandb.media import Histogram

__all__ = ["Watched"]

_BINS = 64


class Watched:
    """The models that a run watches.

    Args:
        log: takes a name and a histogram.
    """

    _models = itertools.count()  # through all runs of the process

    def __init__(self, log: Callable[[str, Histogram], object]) -> None:
        self._log = log
        self._hooks: dict[int, list[Any]] = {}

    def watch(self, models: Any, log: str | None, log_freq: int, idx: int | None) -> None:
        """Watch models anew from now on; what is no model of PyTorch's is said."""
        if log not in {"gradients", "parameters", "all", None}:
            SESSION.notices.report_unsupported(
                f"wandb.watch(log={log!r})", "it is gradients, parameters, all or None"
            )
            return
        for at, model in enumerate(_several(models)):
            if not _is_module(model):
                SESSION.notices.report_unsupported(
                    "wandb.watch", f"{type(model).__qualname__} is no model of PyTorch's"
                )
                continue
            count = next(self._models)
            number = count if idx is None else idx + at
            prefix = f"graph_{number}" if number > 0 else ""
            self.unwatch(model)
            hooks = self._hooks[id(model)] = []
            if log in {"parameters", "all"}:
                hooks.append(model.register_forward_hook(self._of_parameters(prefix, log_freq)))
            if log in {"gradients", "all"}:
                hooks += [
                    parameter.register_hook(self._of_gradient(f"gradients/{prefix}{name}", log_freq))
                    for name, parameter in model.named_parameters()
                    if parameter.requires_grad
                ]

    def unwatch(self, models: Any = None) -> None:
        """Watch them no more, or none without any."""
        for one in list(self._hooks) if models is None else map(id, _several(models)):
            for hook in self._hooks.pop(one, ()):
                hook.remove()

    def _of_parameters(self, prefix: str, log_freq: int) -> Callable[..., None]:
        due = _every(log_freq)

        def forward(model: Any, *_: Any) -> None:
            if due():
                for name, parameter in model.named_parameters():
                    self._take(f"parameters/{prefix}{name}", parameter)

        return forward

    def _of_gradient(self, name: str, log_freq: int) -> Callable[[Any], None]:
        due = _every(log_freq)

        def backward(gradient: Any) -> None:
            if due():
                self._take(name, gradient)

        return backward

    def _take(self, name: str, tensor: Any) -> None:
        try:
            histogram = _histogram(tensor)
        except Exception as error:  # noqa: BLE001 - the training goes on
            SESSION.notices.report_unsupported(f"the histogram of {name}", str(error))
            return
        if histogram is not None:
            self._log(name, histogram)


def _several(models: Any) -> Sequence[Any]:
    return models if isinstance(models, (tuple, list)) else (models,)


def _is_module(model: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _every(count: int) -> Callable[[], bool]:
    """True at every so manieth call."""
    calls = itertools.count(1)
    return lambda: next(calls) % max(count, 1) == 0


def _histogram(tensor: Any) -> Histogram | None:
    """The values' histogram by PyTorch's own; None where none of them is finite."""
    values = tensor.detach().cpu()
    if values.is_sparse:
        values = values.to_dense()
    values = values.reshape(-1)
    if values.element_size() < 8:  # half precisions have no histogram
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
