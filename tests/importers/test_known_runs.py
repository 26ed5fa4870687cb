"""A second import reads nothing of what is unchanged, and misses no change of either side."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from legm import ExperimentHandler
from legm.cli import main
from legm.importers import import_runs, known_runs, pipeline
from legm.importers.tensorboard import source as tensorboard_source
from legm.importers.translation import translate_run
from legm.util import stat_signatures
from tests.support.imported import results
from tests.support.paths import SAMPLES

META = "run_id: {run}\nstatus: {status}\nstart_time: 1700000000000\nlifecycle_stage: active\nrun_name: x\n"
READ_TWICE = """
import sys
from legm.importers import import_runs
from legm.backends.local import status_cache
from legm.util import stat_signatures

status_cache._TIMESTAMP_RESOLUTION = 0
stat_signatures._TIMESTAMP_RESOLUTION_NS = stat_signatures._FINE_TIMESTAMP_RESOLUTION_NS = 0
source, root = sys.argv[1:]
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
for unread in (0, int(import_runs(source, root, dry_run=True).created)):
    opened.clear()
    report = import_runs(source, root)
    assert report.is_complete and report.unread == unread, report
    print(*sorted({path for path in opened if path.startswith(source + "/")}), sep="\\n", end="\\n\\n\\n")
