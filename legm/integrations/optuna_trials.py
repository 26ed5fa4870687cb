"""What legm takes from a trial of Optuna, and from its study."""

from __future__ import annotations

from typing import Any

from legm.errors import ParameterError
from legm.integrations.trainer_parameters import TrainerParameters

__all__ = ["is_higher_trial_better", "optuna_trial_parameters"]

_STUDY, _NUMBER = "optuna_study", "optuna_trial"  # parameters that are not compared


def is_higher_trial_better(study: Any, metric: str) -> bool:
    """Whether a study looks for higher values of the metric that it optimizes.

    Args:
        study: None where a trial is repeated without one: then the metric's name decides.
        metric: the metric.

    Raises:
        ParameterError: the study has several objectives.
    """
    if study is None:
        from legm.core.direction import direction_by_name

        return direction_by_name(metric) is not False
    if len(study.directions) > 1:
        raise ParameterError(
            f"the metric {metric!r} cannot choose the best step: the study has {len(study.directions)} "
            "objectives; call handler.set_best() instead"
        )
    return bool(study.direction.name == "MAXIMIZE")


def optuna_trial_parameters(trial: Any, study: Any) -> TrainerParameters:
    """What was suggested, which always counts, with the trial's number and study, which never do.

    Where both None and False may be chosen, they are texts, since both values would be inactive.

    Args:
        trial: the trial, while it runs or later.
        study: its study; None where it is repeated without one.
    """
    values: dict[str, Any] = {}
    for name, value in trial.params.items():
        choices = getattr(trial.distributions.get(name), "choices", ())
        has_both = any(one is None for one in choices) and any(one is False for one in choices)
        values[name] = str(value) if has_both and (value is None or value is False) else value
    own = {_NUMBER: trial.number} | ({} if study is None else {_STUDY: study.study_name})
    return TrainerParameters({**values, **own}, uncompared=own, compared=values)
