"""``legm compare``: what it prints of a difference, as a table and as JSON."""

from __future__ import annotations

import pytest

from legm import ExperimentHandler
from legm.core.naming import safe_name
from tests.support.answers import EXPERIMENT, fill
from tests.support.calling import as_json, failed, misused, shown


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Only to be read."""
    place = tmp_path_factory.mktemp("compare") / "root"
    fill(place)
    return place / safe_name(EXPERIMENT)


def test_a_program_is_given_what_the_handler_gives(path):
    (found,) = as_json("compare", path / "0.1,adam_0", path / "0.1,sgd_0", "loss")
    assert (found["mean_a"], found["mean_b"], found["difference"]) == (0.5, 2.0, -1.5)
    assert (found["paired"], found["pairs"], found["seeds"]) == (True, 3, ["seed"])
    assert (found["p"], found["metric"]) == (0.25, "best_loss")
    assert found["a"]["name"] == "0.1,adam"
    handler = ExperimentHandler(path.parent, EXPERIMENT)
    assert handler.compare("0.1,adam_0", "0.1,sgd_0", "loss").upper == found["upper"]


def test_a_user_sees_the_difference_its_interval_and_its_p_value(path):
    lines = shown("compare", path / "0.1,adam_0", path / "0.1,sgd_0", "loss").splitlines()
    assert lines[0] == "last loss: a = 0.1,adam_0"
    assert lines[1].split("  ")[-1].strip() == "better mean"
    assert " ".join(lines[3].split()) == "0.1,sgd_0 0.5 2.0 -1.5 -4.3 to 1.3 0.25 3 a"
    assert lines[-3:] == [
        "lower is better, by its name",
        "1 of 4 runs of a is left out: 1 failed",
        "so few runs cannot give a p-value below 0.25",
    ]


def test_several_are_compared_at_once_with_adjusted_p_values(path):
    paths = [path / name for name in ("0.1,adam_0", "0.1,sgd_0", "0.2,adam_0")]
    found = as_json("compare", *paths, "accuracy", "--test")
    assert [one["b"]["name"] for one in found] == ["0.1,sgd", "0.2,adam"]
    assert [one["p_adjusted"] for one in found] == [0.5, 0.5]
    output = shown("compare", *paths, "test_accuracy")
    assert "Holm p" in output
    assert [line.split()[:2] for line in output.splitlines()[3:5]] == [
        ["1", "0.1,sgd_0"],
        ["2", "0.2,adam_0"],
    ]


def test_pairs_can_be_chosen_or_refused(path):
    paths = [path / "0.1,adam_0", path / "0.1,sgd_0"]
    assert as_json("compare", *paths, "loss", "--unpaired")[0]["paired"] is False
    assert "not paired: as asked" in shown("compare", *paths, "loss", "--unpaired")
    assert as_json("compare", *paths, "loss", "--seed", "seed")[0]["seeds"] == ["seed"]
    assert "no run of '0.1,adam' has a seed 'sed'; did you mean 'seed'?" in failed(
        "compare", *paths, "loss", "--seed", "sed"
    )
    assert as_json("compare", *paths, "loss", "--level", 0.5)[0]["level"] == 0.5


def test_a_configuration_can_be_named_by_its_name_or_a_piece_of_its_fingerprint(path):
    by_folder = as_json("compare", path / "0.1,adam_0", path / "0.1,sgd_0", "loss")
    digest = by_folder[0]["a"]["fingerprint"]
    assert as_json("compare", path / digest[5:13], path / "0.1,sgd", "loss") == by_folder


def test_what_cannot_be_compared_is_reported(path):
    one, other = path / "0.1,adam_0", path / "0.1,sgd_0"
    assert "did you mean 'loss'?" in failed("compare", one, other, "los")
    assert "was given the configuration '0.1,adam' twice" in failed("compare", one, one, "loss")
    assert "has no configuration '0.1,adm_0'; did you mean '0.1,adam_0'" in failed(
        "compare", path / "0.1,adm_0", other, "loss"
    )
    assert "name two configurations and a metric" in misused("compare", one, "loss")
    assert "cannot be combined" in misused("compare", one, other, "loss", "--unpaired", "--seed", "seed")


def test_configurations_of_different_experiments_are_not_compared(path, tmp_path):
    with ExperimentHandler(tmp_path, "another") as made:
        made.start()
        made.set_metric("loss", 1.0)
    (other,) = (tmp_path / "another").glob("_*")
    assert "belongs to the experiment 'another'" in failed("compare", path / "0.1,adam_0", other, "loss")
