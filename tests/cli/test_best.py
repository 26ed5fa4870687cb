"""``legm best``: the ranking, what it leaves out, and what it says where it has no answer."""

from __future__ import annotations

import shutil

import pytest

from legm import ExperimentHandler
from legm.core.naming import safe_name
from legm.testing.memory import MemoryBackend
from tests.support.answers import EXPERIMENT, fill
from tests.support.calling import as_json, call, failed, misused, shown

FOLDER = safe_name(EXPERIMENT)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read."""
    place = tmp_path_factory.mktemp("best") / "root"
    fill(place)
    return place


def places(*arguments):
    return [(one["configuration"], one["value"]["mean"]) for one in as_json("best", *arguments)]


def test_the_highest_mean_is_first_and_nan_is_last(root):
    assert places(root / FOLDER, "loss", "--higher") == [
        ("0.1,sgd_0", 2.0),
        ("0.1,adam_0", 0.5),
        ("0.2,adam_0", 0.25),
        ("0.2,sgd_0", "nan"),
    ]


def test_with_lower_the_lowest_mean_is_first_and_nan_is_last_still(root):
    found = as_json("best", root / FOLDER, "loss", "--lower")
    assert [one["value"]["mean"] for one in found] == [0.25, 0.5, 2.0, "nan"]
    assert [one["rank"] for one in found] == [1, 2, 3, 4]
    assert found[1]["parameters"] == {
        "kind": "a|b_c",
        "layers": [64, 32],
        "rate": 0.1,
        "seed": 0,
        "solver": "adam",
    }
    assert (found[1]["completed"], found[1]["failed"], found[1]["interrupted"]) == (3, 1, 0)
    assert found[1]["value"]["n"] == 3
    assert found[1]["value"]["std"] == pytest.approx((0.125 / 3) ** 0.5)
    assert found[3]["value"]["nan"] == 3
    assert found[0]["folder"] == str(root / FOLDER / found[0]["configuration"])


def test_a_user_sees_value_runs_and_the_parameters_that_differ(root):
    lines = shown("best", root / FOLDER, "loss", "--lower").splitlines()
    assert " ".join(lines[0].split()) == "# configuration last loss runs others layers momentum rate solver"
    assert "0.25 ± 0.00" in lines[2]
    assert "0.50 ± 0.20" in lines[3]
    assert "1 failed" in lines[3]
    assert lines[3].endswith("[64, 32]             0.1  adam")
    assert "no value" in lines[5]
    assert "3 NaN" in lines[5]
    assert "kind" not in lines[0]


def test_a_test_metric_is_asked_for_by_the_option_or_by_its_key(root):
    found = as_json("best", root / FOLDER, "accuracy", "--test")
    assert [one["value"]["mean"] for one in found][:3] == [0.96875, 0.9375, 0.75]
    assert as_json("best", root / FOLDER, "test_accuracy") == found
    assert "test accuracy" in shown("best", root / FOLDER, "test_accuracy")


def test_a_metric_that_aggregates_over_all_its_values_can_be_ranked_by(root):
    found = as_json("best", root / FOLDER, "time", "--lower")
    assert [(one["value"]["mean"], one["value"]["n"]) for one in found] == [(2.0, 9)] * 4


def test_only_configurations_with_the_values_asked_for_are_ranked(root):
    path = root / FOLDER
    assert {name for name, _ in places(path, "loss", "--where", "solver=adam")} == {
        "0.1,adam_0",
        "0.2,adam_0",
    }
    for given, count in [
        (["rate=0.1"], 2),
        (["rate=1e-1"], 2),
        (["layers=[64,32]"], 2),
        (["layers=[64, 32]", "rate=0.2"], 1),
        (["kind=a|b_c"], 4),
        (["momentum=0.9"], 2),
        (["solver=adam,sgd"], 4),
        (["layers=[64, 32],[16]"], 4),
        (["rate=0.1,0.2", "solver!=sgd"], 2),
        (["momentum!=0.9"], 2),
        (["rate<0.2"], 2),
        (["rate>=0.1", "rate<=0.2"], 4),
        (["rate>0.1", "solver~^ad"], 1),
        (["layers~64"], 2),
        (["rate=[0.1, 0.2]"], 4),
        (["layers=[[16], [64, 32]]"], 4),
        (["rate > 0.1", "solver == adam"], 1),
    ]:
        options = [part for one in given for part in ("--where", one)]
        assert len(as_json("best", path, "loss", *options)) == count, given


def test_runs_with_a_description_are_ranked_separately(root):
    (one,) = as_json("best", root / FOLDER, "loss", "--description", "try this")
    assert (one["value"]["mean"], one["completed"]) == (0.125, 1)


def test_without_a_metric_the_runs_own_is_taken_or_the_metrics_are_listed(root, tmp_path):
    assert as_json("best", root / FOLDER) == as_json("best", root / FOLDER, "loss")  # the only one
    assert as_json("best", root / FOLDER, "--test") == as_json("best", root / FOLDER, "accuracy", "--test")
    for name, rule in (("own", True), ("none", False)):
        with ExperimentHandler(tmp_path / name, "toy") as handler:
            handler.set_dict_params({"rate": 0.1, "a<b": 1})
            handler.start()
            handler.set_dict_metrics({"a": 1.0, "b": 2.0})
            handler.set_metric("c", 3.0, test=True)
            if rule:
                handler.set_best("early_stopping", metric="b", higher_better=False)
    assert as_json("best", tmp_path / "own") == as_json("best", tmp_path / "own", "b")
    assert len(as_json("best", tmp_path / "own", "b", "--where", "a<b>=1")) == 1  # an operator in a name
    assert as_json("best", tmp_path / "none") == {"dev": ["a", "b"], "test": ["c"]}
    lines = shown("best", tmp_path / "none").splitlines()
    assert [line.split()[:2] for line in lines[2:-2]] == [["a", "dev"], ["b", "dev"], ["c", "test:"]]
    assert lines[2].split()[2:] == ["last", "a", "1", "higher", "is", "better,", "by", "default"]
    assert lines[-1] == "name the metric to rank by"
    assert shown("best", tmp_path / "own").splitlines()[-1] == "other metrics: a, test c"


def test_ls_names_the_metrics_and_says_that_a_root_is_another_backends(root, tmp_path):
    assert (
        "metrics: loss; test metrics: accuracy; metrics of examples: dice" in shown("ls", root).splitlines()
    )
    with ExperimentHandler(tmp_path / "memory", "toy", backend=MemoryBackend(tmp_path)) as handler:
        handler.start()
        handler.set_metric("loss", 1.0)
    note = "it holds runs of the backend 'memory': add --backend memory"
    assert shown("ls", tmp_path / "memory").startswith(
        f"no configurations below {tmp_path / 'memory'}; {note}"
    )
    assert note in failed("best", tmp_path / "memory", "loss")
    (tmp_path / "foreign" / "wandb").mkdir(parents=True)
    assert "wandb is a store of W&B: legm import " in failed("table", tmp_path / "foreign", "loss")


def test_top_shows_so_many_and_says_how_many_more_there_are(root):
    assert len(as_json("best", root / FOLDER, "loss", "--top", 2)) == 2
    lines = shown("best", root / FOLDER, "loss", "--top", 1).splitlines()
    assert lines[3:5] == ["", "3 more: --top 0 shows all"]
    assert "more" not in shown("best", root / FOLDER, "loss", "--top", 0)


def test_another_aggregation_ranks_by_its_center(root):
    found = as_json("best", root / FOLDER, "loss", "--aggregation", "median", "--lower")
    assert [one["value"].get("median") for one in found][:3] == [0.25, 0.5, 2.0]
    assert "0.50 [0.38, 0.62]" in shown("best", root / FOLDER, "loss", "--aggregation", "median")
    assert "no aggregation method 'mode'" in failed("best", root / FOLDER, "loss", "--aggregation", "mode")


def test_a_root_directory_will_do_that_has_one_experiment(root, tmp_path):
    assert as_json("best", root, "loss") == as_json("best", root / FOLDER, "loss")
    shutil.copytree(root / FOLDER, tmp_path / "both" / "one")
    shutil.copytree(root / FOLDER, tmp_path / "both" / "two")
    both = tmp_path / "both"
    assert (
        failed("best", both, "loss")
        == f"Error: {both} has 2 experiments: name one of {both / 'one'}, {both / 'two'}"
    )


def test_a_renamed_experiments_folder_is_still_one(root, tmp_path):
    shutil.copytree(root / FOLDER, tmp_path / "renamed")
    found = as_json("best", tmp_path / "renamed", "loss", "--lower")
    assert [one["value"]["mean"] for one in found] == [0.25, 0.5, 2.0, "nan"]


def test_a_configuration_that_a_user_copied_is_ranked_once(root, tmp_path):
    shutil.copytree(root, tmp_path / "root")
    place = tmp_path / "root" / FOLDER
    first = as_json("best", place, "loss")
    shutil.copytree(place / first[0]["configuration"], place / "z copy")
    assert as_json("best", place, "loss") == first


def test_damage_is_reported_and_the_rest_is_ranked(root, tmp_path):
    shutil.copytree(root, tmp_path / "root")
    place = tmp_path / "root" / FOLDER
    damaged = place / as_json("best", place, "loss", "--lower")[0]["configuration"] / "params.yml"
    damaged.write_bytes(b"\0")
    result = call("best", place, "loss", "--lower")
    assert result.exit_code == 0
    assert f"damaged: {damaged}, line" in result.stderr
    assert "no value" in result.stdout
    assert len(as_json("best", place, "loss")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["los"], "no completed run has the dev metric 'los'; did you mean 'loss'?"),
        (["accuracy"], "no completed run has the dev metric 'accuracy'; it is a test metric: add --test"),
        (
            ["loss", "--test"],
            "no completed run has the test metric 'loss'; it is a dev metric: leave out --test",
        ),
        (["dice"], "'dice' has one value per index: choose a metric of the whole run"),
        (
            ["loss", "--where", "rat=1"],
            "no configuration has an active parameter 'rat'; did you mean 'rate'?",
        ),
        (["loss", "--where", "rate=3"], "no configuration has rate=3; known: '0.1', '0.2'"),
        (["loss", "--where", "rate=0.1,3"], "no configuration has rate=3; known: '0.1', '0.2'"),
        (["loss", "--where", "rate>0.2"], "no configuration has rate>0.2"),
        (["loss", "--where", "rate>a"], "rate>a: 'a' is not a number"),
        (["loss", "--where", "solver~("], "'(' is not a regular expression"),
        (["loss", "--where", "solver<3"], "solver<3: 'solver' has no numbers, but 'adam', say"),
        (["loss", "--where", "solver=2024-01-01"], "no configuration has solver=2024-01-01; known: 'adam'"),
        (["loss", "--where", "rate=[0.1, 3]"], "no configuration has rate=3; known: '0.1', '0.2'"),
        (["loss", "--where", "seed=7"], "no run has seed=7"),
        (["loss", "--where", "rate=0.2", "--where", "layers=[8]"], "no configuration has layers=[8]"),
        (
            ["loss", "--description", "try that"],
            "has no run with the description 'try that'; did you mean 'try this'?",
        ),
    ],
)
def test_what_is_not_there_is_reported_with_what_is(root, arguments, message):
    assert message in failed("best", root / FOLDER, *arguments)


def test_a_path_that_leads_nowhere_is_reported_with_what_is_there(root, tmp_path):
    assert failed("best", root / "Net_1", "loss") == (
        f"Error: there is no folder {root / 'Net_1'}: {root} has no 'Net_1'; did you mean 'Net_1 & 精度'?"
    )
    assert f"{root.parent} has no 'rot'; did you mean 'root'?" in failed(
        "best", root.parent / "rot" / "e", "loss"
    )
    one = next((root / FOLDER).glob("*adam*"))
    assert (
        failed("best", one, "loss")
        == f"Error: {one} is one configuration: name its experiment, {root / FOLDER}"
    )
    assert failed("best", tmp_path, "loss").startswith(f"Error: there is no experiment at {tmp_path}")


def test_a_wrong_option_explains_itself(root):
    assert "'rate' was given twice" in misused("best", root, "loss", "--where", "rate=1", "--where", "rate=2")
    result = call("best", root / FOLDER, "loss", "--where", "rate")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-2:] == ["  rate", "  ^"]
    assert "'rate' is not a condition: NAME=VALUE" in result.stderr
    assert "the backend 'local' has no options" in failed("best", root, "loss", "--backend-option", "uri=1")
    assert "there is no backend 'mlfow'; did you mean 'mlflow'?" in failed(
        "best", root, "loss", "--backend", "mlfow"
    )


def test_runs_with_a_description_that_nobody_asked_for_are_counted(tmp_path):
    for description in (None, "a", "a", "b"):
        with ExperimentHandler(tmp_path, "e", description) as made:
            made.start()
            made.set_metric("loss", 0.5)
    note = "3 runs with the description 'a', 'b' do not count: --description selects by it"
    assert note in shown("best", tmp_path, "loss").splitlines()
    assert note in shown("table", tmp_path, "loss").splitlines()
    assert "do not count" not in shown("best", tmp_path, "loss", "--description", "b")
    assert "do not count" not in shown("best", tmp_path, "loss", "--where", "description:a")


def test_the_title_of_groups_is_that_of_all_of_them(tmp_path):
    for p in (1, 2):
        with ExperimentHandler(tmp_path, "e") as made:
            made.set_param("p", p)
            made.start()
            made.set_metric("loss", p)
            if p == 1:
                made.set_best("early_stopping", metric="loss")
    assert (
        "mean loss at the chosen step" in shown("best", tmp_path, "loss", "--group-by", "p").splitlines()[0]
    )
