"""Tags and notes in W&B: written by legm, and read by an import."""

from __future__ import annotations

import pytest

from legm import ExperimentHandler
from legm.importers import import_runs
from legm.records import RunMarks
from legm.runlog.log_folder import LogFolder, find_run_log
from legm.runlog.marks_files import change_marks
from tests.support.calling import as_json

pytestmark = pytest.mark.usefixtures("wandb_home")

QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "x_save_requirements": False}


def test_tags_and_notes_of_a_run_come_back_from_wandb(tmp_path):
    options = {"mode": "offline", "settings": QUIET}
    with ExperimentHandler(tmp_path / "root", "net", backend="wandb", backend_options=options) as handler:
        handler.set_param("rate", 0.5)
        handler.start()
        handler.tag("baseline", "favourite")
        path = find_run_log(tmp_path / "root", handler.run_id)
        change_marks(
            LogFolder.containing(path), handler.run_id, lambda marks: RunMarks(marks.tags, "look here")
        )
        handler.set_metric("loss", 0.25)
    (one,) = handler.get_best("loss", where="tag:baseline")
    assert one.value.mean == 0.25
    import_runs(tmp_path / "root" / "wandb", tmp_path / "imported")
    (folder,) = [path.parent for path in (tmp_path / "imported").rglob("params.yml")]
    (run,) = as_json("show", folder)["runs"]
    assert (run["tags"], run["note"]) == (["baseline", "favourite"], "look here")
