"""ultralytics, a tiny classifier with the callbacks that it has for mlflow."""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def make_pictures():
    random = np.random.default_rng(0)
    for part in ("train", "val"):
        for number, kind in enumerate(("dark", "light")):
            folder = Path("shapes", part, kind)
            folder.mkdir(parents=True, exist_ok=True)
            for at in range(4):
                pixels = random.integers(100 * number, 100 * number + 60, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{at}.png")


def train():
    from ultralytics import YOLO, settings

    settings.update({"wandb": False, "mlflow": True, "runs_dir": "runs"})
    named = {"project": "ultralytics_training", "name": "tiny"}
    options = {"imgsz": 32, "batch": 4, "workers": 0, "device": "cpu", "amp": False, "plots": False}
    model = YOLO("tiny-cls.yaml", task="classify")
    model.train(data="shapes", epochs=2, seed=0, optimizer="SGD", **named, **options)


os.environ["YOLO_CONFIG_DIR"] = str(Path.cwd())  # not the user's own settings
os.environ.pop("PYTEST_CURRENT_TEST", None)  # in a process of pytest it logs nothing
sys.modules.pop("pytest", None)
make_pictures()
Path("tiny-cls.yaml").write_text(
    "nc: 2\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2]]\n  - [-1, 1, Conv, [16, 3, 2]]\n"
    "head:\n  - [-1, 1, Classify, [nc]]\n"
)
train()