"""


@pytest.fixture(autouse=True)
def fine_times(monkeypatch):
    """As on a file system that notes every change with a time of its own."""
    monkeypatch.setattr(stat_signatures, "_TIMESTAMP_RESOLUTION_NS", 0)
    monkeypatch.setattr(stat_signatures, "_FINE_TIMESTAMP_RESOLUTION_NS", 0)


def mlruns(folder: Path, runs: int = 3, status: int = 3) -> Path:
    """An ``mlruns`` folder with runs of one configuration."""
    experiment = folder / "mlruns" / "1"
    for number in range(runs):
        run = experiment / f"r{number}"
        for name in ("params", "metrics", "tags", "artifacts"):
            (run / name).mkdir(parents=True)
        (run / "meta.yaml").write_text(META.format(run=run.name, status=status))
        (run / "params" / "lr").write_text("0.1")
        (run / "params" / "seed").write_text(str(number))
        (run / "metrics" / "loss").write_text(f"1700000000000 {number}.5 0\n")
        (run / "artifacts" / "note.txt").write_text("a note")
    (experiment / "meta.yaml").write_text("experiment_id: '1'\nname: e\n")
    return folder / "mlruns"


def original_legm(folder: Path) -> Path:
    return Path(shutil.copytree(SAMPLES / "original-legm" / "handler", folder / "original"))


def native(folder: Path) -> Path:
    for seed in range(2):
        with ExperimentHandler(folder / "native", "e") as handler:
            handler.set_dict_params({"lr": 0.1, "seed": seed})
            handler.disable_param("seed")
            handler.start()
            handler.set_metric("loss", 0.5)
    return folder / "native"


@pytest.mark.parametrize("made", [mlruns, original_legm, native])
def test_a_second_import_opens_no_file_of_an_unchanged_run(tmp_path, made):
    source, root = made(tmp_path), tmp_path / "root"
    command = [sys.executable, "-c", READ_TWICE, str(source), str(root)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    first, second = ({Path(line).name for line in part.split()} for part in told.split("\n\n\n")[:2])
    read = {"mlruns": {"lr", "seed", "loss", "note.txt"}}.get(source.name, {"metrics.yml"})
    assert read <= first
    assert second.isdisjoint(read | {"obj.pkl", "steps.yml", "indexed_metrics.yml", "names.txt"}), second
    assert not any(name.endswith(".log") for name in second)


def test_one_changed_run_is_compared_and_the_others_are_not_read(tmp_path):
    source, root = mlruns(tmp_path), tmp_path / "root"
    (source / "1" / "r2" / "params" / "lr").write_text("0.2")  # a configuration of its own
    assert import_runs(source, root).is_complete
    with (source / "1" / "r2" / "metrics" / "loss").open("a") as file:
        file.write("1700000000001 9.5 1\n")
    report = import_runs(source, root)
    assert (report.unchanged, report.unread) == (3, 2)
    assert [*report.differences] == ["r2"]
    assert [*import_runs(source, root).differences] == ["r2"], "a difference is said each time"


@pytest.mark.parametrize(
    "path", ["1/meta.yaml", "1/r0/artifacts/note.txt", "1/r0/tags/new", "1/r0/params/seed", "1/datasets/d/x"]
)
def test_whatever_changes_of_a_run_has_it_read(tmp_path, path):
    source, root = mlruns(tmp_path, runs=1), tmp_path / "root"
    import_runs(source, root)
    assert import_runs(source, root).unread == 1
    changed = source / path
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text((changed.read_text() if changed.exists() else "a value") + "\n")
    assert import_runs(source, root).unread == 0


def test_artifacts_that_appear_elsewhere_later_are_seen(tmp_path):
    source, root = mlruns(tmp_path, runs=1), tmp_path / "root"
    shutil.rmtree(source / "1" / "r0" / "artifacts")
    with (source / "1" / "r0" / "meta.yaml").open("a") as file:
        file.write("artifact_uri: mlflow-artifacts:/1/r0/artifacts\n")
    import_runs(source, root)
    assert import_runs(source, root).unread == 1
    late = tmp_path / "mlartifacts" / "1" / "r0" / "artifacts" / "late.txt"
    late.parent.mkdir(parents=True)
    late.write_text("late")
    report = import_runs(source, root)
    assert report.unread == 0
    assert "late.txt" in report.differences["r0"], "an ended run that got a file since"


def test_a_changed_target_is_compared_again(tmp_path):
    source, root = mlruns(tmp_path), tmp_path / "root"
    import_runs(source, root)
    (copy, *_) = sorted(root.glob("e/*/artifacts/*/note.txt"))
    copy.write_text("another")
    report = import_runs(source, root)
    assert (report.unread, len(report.differences)) == (0, 1)


def test_a_deleted_imported_run_comes_again(tmp_path):
    source, root = mlruns(tmp_path), tmp_path / "root"
    import_runs(source, root)
    shutil.rmtree(root / "e")
    report = import_runs(source, root)
    assert (report.created, report.unread, report.is_complete) == (3, 0, True)
    assert import_runs(source, root).unread == 3


def test_an_unchanged_run_without_an_end_is_read_again_only_when_it_has_grown(tmp_path):
    source, root = mlruns(tmp_path, runs=1, status=1), tmp_path / "root"
    import_runs(source, root)
    assert import_runs(source, root).unread == 1
    (source / "1" / "r0" / "meta.yaml").write_text(META.format(run="r0", status=3))
    with (source / "1" / "r0" / "metrics" / "loss").open("a") as file:
        file.write("1700000000001 0.25 1\n")
    report = import_runs(source, root)
    assert (report.updated, report.unread, report.is_complete) == (1, 0, True)
    (found,) = results(root, "e").values()
    assert found.points == 2


def test_unchanged_runs_move_when_they_are_compared_otherwise(tmp_path):
    source, root = mlruns(tmp_path), tmp_path / "root"
    for number in range(3):
        (source / "1" / f"r{number}" / "meta.yaml").write_text(META.format(run=f"r{number}", status=3))
        (source / "1" / f"r{number}" / "tags" / "team").write_text(f"team {'ab'[number % 2]}")
    first, again = import_runs(source, root), import_runs(source, root)
    assert again.unread == 3
    assert again.identities == first.identities
    assert again.configurations == first.configurations
    with pytest.raises(Exception, match="cannot change"):
        import_runs(source, root, compare=["seed"])
    report = import_runs(source, tmp_path / "other", compare=["seed"])
    assert (report.configurations, report.is_complete) == (3, True)


def test_recheck_reads_every_run(tmp_path):
    source, root = mlruns(tmp_path), tmp_path / "root"
    import_runs(source, root)
    told = CliRunner().invoke(main, ["import", str(source), str(root)])
    assert "3 runs not read again: unchanged since compared (see --recheck)" in told.output
    told = CliRunner().invoke(main, ["import", str(source), str(root), "--recheck"])
    assert "not read again" not in told.output
    assert "equal: 3 numbers, 3 files, 3 runs" in told.output


def test_what_is_left_out_of_a_running_experiment_is_looked_at_each_time(tmp_path):
    source, root = native(tmp_path), tmp_path / "root"
    running = ExperimentHandler(source, "e")
    running.set_dict_params({"lr": 0.1, "seed": 9})
    running.disable_param("seed")
    running.start()
    running.set_metric("loss", 0.25)
    running.flush(10)
    for _ in range(2):
        report = import_runs(source, root)
        assert (report.runs, report.unread) == (2, 0)
    running.log()
    assert import_runs(source, root).created == 1
    assert import_runs(source, root).unread == 3


def stored(root: Path) -> Path:
    (path,) = (root / ".legm" / "imports").iterdir()
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda content: "[]",
        lambda content: "[" * 100_000,
        lambda content: json.dumps({**content, "version": 99}),
        lambda content: json.dumps({**content, "folders": 3}),
        lambda content: json.dumps(
            {
                **content,
                "groups": {key: [one[0], one[1], [{"key": 3}]] for key, one in content["groups"].items()},
            }
        ),
        lambda content: json.dumps(
            {
                **content,
                "groups": {
                    key: [sign, out, [{**run, "started": "x"} for run in runs]]
                    for key, (sign, out, runs) in content["groups"].items()
                },
            }
        ),
        lambda content: json.dumps(
            {
                **content,
                "groups": {
                    key: [sign, out, [{**run, "labels": {"a": ["NONE", "b"]}} for run in runs]]
                    for key, (sign, out, runs) in content["groups"].items()
                },
            }
        ),
    ],
)
def test_a_damaged_file_of_earlier_imports_has_everything_read(tmp_path, change):
    source, root = mlruns(tmp_path), tmp_path / "root"
    import_runs(source, root)
    path = stored(root)
    path.write_bytes(zlib.compress(change(json.loads(zlib.decompress(path.read_bytes()))).encode()))
    report = import_runs(source, root)
    assert (report.unread, report.unchanged, report.is_complete) == (0, 3, True)
    path.write_bytes(b"no such thing")
    assert import_runs(source, root).unread == 0
    assert import_runs(source, root).unread == 3, "it was made anew"


def test_credentials_are_not_in_the_file_of_earlier_imports(tmp_path):
    source, root = mlruns(tmp_path), tmp_path / "root"
    (source / "1" / "r0" / "params" / "password").write_text("swordfish-and-more")
    (source / "1" / "r1" / "tags" / "url").write_text("https://me:swordfish-and-more@host/x")
    import_runs(source, root)
    assert b"swordfish" not in zlib.decompress(stored(root).read_bytes())
    assert import_runs(source, root).is_complete


def test_a_file_changed_at_the_time_of_the_look_is_not_taken_for_unchanged(tmp_path, monkeypatch):
    monkeypatch.undo()
    source, root = mlruns(tmp_path, runs=1), tmp_path / "root"
    monkeypatch.setattr(stat_signatures, "_FINE_TIMESTAMP_RESOLUTION_NS", 3_600_000_000_000)
    monkeypatch.setattr(stat_signatures, "_TIMESTAMP_RESOLUTION_NS", 3_600_000_000_000)
    import_runs(source, root)
    assert import_runs(source, root).unread == 0


def sqlite(folder: Path) -> Path:
    """MLflow's database of an older version, with two runs."""
    path = folder / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript((SAMPLES / "mlflow" / "2.9.2" / "mlflow.sql").read_text())
    return path


