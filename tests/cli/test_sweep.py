"""``legm sweep``: a script that is run with parameters that Optuna chooses."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from legm.records import Status
from legm.sweeps.sweep_command import command_with_values
from legm.sweeps.sweep_config import read_sweep_config
from legm.sweeps.sweep_study import SweepStudy
from tests.support.calling import as_json, call, failed
from tests.support.reading import runs_of
from tests.support.trainer_runs import points
from tests.support.waiting import until

pytest.importorskip("optuna")

SCRIPT = """
import argparse, os, sys, time
from legm import ExperimentHandler

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--kind", default="a")
parser.add_argument("--seed", type=int, default=0)
given = parser.parse_args()
if os.path.exists(f"fail-{given.seed}"):
    sys.exit("no data")
handler = ExperimentHandler("results", "e")
handler.set_namespace_params(given)
handler.disable_param("seed")
with handler.start():
    for step in range(4):
        loss = given.x ** 2 + (given.kind == "b") + given.seed / 100 + 1 / (1 + step)
        handler.set_metric("loss", loss, step=step)
    while os.path.exists("wait") and given.x > 0.5:
        handler.flush()
        time.sleep(0.01)  # until it is stopped, or the file is deleted
"""

GRID = """
experiment: e
metric: loss
sampler: grid
parameters:
  x: [0.25, 0.5]
  kind: [a, b]
"""

RANDOM = """
experiment: e
metric: loss
sampler: random
trials: 2
parameters:
  x: {min: 0.001, max: 0.5, log: true}
  kind: [a, b]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return tmp_path


def swept(config: str, *options: object, command=("python", "train.py", "{args}"), status: int = 0) -> dict:
    Path("sweep.yaml").write_text(config)
    done = call("sweep", "sweep.yaml", "--json", *options, "--", *command)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout.splitlines()[-1])


def assert_equal_best(done: dict) -> None:
    """The study's best trial is the first one of ``legm best``."""
    best = as_json("best", "results/e", "loss")[0]
    assert best["value"]["mean"] == pytest.approx(done["best"]["value"], rel=1e-12)
    assert {name: best["parameters"][name] for name in done["best"]["parameters"]} == done["best"][
        "parameters"
    ]


def test_a_grid_is_run_once_and_its_best_is_that_of_legm_best(folder):
    done = swept(GRID)
    assert done["trials"] == {"complete": 4}
    assert done["best"]["parameters"] == {"x": 0.25, "kind": "a"}
    assert_equal_best(done)
    found = runs_of(folder / "results")
    pairs = [
        (one.run.configuration.parameters["x"], one.run.configuration.parameters["kind"]) for one in found
    ]
    assert sorted(pairs) == [(x, kind) for x in (0.25, 0.5) for kind in "ab"]
    assert [one["completed"] for one in as_json("best", "results/e", "--tag", "sweep:sweep/0")] == [1]
    assert swept(GRID) == done
    assert len(runs_of(folder / "results")) == 4


def sampled(sampler: str, agents: int = 1) -> list[tuple[float, str]]:
    """The values of thirty trials, which take no time: the better, the nearer x is to 0.3, with kind b."""
    name = f"{sampler}-{agents}"
    given = {"name": name, "experiment": "e", "metric": "loss", "sampler": sampler, "trials": 30}
    given["parameters"] = {"x": {"min": 0.0, "max": 1.0}, "kind": ["a", "b"]}
    Path(f"{name}.yaml").write_text(json.dumps(given))
    studies = [SweepStudy(read_sweep_config(Path(f"{name}.yaml"))) for _ in range(agents)]
    found = []
    for study in itertools.cycle(studies):
        taken = study.take()
        if taken is None:
            return found
        x, kind = taken.parameters["x"], taken.parameters["kind"]
        found.append((x, kind))
        study.complete(taken, (x - 0.3) ** 2 + (kind == "a"), [f"run {len(found)}"], f"{len(found):032x}")
        taken.lock.release()
    raise AssertionError


def test_tpe_learns_from_the_trials_and_samples_the_same_again_with_several_agents(folder):
    tpe, random = sampled("tpe"), sampled("random")
    assert len(tpe) == len(random) == 30
    assert sampled("tpe", agents=2) == tpe
    assert tpe[10:] != random[10:]
    good = [[kind == "b" and abs(x - 0.3) < 0.2 for x, kind in one[10:]].count(True) for one in (tpe, random)]
    assert good[0] > 2 * good[1]


def test_a_range_is_sampled_the_same_again(folder):
    first = swept(RANDOM)
    assert first["trials"] == {"complete": 2}
    assert_equal_best(first)
    assert all(0.001 <= one.run.configuration.parameters["x"] <= 0.5 for one in runs_of(folder / "results"))
    (folder / "results").rename(folder / "before")
    assert swept(RANDOM) == first


