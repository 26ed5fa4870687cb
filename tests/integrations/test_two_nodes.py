"""Trainings on two nodes, which are two launchers of torchrun on this machine, with one process each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from legm.records import Status
from tests.support.mlflow_server import free_port
from tests.support.trainer_runs import only_run, points

ACCELERATE = """
from accelerate import Accelerator
from legm.integrations.accelerate import LegmTracker

accelerator = Accelerator(log_with=LegmTracker(ROOT, "e"), cpu=True)
accelerator.init_trackers("project", config={"lr": 0.1})
for step in range(3):
    loss = accelerator.gather(torch.tensor([float(step + accelerator.process_index)])).sum().item()
    accelerator.log({"loss": loss}, step=step)
    logged.append([step, loss])
accelerator.end_training()
"""
LIGHTNING = """
import lightning.pytorch as pl
from legm.integrations.lightning import LegmLogger

class Model(pl.LightningModule):
    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, index):
        loss = self.layer(batch).square().mean()
        self.log("loss", loss, sync_dist=True)
        return loss

    def on_train_batch_end(self, *_):
        loss = float(self.trainer.callback_metrics["loss"])
        logged.append([self.trainer.global_step - 1, loss])
        saved.append(self.trainer.checkpoint_callback.dirpath)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
two = {"strategy": "ddp", "devices": 1, "num_nodes": 2, "log_every_n_steps": 1, "max_epochs": 1}
trainer = pl.Trainer(logger=LegmLogger(ROOT, "e"), **quiet, **two)
trainer.fit(Model(), torch.utils.data.DataLoader(torch.ones(6, 1)))
"""
TRANSFORMERS = """
import transformers
from legm.integrations.transformers import LegmCallback

torch.manual_seed(0)
model = transformers.BertForSequenceClassification(transformers.BertConfig(
    hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=16))
rows = [{"input_ids": [1, 2, 3], "labels": index % 2} for index in range(8)]
args = transformers.TrainingArguments(
    output_dir=f"out-{os.environ['RANK']}", num_train_epochs=1, logging_steps=1, save_strategy="no",
    per_device_train_batch_size=2, use_cpu=True, report_to="none", disable_tqdm=True)
trainer = transformers.Trainer(model, args, train_dataset=rows, callbacks=[LegmCallback(ROOT, "e")])
trainer.train()
logged = [[row["step"], row["loss"]] for row in trainer.state.log_history if "loss" in row]
"""
TRAINING = """
import json, os, pathlib, sys
import torch

torch.set_num_threads(1)
ROOT, logged, saved = sys.argv[1], [], []
{training}
written = json.dumps([sorted(logged), saved[-1:]])
pathlib.Path(f"logged-{{os.environ['RANK']}}.json").write_text(written)
"""


@pytest.mark.parametrize(
    "training", [ACCELERATE, LIGHTNING, TRANSFORMERS], ids=["accelerate", "lightning", "transformers"]
)
def test_of_two_nodes_the_main_process_of_the_first_records(tmp_path, training):
    """On the second node too, the process is the first one of its node."""
    (tmp_path / "train.py").write_text(TRAINING.format(training=training))
    meeting = ("--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--rdzv-id=legm")
    command = (sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nnodes=2", *meeting)
    nodes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "said.txt").open("wb") as said:
            nodes.append(
                subprocess.Popen(
                    [*command, "--local-addr=127.0.0.1", "../train.py", str(tmp_path / "root")],
                    cwd=tmp_path / name,
                    env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
                    stdout=said,
                    stderr=said,
                )
            )
    codes = [node.wait() for node in nodes]
    assert codes == [0, 0], [(tmp_path / name / "said.txt").read_text() for name in ("one", "two")]
    first, second = (logged_by(tmp_path, rank) for rank in (0, 1))
    found = only_run(tmp_path / "root")
    assert found.status is Status.COMPLETED
    assert points(found, "loss") == first[0]
    assert first[1] == second[1]  # the folder of the checkpoints


def logged_by(folder: Path, rank: int) -> tuple[list[tuple[int, float]], list[str]]:
    (path,) = folder.glob(f"*/logged-{rank}.json")
    logged, saved = json.loads(path.read_text())
    return [(step, value) for step, value in logged], saved
