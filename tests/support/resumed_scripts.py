"""Scripts that train from their checkpoint on, and are killed where a file says so."""

from __future__ import annotations

__all__ = ["MLFLOW_TRAINING", "WANDB_TRAINING"]

_BEGIN = """
import json, os, signal, sys, time
from pathlib import Path

killed_at = int(Path("kill").read_text())
checkpoint = Path("checkpoint.json")
epoch = json.loads(checkpoint.read_text()) if checkpoint.exists() else -1
seed = int(Path("seed").read_text()) if Path("seed").exists() else int(sys.argv[2])
late, own = os.environ.get("LATE"), os.environ.get("OWN")

def epochs():
    for at in range(epoch + 1, 8):
        yield at, 1 / (1 + float(sys.argv[1]) * at)
        if at == killed_at:
            wait_until_logged()
            os.kill(os.getpid(), signal.SIGKILL)
        if at % 2:
            checkpoint.write_text(json.dumps(at))

def wait_until_logged():
    if "legm.compat.script_session" in sys.modules:
        for run in sys.modules["legm.compat.script_session"].SESSION.runs.values():
            run.flush()
    else:
        time.sleep(1.2)  # W&B's own process has written it
"""

WANDB_TRAINING = (
    _BEGIN
    + """
import wandb
given = {"id": own} if own else {}
run = wandb.init(project="p", config={"lr": float(sys.argv[1]), "seed": seed}, **given)
if late:
    run.config.late = int(late)
for at, loss in epochs():
    run.log({"loss": loss}, step=at, commit=True)
run.finish()
"""
)
MLFLOW_TRAINING = (
    _BEGIN
    + """
import mlflow
mlflow.set_experiment("p")
with mlflow.start_run(nested=False, **({"run_id": mlflow.MlflowClient().create_run(
        mlflow.get_experiment_by_name("p").experiment_id).info.run_id} if own else {})):
    mlflow.log_params({"lr": float(sys.argv[1]), "seed": seed, **({"late": int(late)} if late else {})})
    for at, loss in epochs():
        mlflow.log_metric("loss", loss, step=at)
"""
)
