# slurm_task.py
import os

from legm import ExperimentHandler
from training import BACKEND, EXPERIMENT, RATES, ROOT, SEEDS, losses

seed = int(os.environ["SLURM_ARRAY_TASK_ID"])
for lr in RATES:
    handler = ExperimentHandler(ROOT, EXPERIMENT, backend=BACKEND)
    handler.set_dict_params({"lr": lr, "seed": seed})
    handler.disable_param("seed")
    with handler.claim(len(SEEDS)) as ok:
        if ok:
            with handler.start():
                for epoch, loss in losses(lr, seed):
                    handler.set_metric("loss", loss, step=epoch)
