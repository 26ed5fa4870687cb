"""The command line: what a user is shown, what a program is given, and what is made good again."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from legm import ExperimentHandler
from legm.analysis.recovery import interrupted_runs
from legm.backends.local import folder_reader
from legm.cli import _is_not_repeated
from legm.cli.options import STATUS_NAMES
from legm.core.naming import readable_name
from legm.records import Status
from legm.runlog.log_folder import find_pending_logs
from legm.runlog.log_frames import FRAME_HEAD, HEADER, RUN
from legm.runlog.log_reader import read_log
from tests.support.calling import as_json, call, failed, shown
from tests.support.odd_frames import ODD_FRAMES, json_frame

EXPERIMENT = "Net [bold]ü[/bold] 精度"
STATUSES = ("completed", "failed", "interrupted", "running")

# Sets two values, says so when they are on the disk, and waits to be killed or for the signal to end.
WORKER = """
import sys
from legm import ExperimentHandler

handler = ExperimentHandler(sys.argv[1], sys.argv[2])
handler.set_dict_params({"lr": 0.1, "[red]": "[/x]", "seed": 1})
handler.disable_param("seed")
handler.name_params(["lr", "[red]"])
handler.start()
handler.set_metric("loss", 0.75)
handler.set_metric("loss", 0.5)
handler.flush()
print(handler.run_id, flush=True)
sys.stdin.read()
"""


def worker(root: Path) -> tuple[subprocess.Popen, str]:
    started = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(root), EXPERIMENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    return started, started.stdout.readline().strip()


def kill(started: subprocess.Popen) -> None:
    started.kill()
    started.communicate()


def handler(root: Path, description: str | None = None, **params) -> ExperimentHandler:
    made = ExperimentHandler(root, EXPERIMENT, description)
    made.set_dict_params({"lr": 0.1, "[red]": "[/x]", "seed": 1, **params})
    made.disable_param("seed")
    made.name_params(["lr", "[red]"])
    return made


def fill(root: Path) -> dict[str, list[str]]:
    """Three completed, a failed and an interrupted run, and one of another configuration; ids by status."""
    ids: dict[str, list[str]] = {status: [] for status in STATUSES}

    def begin(description: str | None = None, **params) -> ExperimentHandler:
        made = handler(root, description, **params).start()
        ids["completed"].append(made.run_id)
        return made

    for seed in (1, 2):
        with begin(seed=seed) as made:
            for step, loss in enumerate((0.5, 1 / 3, math.nan)):
                made.set_dict_metrics({"loss": loss + seed, "[blue]": 1e-7}, step=step)
            made.set_dict_metrics({"cat": {"dice": 0.5}, "method": {"dice": 0.25}}, step=0)
            made.set_metric("精度", seed, test=True)
    with begin("try [/this]", seed=3) as made:
        made.set_metric("loss", math.inf)
    with begin(lr=0.2, **{"depth [x]": "ü"}) as made:
        made.set_metric("loss", 4.0)
    failing = begin()
    ids["failed"].append(ids["completed"].pop())
    failing.set_metric("loss", 9.0)
    error = ValueError("boom [/red]")
    failing.__exit__(ValueError, error, None)
    killed, run_id = worker(root)
    kill(killed)
    ids["interrupted"].append(run_id)
    return ids


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> tuple[Path, dict[str, list[str]]]:
    """A tree that is only copied."""
    root = tmp_path_factory.mktemp("cli") / "root"
    return root, fill(root)


@pytest.fixture
def tree(original, tmp_path) -> tuple[Path, dict[str, list[str]]]:
    """A tree of one's own."""
    shutil.copytree(original[0], tmp_path / "root")
    return tmp_path / "root", original[1]


