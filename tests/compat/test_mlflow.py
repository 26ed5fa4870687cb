"""Scripts that call mlflow leave the same in legm as the real mlflow leaves in its own store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.compat_stores import Held, comparable, in_legm, once, run_originals, run_with_legm, scripts


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Held]]:
    """By experiment, the runs that the real mlflow has in SQLite, oldest first."""
    from mlflow import MlflowClient

    def make(folder: Path) -> None:
        run_originals(
            "mlflow",
            folder,
            before="import mlflow",
            after="mlflow.end_run()",
            MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db",
            MLFLOW_DISABLE_TELEMETRY="true",
            MLFLOW_LOGGING_LEVEL="ERROR",
        )

    folder = once(tmp_path_factory.getbasetemp(), "original-mlflow", make)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    found = {}
    for experiment in client.search_experiments():
        found[experiment.name] = [
            Held(
                run.data.params,
                {
                    name: list(
                        {
                            one.step: (one.step, one.value)
                            for one in client.get_metric_history(run.info.run_id, name)
                        }.values()
                    )  # of two values at one step the last counts
                    for name in run.data.metrics
                },
            )
            for run in sorted(
                client.search_runs([experiment.experiment_id]), key=lambda run: run.info.start_time
            )
        ]
    return found


@pytest.mark.parametrize("script", scripts("mlflow"), ids=lambda path: path.stem)
def test_an_unchanged_script_leaves_the_same_parameters_and_points(
    script: Path, originals: dict[str, list[Held]], tmp_path: Path
) -> None:
    done = run_with_legm(script, tmp_path)
    assert done.returncode == 0, done.stderr
    ours, theirs = in_legm(tmp_path / "root", script.stem), originals[script.stem]
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert {name: str(value) for name, value in our.parameters.items()} == their.parameters
        assert comparable(our.points) == comparable(their.points)
