"""What stands for a metric says how it was chosen."""

from __future__ import annotations

import pytest

from legm.records import BestRule
from legm.stats.value_choice import choice_note, exact_choice_text, value_title

LAST, AT_40 = BestRule(), BestRule("early_stopping", step=40)
LOWEST = BestRule("early_stopping", metric="val/loss", higher_better=False)
HIGHEST = BestRule("early_stopping", metric="val/loss", higher_better=True)


@pytest.mark.parametrize(
    ("key", "rules", "title"),
    [
        ("best_accuracy", {LAST: 3}, "last accuracy"),
        ("best_accuracy", {LOWEST: 3}, "accuracy at the best val/loss"),
        ("best_val/loss", {LOWEST: 3}, "best val/loss"),
        ("best_accuracy", {AT_40: 3}, "accuracy at step 40"),
        ("best_accuracy", {LAST: 3, LOWEST: 1}, "accuracy at the chosen step"),
        ("best_accuracy", {LOWEST: 3, HIGHEST: 1}, "accuracy at the chosen step"),
        ("best_accuracy", {}, "accuracy at the chosen step"),
        ("test_accuracy", {LOWEST: 3}, "test accuracy"),
        ("time", {LOWEST: 3}, "time"),
    ],
)
def test_the_title_says_at_which_step_a_value_was_taken(key, rules, title):
    assert value_title(key, rules) == title


def test_runs_that_chose_differently_are_reported():
    assert choice_note("best_accuracy", {LAST: 3}) == choice_note("test_x", {LAST: 1, LOWEST: 1}) == ""
    assert choice_note("best_accuracy", {LAST: 1, LOWEST: 3}) == (
        "accuracy is taken differently: at the best val/loss in 3 runs, last in 1 run"
    )
    assert choice_note("best_accuracy", {LOWEST: 1, HIGHEST: 1}) == (
        "accuracy is taken differently: at the lowest val/loss in 1 run, at the highest val/loss in 1 run"
    )
    steps = {BestRule("early_stopping", step=step): 1 for step in range(9)}
    assert choice_note("best_accuracy", steps).endswith("at step 3 in 1 run and 5 further ways")


def test_a_rule_by_itself_says_its_direction():
    assert list(map(exact_choice_text, (LAST, AT_40, LOWEST))) == [
        "last",
        "at step 40",
        "at the lowest val/loss",
    ]
