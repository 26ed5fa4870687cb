"""Every command has ``--json``, also those that start something, and completes what can be looked up."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

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


def texts_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in a JSON value, with the key of the object that it is in."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from [("", name), *texts_in(item, name)]
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item, key)
    elif isinstance(value, str):
        yield key, value


def test_names_in_json_are_those_that_people_read_and_paths_are_paths(tmp_path):
    root = tmp_path / "root"
    for net in ("org/a", "org/b"):
        for seed in (1, 2):
            with ExperimentHandler(root, "group/net") as handler:
                handler.set_dict_params({"net": net, "seed": seed})
                handler.name_param("net")
                handler.disable_param("seed")
                handler.start().set_metric("val/loss", 1.0 / seed)
    handler.reset()
    handler.start().set_metric("val/loss", 3.0)
    handler.end("failed")
    experiment = f"{root}/group/net"
    one, other = f"{experiment}/org/a_0", f"{experiment}/org/b_0"
    metric = [experiment, "val/loss"]
    calls = [
        ("ls", root),
        ("best", *metric, "--status", "failed"),
        ("best", *metric, "--group-by", "net"),
        ("compare", one, other, "val/loss"),
        ("table", *metric),
        ("table", *metric, "--group-by", "net"),
        ("plot", *metric, "-o", tmp_path / "a.svg"),
        ("plot", one, "val/loss", "-o", tmp_path / "b.svg"),
        ("show", one),
        ("watch", root),
        ("diff", one, other),
        ("sql", root, "select * from runs"),
        ("amend", experiment, "--rename", "net=model", "--dry-run"),
        ("amend", experiment, "--to", "group/other", "--dry-run"),
        ("recover", root),
        ("mv", other, "another"),
        ("rm", one, "--yes"),
        ("trash", root),
    ]
    names = set()
    for name, *arguments in calls:
        for key, text in texts_in(as_json(name, *arguments)):
            is_path = key in {"folder", "path"} or (key, name) == ("configuration", "recover")
            assert is_path or "_x2f_" not in text, (name, key, text)
            names |= {text} if key in {"name", "configuration", "configurations"} else set()
    assert {"org/a", "org/a_0", "org/b", "org/b_0"} <= names
    assert "_x2f_" not in shown("table", *metric, "--format", "csv")


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