def wandb(folder: Path) -> Path:
    return Path(shutil.copytree(SAMPLES / "wandb" / "0.16.6" / "wandb", folder / "wandb"))


def tensorboard(folder: Path) -> Path:
    return Path(shutil.copytree(SAMPLES / "tensorboard" / "tf2", folder / "tf2"))


def counting_progress(items, what, total=None):
    """As on a terminal, where the total is asked for."""
    if callable(total):
        total()
    return items


def numbers_read(monkeypatch) -> list[str]:
    """The runs whose numbers an import reads from now on."""
    found: list[str] = []

    def noting(external, *others):
        found.append(external.key)
        return translate_run(external, *others)

    monkeypatch.setattr(pipeline, "translate_run", noting)
    return found


@pytest.mark.parametrize("made", [sqlite, wandb, tensorboard])
def test_no_number_of_an_unchanged_store_is_read_again(tmp_path, monkeypatch, made):
    source, root = made(tmp_path), tmp_path / "root"
    read = numbers_read(monkeypatch)
    first = import_runs(source, root)
    assert first.is_complete
    assert (first.created, len(set(read))) == (2, 2)
    read.clear()
    scans = []
    monkeypatch.setattr(tensorboard_source, "scan_event_files", lambda *given: scans.append(given))
    monkeypatch.setattr(pipeline, "show_progress", counting_progress)
    again = import_runs(source, root)
    assert scans == []
    assert (again.unchanged, again.unread, read) == (2, 2, [])
    assert (again.identities, again.configurations) == (first.identities, first.configurations)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE metrics SET value = value + 1 WHERE rowid = (SELECT max(rowid) FROM metrics)",
        "INSERT INTO metrics SELECT key, 9.5, timestamp + 1, run_uuid, 1000, is_nan FROM metrics LIMIT 1",
        "UPDATE tags SET value = 'another' WHERE rowid = (SELECT min(rowid) FROM tags)",
        "UPDATE params SET value = '77' WHERE rowid = (SELECT min(rowid) FROM params)",
        "UPDATE runs SET end_time = end_time + 1",
    ],
)
def test_whatever_changes_in_a_database_has_its_runs_read(tmp_path, change):
    source, root = sqlite(tmp_path), tmp_path / "root"
    import_runs(source, root)
    assert import_runs(source, root).unread == 2
    with contextlib.closing(sqlite3.connect(source)) as database:
        assert database.execute(change).rowcount
        database.commit()
    report = import_runs(source, root)
    assert report.unread == 0
    is_compared = not change.startswith(("UPDATE tags", "UPDATE runs"))
    assert bool(report.differences or report.updated) or not is_compared, report


