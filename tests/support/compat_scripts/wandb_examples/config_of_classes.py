"""Config values that are objects: enumerations, paths, types, dataclasses' fields, tuples and sets."""

import dataclasses
from pathlib import PurePosixPath

import wandb


@dataclasses.dataclass
class Settings:
    lr: float = 0.1
    layers: tuple = (1, 2)
    out: str = str(PurePosixPath("a/b"))


with wandb.init(project="config_of_classes", config=dataclasses.asdict(Settings())) as run:
    run.config.update({"kind": "relu", "sizes": [1, 2], "ratio": 3})
    run.log({"x": 1})
