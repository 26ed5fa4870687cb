"""Parameters of a script that are more than numbers and texts."""

from __future__ import annotations

from pathlib import Path

from legm.compat.run_snapshot import stored_snapshots
from legm.compat.settings import Settings
from legm.core.plain_form import from_plain
from legm.records import Plain
from tests.support.compat_play import played


def test_times_of_now_are_not_compared_and_those_that_a_user_means_are():
    began, now = 1_714_566_600.0, 1_714_637_000.0  # 1 and 2 May 2024

    def is_compared(name: str, value: Plain) -> bool:
        return Settings(Path("root")).is_compared(name, value, began, now)

    written = {
        "start_time": 1_714_566_600_123_456_789,
        "date": "2024-05-02_10-03-20",
        "timestamp": 1_714_637_000,
    }
    assert not any(is_compared(name, value) for name, value in written.items())
    meant = {"date": "2024-01-01", "max_time": 3600, "time_limit": "01:00:00", "cutoff": "2024-01-01 12:00"}
    assert all(is_compared(name, value) for name, value in meant.items())


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
