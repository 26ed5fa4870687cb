"""Parameters of a script that are more than numbers and texts."""

from __future__ import annotations

from legm.compat.run_snapshot import stored_snapshots
from legm.compat.settings import Settings
from legm.core.plain_form import from_plain
from tests.support.compat_play import played

ODD = """
import wandb

labels = {0: "cat", 1: "dog"}
config = {"labels": labels, "kinds": {"b", "a"}, "raw": b"x", "nested": [labels]}
with wandb.init(project="p", config=config) as run:
    run.log({"loss": 1})
"""


def test_mappings_of_numbers_are_stored_as_they_are(tmp_path):
    played(tmp_path, ODD)
    (one,) = stored_snapshots(Settings(tmp_path / "root"), ["p"])
    labels = {0: "cat", 1: "dog"}
    values = {name: from_plain(value) for name, value in one.parameters.items()}
    flat = {f"labels.{number}": label for number, label in labels.items()}  # as W&B does
    assert values == {**flat, "kinds": {"a", "b"}, "raw": b"x", "nested": [labels]}
