"""Configurations of dataclasses and namespaces as parameters."""

import argparse
import dataclasses

import mlflow


@dataclasses.dataclass
class Config:
    lr: float = 0.1
    betas: str = "0.9,0.999"
    name: str = "adam"


mlflow.set_experiment("config_objects")
with mlflow.start_run():
    mlflow.log_params(dataclasses.asdict(Config()))
with mlflow.start_run():
    mlflow.log_params(vars(argparse.Namespace(lr=0.2, verbose=False)))