def test_a_change_that_is_only_in_the_write_ahead_log_is_seen(tmp_path):
    source, root = sqlite(tmp_path), tmp_path / "root"
    with contextlib.closing(sqlite3.connect(source)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        import_runs(source, root)
        before = source.read_bytes()
        database.execute("UPDATE metrics SET value = value + 1")
        database.commit()
        assert source.read_bytes() == before
        report = import_runs(source, root)
    assert (report.unread, len(report.differences)) == (0, 2)


def test_artifacts_of_a_database_that_appear_later_are_seen(tmp_path):
    source, root = sqlite(tmp_path), tmp_path / "root"
    import_runs(source, root)
    assert import_runs(source, root).unread == 2
    with contextlib.closing(sqlite3.connect(source)) as database:
        ((run, experiment),) = database.execute("SELECT run_uuid, experiment_id FROM runs LIMIT 1")
    late = tmp_path / "mlruns" / str(experiment) / run / "artifacts" / "late.txt"
    late.parent.mkdir(parents=True, exist_ok=True)
    late.write_text("late")
    report = import_runs(source, root)
    assert report.unread == 0
    assert "late.txt" in report.differences[run]


def test_an_artifact_address_above_the_database_is_not_searched(tmp_path, monkeypatch):
    source, root = sqlite(tmp_path), tmp_path / "root"
    with contextlib.closing(sqlite3.connect(source)) as database:
        database.execute("UPDATE runs SET artifact_uri = 'file:///'")
        database.commit()
    looked_at = []
    signature = stat_signatures.stat_signature
    monkeypatch.setattr(known_runs, "stat_signature", lambda path: looked_at.append(path) or signature(path))
    import_runs(source, root)
    assert source in looked_at
    assert not {*tmp_path.parents, tmp_path} & {*looked_at}


@pytest.mark.parametrize("made", [wandb, tensorboard])
def test_whatever_changes_in_a_folder_of_runs_has_them_read(tmp_path, made):
    source, root = made(tmp_path), tmp_path / "root"
    import_runs(source, root)
    assert import_runs(source, root).unread == 2
    changed = next(path for path in sorted(source.rglob("*")) if path.suffix in {".wandb", ".v2"})
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1  # of the same size
    changed.write_bytes(content)
    assert import_runs(source, root).unread == 0
    assert import_runs(source, root).unread in {0, 2}
    (changed.parent / "new.txt").write_text("a file")
    assert import_runs(source, root).unread == 0


def test_folders_that_now_name_experiments_have_their_runs_read(tmp_path):
    source, root = tensorboard(tmp_path), tmp_path / "root"
    nested = tmp_path / "nested" / "task"
    shutil.copytree(source, nested)
    source = tmp_path / "nested"
    first = import_runs(source, root)
    again = import_runs(source, root)
    assert (again.unread, again.identities) == (2, first.identities)
    deeper = import_runs(source, tmp_path / "other", run_folders=2)
    assert {*deeper.identities} != {*first.identities}
    assert import_runs(source, tmp_path / "other", run_folders=2).unread == 2
    assert import_runs(source, tmp_path / "other").unread == 2, "as the earlier import decided"
