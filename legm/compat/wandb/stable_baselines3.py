"""``wandb.integration.sb3``: the parameters, gradients and model of a training with Stable-Baselines3."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from legm.compat.unknown_names import unknown_attribute
from legm.compat.wandb.current_run import required_run
from legm.integrations.lazy_classes import lazy_classes

__all__ = ["WandbCallback"]  # noqa: F822 - made on first use


class WandbStableBaselinesMethods:
    """A callback that logs the algorithm's parameters; its numbers come with ``sync_tensorboard=True``.

    Args:
        verbose: Stable-Baselines3's.
        model_save_path: the folder for the model; None: it is not saved.
        model_save_freq: every so many steps the model is saved; 0: only at the end.
        gradient_save_freq: every so many batches the gradients are logged; 0: never.
        log: gradients, parameters, all, or None.
    """

    model: Any
    n_calls: int

    def __init__(
        self,
        verbose: int = 0,
        model_save_path: str | None = None,
        model_save_freq: int = 0,
        gradient_save_freq: int = 0,
        log: Literal["gradients", "parameters", "all"] | None = "all",
    ) -> None:
        super().__init__(verbose)  # type: ignore[call-arg]  # of BaseCallback
        required_run("WandbCallback")
        if model_save_path is None and model_save_freq:
            raise AssertionError(
                "to use the `model_save_freq` you have to set the `model_save_path` parameter"
            )
        self.model_save_freq, self.gradient_save_freq = model_save_freq, gradient_save_freq
        self.model_save_path = model_save_path
        self.log = log if log in {"gradients", "parameters", "all", None} else "all"
        if model_save_path is not None:
            Path(model_save_path).mkdir(parents=True, exist_ok=True)
            self.path = str(Path(model_save_path, "model.zip"))

    def _init_callback(self) -> None:
        run = required_run("WandbCallback")
        found: dict[str, Any] = {"algo": type(self.model).__name__}
        for name, value in vars(self.model).items():
            found[name] = value if type(value) in {float, int, str} else str(value)
        if self.gradient_save_freq > 0:
            run.watch(self.model.policy, log_freq=self.gradient_save_freq, log=self.log)
        run.config.setdefaults(found)

    def _on_step(self) -> bool:
        is_due = self.model_save_freq > 0 and self.n_calls % self.model_save_freq == 0
        if is_due and self.model_save_path is not None:
            self.save_model()
        return True

    def _on_training_end(self) -> None:
        if self.model_save_path is not None:
            self.save_model()

    def save_model(self) -> None:
        """Save the model, and keep a copy with the run."""
        self.model.save(self.path)
        required_run("save").save(self.path, base_path=self.model_save_path)


def _wandb_stable_baselines_bases(_: str) -> tuple[type, ...]:
    from stable_baselines3.common.callbacks import BaseCallback

    return (BaseCallback,)


_made_class = lazy_classes(
    __name__, {"WandbCallback": WandbStableBaselinesMethods}, _wandb_stable_baselines_bases
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _made_class(name)
    return unknown_attribute("wandb.integration.sb3", name)
