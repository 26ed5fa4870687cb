"""What counts of a run whose training went back to a checkpoint."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from legm.core.results import result_outcome, run_result
from legm.core.rewinding import last_step_after_rewinds, value_counts_after_rewinds, without_rewound
from legm.core.run_environment import run_in_environment, run_stretches
from legm.records import (
    Artifact,
    BestRule,
    Configuration,
    Display,
    EnvironmentUpdate,
    Outcome,
    Points,
    Record,
    Resumption,
    Rewind,
    Run,
    Series,
    Split,
    Status,
)

LOSS, ACCURACY, TEST = Series("loss"), Series("accuracy"), Series("loss", Split.TEST)
RUN = Run("r", Configuration("e", "f", "n", {}, (), {}), "", 0.0, {"seed": 1}, {"host": "a", "pid": 1})


def points(*rows: tuple[tuple[Series, ...], int, list[float]]) -> Points:
    layouts = tuple(dict.fromkeys(series for series, _, _ in rows))
    return Points(
        layouts,
        np.array([layouts.index(series) for series, _, _ in rows], np.uint32),
        np.array([step for _, step, _ in rows], np.int64),
        np.arange(len(rows), dtype=float),
        np.array([value for _, _, values in rows for value in values], float),
    )


def at(*steps: int, value: float = 0.0) -> Points:
    return points(*(((LOSS,), step, [value]) for step in steps))


def test_nothing_is_copied_of_a_run_that_was_never_rewound():
    records: list[Record] = [at(1, 2), BestRule()]

    assert without_rewound(records) is records


def test_later_steps_set_before_a_rewind_are_void_and_those_set_after_it_count():
    result = run_result(
        RUN, [at(1, 2, 3, 9), Rewind(2, 1.0), at(3, value=1.0), Outcome(Status.COMPLETED, 2.0)]
    )

    (history,) = result.histories.values()
    assert history.steps.tolist() == [1, 2, 3]
    assert history.values.tolist() == [0.0, 0.0, 1.0]
    assert (result.points, result.last_step, result.best_step) == (3, 3, 3)


def test_a_rewind_keeps_test_values_files_and_the_rule_but_no_displays():
    both = points(((LOSS, ACCURACY), 5, [1.0, 2.0]), ((TEST,), 5, [3.0]), ((LOSS,), 1, [4.0]))
    kept = [Artifact("a", "/a"), BestRule("early_stopping", step=5)]
    records = [both, Display("x", 1.0, 5, 0.0), Display("x", 2.0, 1, 0.0), *kept, Rewind(1, 1.0)]

    found = list(without_rewound(records))

    assert value_counts_after_rewinds(records) == {TEST: 1, LOSS: 1}
    assert run_result(RUN, records).test == {TEST: 3.0}
    assert found[1:] == [Display("x", 2.0, 1, 0.0), *kept]


def test_a_rewind_keeps_system_metrics_whose_step_is_a_time():
    samples = [Display("system/cpu_utilization_percentage", 50.0, seconds, 0.0) for seconds in (15, 30)]
    shown = [Display("systematic", 1.0, 15, 0.0)]
    assert list(without_rewound([*samples, *shown, at(4), Rewind(3, 1.0)])) == samples


def test_a_rewind_to_before_the_first_step_voids_every_dev_value():
    records = [at(3, 4), Rewind(-5, 1.0)]

    assert list(without_rewound(records)) == []
    assert last_step_after_rewinds(records) is None
    assert run_result(RUN, records).last_step is None


@given(
    st.lists(st.one_of(st.integers(-9, 9), st.builds(Rewind, st.integers(-9, 9), st.just(0.0))), max_size=30)
)
def test_any_rewinds_leave_what_a_list_of_values_would_have(calls):
    expected: list[int] = []
    for one in calls:
        if isinstance(one, Rewind):
            expected = [step for step in expected if step <= one.step]
        else:
            expected.append(one)
    records = [at(one) if isinstance(one, int) else one for one in calls]

    assert value_counts_after_rewinds(records).get(LOSS, 0) == len(expected)
    assert last_step_after_rewinds(records) == max(expected, default=None)


def test_a_rewound_or_resumed_run_has_not_ended():
    failed, completed = Outcome(Status.FAILED, 1.0), Outcome(Status.COMPLETED, 1.0)

    assert result_outcome([failed, Resumption(2.0)]) is None
    assert result_outcome([completed, Resumption(2.0)]) is completed  # until it has something new
    assert result_outcome([completed, Resumption(2.0), Rewind(1, 2.0)]) is None


def test_each_stretch_has_its_environment_and_the_run_that_of_the_last():
    records = [
        EnvironmentUpdate({"commit": "1"}),
        Resumption(5.0, {"host": "b", "pid": 2}),
        EnvironmentUpdate({"commit": "2"}),
    ]

    run = run_in_environment(RUN, records)

    first, last = run_stretches(run)
    assert first == {"started": 0.0, "host": "a", "pid": 1, "commit": "1"}
    assert last == {"started": 5.0, "host": "b", "pid": 2, "commit": "2"}
    assert {name: run.environment[name] for name in ("host", "pid", "commit")} == {
        "host": "b",
        "pid": 2,
        "commit": "2",
    }
    assert run_in_environment(run, records) == run  # an export has both the run and its records


def test_a_run_says_where_it_was_imported_from_in_every_stretch():
    imported = Run("r", RUN.configuration, "", 0.0, {}, {"imported": {"source": "s"}})

    assert run_in_environment(imported, [Resumption(1.0, {"host": "b"})]).environment["imported"] == {
        "source": "s"
    }
