"""The language of selections: what it means, what it refuses, and that no text makes it hang."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.core.moments import moment_span
from legm.core.parameters import Parameters
from legm.core.search_patterns import compile_pattern
from legm.core.selection import RunSelection, SelectionCandidate
from legm.core.selection_completion import selection_completions
from legm.core.selection_grammar import (
    Condition,
    ValueText,
    conditions_of_selection,
    parse_selection,
    quoted_selection_name,
    quoted_selection_value,
)
from legm.errors import ParameterError, SelectionError
from legm.records import Configuration, Run, RunMarks, RunResult, Status


def configuration(**values) -> Configuration:
    parameters = Parameters()
    parameters.set({"seed": 0, **values})
    parameters.set_metadata({"seed": {"disable_comparison": True}}, "")
    return parameters.configuration("e")


ADAM = configuration(lr=0.1, opt="adam", layers=[64, 32], **{"weight decay": 0.5})
SGD = configuration(lr=0.001, opt="sgd", momentum=0.9, layers=[16], **{"a<b": 3})
OTHER = configuration(lr=0.01, opt="lion", layers=[16], note="salt and pepper, (1)")
NAMES = {ADAM.fingerprint: "adam", SGD.fingerprint: "sgd", OTHER.fingerprint: "lion"}


def run(of: Configuration, seed: int, status=Status.COMPLETED, tags=(), description="", started=0.0):
    begun = Run(f"20260131-00000{seed}", of, description, started, {"seed": seed})
    return RunResult(begun, status, marks=RunMarks(tuple(tags)))


def selected(*texts: str) -> str:
    """The configurations that texts select, each by its optimizer."""
    bound = RunSelection.parse(texts).bound([ADAM, SGD, OTHER])
    return " ".join(
        NAMES[one.fingerprint] for one in (ADAM, SGD, OTHER) if bound.decides(SelectionCandidate(one))
    )


def selected_seeds(text: str, runs: list[RunResult]) -> list[int]:
    bound = RunSelection.parse(text).bound([ADAM, SGD, OTHER])
    return [one.run.parameters["seed"] for one in runs if bound.has_run(one)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("lr=0.1", "adam"),
        ("lr == 1e-1", "adam"),
        ("lr<0.05", "sgd lion"),
        ("lr>=0.01", "adam lion"),
        ("lr!=0.1", "sgd lion"),
        ("momentum!=0.9", "adam lion"),  # also where it is absent
        ("not momentum<1", "adam lion"),
        ("opt=adam,sgd", "adam sgd"),
        ("opt in (adam, 'sgd')", "adam sgd"),
        ("opt in [lion]", "lion"),
        ("opt not in (adam, sgd)", "lion"),
        ("opt~^(adam|sgd)$ and lr<0.05", "sgd"),
        ("opt~[a)]d", "adam"),
        ("layers=[64,32]", "adam"),
        ("layers=[64, 32],[16]", "adam sgd lion"),
        ("layers~64", "adam"),
        ("weight decay=0.5", "adam"),
        ("`weight decay`>0.1 and opt=adam", "adam"),
        ("a<b>=3", "sgd"),
        ("`a<b`=3 or `weight decay`=0.5", "adam sgd"),
        ("note='salt and pepper, (1)'", "lion"),
        ('note="salt and pepper, (1)"', "lion"),
        ("missing(momentum)", "adam lion"),
        ("momentum is absent and not missing(note)", "lion"),
        ("momentum is not absent", "sgd"),
        ("lr<0.05 and (opt=='adam' or opt=='sgd')", "sgd"),
        ("opt=adam or opt=sgd and lr<0.01", "adam sgd"),  # and binds more than or
        ("(opt=adam or opt=sgd) and lr<0.01", "sgd"),
        ("not (opt=adam or opt=sgd)", "lion"),
        ("not not opt=adam", "adam"),
        ("NOT opt=adam AND lr<0.005 OR opt=lion", "sgd lion"),
        ("  ", "adam sgd lion"),
    ],
)
def test_a_selection_of_configurations(text, meant):
    assert selected(text) == meant


def test_of_several_texts_all_hold():
    assert selected("lr<0.05", "opt=adam or opt=sgd") == "sgd"
    both = RunSelection.parse(["lr<0.05", "opt=adam or opt=sgd"])
    assert str(both) == "lr<0.05 and (opt=adam or opt=sgd)"
    assert RunSelection.parse(str(both)).expressions[0].parts == both.expressions
    assert RunSelection.parse(["lr=1", "lr=2"]).repeated_names == ["lr"]


def test_what_differs_between_runs_is_decided_for_each():
    runs = [
        run(ADAM, 1, tags=("good",), description="x y"),
        run(ADAM, 2, Status.FAILED, tags=("good", "broken")),
        run(SGD, 3, Status.PRUNED),
    ]
    for text, seeds in [
        ("seed<3", [1, 2]),
        ("seed=1,3", [1, 3]),
        ("seed=[1, 3]", [1, 3]),
        ("seed~[12]", [1, 2]),
        ("tag:good", [1, 2]),
        ("tag:good and not tag:broken", [1]),
        ("tag:none,broken", [2]),
        ("status:failed,pruned", [2, 3]),
        ("opt=adam and not status:failed", [1]),
        ("run:000003", [3]),
        ('description:"x y"', [1]),
        ("not description:'x y'", [2, 3]),
        ("missing(seed)", []),
    ]:
        assert selected_seeds(text, runs) == seeds, text


def test_a_configuration_is_decided_without_its_runs_where_that_is_possible():
    bound = RunSelection.parse("opt=adam or seed<3").bound([ADAM, SGD])
    assert bound.decides(SelectionCandidate(ADAM)) is True
    assert bound.decides(SelectionCandidate(SGD)) is None
    bound = RunSelection.parse("opt=adam and status:failed").bound([ADAM, SGD])
    assert bound.decides(SelectionCandidate(SGD)) is False
    assert bound.decides(SelectionCandidate(ADAM, statuses=frozenset({"completed"}))) is False
    assert bound.decides(SelectionCandidate(ADAM, statuses=frozenset({"failed"}))) is True
    assert bound.decides(SelectionCandidate(ADAM, statuses=frozenset({"failed", "completed"}))) is None


def test_a_day_is_the_whole_day():
    start, end = moment_span("2026-01-31")
    assert end - start == 86_400
    runs = [run(ADAM, i, started=at) for i, at in enumerate((start - 1, start, end - 1, end))]
    for sign, seeds in [
        ("<", [0]),
        ("<=", [0, 1, 2]),
        ("=", [1, 2]),
        ("!=", [0, 3]),
        (">", [3]),
        (">=", [1, 2, 3]),
    ]:
        assert selected_seeds(f"started{sign}2026-01-31", runs) == seeds, sign
    assert selected_seeds("started:2026-01-31", runs) == [1, 2]
    assert selected_seeds("ended=2026-01-31", runs) == []
    assert moment_span("2026-01-31T18:30Z") == (1769884200.0, 1769884260.0)
    assert moment_span("2026-01-31 18:30:05+01:00")[0] == 1769884205.0 - 3600
    for month, after in (("2026-12", "2027-01-01"), ("2026", "2027-01-01"), ("2026-02", "2026-03-01")):
        assert moment_span(month)[1] == moment_span(after)[0]


def test_a_value_may_begin_as_an_operator_does():
    for text, value in (
        ("pad=<pad>", "<pad>"),
        ("folder=~/data", "~/data"),
        ("name<'<2'", "<2"),
        ("x=='=a'", "=a"),
    ):
        (condition,) = conditions_of_selection(parse_selection(text))
        assert [one.text for one in condition.values] == [value]


@pytest.mark.parametrize(
    ("text", "problem", "caret"),
    [
        ("lr<", "a value is missing after 'lr<'", 3),
        ("rate", "'rate' is not a condition", 0),
        ("lr=1 and", "a condition is missing here", 8),
        ("lr=1 or or lr=2", "a condition is missing here", 8),
        ("(lr=1", "this bracket is not closed", 0),
        ("lr=1)", "this bracket is not opened", 4),
        ("stat:failed", "there is no field 'stat'; did you mean 'status'", 0),
        ("note=salt and pepper", "'pepper' is not a condition", 14),
        ("opt in (adam", "this list is not closed", 7),
        ("`lr=1", "this quote is not closed", 0),
        ("=1", "a parameter's name is missing", 0),
        ("tag:", "a value is missing after 'tag:'", 4),
        ("missing(lr", "has to be closed", 0),
        ("lr<<2", "an operator here already, '<'; a value that begins with '<' needs quotes", 3),
        ("lr<>2", "an operator here already, '<'", 3),
        ("lr>= =2", "an operator here already, '>='", 5),
        ("opt=a and lr===2", "an operator here already, '='", 14),
        ("lr!==2", "an operator here already, '!='", 4),
        ("(" * 10_000, "nested more than 100 deep", 33),
        ("not " * 3000 + "lr=1", "nested more than 100 deep", 33),
        ("x" * 30_000, "more than 20,000", 0),
    ],
)
def test_what_is_no_selection_is_shown_with_a_caret(text, problem, caret):
    with pytest.raises(SelectionError) as error:
        parse_selection(text)
    first, shown, mark = str(error.value).splitlines()
    assert problem in first
    assert mark.index("^") == shown.index(shown.strip()) + caret - (33 - 31) * (caret == 33)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ot=adam", "no configuration has an active parameter 'ot'; did you mean 'opt' or 'note'?"),
        ("lr=0.1 and ot=adam", "no configuration has an active parameter 'ot'"),
        ("opt=adma", "no configuration has opt=adma; did you mean 'adam'?"),
        (
            "lr='0.1'",
            "no configuration has lr=0.1; did you mean '0.1' or '0.01' or '0.001'? (numbers, and '0.1' is",
        ),
        ("lr=low", "(numbers, and 'low' is a text)"),
        ("lr<low", "lr<low: 'low' is not a number"),
        ("lr<'0.1'", "'0.1' is not a number"),
        ("opt<3", "opt<3: 'opt' has no numbers, but 'adam', say"),
        ("opt~(", "'(' is not a regular expression"),
        ("opt~(a+)+b", "repeats a group that has repetitions"),
        ("status:fialed", "there is no status 'fialed'; did you mean 'failed'?"),
        ("status=failed", "status:failed selects by a run's status"),
        ("run:123", "6 or more characters"),
        ("started>yesterday", "'yesterday' is not a time"),
        ("started>2026-13-01", "is not a time: month must be in 1..12"),
        ("started~2026", "started is a time"),
        ("missing(droput)", "no configuration has an active parameter 'droput'"),
    ],
)
def test_what_does_not_fit_the_configurations_is_an_error(text, problem):
    with pytest.raises(ParameterError) as error:
        RunSelection.parse(text).bound([ADAM, SGD, OTHER])
    assert problem in str(error.value)
    assert ("^" in str(error.value)) is (" and " in text)


def test_a_parameter_with_the_name_of_a_field_is_the_parameter():
    own = configuration(started=5, status="x")
    bound = RunSelection.parse("started>4 and status=x").bound([own])
    assert bound.decides(SelectionCandidate(own)) is True


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|aa)+$",
        "(a?){30}a",
        "a*a*a*a*a*a*a*b",
        "(.*)\\1\\1\\1\\1\\1b",
        "(?:){1000000000}",
        "a?" * 40 + "b",
    ],
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern):
    begun = time.monotonic()
    with pytest.raises(ParameterError, match="for ever"):
        compile_pattern(pattern)("a" * 300)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "pattern",
    [
        "^ad",
        "(adam|sgd)$",
        "(?i)ADAM",
        "a.*m",
        "|".join(f"v{i}" for i in range(40)) + "|adam",
        "(ad)*am",
        "[(*]?adam",
    ],
)
def test_other_patterns_find_what_re_finds(pattern):
    is_found = compile_pattern(pattern)
    assert is_found("adam")
    assert not is_found("x")


def test_a_long_pattern_or_value_cannot_hang_it():
    with pytest.raises(ParameterError, match="more than 1,000"):
        compile_pattern("a" * 1001)
    aliases = "[&a [x, x], " + ", ".join(["*a"] * 2000) + "]"
    with pytest.raises(ParameterError):
        RunSelection.parse(f"opt={aliases}").bound([ADAM])
    began = time.process_time()
    for brackets in ("[" * 9000, "{" * 9000, "[x, " * 9000, "]" * 9000 + "[" * 9000):
        with pytest.raises(ParameterError):
            RunSelection.parse(f"opt={brackets}").bound([ADAM])
    assert time.process_time() - began < 2  # seconds; 10 with YAML, whose time grows with the square


@given(st.text(max_size=40))
def test_whatever_a_name_or_value_is_it_can_be_quoted(text):
    name = quoted_selection_name(text)
    if text.strip():
        found = parse_selection(f"{name}=1 and (x={quoted_selection_value(text)} or x=2)")
        (first, both) = found.parts
        assert first.name == text
        assert both.parts[0].values == (ValueText(text, is_quoted=both.parts[0].values[0].is_quoted),)


@given(st.text(alphabet="ab=<>!~()[]{},'\"`\\ :not|and or", max_size=60))
def test_any_text_is_a_selection_or_a_selection_error(text):
    try:
        RunSelection.parse(text).bound([ADAM, SGD])
    except ParameterError:
        return


def test_a_condition_of_one_value_is_compared_as_text_if_it_was_quoted():
    assert parse_selection("a='1'") == Condition("a", "=", "1", (ValueText("1", is_quoted=True),))
    text, number = configuration(opt="1"), configuration(opt=1)
    bound = RunSelection.parse("opt='1'").bound([text, number])
    assert [bound.decides(SelectionCandidate(one)) for one in (text, number)] == [True, False]
    bound = RunSelection.parse("opt=1").bound([text, number])
    assert [bound.decides(SelectionCandidate(one)) for one in (text, number)] == [False, True]


def test_names_and_values_are_completed():
    parameters = {"lr": ["0.1", "0.2"], "x and y": ["a'b", "x, y"], "opt": ["adam"]}
    fields = {"status": ["failed"], "tag": []}

    def offered(text: str) -> list[str]:
        return [one for one in selection_completions(text, parameters, fields) if one.startswith(text)]

    assert offered("") == ["lr=", "opt=", "`x and y`=", "status:", "tag:"]
    assert offered("lr<0.1 and o") == ["lr<0.1 and opt="]
    assert offered("not (o") == ["not (opt="]
    assert offered("lr=") == ["lr=0.1", "lr=0.2"]
    assert offered("lr=0.1,") == ["lr=0.1,0.1", "lr=0.1,0.2"]
    assert offered("opt in (a") == ["opt in (adam"]
    assert offered("opt='") == ["opt='adam'"]
    assert offered("`x and y`=") == ["`x and y`=a'b", "`x and y`='x, y'"]
    assert offered("lr=0.1 or status:f") == ["lr=0.1 or status:failed"]
    assert offered("nothing=") == []


def test_a_configuration_without_a_parameter_has_its_absent_value():
    def made(experiment: str = "e", **values) -> Configuration:
        parameters = Parameters()
        parameters.set({"lr": 0.1, **values})
        parameters.set_metadata({name: {"absent_value": 0.0} for name in values})
        return parameters.configuration(experiment)

    old, new, changed, other = made(), made(dropout=0.0), made(dropout=0.5), made("other")

    def selected_of(text: str, *configurations: Configuration) -> list[bool | None]:
        bound = RunSelection.parse(text).bound(configurations)
        return [bound.decides(SelectionCandidate(one)) for one in configurations]

    every = (old, new, changed, other)
    assert selected_of("dropout=0", *every) == [True, True, False, False]
    assert selected_of("dropout<0.2", *every) == [True, True, False, False]
    assert selected_of("dropout!=0", *every) == [False, False, True, True]
    assert selected_of("dropout=0.5", *every) == [False, False, True, False]
    assert selected_of("dropout is absent", *every) == [True, True, False, True]
    assert selected_of("dropout is not absent", *every) == [False, False, True, False]
    assert selected_of("dropout=0", old, changed) == [True, False]
