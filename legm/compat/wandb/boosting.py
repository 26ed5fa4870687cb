"""What W&B's callbacks of CatBoost, LightGBM and XGBoost log alike: the importances, and the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from legm.compat.wandb.artifacts import Artifact
from legm.compat.wandb.media import Table
from legm.compat.wandb.plot import bar
from legm.compat.wandb.wandb_run import Run

__all__ = ["keep_boosting_model", "log_importance_chart"]

_TITLE = "Feature Importance"


def log_importance_chart(
    run: Run, importances: Iterable[tuple[Any, Any]], *, commit: bool | None = None
) -> None:
    """Log a chart of the importances.

    Args:
        run: that gets it.
        importances: of each feature.
        commit: whether the row of the run ends with it; None for W&B's default.
    """
    table = Table(data=[list(row) for row in importances], columns=["Feature", "Importance"])
    run.log({_TITLE: bar(table, "Feature", "Importance", title=_TITLE)}, commit=commit)


def keep_boosting_model(
    run: Run, save: Callable[[str], object], file_name: str, artifact: str, aliases: Sequence[str] = ()
) -> None:
    """Keep a model as an artifact.

    Args:
        run: that gets it.
        save: writes it to a path, in the library's own format.
        file_name: in the run's folder.
        artifact: the name of the artifact.
        aliases: of its version.
    """
    path = Path(run.dir, file_name)
    save(str(path))
    made = Artifact(artifact, type="model")
    made.add_file(str(path))
    run.log_artifact(made, aliases=list(aliases) or None)
