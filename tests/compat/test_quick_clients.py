"""Clients that take little time leave with stand-ins what their scripts log, where no library is installed.

``nox -s trainers`` compares these and all other clients with the libraries' own stores, and captured.
"""

from __future__ import annotations

import pytest

from tests.support.compat_stores import SCRIPTS
from tests.support.trainer_clients import left_by

VARIED = {"hydra_multirun": ("rate", [0.1, 0.2]), "joblib_processes": ("seed", [0, 1])}
"""By script, the parameter that its runs differ in, and its values."""


@pytest.mark.parametrize("library", ["wandb", "mlflow"])
@pytest.mark.parametrize("name", VARIED)
def test_each_job_leaves_its_run(library, name):
    left = left_by(SCRIPTS / f"{library}_trainers" / f"{name}.py", "stand-ins")
    assert left.said == ""
    parameter, values = VARIED[name]
    found = {float(one.parameters[parameter]): dict(one.points["loss"]) for one in left.runs}
    if parameter == "rate":
        assert found == {rate: {step: rate / (step + 1) for step in range(2)} for rate in values}
    else:
        assert found == {seed: {step: seed + 1 / (step + 1) for step in range(3)} for seed in values}
