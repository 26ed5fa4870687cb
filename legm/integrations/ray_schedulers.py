"""Who ended a trial of Ray Tune before its end: its scheduler, or what stops the whole experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from legm.integrations.calling_frames import find_in_calling_frames

__all__ = ["RaySchedulerDecisions", "calling_ray_experiment"]

_COUNTERS = ("_num_stopped", "_stopped_trials")
_NEVER_STOP = ("FIFOScheduler", "PopulationBasedTraining", "PB2")


def calling_ray_experiment() -> RaySchedulerDecisions:
    """The decisions about the trials of the ``tune.run`` that calls."""
    scheduler = find_in_calling_frames(_ray_scheduler_among)
    while (wrapped := getattr(scheduler, "_base_scheduler", None)) is not None:
        scheduler = wrapped
    return RaySchedulerDecisions(scheduler, find_in_calling_frames(_ray_stopper_among))


def _ray_scheduler_among(variables: Mapping[str, Any]) -> Any:
    known = variables.get("scheduler")
    return known if hasattr(known, "choose_trial_to_run") else None


def _ray_stopper_among(variables: Mapping[str, Any]) -> Any:
    known = variables.get("experiments")
    return getattr(known[0], "stopper", None) if isinstance(known, list) and known else None


class RaySchedulerDecisions:
    """What ends trials before their end.

    Ray says that a trial is done, and not who decided so: the trial itself, a criterion of the user's, or the
    scheduler. Those of Ray's schedulers that stop trials count them, and one that stops paused trials is
    among the callers then.

    Args:
        scheduler: of the experiment; None where it is not found.
        stopper: of the experiment; None where there is none.
    """

    def __init__(self, scheduler: Any = None, stopper: Any = None) -> None:
        self._scheduler, self._stopper = scheduler, stopper
        self._name = type(scheduler).__name__
        self._can_stop = scheduler is not None and not self._name.startswith(_NEVER_STOP)
        self._count = self._stopped_count()

    def _stopped_count(self) -> int | None:
        known = vars(self._scheduler) if self._can_stop else {}
        count = next((known[name] for name in _COUNTERS if name in known), None)
        return len(count) if isinstance(count, set) else count

    def reason_at_result(self, trial: Any, result: Mapping[str, Any]) -> str:
        """Why the scheduler ends a trial at a result, of which all have to be given; "" where it does not.

        Args:
            trial: whose own criteria to stop are no reason.
            result: what it reported.
        """
        before, self._count = self._count, self._stopped_count()
        is_counted = self._count is None or self._count != before
        if not result.get("done") or not self._can_stop or not is_counted:
            return ""
        own = {name: value for name, value in result.items() if name != "done"}
        return "" if trial.should_stop(own) else self._reason_before_the_longest(result)

    def reason_at_end(self, trial: Any) -> str:
        """Why a trial ends that did not at a result: its scheduler stops it while it is paused, or "".

        Args:
            trial: that ends.
        """
        scheduler = self._scheduler
        is_by_scheduler = self._can_stop and find_in_calling_frames(
            lambda variables: variables.get("self") is scheduler or None
        )
        return self._reason_before_the_longest(trial.last_result or {}) if is_by_scheduler else ""

    def _reason_before_the_longest(self, result: Mapping[str, Any]) -> str:
        """The reason; "" at the longest training of the scheduler, which is not before a trial's end."""
        known = vars(self._scheduler)
        longest = known.get("_max_t", known.get("_max_t_attr"))
        unit = known.get("_time_attr", "training_iteration")
        reached = result.get(unit)
        is_longest = longest is not None and reached is not None and reached >= longest
        return "" if is_longest else f"stopped by {self._name} at {unit} {reached}"

    def is_experiment_stopped(self) -> bool:
        """Whether the user's criterion or budget of time ends all trials."""
        return self._stopper is not None and bool(self._stopper.stop_all())
