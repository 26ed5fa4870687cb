"""Which values of a metric are better: by the runs' best rules, then by the metric's name, else higher."""

from __future__ import annotations

import pytest

from legm.core.direction import LOWER_IS_BETTER, decide_direction, direction_by_name
from legm.records import BestRule


def rule(metric="loss", higher=False):
    return BestRule("early_stopping", metric=metric, higher_better=higher)


@pytest.mark.parametrize(
    ("metrics", "higher"),
    [
        ("loss val/loss valLoss top1_err RMSE l2 nll fid50k binary_logloss kl_div time crossEntropy", False),
        (
            "neg_log_likelihood negative_log_likelihood false_positive_rate cross_entropy eval/perplexity",
            False,
        ),
        ("trainloss valloss VALLOSS evalmse val_losses num_errors bits_per_dim minADE miss_rate", False),
        ("val_ce kld abs_rel val/smoothL1 HD95 assd", False),
        ("neg_mean_squared_error neg_log_loss negRMSE", True),
        (
            "accuracy reward PSNR policy_entropy true_negative_rate timesteps r2 negative_reward f1 glossary",
            None,
        ),
        ("trade made permission missing_rate bitsper validation", None),
    ],
)
def test_words_in_the_name_say_what_is_better(metrics, higher):
    assert {metric: direction_by_name(metric) for metric in metrics.split()} == dict.fromkeys(
        metrics.split(), higher
    )


def test_each_word_of_the_list_means_lower():
    assert {word for word in LOWER_IS_BETTER if direction_by_name(f"val_{word}") is not False} == set()


@pytest.mark.parametrize(
    ("metric", "rules", "asked", "higher", "because", "against"),
    [
        ("accuracy", {BestRule(): 3}, None, True, "default", 0),
        ("loss", {BestRule(): 3, rule("accuracy", True): 9}, None, False, "name", 0),
        ("score", {rule("score"): 3}, None, False, "rule", 0),
        ("loss", {rule("loss", True): 3}, None, True, "rule", 0),
        ("loss", {rule("loss", True): 3, rule(): 2, BestRule(): 9}, None, True, "rule", 2),
        ("loss", {rule("loss", True): 2, rule(): 2}, None, False, "name", 2),
        ("score", {rule("score", True): 2, rule("score"): 2}, None, True, "default", 2),
        ("loss", {rule(): 2}, True, True, "asked", 2),
    ],
)
def test_a_user_then_the_most_runs_then_the_name_decide(metric, rules, asked, higher, because, against):
    found = decide_direction(metric, rules, asked)
    assert (found.higher_better, found.because, found.against) == (higher, because, against)
    assert str(found).startswith(f"{'higher' if higher else 'lower'} is better")
    assert ("conflict" in str(found)) == (against > 0)


def test_no_best_rule_is_about_all_values_of_a_metric():
    assert decide_direction("time", {rule("time", True): 3}, over_all_values=True).because == "name"