def test_a_script_that_is_worse_than_the_median_is_stopped_and_its_run_pruned(folder):
    (folder / "wait").touch()  # the worst ones would not end
    done = swept(
        "experiment: e\nmetric: loss\nsampler: grid\npruner: {median: {startup_trials: 2}}\n"
        "parameters: {x: [0.1, 0.2, 0.9]}\n"
    )
    assert done["trials"] == {"complete": 2, "pruned": 1}
    one = runs_of(folder / "results")[-1]
    assert one.status is Status.PRUNED
    assert one.error.startswith("loss was worse than the median at step ")
    assert points(one, "loss")[0] == (0, 0.9**2 + 1)
    assert_equal_best(done)


def test_seeds_of_the_best_ones_are_topped_up(folder):
    config = "experiment: e\nmetric: loss\nsampler: grid\nparameters: {x: [0.1, 0.2]}\n"
    swept(config, "--seeds", "3")
    ranking = as_json("best", "results/e")
    assert [(one["parameters"]["x"], one["completed"]) for one in ranking] == [(0.1, 3), (0.2, 1)]
    found = runs_of(folder / "results")
    seeds = {x: [] for x in (0.1, 0.2)}
    for one in found:
        seeds[one.run.configuration.parameters["x"]].append(one.run.parameters["seed"])
    assert {x: sorted(own) for x, own in seeds.items()} == {0.1: [0, 1, 2], 0.2: [0]}
    swept(config, "--seeds", "2", "--top", "2")
    assert len(runs_of(folder / "results")) == 5


def test_a_seed_that_fails_is_not_tried_for_ever(folder):
    (folder / "fail-1").touch()
    config = "experiment: e\nmetric: loss\nsampler: grid\nparameters: {x: [0.1]}\n"
    swept(config, "--seeds", "2")
    assert len(runs_of(folder / "results")) == 1
    (folder / "fail-1").unlink()
    swept(config, "--seeds", "2")
    assert sorted(one.run.parameters["seed"] for one in runs_of(folder / "results")) == [0, 2]


AGENT = [sys.executable, "-m", "legm", "sweep", "sweep.yaml"]
COMMAND = ["--", sys.executable, "train.py", "{args}"]


