"""Every command has ``--json``, also those that start something, and completes what can be looked up."""

from __future__ import annotations

import json
import sys

from click.shell_completion import ShellComplete

from legm import ExperimentHandler
from legm.cli import main
from tests.support.answers import fill
from tests.support.calling import as_json, shown


def test_every_command_answers_in_json(tmp_path):
    root, stored = tmp_path / "root", tmp_path / "mlflow"
    fill(root)
    stored.mkdir()
    (stored / "mlflow.db").touch()
    one, other = sorted(path.parent for path in root.glob("*/*/params.yml"))[:2]
    kept = ExperimentHandler(tmp_path / "kept", "e", console=True).start()
    kept.log()
    calls = {
        "ls": [root],
        "best": [root, "loss"],
        "compare": [one, other, "loss"],
        "table": [root, "loss"],
        "plot": [root, "loss", "-o", tmp_path / "loss.svg"],
        "report": [root, "-o", tmp_path / "report.html"],
        "show": [one],
        "sql": [root, "select count(*) as runs from runs"],
        "logs": [kept.run_id, tmp_path / "kept"],
        "watch": [root],
        "diff": [one, other],
        "tag": [tmp_path / "kept" / kept.run_id, "good"],
        "note": [tmp_path / "kept" / kept.run_id, "a note"],
        "amend": [root / one.parent.name, "--drop", "seed", "--dry-run"],
        "mv": [one, "renamed"],
        "rm": [one.parent / "renamed", "--yes"],
        "trash": [root],
        "merge": [tmp_path / "merged", root],
        "restore": [root],
        "recover": [root],
        "upgrade": [root],
        "sync": [root],
        "import": [root, tmp_path / "copy"],
        "export": [root, tmp_path / "runs.csv", "--to", "table"],
        "tensorboard": [root, "--print"],
        "mlflow-ui": [stored, "--print"],
        "backends": [],
        "completion": ["bash"],
    }
    assert {*calls, "capture", "resume", "run", "sweep", "ui"} == set(
        main.commands
    )  # what a script prints comes before what capture has to say
    for name, arguments in calls.items():
        found = as_json(name, *arguments)
        assert isinstance(found, (dict, list)), name
        assert found or name == "sync", name  # nothing is pending


def test_commands_that_start_something_say_to_a_program_what_and_where(tmp_path):
    found = as_json("tensorboard", tmp_path, "--print", "--port", 1234)
    assert found["command"][:4] == [sys.executable, "-m", "tensorboard.main", "--logdir"]
    assert found["address"] == "http://127.0.0.1:1234"
    found = as_json("completion", "bash")
    assert found == {"shell": "bash", "script": shown("completion", "bash").rstrip()}


def test_what_capture_has_to_say_to_a_program_is_the_last_line(tmp_path, capfd):
    command = ["--json", "--root", tmp_path, "--", sys.executable, "-c", "print('of the script')"]
    found = json.loads(shown("capture", *command).splitlines()[-1])
    assert (found["status"], found["reports"]) == (0, [])
    assert capfd.readouterr().out == "of the script\n"


def completed(*words: object) -> list[str]:
    asking = ShellComplete(main, {}, "legm", "_LEGM_COMPLETE")
    return [one.value for one in asking.get_completions([str(word) for word in words], "")]


def test_backends_and_metrics_are_completed_as_options_too(tmp_path):
    fill(tmp_path)
    assert {"local", "mlflow", "wandb"} <= set(completed("sync", tmp_path, "--to"))
    assert completed("report", tmp_path, "--metric") == ["loss"]
    assert completed("report", tmp_path, "--test", "--metric") == ["accuracy"]
