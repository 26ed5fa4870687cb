"""What a manager of the original legm means here, also where it differs on purpose."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import yaml

import legm
from legm.compat.classic import ExperimentManager
from legm.compat.classic.argument_parsing import parse_args_and_metadata, splitify_namespace
from legm.errors import InvalidName, LegmError, MetricError, NotSupported, ParameterError, StateError


@pytest.fixture
def manager(tmp_path):
    made = ExperimentManager(tmp_path / "logs", "E")
    made.set_dict_params({"lr": 0.1, "seed": 1})
    made.disable_param("seed")
    made.name_param("lr")
    return made


def results(tmp_path, name="0.1_0"):
    return yaml.safe_load((tmp_path / "logs" / "E" / name / "metrics.yml").read_text(encoding="utf-8"))


def test_modes_make_the_names_of_metrics(manager, tmp_path):
    manager.start()
    assert manager.set_metric("loss", 0.5) == 0.5
    manager.set_metric("loss", 0.4, "dev", 3)
    manager.set_metric("loss", 0.3, mode="test")
    manager.set_metric("f1", 0.2, test=True)
    manager.set_metric("f1", 0.1, id="a", mode="test")
    manager.log_metrics()
    run = results(tmp_path)["experiment_0"]
    assert (run["loss"], run["dev_loss"], run["test_loss"], run["test_f1"]) == ([0.5], [0.4], 0.3, 0.2)
    assert run["test_f1_indexed"] == {"a": 0.1}


def test_an_assigned_attribute_hides_the_parameter_and_is_none_itself(manager):
    manager.start()
    manager.lr = 7
    manager.extra = "x"
    assert (manager.lr, manager.extra) == (7, "x")
    manager.log_metrics()
    assert vars(type(manager))["_experiment_folder"].fget(manager).endswith("0.1_0")


def test_only_what_was_declared_is_none_when_it_was_not_set(manager):
    manager.set_param_metadata({"warmup": {"disable_comparison": True}})
    assert manager.warmup is None
    assert manager.device is None
    with pytest.raises(AttributeError, match="no parameter 'lrr' was set"):
        _ = manager.lrr


def test_start_again_takes_over_what_was_set_since(manager, tmp_path):
    manager.start()
    manager.set_param("lr", 0.2)
    manager.start()
    manager.set_metric("x", 1)
    manager.log_metrics()
    assert results(tmp_path, "0.2_0")["experiment_0"]["x"] == [1.0]
    assert not [*(tmp_path / "logs" / "E" / "0.1_0").rglob("*.log")]


def test_parameters_are_fixed_by_the_first_value(manager):
    manager.start()
    manager.set_metric("x", 1)
    assert manager.set_param("lr", 0.1) == 0.1  # it has this value
    with pytest.raises(StateError, match="during a run"):
        manager.set_param("lr", 0.2)
    with pytest.raises(StateError, match="log_metrics"):
        manager.start()


def test_another_seed_in_the_same_manager_is_another_run(manager, tmp_path):
    for seed in (1, 2):
        manager.set_param("seed", seed)
        manager.start()
        manager.set_metric("x", seed)
        manager.log_metrics()
    found = results(tmp_path)
    assert [found[f"experiment_{n}"]["legm"]["parameters"]["seed"] for n in (0, 1)] == [1, 2]


def test_metrics_after_log_metrics_replace_the_entry(manager, tmp_path):
    manager.start()
    manager.set_metric("x", 1)
    manager.set_custom_data({"a": 1}, "data.json")
    manager.log_metrics()
    manager.set_metric("x", 2)
    manager.set_custom_data({"b": 2}, "data.json")
    manager.log_metrics()
    found = results(tmp_path)
    assert [*found] == ["experiment_0"]
    assert found["experiment_0"]["x"] == [1.0, 2.0]
    data = json.loads((tmp_path / "logs" / "E" / "0.1_0" / "data.json").read_text(encoding="utf-8"))
    assert data == {"experiment_0": {"a": 1, "b": 2, "description": ""}}


def test_what_is_no_number_is_kept_in_a_file_and_said_once(manager, tmp_path, caplog):
    manager.start()
    for step in range(3):
        manager.set_dict_metrics({"loss": 1.0, "text": f"t{step}", "gone": None}, step=step)
    manager.set_metric("final", ["a", 1], mode="test")
    manager.log_metrics()
    kept = yaml.safe_load((tmp_path / "logs" / "E" / "0.1_0" / "not-numbers.yml").read_text(encoding="utf-8"))
    assert kept["experiment_0"] == {
        "text": ["t0", "t1", "t2"],
        "gone": [None, None, None],
        "test_final": ["a", 1],
        "description": "",
    }
    assert len([one for one in caplog.messages if "the metric 'text' has a value that is not" in one]) == 1
    with pytest.raises(MetricError, match="of type object"):
        manager.set_metric("odd", object())


def test_what_differs_in_calls_that_work_is_logged_once(tmp_path, caplog):
    manager = ExperimentManager(tmp_path / "logs", "E", "runs/lr={lr}", logs_precision=4)
    for seed in (1, 2):
        manager.set_dict_params({"lr": 0.1, "dropout": 0.0, "tags": [], "seed": seed, "off": False})
        manager.disable_param("seed")
        manager.start()
        manager.set_metric("x", seed, mode="test")
        manager.log_metrics()
        manager.aggregate_results("confidence")
    differences = [one for one in caplog.messages if "see the page 'From the original legm'" in one]
    assert [one.partition(":")[0].partition(", ")[0] for one in differences] == [
        "logs_precision=4 has no effect",
        "the template 'runs/lr={lr}' is nested",
        "'dropout'",
        "the interval of 'confidence' is that of Student's t",
    ]
    assert "names one folder here: 'runs--lr=0.1'" in differences[1]
    assert "'dropout', 'tags': the value is 0 or empty" in differences[2]
    assert (tmp_path / "logs" / "E" / "runs--lr=0.1_0").is_dir()


def test_another_process_records_nothing(manager, tmp_path):
    manager.start()
    manager.set_main_process(False)
    assert not manager.is_main_process()
    manager.start()
    manager.set_metric("x", 1)
    manager.log_metrics()
    assert not [*(tmp_path / "logs" / "E" / "0.1_0" / "runs").glob("**/*.log")]
    assert manager.get_save_filename().endswith("model.pt")


def test_pickles_are_refused(manager):
    manager.start()
    for name, remedy in (("data.pkl", "pickle"), ("w.pt", "torch.save"), ("d.csv", "must end in")):
        with pytest.raises(InvalidName, match=remedy):
            manager.set_custom_data({"a": 1}, name)
    with pytest.raises(LegmError, match="can hold numbers"):
        manager.set_custom_data({"a": object()})
    manager.set_custom_data({"a": np.ones(2)}, "arrays.npz")
    manager.set_custom_data("text", "notes.txt")


def test_a_template_must_name_parameters(tmp_path):
    manager = ExperimentManager(tmp_path, "E", "run/{rate}")
    manager.set_param("lr", 0.1)
    with pytest.raises(ParameterError, match="'rate', which was not set; set are: lr"):
        manager.start()
    broken = ExperimentManager(tmp_path, "E", "run/{lr")
    broken.set_param("lr", 0.1)
    with pytest.raises(ParameterError, match="is not a template"):
        broken.start()


def test_configurations_are_ranked_by_folder(tmp_path):
    for rate in (0.1, 0.2):
        manager = ExperimentManager(tmp_path / "logs", "E")
        manager.set_param("lr", rate)
        manager.name_param("lr")
        manager.start()
        manager.set_metric("acc", rate, mode="test")
        manager.log_metrics()
    found, order = manager.get_best("acc", higher_better=True, test=True)
    assert [one.rpartition("/")[2] for one in order] == ["0.2_0", "0.1_0"]
    assert found[order[0]]["config"] == {"lr": 0.2}
    assert found[order[0]]["metrics"]["test_acc"]["mean"] == 0.2
    again = ExperimentManager.load_existent(order[1])
    assert again.lr == 0.1
    again.start()
    again.set_metric("acc", 0.3, mode="test")
    again.log_metrics()
    assert again.aggregate_results()["test_acc"]["n"] == 2
    with pytest.raises(NotSupported, match="legm plot"):
        manager.plot_comparison_bars("lr", "acc", "x.png")


def test_a_manager_is_pickled_with_its_parameters(manager):
    manager.start()
    manager.set_metric("x", 1)
    copy = pickle.loads(pickle.dumps(manager))
    assert copy == manager
    assert (copy.lr, copy.seed) == (0.1, 1)
    manager.log_metrics()


def test_confidence_is_half_of_the_interval(manager, tmp_path):
    for value in (1.0, 2.0):
        manager.start()
        manager.set_metric("x", value, mode="test")
        manager.log_metrics()
    manager.aggregate_results("confidence")
    texts = (tmp_path / "logs" / "E" / "0.1_0" / "classic" / "aggregated_metrics.yml").read_text(
        encoding="utf-8"
    )
    assert yaml.safe_load(texts) == {"": {"test_x": "1.5+-6.3531"}}  # Student's t with one degree of freedom


def test_captured_results_are_metrics(manager, tmp_path):
    manager.start()

    @manager.capture_metrics(["loss", "acc"])
    def train():
        return 0.5, 0.25

    assert train() == (0.5, 0.25)
    manager.tensorboard_write("shown", 1.0)
    manager.tensorboard_write("shown", "text")
    manager.log("a message", "info")
    manager.log()
    assert results(tmp_path)["experiment_0"]["acc"] == [0.25]
    manager.reset()
    manager.set_metric("acc", 1)
    manager.log_metrics()
    assert len(results(tmp_path)) == 2


def test_plots_leave_out_what_no_run_has(manager, tmp_path):
    manager.start()
    manager.set_dict_metrics({"a": 1, "b": 2, "b2": 3, "c": 4})
    manager.log_metrics()
    paths = manager.plot(groups=[["a", "none"], ["none"]], exclude=["c"], exclude_pattern="b")
    assert [one.rpartition("/")[2] for one in paths] == ["a.png", "b2.png"]


def test_a_split_of_a_list_of_namespaces_keeps_the_other_splits():
    from argparse import Namespace

    found = splitify_namespace([Namespace(train_n=1, test_n=2, m=3)], "train")
    assert [vars(one) for one in found] == [{"n": 1, "test_n": 2, "m": 3}]


def test_declarations_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py"])
    declared = {"n": {"type": int, "default": 1}}
    grid, metadata = parse_args_and_metadata(
        [], {"n": {**declared["n"], "metadata": {"name": True, "odd": 1}}}
    )
    assert ([vars(one) for one in grid], metadata) == ([{"n": 1}], {"n": {"name": True}})
    with pytest.raises(ParameterError, match="declared twice"):
        parse_args_and_metadata([declared], {"n": {"type": str}})
    with pytest.raises(ParameterError, match="'B' is not one of the commands A"):
        parse_args_and_metadata([], declared, ["A"], "task", {"B": declared})


def test_the_names_of_the_original_are_there():
    assert legm.ExperimentManager is ExperimentManager
    assert "ExperimentManager" not in legm.__all__  # not what new scripts are to use
    from legm.exp_manager import ExperimentHandler

    assert issubclass(ExperimentHandler, legm.ExperimentHandler)