def test_agents_at_once_share_the_trials_and_the_seeds(folder):
    Path("sweep.yaml").write_text(GRID)
    agents = [subprocess.Popen([*AGENT, "--seeds", "2", *COMMAND]) for _ in range(2)]
    assert [one.wait() for one in agents] == [0, 0]
    found = runs_of(folder / "results")
    assert [one.status for one in found] == [Status.COMPLETED] * 5
    ranking = as_json("best", "results/e")
    assert [one["completed"] for one in ranking] == [2, 1, 1, 1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_was_killed_continues(folder, number):
    config = "experiment: e\nmetric: loss\nsampler: grid\nparameters: {x: [0.1, 0.9, 0.2]}\n"
    Path("sweep.yaml").write_text(config)
    (folder / "wait").touch()
    agent = subprocess.Popen([*AGENT, *COMMAND])

    def is_in_second() -> bool:
        return len([*folder.glob("results/e/*/runs/open/*.log"), *folder.glob("results/e/*/params.yml")]) >= 3

    until(is_in_second)
    agent.send_signal(number)
    agent.wait()
    assert agent.returncode == (-number if number == signal.SIGKILL else 128 + number)
    (folder / "wait").unlink()  # a script whose agent was killed still ends
    until(lambda: all(one.status is not Status.RUNNING for one in runs_of(folder / "results")))
    done = swept(config)
    assert done["trials"] == {"complete": 3}
    completed = [one for one in runs_of(folder / "results") if one.status is Status.COMPLETED]
    assert [one.run.configuration.parameters["x"] for one in completed] == [0.1, 0.9, 0.2]
    assert_equal_best(done)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_was_stopped_in_a_further_seed_runs_another_one(folder, number):
    config = "experiment: e\nmetric: loss\nsampler: grid\nparameters: {x: [0.9]}\n"
    swept(config)
    (folder / "wait").touch()
    with (folder / "said.txt").open("w") as said:
        agent = subprocess.Popen([*AGENT, "--seeds", "2", *COMMAND], stderr=said)
    until(lambda: [*folder.glob("results/e/*/runs/open/*.log")])
    agent.send_signal(number)
    assert agent.wait() == (-number if number == signal.SIGKILL else 128 + number)
    (folder / "wait").unlink()  # a script whose agent was killed still ends
    until(lambda: all(one.status is not Status.RUNNING for one in runs_of(folder / "results")))
    text = (folder / "said.txt").read_text()
    assert number == signal.SIGKILL or "the next call continues it" in text
    swept(config, "--seeds", "2")
    completed = [one for one in runs_of(folder / "results") if one.status is Status.COMPLETED]
    assert len({one.run.parameters["seed"] for one in completed}) == len(completed) == 2


def test_a_script_that_always_fails_stops_the_sweep(folder):
    (folder / "fail-0").touch()
    done = swept(GRID, status=1)
    assert done == {"trials": {"fail": 3}, "best": None}
    (folder / "fail-0").unlink()
    assert swept(GRID)["trials"] == {"fail": 3, "complete": 1}


def test_a_metric_that_the_script_does_not_set_is_named():
    Path("sweep.yaml").write_text(GRID.replace("metric: loss", "metric: lost"))
    done = call("sweep", "sweep.yaml", "--", "python", "train.py", "{args}")
    assert done.exit_code == 1
    assert "its run has no number as 'lost', but loss" in done.output


@pytest.mark.libraries
def test_runs_in_another_backend_are_swept_and_pruned_but_need_the_local_one_for_seeds(folder):
    pytest.importorskip("mlflow")
    from tests.support.mlflow_store import prepare_store

    (folder / "results").mkdir()
    prepare_store(folder / "results" / "mlflow.db")
    script = SCRIPT.replace('"results", "e")', '"results", "e", backend="mlflow")')
    (folder / "train.py").write_text(script)
    (folder / "wait").touch()
    config = (
        "experiment: e\nmetric: loss\nsampler: grid\npruner: {median: {startup_trials: 1}}\n"
        "parameters: {x: [0.1, 0.9]}\n"
    )
    assert swept(config)["trials"] == {"complete": 1, "pruned": 1}
    assert [one.status for one in runs_of(folder / "results", "e", "mlflow")] == [
        Status.COMPLETED,
        Status.PRUNED,
    ]
    text = failed("sweep", "sweep.yaml", "--seeds", "2", "--", "python", "train.py", "{args}")
    assert "--seeds: no trial's run is in the local backend of results/e" in text


def test_a_script_whose_metric_is_nan_or_that_ignores_its_arguments_is_said(folder):
    (folder / "train.py").write_text(
        SCRIPT.replace('"loss", loss', '"loss", float("nan") if given.x == 0.1 else loss').replace(
            'handler.disable_param("seed")', 'handler.disable_params(["seed", "x"])'
        )
    )
    config = "experiment: e\nmetric: loss\nsampler: grid\nparameters: {x: [0.1, 0.2, 0.3]}\n"
    Path("sweep.yaml").write_text(config)
    done = call("sweep", "sweep.yaml", "--", "python", "train.py", "{args}")
    assert done.exit_code == 0
    assert "trial 0: x=0.1: failed, its run has no number as 'loss'" in done.output
    assert "trial 2 is of the same configuration as a trial with other values of x: the script" in done.output


def test_a_grid_of_many_millions_begins_at_once(folder):
    (folder / "train.py").write_text("import sys\nprint(*sys.argv[1:])\nsys.exit(1)\n")
    many = {"min": 1, "max": 10**7}
    config = {"experiment": "e", "metric": "loss", "sampler": "grid"}
    config["parameters"] = {"a": many, "b": {"min": 0.0, "max": 1.0, "step": 0.25}, "c": ["x y", "it's"]}
    done = swept(json.dumps(config), status=1)
    assert done["trials"] == {"fail": 3}
    assert read_sweep_config(Path("sweep.yaml")).trials == 10**8


def test_values_with_spaces_and_quotes_reach_the_script_as_they_are(folder):
    texts = ["a b", 'it\'s "so"', "$HOME; *", "", "null", "1"]
    (folder / "train.py").write_text(
        "import sys\nfrom legm import ExperimentHandler\n"
        "handler = ExperimentHandler('results', 'e')\n"
        "handler.set_param('text', sys.argv[1].removeprefix('--text='))\n"
        "with handler.start(): handler.set_metric('loss', 1)\n"
    )
    config = {"experiment": "e", "metric": "loss", "sampler": "grid", "parameters": {"text": texts}}
    assert swept(json.dumps(config))["trials"] == {"complete": 6}
    assert [one.run.configuration.parameters["text"] for one in runs_of(folder / "results")] == texts


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("adam", "x=adam"),
        (0.001, "x=0.001"),
        (True, "x=True"),
        ("a b", "x='a b'"),
        ("null", "x='null'"),
        ("1", "x='1'"),
        ("it's", "x='it\\'s'"),
        ("a,b", "x='a,b'"),
        ("C:\\", "x='C:\\\\'"),
    ],
)
def test_overrides_are_quoted_as_hydra_reads_them(value, word):
    assert command_with_values(["{overrides}"], {"x": value}) == [word]


