"""Every public name of wandb and mlflow is answered by the stand-ins, or is listed as one that is not."""

from __future__ import annotations

import ast
import json
from fnmatch import fnmatchcase

from legm.compat.unsupported_names import CHECKED, UNSUPPORTED, reason_for, table_text
from tests.support.compat_play import play, snapshots
from tests.support.compat_stores import SCRIPTS
from tests.support.paths import TESTS
from tests.support.recorded_names import RECORDED, recorded_row_of, recorded_table_text

ASKED = """
import json, pathlib
import mlflow, wandb
run = wandb.init(project="p")
objects = {
    "mlflow": mlflow, "mlflow.MlflowClient": mlflow.MlflowClient(), "wandb": wandb, "wandb.Run": run,
    "wandb.Api": wandb.Api(), "wandb.Artifact": wandb.Artifact("a", type="t"),
}
asked = json.loads(pathlib.Path("names.json").read_text())
for owner, names in asked.items():
    for name in names:
        found = getattr(objects[owner], name, None)
        kinds = {type(found).__name__, type(type(found)).__name__}
        if kinds & {"NullObject", "NullClass", "NullClientClass"}:
            print(f"{owner}.{name}")
"""
MODULES = {"mlflow.gateway"}
"""What is a module, whose names are answered each."""
NO_REASON = "legm does not support this call"


def public_names_of_libraries() -> dict[str, list[str]]:
    import mlflow
    import wandb

    found = {"mlflow": list(mlflow.__all__), "wandb": list(wandb.__all__)}
    for path in (path for paths in CHECKED.values() for path in paths if "." in path):
        owner = {"mlflow": mlflow, "wandb": wandb}[path.partition(".")[0]]
        names = dir(getattr(owner, path.partition(".")[2]))
        found[path] = [name for name in names if not name.startswith("_")]
    return found


def test_each_name_is_answered_or_listed_with_the_reason_and_no_answered_one_is_listed(tmp_path):
    names = public_names_of_libraries()
    (tmp_path / "names.json").write_text(json.dumps(names))
    done = play(tmp_path, ASKED)
    assert done.returncode == 0, done.stderr
    unanswered = set(done.stdout.split())
    everything = {f"{owner}.{name}" for owner, found in names.items() for name in found}
    listed = {name for name in everything if reason_for(name) != NO_REASON}
    assert (unanswered - listed, listed - unanswered) == (set(), set())


MEDIA = """
import json, sys
import numpy as np, wandb
pixels = np.zeros((2, 2, 3), "uint8")
made = {
    "Table": wandb.Table(columns=["a"], data=[[1], [2]]), "Image": wandb.Image(pixels),
    "Histogram": wandb.Histogram([1.0, 2.0]), "Html": wandb.Html("x"),
    "Object3D": wandb.Object3D(np.zeros((1, 3))),
    "Audio": wandb.Audio(np.zeros(8), sample_rate=8), "Video": wandb.Video(np.zeros((1, 3, 2, 2), "uint8")),
}
for kind, names in json.loads(sys.argv[1]).items():
    print(*(f"{kind}.{name}" for name in names if not hasattr(made[kind], name)), end="")
table = made["Table"]
table.add_computed_columns(lambda at, row: {"b": row["a"] + at})
print(table.columns, table.data, [one.get_row()["b"] for one in table.get_index()], made["Image"].image.size)
print(type(wandb.Object3D.from_numpy(np.zeros((1, 3)))).__name__, wandb.Table.MAX_ROWS)
table.to_json(None)
"""


def test_each_public_name_of_media_is_answered(tmp_path):
    import wandb

    kinds = ("Table", "Image", "Histogram", "Html", "Object3D", "Audio", "Video")
    names = {kind: [one for one in dir(getattr(wandb, kind)) if one[0] != "_"] for kind in kinds}
    done = play(tmp_path, MEDIA, json.dumps(names))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['a', 'b'] [[1, 1], [2, 3]] [1, 3] (2, 2)\nObject3D 10000\n"
    assert "wandb.Table.to_json" in done.stderr


ENGINES = """
import mlflow
with mlflow.start_run():
    mlflow.log_input(mlflow.data.from_spark(object(), path="table"), context="training")
    mlflow.log_input(mlflow.data.load_delta(path="table"))
    mlflow.data.from_tensorflow(object())
    mlflow.log_metric("loss", 1)
"""


def test_data_sets_of_engines_are_refused_with_the_reason_and_the_training_continues(tmp_path):
    done = play(tmp_path, ENGINES)
    assert done.returncode == 0, done.stderr
    for name in ("from_spark", "load_delta", "from_tensorflow"):
        assert f"mlflow.data.{name} is not recorded: their rows are read by an engine" in done.stderr
    (run,) = snapshots(tmp_path, "Default")
    assert list(run.latest) == ["loss"]


def test_the_page_has_the_table():
    page = (TESTS.parent / "docs" / "drop-in.md").read_text(encoding="utf-8")
    assert table_text() in page
    assert {row.library for row in UNSUPPORTED} == {"mlflow", "wandb"}


def test_each_answered_name_is_in_the_table_of_what_becomes_what():
    names = {f"{owner}.{name}" for owner, found in public_names_of_libraries().items() for name in found}
    answered = {name for name in names if reason_for(name) == NO_REASON} - MODULES
    assert {name for name in answered if recorded_row_of(name) is None} == set()
    matched = {row for name in answered if (row := recorded_row_of(name)) is not None}
    assert {row.what for row in set(RECORDED) - matched if row.names} == set()


def test_the_page_has_the_table_of_what_becomes_what():
    page = (TESTS.parent / "docs" / "drop-in.md").read_text(encoding="utf-8")
    for library in ("wandb", "mlflow"):
        assert recorded_table_text(library) in page


NEEDS_A_SERVER = {
    "`sweep` of a dictionary and `agent` with a function",
    "`Api().run`, `runs`, `artifact`",
}
"""What the real wandb does with a server alone, so that no script can be compared."""


def used_names() -> set[str]:
    """What the compared scripts call or read, as far as it is an attribute or imported by its name."""
    found = set()
    for path in SCRIPTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("wandb", "mlflow")):
                found.update(alias.name for alias in node.names)
    return found


def test_what_is_recorded_is_used_by_a_script_that_is_compared_unless_it_needs_a_server():
    used = used_names()
    without = set()
    for row in RECORDED:
        patterns = {name.rpartition(".")[2] for name in row.names} - {"*"}  # of a class, all of its names
        if patterns and not any(fnmatchcase(one, pattern) for pattern in patterns for one in used):
            without.add(row.what)
    assert without == NEEDS_A_SERVER
