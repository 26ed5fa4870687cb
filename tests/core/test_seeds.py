"""Which runs of a configuration have equal seeds."""

from __future__ import annotations

from legm.core.seeds import looks_like_seed, seed_key
from legm.stats.run_counts import count_repeated


def test_the_last_part_of_a_name_says_whether_it_is_a_seed():
    names = [
        "seed",
        "trainer.seed",
        "seed_data",
        "data_seed",
        "random_state",
        *(
            "manualSeed",
            "trainer.randomSeed",
            "data/seed",
            "random-seed",
            "randomState",
            "np_seed_value",
            "seed2",
        ),
    ]
    others = ["seeds", "seedling", "seed.path", "linseed", "num_seed_points", "seed/path"]
    assert [name for name in names if not looks_like_seed(name)] == []
    assert [name for name in others if looks_like_seed(name)] == []


def test_runs_repeat_a_seed_when_all_their_seeds_are_equal_and_they_are_no_other_fold():
    assert seed_key({"host": "a"}) is seed_key({"seed": None}) is None
    assert seed_key({"seed": 1, "host": "a"}) == seed_key({"seed": 1.0, "host": "b"})
    assert seed_key({"seed": 1, "fold": 0}) != seed_key({"seed": 1, "fold": 1})
    assert seed_key({"seed": None, "fold": 0}) is seed_key({"fold": 0}) is None
    assert seed_key({"seed": 1, "data_seed": None, "fold": None}) == seed_key({"seed": 1})
    runs = [{"seed": 0}, {"seed": 1}, {"seed": 0}, {"seed": 0}, {"seed": 0, "data_seed": 1}, {}, {}]
    assert count_repeated(runs) == 2