def test_two_agents_with_different_configurations_of_one_name_do_not_mix(folder):
    for x in ("0.1", "0.2"):
        Path(f"{x}.yaml").write_text(
            f"name: same\nexperiment: e\nmetric: loss\nsampler: grid\nparameters: {{x: [{x}]}}\n"
        )
    command = [sys.executable, "-m", "legm", "sweep"]
    agents = [
        subprocess.Popen([*command, f"{x}.yaml", *COMMAND], stderr=subprocess.PIPE, text=True)
        for x in ("0.1", "0.2")
    ]
    texts = [one.communicate()[1] for one in agents]
    assert sorted(one.returncode for one in agents) == [0, 1]
    assert sum("give the changed sweep another name" in one for one in texts) == 1
    assert len(runs_of(folder / "results")) == 1


def test_a_changed_sweep_needs_another_name():
    swept("experiment: e\nmetric: loss\nsampler: grid\nparameters: {x: [0.1]}\n")
    Path("sweep.yaml").write_text("experiment: e\nmetric: loss\nsampler: grid\nparameters: {x: [0.2]}\n")
    text = failed("sweep", "sweep.yaml", "--", "python", "train.py", "{args}")
    assert "was begun with" in text
    assert "give the changed sweep another name" in text


BASE = {"experiment": "e", "metric": "loss", "trials": 3, "parameters": {"x": {"min": 0, "max": 1.0}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"experiment": None}, "the key 'experiment' is missing"),
        ({"metrik": "loss"}, "there is no key 'metrik'; did you mean 'metric'"),
        ({"trials": 0}, "trials: 0 is not a whole number of at least 1"),
        ({"sampler": "bayes"}, "sampler: 'bayes' is not one of tpe, random, grid"),
        ({"sampler": "grid"}, "trials: a grid has as many as there are combinations"),
        ({"direction": "up"}, "direction: 'up' is neither minimize nor maximize"),
        ({"pruner": {"median": {"warmup": 3}}}, "pruner: there is no key 'warmup'"),
        ({"pruner": "best"}, "pruner: 'best' is not none, median"),
        ({"parameters": {}}, "parameters: it has to be a mapping"),
        ({"parameters": {"x": {"min": 1, "max": 0}}}, "parameters: x: min 1 is not below max 0"),
        (
            {"parameters": {"x": {"min": 0, "max": 1, "log": True}}},
            "log is true or false, with a min above 0",
        ),
        ({"parameters": {"x": {"min": 0, "max": "much"}}}, "parameters: x: max: 'much' is not a number"),
        ({"parameters": {"x": {"min": 0, "max": 1.0, "step": 0.3}}}, "step: 0.3 does not divide the range"),
        ({"parameters": {"x": [1, 1]}}, "parameters: x: 1 is there twice"),
        ({"parameters": {"x": [[1]]}}, "parameters: x: [1] is not a text, a number, true or false"),
        ({"parameters": {"x y": [1]}}, "'x y' is not the name of a parameter"),
        ({"name": "../up"}, "name: '../up' has to be 1 to 40 letters"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(change, message):
    Path("sweep.yaml").write_text(json.dumps({k: v for k, v in {**BASE, **change}.items() if v is not None}))
    text = failed("sweep", "sweep.yaml", "--", "python", "train.py", "{args}")
    assert text.startswith("Error: sweep.yaml: ")
    assert message in text
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["python", "train.py"], "the command does not take x"),
        (["python", "train.py", "{y}"], "the command has {y}, which is not a parameter"),
        (["legm", "run", "--real", "--", "python", "train.py", "{args}"], "use legm run --drop-in"),
    ],
)
def test_a_command_without_the_parameters_is_an_error(command, message):
    Path("sweep.yaml").write_text(json.dumps(BASE))
    assert message in failed("sweep", "sweep.yaml", "--", *command)


def test_a_script_for_wandb_is_swept_with_legm_run(folder):
    (folder / "train.py").write_text(
        "import sys, wandb\n"
        "x = float(sys.argv[1].partition('=')[2])\n"
        "run = wandb.init(project='e', config={'x': x})\n"
        "for step in range(3): run.log({'loss': x + step})\n"
        "run.finish()\n"
    )
    config = "experiment: e\nmetric: loss\nsampler: grid\nparameters: {x: [0.5, 0.25]}\n"
    run = [sys.executable, "-m", "legm", "run", "--drop-in", "--root", "results", "--", sys.executable]
    done = swept(config, command=[*run, "train.py", "x={x}"])
    assert done["best"]["parameters"] == {"x": 0.25}
    assert done["trials"] == {"complete": 2}