def places(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/*/params.yml"))


def statuses(runs: list[dict]) -> dict[str, list[str]]:
    return {s: [run["run_id"] for run in runs if run["status"] == s] for s in STATUSES}


def numbers(folder: Path) -> list[dict]:
    """Every number of the completed runs, series and all."""
    runs = folder_reader.read_runs(folder, None)
    return [
        {
            "run": result.run.run_id,
            "best": {str(series): value.hex() for series, value in result.best.items()},
            "test": {str(series): value.hex() for series, value in result.test.items()},
            "series": {
                str(series): (history.steps.tolist(), history.values.tobytes())
                for series, history in sorted(result.histories.items(), key=str)
            },
            "rest": [result.best_step, result.points, result.ended, result.run.parameters],
        }
        for result in sorted(runs, key=lambda result: result.run.run_id)
        if result.status is Status.COMPLETED
    ]


# ls


def test_ls_shows_each_configuration_with_its_runs_of_each_kind(tree):
    root, _ = tree
    output = shown("ls", root)
    lines = output.splitlines()
    assert lines[0] == EXPERIMENT
    (row,) = [line for line in lines if line.startswith("[/x],0.1_0 ")]
    assert " 3 " in row
    assert "1 failed, 1 interrupted" in row
    assert row.endswith("  lr=0.1")  # the parameters by which they differ
    (other,) = [line for line in lines if line.startswith("[/x],0.2_0 ")]
    assert "failed" not in other
    assert "depth [x]=ü" in other
    assert {row, other} <= set(shown("ls", places(root)[0].parent).splitlines())
    alone, apart = shown("ls", places(root)[0]), row.rindex("  ")
    assert row[:apart] in alone
    assert "[red]=[/x], lr=0.1" in alone


def test_ls_gives_a_program_the_runs_counted_by_description_and_their_values(tree):
    root, _ = tree
    first, second = as_json("ls", root)
    assert [first["folder"], second["folder"]] == [str(place) for place in places(root)]
    assert first["experiment"] == second["experiment"] == EXPERIMENT
    assert first["parameters"]["[red]"] == "[/x]"
    assert first["active"] == ["[red]", "lr"]
    assert first["problem"] is second["problem"] is None
    assert first["fingerprint"] == handler(root).fingerprint
    plain, described = first["runs"]
    assert plain.pop("last") > 1.7e9
    assert plain.pop("values") == {
        "best_[blue]": [1e-7] * 2,
        "best_loss": ["nan"] * 2,
        "test_精度": [1.0, 2.0],
    }
    assert plain.pop("rules") == [
        {"method": "last", "step": None, "metric": None, "higher_better": True, "runs": 2}
    ]
    assert (plain.pop("repeated"), plain.pop("code")) == (0, {})
    counts = {"completed": 2, "failed": 1, "interrupted": 1, "pruned": 0, "running": 0}
    assert plain == {"description": "", **counts}
    assert (described["description"], described["completed"]) == ("try [/this]", 1)
    assert described["values"] == {"best_loss": ["inf"]}
    assert [run["completed"] for run in second["runs"]] == [1]


def test_show_gives_a_program_every_run(tree):
    root, ids = tree
    first = as_json("show", places(root)[0])
    assert first["folder"] == str(places(root)[0])
    assert first["fingerprint"] == handler(root).fingerprint
    found = statuses(first["runs"])
    assert found == {**ids, "completed": ids["completed"][:3]}
    assert [run["run_id"] for run in as_json("show", places(root)[1])["runs"]] == ids["completed"][3:]
    completed = [run for run in first["runs"] if run["status"] == "completed"]
    assert [run["best"]["loss"] for run in completed] == ["nan", "nan", "inf"]
    assert completed[0]["best"] == {"loss": "nan", "[blue]": 1e-7, "dice[cat]": 0.5, "dice[method]": 0.25}
    assert completed[1]["test"] == {"精度": 2.0}
    assert [run["parameters"]["seed"] for run in completed] == [1, 2, 3]
    (failure,) = [run for run in first["runs"] if run["status"] == "failed"]
    assert failure["error"] == "ValueError: boom [/red]"
    (killed,) = [run for run in first["runs"] if run["status"] == "interrupted"]
    assert (killed["points"], killed["last_step"]) == (2, 1)
    assert killed["started"] <= killed["ended"]  # when its log was last written


def test_a_running_run_is_shown_as_running_and_left_alone(tree):
    root, ids = tree
    living, run_id = worker(root)
    try:
        assert "1 failed, 1 interrupted, 1 running" in shown("ls", root)
        assert "running" in shown("show", places(root)[0])
        assert statuses(as_json("show", places(root)[0])["runs"])["running"] == [run_id]
        recovered = as_json("recover", root)
        assert [run["run_id"] for run in recovered["interrupted_earlier"]] == ids["interrupted"]
        assert recovered["runs"] == []
        assert statuses(as_json("show", places(root)[0])["runs"])["running"] == [run_id]
    finally:
        kill(living)
    assert statuses(as_json("show", places(root)[0])["runs"])["interrupted"] == [*ids["interrupted"], run_id]


def test_looking_changes_no_file_once_dead_runs_are_finalized(tree):
    root, ids = tree
    shown("ls", root)
    ((_, earlier),) = interrupted_runs(root)
    assert [run.run.run_id for run in earlier] == ids["interrupted"]
    assert not find_pending_logs(root)

    def content() -> dict[Path, bytes]:
        found = (path for path in root.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in found if path.name != "catalogue"}  # legm's own copy

    before = content()
    for arguments in (["ls", root], ["show", places(root)[0]], ["diff", *places(root)]):
        shown(*arguments)
        as_json(*arguments)
    assert content() == before


def test_ls_of_a_folder_without_experiments_says_so_and_leaves_nothing_there(tmp_path):
    (tmp_path / "photos").mkdir()
    assert shown("ls", tmp_path) == f"no configurations below {tmp_path}\n"
    assert as_json("ls", tmp_path) == []
    assert shown("recover", tmp_path) == "nothing to recover\n"
    assert [path.name for path in tmp_path.rglob("*")] == ["photos"]


def test_ls_without_an_argument_lists_the_current_folder(tree, monkeypatch):
    monkeypatch.chdir(tree[0])
    assert EXPERIMENT in shown("ls")
    assert as_json("ls") == as_json("ls", tree[0])


# show


def test_show_prints_parameters_runs_and_aggregates(tree):
    root, ids = tree
    output = shown("show", places(root)[0])
    lines = output.splitlines()
    assert lines[0] == f"{EXPERIMENT}: [/x],0.1_0"
    assert lines[1] == handler(root).fingerprint
    assert any(line.split() == ["[red]", '"[/x]"'] for line in lines)
    assert any(line.split() == ["seed", "1", "not", "compared"] for line in lines)
    assert "runs with the description 'try [/this]':" in lines
    for run_ids in [ids["completed"][:3], ids["failed"], ids["interrupted"]]:
        for run_id in run_ids:
            assert any(line.startswith(run_id[-6:]) for line in lines)
    (row,) = [line for line in lines if line.startswith("test 精度")]
    assert row.split() == ["test", "精度", "1.5", "0.5", "2", "0"]
    (row,) = [line for line in lines if line.startswith("last dice[method]")]
    assert row.split() == ["last", "dice[method]", "0.25", "0", "2", "0"]
    assert any(line.split() == ["last", "[blue]", "1e-07", "0", "2", "0"] for line in lines)


def test_show_gives_a_program_the_aggregates_by_description(tree):
    root, ids = tree
    found = as_json("show", places(root)[0])
    assert statuses(found["runs"])["completed"] == ids["completed"][:3]
    assert set(found["aggregates"]) == {"", "try [/this]"}
    assert found["aggregates"][""]["test_精度"]["mean"] == 1.5
    assert found["aggregates"][""]["test_精度"]["failed"] == 1
    assert found["aggregates"][""]["test_精度"]["interrupted"] == 1
    assert found["aggregates"][""]["best_loss"]["nan"] == 2


def test_show_of_a_configuration_without_runs_says_so(tmp_path):
    handler(tmp_path).start()
    for path in tmp_path.rglob("*.log"):
        path.unlink()
    assert "no runs yet" in shown("show", places(tmp_path)[0])
    assert as_json("show", places(tmp_path)[0])["runs"] == []


def test_a_parents_name_is_not_taken_as_markup(tmp_path):
    made = ExperimentHandler(tmp_path, "e")
    made.set_dict_params({"[/opt]": "adam", "[bold]": 0.9})
    made.set_parent("[bold]", "[/opt]", "sgd")
    with made.start():
        pass
    assert "inactive (depends on [/opt])" in shown("show", places(tmp_path)[0])
    with (places(tmp_path)[0] / "metrics.yml").open("a") as file:
        file.write('experiment_1: {run_id: "[/x]", best_loss: 1.0}\n')
    assert "[/x]" in shown("show", places(tmp_path)[0])


def test_a_parameter_that_no_terminal_can_show_is_shown_escaped(tmp_path):
    made = ExperimentHandler(tmp_path, "e")
    made.set_param("data", "/data/\udcff")
    with made.start():
        pass
    assert r"/data/\udcff" in shown("ls", tmp_path)
    assert r"\udcff" in shown("show", places(tmp_path)[0])
    assert as_json("ls", tmp_path)[0]["parameters"] == {"data": "/data/\udcff"}


# diff


def test_diff_prints_what_differs_and_nothing_else(tree):
    one, other = places(tree[0])
    lines = [line.split() for line in shown("diff", one, other).splitlines()]
    assert ["depth", "[x]", "absent", '"ü"'] in lines
    assert ["lr", "0.1", "0.2"] in lines
    assert not any("seed" in line or "[red]" in line for line in lines)
    assert as_json("diff", one, other) == [
        {"name": "depth [x]", "a": None, "b": "ü", "a_active": False, "b_active": True},
        {"name": "lr", "a": 0.1, "b": 0.2, "a_active": True, "b_active": True},
    ]


def test_diff_of_the_same_says_so(tree):
    one = places(tree[0])[0]
    copy = shutil.copytree(one, one.with_name("copy"))
    assert shown("diff", one, copy) == "the same configuration\n"
    assert as_json("diff", one, copy) == []


# recover


def test_recover_finalizes_what_was_left_and_finds_nothing_the_second_time(tree):
    root, ids = tree
    (row,) = as_json("recover", root)["runs"]
    assert [row["run_id"]] == ids["interrupted"]
    assert (row["status"], row["points"], row["last_step"]) == ("interrupted", 2, 1)
    assert row["configuration"] == str(places(root)[0])
    assert statuses(as_json("show", places(root)[0])["runs"])["interrupted"] == ids["interrupted"]
    again = as_json("recover", root)
    assert (again["runs"], again["repairs"]) == ([], [])
    assert again["interrupted_earlier"] == [row]
    first, second, *table = shown("recover", root).splitlines()
    assert (first, second) == (
        "nothing to recover",
        "interrupted earlier, and finalized by another command or run:",
    )
    assert ids["interrupted"][0] in table[-1]


def test_recover_prints_which_runs_it_finalized(tree):
    root, ids = tree
    output = shown("recover", root)
    (row,) = [line for line in output.splitlines() if ids["interrupted"][0] in line]
    assert row.startswith(readable_name(places(root)[0].name))
    assert "interrupted" in row


def test_recover_stores_a_completed_run_whose_process_ended_before_it_was_stored(tree):
    root, ids = tree
    place = places(root)[0]
    before = numbers(place)
    lost = place / "runs" / f"{ids['completed'][1]}.log"
    lost.rename(place / "runs" / "open" / lost.name)
    for name in ("metrics.yml", "steps.yml"):
        lines = (place / name).read_bytes().splitlines(keepends=True)
        (place / name).write_bytes(b"".join(line for line in lines if lost.stem.encode() not in line))
    assert lost.stem in [row["run_id"] for row in as_json("recover", root)["runs"]]
    assert numbers(place) == before
    assert handler(root).aggregate_results()["test_精度"]["n"] == 2


def damage(path: Path, part: bytes, to: bytes) -> None:
    """Change bytes of a file in place, as a failing disk does."""
    data = path.read_bytes()
    assert data.count(part) >= 1
    assert len(part) == len(to)
    path.write_bytes(data.replace(part, to, 1))


@pytest.mark.parametrize("run", [0, 1, 2])
@pytest.mark.parametrize("file", ["metrics.yml", "steps.yml"])
@pytest.mark.parametrize("what", ["run id", "key", "middle", "trailer", "line end", "everything"])
def test_a_damaged_entry_is_restored_from_the_run_log_to_the_same_numbers(tree, run, file, what):
    root, ids = tree
    place = places(root)[0]
    before = yaml.safe_load((place / file).read_bytes())
    sound = numbers(place)
    lines = (place / file).read_bytes().splitlines(keepends=True)
    run_id = ids["completed"][run].encode()
    line = lines[run]
    lines[run] = {
        "run id": line.replace(run_id, run_id[:-1] + b"_"),
        "key": b"E" + line[1:],
        "middle": line[: len(line) // 2] + b"\0\0\0" + line[len(line) // 2 + 3 :],
        "trailer": line.replace(b"head_crc=", b"head_crc:"),
        "line end": line[:-60] + b"\xff" * 59 + b"\n",
        "everything": line[:60] + b"\xff" * (len(line) - 61) + b"\n",
    }[what]
    assert lines[run] != line
    (place / file).write_bytes(b"".join(lines))
    if file == "metrics.yml" and what != "middle":
        assert str(place / file) in as_json("ls", root)[0]["problem"]
        result = call("ls", root)
        assert result.exit_code == 0
        assert f"damaged: {place / file}, line {run + 1}" in result.stderr
    notes = as_json("recover", root)["repairs"]
    assert notes == [f"{place / file}: a damaged entry is restored from the log of {run_id.decode()}"]
    after = yaml.safe_load((place / file).read_bytes())
    assert sorted(map(repr, after.values())) == sorted(map(repr, before.values()))
    assert numbers(place) == sound
    assert as_json("recover", root)["repairs"] == []
    assert handler(root).aggregate_results()["test_精度"]["mean"] == 1.5
    with handler(root).start() as made:
        made.set_metric("精度", 6, test=True)
    assert handler(root).aggregate_results()["test_精度"]["mean"] == 3.0


def test_several_damaged_entries_are_restored_at_once(tree):
    root, _ = tree
    place = places(root)[0]
    before = yaml.safe_load((place / "metrics.yml").read_bytes())
    sound = numbers(place)
    for name in ("metrics.yml", "steps.yml"):
        lines = (place / name).read_bytes().splitlines(keepends=True)
        (place / name).write_bytes(b"".join(line[:-50] + b"?" * 49 + b"\n" for line in lines))
    assert len(as_json("recover", root)["repairs"]) == 6
    after = yaml.safe_load((place / "metrics.yml").read_bytes())
    assert sorted(map(repr, after.values())) == sorted(map(repr, before.values()))
    assert numbers(place) == sound


def test_lost_steps_are_restored_from_the_run_logs(tree):
    root, _ = tree
    place = places(root)[0]
    before = yaml.safe_load((place / "steps.yml").read_bytes())
    (place / "steps.yml").unlink()
    assert len(as_json("recover", root)["repairs"]) == 3
    after = yaml.safe_load((place / "steps.yml").read_bytes())
    assert sorted(map(repr, after.values())) == sorted(map(repr, before.values()))


def test_a_damaged_entry_without_a_run_log_is_reported(tree):
    root, ids = tree
    place = places(root)[0]
    damage(place / "metrics.yml", b'"best_step": 2', b'"best_step": 1')
    (place / "runs" / f"{ids['completed'][0]}.log").unlink()
    (note,) = as_json("recover", root)["repairs"]
    assert note.startswith(f"{place / 'metrics.yml'}: experiment_0 is damaged and no run log has its run")
    assert "damaged" in shown("recover", root)
    assert as_json("ls", root)[0]["problem"]


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b"fingerprint: v1-0\n"])
def test_damaged_parameters_are_shown_and_restored(tree, content):
    root, _ = tree
    place = places(root)[0]
    sound, before = (place / "params.yml").read_bytes(), numbers(place)
    (place / "params.yml").write_bytes(content)
    result = call("ls", root)
    assert result.exit_code == 0
    assert f"damaged: {place / 'params.yml'}, line" in result.stderr
    assert str(place / "params.yml") in as_json("ls", root)[0]["problem"]
    (note,) = as_json("recover", root)["repairs"]
    assert note == f"{place / 'params.yml'} was damaged and is restored from the log of a run"
    assert (place / "params.yml").read_bytes() == sound
    assert numbers(place) == before
    with handler(root).start() as made:
        assert Path(made.get_save_filename("x")).parent == place


def test_edited_parameters_are_shown_and_restored(tree):
    root, _ = tree
    place = places(root)[0]
    sound = (place / "params.yml").read_bytes()
    damage(place / "params.yml", b"lr: 0.1", b"lr: 0.7")
    assert "they were edited or damaged" in as_json("ls", root)[0]["problem"]
    assert "edited or damaged" in failed("diff", *places(root))
    assert len(as_json("recover", root)["repairs"]) == 1
    assert (place / "params.yml").read_bytes() == sound


def test_a_damaged_run_log_is_reported_and_the_rest_is_shown(tree):
    root, ids = tree
    place = places(root)[0]
    log = place / "runs" / "open" / f"{ids['interrupted'][0]}.log"
    assert read_log(log).run.run_id == ids["interrupted"][0]
    log.write_bytes(log.read_bytes().replace(b"description", b"desCription", 1))
    done = subprocess.run(
        [sys.executable, "-m", "legm", "ls", root], capture_output=True, encoding="utf-8", check=True
    )
    assert "1 failed" in done.stdout
    assert f"{log}, byte " in done.stderr
    assert "Traceback" not in done.stderr


# Errors


MISSING = "Error: there is no folder missing: . has no 'missing'; there is no folder in it"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ls", "missing"], MISSING),
        (["recover", "missing"], MISSING),
        (["sync", "missing"], MISSING),
        (["show", "missing"], MISSING),
        (["show", "."], "Error: . is not a configuration's folder: it has no params.yml"),
        (["diff", ".", "missing"], "Error: . is not a configuration's folder: it has no params.yml"),
    ],
)
def test_an_error_is_one_line_and_not_a_traceback(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert failed(*arguments) == message
    assert failed(*arguments, "--json") == message


def test_a_wrong_call_explains_the_usage(tmp_path):
    for arguments in (["show"], ["lst"], ["ls", __file__], ["ls", "--nothing"]):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "Usage:" in result.stderr


def test_help_and_version_are_there():
    for name in ("ls", "show", "diff", "recover"):
        assert name in shown("--help")
        assert "--json" in shown(name, "-h")
    assert "legm" in shown("--version")


# As a program


def program(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", "-m", "legm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})


def test_the_module_is_the_program(tree):
    root, _ = tree
    done = program("ls", root, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == shown("ls", root)
    assert json.loads(program("ls", root, "--json").stdout) == as_json("ls", root)
    done = program("show", root / "missing")
    assert done.returncode == 1
    assert done.stderr.decode().startswith("Error: ")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("encoding", "value"),
    [("ascii", rb"depth [x]=\xfc"), ("latin-1", b"depth [x]=\xfc"), ("cp866", rb"=\xfc")],
)
def test_names_that_the_terminal_cannot_show_are_escaped(tree, encoding, value):
    root, _ = tree
    for arguments in (["ls", root], ["show", places(root)[0]], ["diff", *places(root)]):
        done = program(*arguments, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert done.stderr == b""
    assert value in program("ls", root, PYTHONIOENCODING=encoding).stdout


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="needs pipes that can break")
def test_a_reader_that_has_seen_enough_is_not_an_error(tree):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "legm", "ls", str(tree[0])]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in done.stderr


# What cannot be understood hides nothing else


BRACKETS = "[" * 3000 + "]" * 3000
ODD_METRICS = {
    "a list for legm's own": "experiment_0: {run_id: a, legm: [1], loss: [1.0]}",
    "a rule that is a list": "experiment_0: {run_id: a, legm: {rule: [1]}, loss: [1.0]}",
    "a start that is text": "experiment_0: {run_id: a, legm: {started: soon}, best_loss: 1.0}",
    "a date": "experiment_0: {run_id: a, best_loss: 2026-01-01}",
    "a set": "experiment_0: {run_id: a, best_loss: !!set {1, 2}, test_acc: [1]}",
    "a mapping that contains itself": "experiment_0: &a {run_id: a, best_loss: [*a]}",
    "400 digits": "experiment_0: {run_id: a, best_loss: 1" + "0" * 400 + "}",
    "5000 digits": "experiment_0: {run_id: a, best_loss: 1" + "0" * 5000 + "}",
    "3000 brackets": "experiment_0: {run_id: a, best_loss: " + BRACKETS + "}",
    "another file": None,
    "a list": "- 1",
}
ODD_PARAMETERS = {
    "a date": ("lr: 0.1", "lr: 2026-01-01"),
    "a set": ("lr: 0.1", "lr: !!set {1}"),
    "digits": ("lr: 0.1", "lr: 1" + "0" * 5000),
    "brackets": ("lr: 0.1", "lr: " + BRACKETS),
    "itself": ("parameters:", "parameters: &a\n  me: *a"),
    "a schema that is text": ("schema: 1", "schema: one"),
    "an experiment that is a list": ('experiment: "e"', "experiment: [1]"),
}


@pytest.fixture(scope="module")
def two_configurations(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("odd") / "root"
    for lr in (0.1, 0.2):
        with ExperimentHandler(root, "e") as made:
            made.set_param("lr", lr)
            made.name_param("lr")
            made.start()
            made.set_metric("loss", lr)
    return root


def left_by_a_killed_run(root: Path, copied: Path, lr: float) -> Path:
    """The root directory with a run of a configuration whose process is gone."""
    alive = shutil.copytree(root, copied.with_name("alive"))
    with ExperimentHandler(alive, "e") as made:
        made.set_param("lr", lr)
        made.name_param("lr")
        made.start()
        made.set_metric("loss", 0.5)
        made.flush()
        shutil.copytree(alive, copied)  # where no process holds the log
    return copied


@pytest.fixture(scope="module")
def with_a_dead_run(two_configurations, tmp_path_factory) -> Path:
    """The same with a run of the second configuration whose process is gone."""
    return left_by_a_killed_run(two_configurations, tmp_path_factory.mktemp("odd-and-dead") / "root", 0.2)


@pytest.fixture(scope="module")
def with_a_log(two_configurations, tmp_path_factory) -> Path:
    """The same with one of the first configuration."""
    return left_by_a_killed_run(two_configurations, tmp_path_factory.mktemp("odd-log") / "root", 0.1)


def require_shown(root: Path, file: Path, silent: set[str], caplog: pytest.LogCaptureFixture) -> None:
    """Every command shows the other configuration, and names the file, unless it reads none of that kind."""
    page = root.with_name("report.html")
    commands = [
        ("ls", root),
        ("best", root / "e", "loss"),
        ("show", root / "e" / "0.1_0"),
        ("report", root, "-o", page),
        ("sync", root),
        ("recover", root),
    ]
    for command in commands:
        caplog.clear()
        result = call(*command)
        assert result.exception is None or isinstance(result.exception, SystemExit), command
        shown = page.read_text("utf-8") if command[0] == "report" else result.output
        assert command[0] in silent or file.stem in shown + caplog.text, command
        assert "0.2" in shown or command[0] in {"show", "sync", "recover"}, command


def require_recovered(root: Path) -> None:
    """Recover names the run of the other configuration that it finalized."""
    (run,) = [path.stem for path in find_pending_logs(root)]
    result = call("recover", root)
    assert re.search(rf"^0\.2_0 +{run} +interrupted", result.output, re.MULTILINE), result.output
    assert result.exit_code == 0


@pytest.mark.parametrize("name", ODD_METRICS)
def test_metrics_that_cannot_be_understood_hide_no_other_configuration(
    with_a_dead_run, tmp_path, caplog, name
):
    root = shutil.copytree(with_a_dead_run, tmp_path / "root")
    file, text = root / "e" / "0.1_0" / "metrics.yml", ODD_METRICS[name]
    file.write_bytes(file.with_name("steps.yml").read_bytes() if text is None else text.encode())
    require_recovered(shutil.copytree(root, tmp_path / "recovered"))
    if text is not None:  # steps are numbers too
        report = as_json("import", root, tmp_path / "other", status=1)
        assert list(report["failed"]) == ["e/0.1_0"]
        assert file.name in report["failed"]["e/0.1_0"]
        assert report["created"] == 2
    require_shown(root, file, {"sync"}, caplog)


@pytest.mark.parametrize("name", ODD_PARAMETERS)
def test_parameters_that_cannot_be_understood_hide_no_other_configuration(
    with_a_dead_run, tmp_path, caplog, name
):
    root = shutil.copytree(with_a_dead_run, tmp_path / "root")
    file = root / "e" / "0.1_0" / "params.yml"
    old, new = ODD_PARAMETERS[name]
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    require_recovered(shutil.copytree(root, tmp_path / "recovered"))
    require_shown(root, file, {"sync"}, caplog)


ODD_LOGS = {
    "empty": lambda _: b"",
    "no log": lambda _: b"whatever\n",
    "of a newer version": lambda log: log.replace(b"legm run log 2", b"legm run log 9"),
    "without its run": lambda log: HEADER + log[len(HEADER) + FRAME_HEAD.size :],
    "of no run that legm began": lambda _: HEADER + json_frame(RUN, {"run_id": 3}),
    "frames that are odd": lambda log: log + b"".join(ODD_FRAMES.values()),
}


@pytest.mark.parametrize("name", ODD_LOGS)
def test_a_log_that_cannot_be_understood_hides_no_other_configuration(with_a_log, tmp_path, caplog, name):
    root = shutil.copytree(with_a_log, tmp_path / "root")
    (file,) = find_pending_logs(root)
    file.write_bytes(ODD_LOGS[name](file.read_bytes()))
    finalized = {"sync"} if name == "frames that are odd" else set()  # by the commands before
    require_shown(root, file, {"ls", "best", *finalized}, caplog)


def test_a_time_that_no_calendar_has_is_shown_as_a_question_mark(tmp_path):
    root = tmp_path / "root"
    with ExperimentHandler(root, "e").start() as made:
        made.set_metric("loss", 0.5)
    file = root / "e" / "_0" / "metrics.yml"
    file.write_text("experiment_0: {run_id: a, legm: {ended: 1.0e+300}, best_loss: 1.0, loss: [1.0]}\n")
    assert "?" in shown("ls", root)


def test_help_imports_no_more_than_it_shows():
    code = "import sys, legm.cli; legm.cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    modules = shown.splitlines()[-1].split()
    heavy = {
        "numpy",
        "yaml",
        "rich",
        "hashlib",
        "zipfile",
        "legm.core.naming",
        "legm.records",
        "legm.handler",
    }
    assert heavy.isdisjoint(modules)


def test_every_status_can_be_asked_for():
    assert {one.value for one in Status} == {*STATUS_NAMES}


def test_the_same_message_is_printed_once_within_seconds():
    is_not_repeated = _is_not_repeated()

    def printed(text: str, at: float) -> bool:
        record = logging.LogRecord("legm", logging.ERROR, "", 0, "%s", (text,), None)
        record.created = at
        return is_not_repeated(record)

    assert [printed("a", 100.0), printed("b", 100.0), printed("a", 101.0), printed("a", 200.0)] == [
        True,
        True,
        False,
        True,
    ]
