"""metrics.yml and steps.yml: always a whole YAML document, and never a wrong number."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from legm import CorruptFile, ExperimentHandler, LegmError
from legm.backends.local import entry_file, folder_reader
from legm.backends.local.entry_file import EntryFile
from legm.backends.local.parameters_file import read_configuration
from legm.backends.local.result_yaml import read_result_yaml, series_yaml
from legm.records import History, Series, Status
from legm.runlog.configuration_folders import configuration_folders
from legm.util import yaml_text
from legm.util.yaml_text import yaml_flow, yaml_flow_key, yaml_numbers
from tests.support.examples import examples
from tests.support.reading import load_yaml

AWKWARD = [
    "ü",
    "精度",
    "😀",
    'say "x"',
    "back\\slash",
    "]}",
    " # legm length=000000000001",
    "a\nb",
    "a: b",
    ", ",
    "\u2028",
    "\x85\x7f\x00\ufeff",
    ".nan",
    "-.inf",
    '? "',
    "\\U0001f600",
    "null",
    "é" * 250,
    "😀" * 250,
    "long " * 300,
    "experiment_0",
    "#",
    "- x",
    "1e-07",
    "",
]
names = st.sampled_from(AWKWARD) | st.text(st.characters(exclude_categories=["Cs"]))
floats = st.floats() | st.sampled_from([5e-324, 1e16, 1e22, 1e-7, 123456789012345680.0, -0.0])
series_lists = st.lists(floats, max_size=4)
series = st.dictionaries(
    names, series_lists | st.dictionaries(names, series_lists, min_size=1, max_size=3), max_size=4
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
heads = st.dictionaries(names, plain, min_size=1, max_size=4)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A file that every example of a property writes anew."""
    return tmp_path_factory.mktemp("entries") / "metrics.yml"


@pytest.fixture
def file(tmp_path) -> EntryFile:
    return EntryFile(tmp_path / "metrics.yml")


def emptied(path: Path) -> EntryFile:
    path.unlink(missing_ok=True)
    return EntryFile(path)


def text_of(found: dict) -> str:
    """Series as the local backend writes them."""

    def inner(value: dict) -> str:
        return (
            "{"
            + ",".join(f"{yaml_flow_key(key)}: [{yaml_numbers(item)}]" for key, item in value.items())
            + "}"
        )

    return ", ".join(
        f"{yaml_flow_key(key)}: {inner(value) if isinstance(value, dict) else f'[{yaml_numbers(value)}]'}"
        for key, value in found.items()
    )


def put(
    file: EntryFile, run: str, values: list[float], replaced: entry_file.Entry | None = None
) -> entry_file.Entry:
    return file.put({"run_id": run, "best_loss": values[-1]}, text_of({"loss": values}), replaced)


def read(file: EntryFile) -> dict:
    """Every number in the file, by run, as legm reads it."""
    return {
        entry.head["run_id"]: (
            entry.head.get("best_loss"),
            lists(file.series(entry, frozenset({"loss"}))).get("loss"),
        )
        for entry in file.entries()
    }


def lists(found: Any) -> Any:
    """What was read, with lists in the place of arrays."""
    if isinstance(found, dict):
        return {key: lists(value) for key, value in found.items()}
    return found.tolist() if isinstance(found, np.ndarray) else found


def loaded(path: Path) -> dict:
    return load_yaml(path) or {}


def equal(one, other) -> bool:
    """Equal as YAML values, NaN to itself, and no number to one of another bit pattern."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


# What is put is what is read
@given(st.lists(st.tuples(heads, series), min_size=1, max_size=3))
@example([({"😀" * 250: [".nan", math.nan, -math.inf]}, {"é" * 250: {"long " * 300: [1e22]}})])
@example(
    [({"run_id": "a"}, {"acc": {"a": [1.0], "loss": [2.0]}, "loss": [3.0]})]
)  # an example that is called like a metric
def test_what_is_put_is_read_by_legm_and_by_yaml(path, contents):
    file = emptied(path)
    contents = [
        (head, {key: value for key, value in values.items() if key not in head}) for head, values in contents
    ]
    for head, values in contents:
        file.put(head, text_of(values))
    found = EntryFile(path).entries()
    assert [entry.number for entry in found] == list(range(len(contents)))
    for entry, (head, values) in zip(found, contents, strict=True):
        assert equal(entry.head, head)
        assert equal(lists(file.series(entry, None)), values)
        assert equal(lists(file.series(entry, frozenset(values))), values)
        for key in values:
            assert equal(lists(file.series(entry, frozenset({key, "not there"}))), {key: values[key]})
    assert equal(loaded(path), {f"experiment_{n}": {**h, **v} for n, (h, v) in enumerate(contents)})


ENVIRONMENTS = [
    {"legm": {"parameters": {"seed": 0}, "environment": {"host": "vm", "pid": 1}}},
    {"legm": {"parameters": {"environment": 3, "x": ', "environment": {'}, "environment": {}}},
    {
        "legm": {
            "started": 1.0,
            "environment": {"a": 1, "environment": {"b": 2, "environment": [math.nan, ".nan"]}},
        }
    },
    {"legm": {"best_steps": {"loss": 1, "environment": 3}}},
    {"legm": {"points": 1, "environment": {"a": 1}}, "more": {"a": 1, "environment": {}}},
    {"run_id": "a", "environment": {"a": 1}},
    {"legm": {"a": 1, "environment": "}}"}},
    {"legm": {"a": [{"b": 1, "environment": {"c": 2}}]}},
    {"legm": [{"b": 1, "environment": {"c": 2}}]},
    {"legm": {"a": 1, "environment": None}},
]


def test_parts_that_heads_have_in_common_are_parsed_once_and_change_nothing(file):
    for head in ENVIRONMENTS * 2:
        file.put(head, [])
    parts: dict[str, Any] = {}
    found = [one.head for one in EntryFile(file.path, parts).entries()]
    assert [repr(one) for one in found] == [repr(one.head) for one in file.entries()]
    assert found[0]["legm"]["environment"] is found[len(ENVIRONMENTS)]["legm"]["environment"]


def test_no_more_than_some_parts_of_heads_are_kept(file):
    for number in range(200):
        file.put({"legm": {"a": 1, "environment": {"pid": number}}}, [])
    parts: dict[str, Any] = {}
    found = [one.head["legm"]["environment"]["pid"] for one in EntryFile(file.path, parts).entries()]
    assert found == [*range(200)]
    assert len(parts) <= 64


@given(heads)
def test_a_mapping_over_several_lines_is_read_by_yaml_as_it_was_written(mapping):
    assert equal(yaml.safe_load(yaml_text.yaml_block(mapping)) or {}, mapping)


@given(plain)
def test_flow_text_is_yaml_and_nearly_json(value):
    text = yaml_flow(value)
    assert "\n" not in text
    for form in (text, yaml_text.ascii_yaml(text)):
        assert equal(yaml.safe_load(form), value)
        assert equal(json.loads(yaml_text.yaml_flow_as_json(form)), value)


def test_the_file_is_ascii_so_that_no_cut_makes_it_unreadable(file):
    file.put({"精度": "ü"}, text_of({"😀": [1.0]}))
    assert file.path.read_bytes().isascii()


def test_a_file_that_is_not_there_has_no_entries(file):
    assert file.entries() == file.damaged() == []


# Torn ends


def test_a_line_cut_at_any_byte_is_no_entry_and_the_next_put_repairs(file):
    put(file, "a", [0.5, 0.25])
    put(file, "b", [1.5, math.inf])
    whole = file.path.read_bytes()
    kept = read(file)
    file.put({"run_id": "ü", "best_loss": 2.5, "note": "😀"}, text_of({"loss": [2.5]}))
    line = b"#" + file.path.read_bytes()[len(whole) + 1 :]  # as it is until all of it is on the disk
    assert line.endswith(b"\n")
    for length in range(len(line) + 1):
        file.path.write_bytes(whole + line[:length])
        assert read(file) == kept
        assert list(loaded(file.path)) == ["experiment_0", "experiment_1"]
        put(file, "c", [3.5])
        assert read(file) == {**kept, "c": (3.5, [3.5])}
        assert list(loaded(file.path)) == ["experiment_0", "experiment_1", "experiment_2"]
        assert file.path.read_bytes().startswith(whole + b"experiment_2: ")


def test_several_torn_lines_are_cut_off_at_once(file):
    put(file, "a", [0.5])
    whole = file.path.read_bytes()
    line = b"#" + whole[1:]
    file.path.write_bytes(whole + line + line + line[:100])
    put(file, "b", [1.5])
    assert read(file) == {"a": (0.5, [0.5]), "b": (1.5, [1.5])}
    assert file.path.read_bytes().startswith(whole + b"experiment_1: ")


# Replacing


def test_a_replaced_entry_appears_once_with_its_new_content(file):
    put(file, "a", [0.5])
    entry = put(file, "b", [1.5])
    put(file, "c", [2.5])
    for value in (3.5, 4.5):
        entry = put(file, "b", [value], entry)
        assert file.is_at(entry)
        assert read(file) == {"a": (0.5, [0.5]), "b": (value, [value]), "c": (2.5, [2.5])}
        assert loaded(file.path)["experiment_1"]["loss"] == [value]
        assert sorted(loaded(file.path)) == ["experiment_0", "experiment_1", "experiment_2"]
    put(file, "d", [5.5])
    assert sorted(loaded(file.path)) == [f"experiment_{n}" for n in range(4)]


def test_a_writer_killed_between_the_new_entry_and_the_old_one_leaves_the_new_one(file):
    put(file, "a", [0.5])
    before = file.path.read_bytes()
    put(file, "a", [1.5], file.entries()[0])
    file.path.write_bytes(before + file.path.read_bytes()[len(before) :])  # the old one is no comment yet
    assert read(file) == {"a": (1.5, [1.5])}
    assert next(iter(loaded(file.path).values()))["loss"] == [1.5]
    put(file, "b", [2.5])
    assert read(file) == {"a": (1.5, [1.5]), "b": (2.5, [2.5])}


def test_comments_that_outweigh_the_entries_are_left_out(file, monkeypatch):
    monkeypatch.setattr(entry_file, "_REWRITE_THRESHOLD", 2000)
    file.path.write_text("# measured on the new machine\n")
    other = put(file, "a", [0.5])
    entry = put(file, "b", [0.0])
    sizes = []
    for value in range(40):
        entry = put(file, "b", [float(value)], entry)
        assert file.is_at(entry)
        assert lists(file.series(entry, None)) == {"loss": [float(value)]}
        assert lists(file.series(other, None)) == {"loss": [0.5]}  # also where it was moved since it was read
        assert read(file) == {"a": (0.5, [0.5]), "b": (float(value), [float(value)])}
        assert list(loaded(file.path)) == ["experiment_0", "experiment_1"]
        sizes.append(file.path.stat().st_size)
    assert max(sizes) < 10_000
    assert sorted(sizes) != sizes
    assert file.path.read_text().startswith("# measured on the new machine\n")
    put(file, "c", [7.5])
    assert list(loaded(file.path)) == ["experiment_0", "experiment_1", "experiment_2"]


def test_no_space_for_rewriting_loses_nothing(file, monkeypatch):
    monkeypatch.setattr(entry_file, "_REWRITE_THRESHOLD", 100)
    entry = put(file, "a", [0.5])

    def refuse(path, data):
        raise entry_file.StorageError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr(entry_file, "write_atomically", refuse)
    for value in (1.5, 2.5, 3.5):
        entry = put(file, "a", [value], entry)
        assert read(file) == {"a": (value, [value])}


def test_every_reader_at_every_instant_of_a_put_reads_a_complete_document(file, monkeypatch):
    monkeypatch.setattr(entry_file, "_REWRITE_THRESHOLD", 1500)
    seen: list[dict] = []

    def watched(function):
        def call(*arguments):
            seen.append((loaded(file.path), read(file)))
            try:
                return function(*arguments)
            finally:
                seen.append((loaded(file.path), read(file)))

        return call

    def a_byte_at_a_time(opened, start, data):
        for at in range(len(data)):
            opened.seek(start + at)
            opened.write(data[at : at + 1])
            if at % 7 == 0 or len(data) - at < 20:
                seen.append((loaded(file.path), read(file)))

    monkeypatch.setattr(entry_file, "write_entry_at", watched(a_byte_at_a_time))
    monkeypatch.setattr(entry_file, "write_atomically", watched(entry_file.write_atomically))
    monkeypatch.setattr(os, "fsync", watched(os.fsync))
    put(file, "a", [0.0, math.nan])
    entry = put(file, "b", [0.5])
    for value in (1.5, 2.5, 3.5, 4.5):
        entry = put(file, "b", [value], entry)
    order = {0.5: 0, 1.5: 1, 2.5: 2, 3.5: 3, 4.5: 4}
    newest = -1
    for document, numbers_read in seen:
        if "experiment_1" in document:
            assert document["experiment_0"]["run_id"] == "a"
            assert numbers_read["b"][1] == document["experiment_1"]["loss"]
            assert order[numbers_read["b"][1][0]] >= newest  # what was there once never goes
            newest = order[numbers_read["b"][1][0]]
    assert newest == 4


def test_a_refusing_disk_leaves_the_file_as_it_was(file, monkeypatch):
    put(file, "a", [0.5])
    before = file.path.read_bytes()
    write = entry_file.write_entry_at

    def full(file, start, data):
        write(file, start, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(entry_file, "write_entry_at", full)
    with pytest.raises(LegmError, match=r"cannot write .*metrics\.yml: the disk is full"):
        put(file, "b", [1.5])
    assert file.path.read_bytes() == before


def result_with(steps: dict[str, list[int]], ended: float = 2.0) -> Mock:
    """A run with these steps of its metrics, and the values 0.5, 1.5, …"""
    histories = {
        Series(*name.split("/")[:1], index=(name.split("/")[1:] or [None])[0]): History(
            np.array(steps), np.arange(len(steps)) + 0.5
        )
        for name, steps in steps.items()
    }
    return Mock(histories=histories, run=Mock(run_id="a"), ended=ended)


def test_steps_that_series_share_are_written_once_and_every_reader_has_them_all(file):
    shared, other = [*range(1000)], [*range(0, 2000, 2)]
    steps = {
        "loss": shared,
        "acc": [*shared],
        "f1": other,
        "dice/x": other,
        "dice/y": shared,
        "few": [0, 1],
        "also few": [0, 1],
    }
    text = "".join(series_yaml(result_with(steps))[1])
    assert text.count("998,") == 2
    entry = file.put({"run_id": "a"}, [text])
    expected = {name: value for name, value in steps.items() if "/" not in name}
    expected["dice"] = {"x": other, "y": shared}
    with file.path.open() as stream:
        assert yaml.safe_load(stream)["experiment_0"] == {"run_id": "a", **expected}
    assert lists(file.series(entry, None)) == expected
    for name, value in expected.items():
        assert lists(file.series(entry, frozenset({name}))) == {name: value}
    again = file.put({"run_id": "a"}, series_yaml(result_with(steps, ended=3.0))[1])  # logged again
    file.put({"run_id": "b"}, series_yaml(result_with(steps, ended=4.0))[1])
    assert loaded(file.path)["experiment_1"] == loaded(file.path)["experiment_2"] | {"run_id": "a"}
    assert lists(file.series(again, frozenset({"acc"}))) == {"acc": shared}


@pytest.mark.parametrize("text", ['"a": *s1', '"a": &s1 [1, 2], "b": *s2', '"a": &s1 {"x": [1]}, "b": *s1'])
def test_an_alias_of_nothing_is_damage(file, text):
    entry = file.put({"run_id": "a"}, [text])
    with pytest.raises(CorruptFile):
        file.series(entry, None)


@pytest.mark.slow
def test_a_long_entry_is_written_without_keeping_its_text_in_memory(file):
    values = np.random.default_rng(1).random((10, 20_000))
    steps = np.arange(values.shape[1])
    histories = {Series(f"m{i}"): History(steps, row) for i, row in enumerate(values)}
    result = Mock(histories=histories, run=Mock(run_id="a"), ended=2.0)
    texts = series_yaml(result)
    tracemalloc.start()
    entries = [file.put({"run_id": "a"}, text) for text in texts]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert file.path.stat().st_size > 3_900_000
    assert most < 3_000_000, "a piece, and the text of the steps that all metrics share"
    read = file.series(entries[0], None)
    assert np.array_equal([read[f"m{i}"] for i in range(10)], values)
    assert lists(file.series(entries[1], frozenset({"m9"}))) == {"m9": steps.tolist()}
    assert not file.damaged()


def test_a_disk_that_fails_at_the_last_instant_leaves_no_half_counted_entry(file, monkeypatch):
    put(file, "a", [0.5])
    before = file.path.read_bytes()
    fsync, calls = os.fsync, []

    def failing(fd):
        calls.append(fd)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(LegmError):
        put(file, "b", [1.5])
    assert file.path.read_bytes() == before


# A user's hands


@pytest.fixture
def three(file) -> EntryFile:
    for run, value in (("a", 0.5), ("b", 1.5), ("c", 2.5)):
        put(file, run, [value, value])
    return file


THREE = {"a": (0.5, [0.5, 0.5]), "b": (1.5, [1.5, 1.5]), "c": (2.5, [2.5, 2.5])}


def lines(file: EntryFile) -> list[bytes]:
    return file.path.read_bytes().splitlines(keepends=True)


def check_that_writing_continues(file: EntryFile, expected: dict) -> None:
    """What is read is right, another entry can be added, and YAML agrees with legm."""
    assert read(file) == expected
    put(file, "new", [9.5])
    assert read(file) == {**expected, "new": (9.5, [9.5])}
    for entry in file.entries():
        if entry.head["run_id"] == "new":
            put(file, "new", [8.5], entry)
    assert read(file) == {**expected, "new": (8.5, [8.5])}
    by_yaml = {
        e.get("run_id", key): (e.get("best_loss"), e.get("loss")) for key, e in loaded(file.path).items()
    }
    assert by_yaml == {**expected, "new": (8.5, [8.5])}
    assert not file.damaged()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_line_may_be_deleted(three, number):
    kept = [line for n, line in enumerate(lines(three)) if n != number]
    three.path.write_bytes(b"".join(kept))
    check_that_writing_continues(
        three, {run: value for n, (run, value) in enumerate(THREE.items()) if n != number}
    )


def test_the_whole_file_may_be_reformatted(three):
    three.path.write_text(yaml.safe_dump(loaded(three.path)))
    check_that_writing_continues(three, THREE)


def test_the_lines_may_come_in_another_order(three):
    three.path.write_bytes(b"".join(reversed(lines(three))))
    check_that_writing_continues(three, THREE)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_an_entry_may_be_written_by_hand_between_the_others(three, place):
    by_hand = (
        b"experiment_3:\n  run_id: d\n\n  best_loss: 4.5\n  # two epochs\n  loss:\n  - 4.5\n# only\n  - 5.5\n"
    )
    parts = lines(three)
    three.path.write_bytes(b"".join([*parts[:place], by_hand, *parts[place:]]))
    check_that_writing_continues(three, {**THREE, "d": (4.5, [4.5, 5.5])})


@pytest.mark.parametrize(
    "text",
    [
        "experiment_3: {run_id: d, best_loss: 4.5, loss: [4.5]}",
        '"experiment_3": {run_id: d, best_loss: 4.5, loss: [4.5]}\n',
        "experiment_3 : {run_id: d,\n  best_loss: 4.5, loss: [\n  4.5\n]\n}\n",
        "experiment_3:\n    run_id: d\n    best_loss: 4.5\n    loss: [4.5]\n\n\n",
        "# by hand\n\nexperiment_3:\n  {run_id: d, best_loss: 4.5, loss: [4.5]}  # so\n# the end\n",
    ],
)
def test_an_entry_may_be_written_in_any_style(three, text):
    with three.path.open("a") as file:
        file.write(text)
    check_that_writing_continues(three, {**THREE, "d": (4.5, [4.5])})


def test_an_entry_by_hand_needs_no_run_id_and_may_have_keys_that_are_no_text(three):
    with three.path.open("a") as file:
        file.write("experiment_7: {best_loss: 4.5, loss: [4.5], yes: 1, 3: 4}\n")
    assert read(three) == {**THREE, "experiment_7": (4.5, [4.5])}
    assert set(three.entries()[-1].head) == {"best_loss", "loss", "True", "3", "run_id"}
    assert put(three, "new", [9.5]).number == 8


def test_an_entry_by_hand_may_be_replaced(three):
    with three.path.open("a") as file:
        file.write("experiment_3:\n  run_id: d\n  loss: [4.5]\n")
    put(three, "e", [5.5])
    entry = next(entry for entry in three.entries() if entry.head["run_id"] == "d")
    entry = put(three, "d", [6.5], entry)
    assert three.is_at(entry)
    assert lists(three.series(entry, None)) == {"loss": [6.5]}
    check_that_writing_continues(three, {**THREE, "e": (5.5, [5.5]), "d": (6.5, [6.5])})


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"2.5", b"7.5"),
        lambda text: text.replace(b"2.5]", b"7.5]"),
        lambda text: text.replace(b"2.5]", b"2.5, 2.5]"),
        lambda text: text.replace(b"2.5]", b"7.5]") + b"\n\n",
        lambda text: text.replace(b"2.5]", b"7.5]").rstrip(),
        lambda text: text.replace(b"best_loss", b"best_lo55"),
        lambda text: text.replace(b'"best_loss": 2.5, ', b""),
    ],
)
def test_a_changed_value_with_its_trailer_is_an_error_that_names_file_and_line(three, change):
    *others, last = lines(three)
    three.path.write_bytes(b"".join([*others, change(last)]))
    with pytest.raises(CorruptFile, match="it is not what legm wrote") as caught:
        read(three)
    assert f"{three.path}, line 3 (experiment_2): " in str(caught.value)
    assert "delete the comment from ' # legm' to the end of the line" in str(caught.value)
    assert [entry.number for entry, _ in three.damaged()] == [2]


def test_a_changed_value_without_its_trailer_is_believed(three):
    parts = lines(three)
    parts[1] = parts[1].replace(b"1.5", b"7.5").split(b" # legm")[0] + b"\n"
    three.path.write_bytes(b"".join(parts))
    check_that_writing_continues(three, {**THREE, "b": (7.5, [7.5, 7.5])})


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: b"# a remark\n" + data,
        lambda data: data + b"# a remark",
        lambda data: data + b"\n\n",
        lambda data: data.replace(b"experiment_1", b"\n  # a remark\n# and another\nexperiment_1"),
        lambda data: b"---\n" + data,
        lambda data: data.rstrip(),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b" \n\n"),
    ],
)
def test_remarks_blank_lines_and_ends_of_lines_are_the_users_own(three, edit):
    three.path.write_bytes(edit(three.path.read_bytes()))
    check_that_writing_continues(three, THREE)
    assert three.path.read_bytes().count(b"a remark") == edit(b"experiment_1").count(b"a remark")


def test_an_entry_that_a_user_made_a_comment_does_not_count(three):
    for number in (2, 1, 0):
        parts = lines(three)
        parts[number] = b"#" + parts[number]
        three.path.write_bytes(b"".join(parts))
        assert read(three) == dict(list(THREE.items())[:number])
        assert len(loaded(three.path)) == number
    check_that_writing_continues(three, {})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("experiment_3: {loss: [1.5}\n", 4),
        ("experiment_3:\n  loss: [1.5]\n  acc: ]\n", 6),
        ("runs: 3\n", 4),
        ("- experiment_3\n", 3),
        ("experiment_3: 5\n", 4),
        ("experiment_x: {}\n", 4),
        ("experiment_3: {a: *b}\n", 4),
        ("\x00\x01\n", 4),
    ],
)
def test_what_is_no_entry_is_an_error_that_names_file_and_line(three, text, line):
    with three.path.open("a") as file:
        file.write(text)
    with pytest.raises(CorruptFile) as caught:
        three.entries()
    assert f"{three.path}, line {line}" in str(caught.value)
    put(three, "new", [9.5])  # a run is kept all the same
    assert b'"new"' in lines(three)[-1]


# Damage


@pytest.mark.slow
def test_a_flipped_bit_is_reported_or_changes_no_number(file):
    put(file, "a", [0.5, math.nan, -0.0])
    entry = put(file, "b", [1.5])
    put(file, "c", [0.125, 1e-7])
    put(file, "b", [3e-308, math.inf], entry)
    data = file.path.read_bytes()
    sound = read(file)
    detected = 0
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            file.path.write_bytes(damaged)
            try:
                found = read(file)
            except CorruptFile as error:
                assert str(file.path) in str(error)  # noqa: PT017
                detected += 1
                continue
            assert found.keys() == sound.keys(), (at, bit)
            assert equal([list(v) for v in found.values()], [list(sound[run]) for run in found]), (at, bit)
    assert detected > 5 * len(data)  # the rest is in the replaced entry, or in places


def test_a_put_into_a_damaged_file_adds_and_changes_nothing_else(file):
    put(file, "a", [0.5])
    put(file, "b", [1.5])
    data = file.path.read_bytes()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 4
        file.path.write_bytes(damaged)
        entry = put(file, "c", [2.5])
        now = file.path.read_bytes()
        assert now.startswith(damaged)
        assert entry.number > 0
        assert lists(file.series(entry, None)) == {"loss": [2.5]}


@examples(300)
@given(st.data())
def test_no_damage_makes_another_error_than_legms(path, data):
    file = emptied(path)
    put(file, "a", [0.5, 0.25])
    put(file, "b", [1.5])
    text = file.path.read_bytes()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    middle = data.draw(
        st.binary(max_size=30) | st.text(max_size=9).map(str.encode) | st.just(text[start:end] * 2)
    )
    file.path.write_bytes(text[:start] + middle + text[end:])
    with suppress(LegmError):
        read(file)
    file.damaged()
    put(file, "c", [2.5])


def test_a_trailer_whose_length_is_damaged_to_nothing_ends(file):
    put(file, "a", [0.5])
    data = file.path.read_bytes()
    at = data.index(b"length=") + 7
    for length in (b"0" * 12, b"000000000001", b"9" * 12):
        file.path.write_bytes(data[:at] + length + data[at + 12 :])
        with pytest.raises(CorruptFile):
            file.entries()


# Runs in them


@pytest.fixture
def run_folder(tmp_path) -> Path:
    """A configuration's folder with one completed run."""
    with ExperimentHandler(tmp_path, "e").start() as handler:
        for step in range(2):
            handler.set_dict_metrics({"loss": step + 0.5, "acc": step}, step=step * 10)
        handler.set_dict_metrics({"loss": {"acc": 1.0}, "x": {"dice": 2.0}, "acc": {"dice": 3.0}}, test=True)
        handler.set_dict_metrics({"loss": {"dice": 4.0}, "x": {"dice": 5.0}}, step=10)
        return Path(handler.get_save_filename("x")).parent


def runs(folder: Path, names: frozenset[str] | None = None) -> list:
    return list(folder_reader.read_runs(folder, names))


def by_hand(folder: Path, name: str, change) -> None:
    """Rewrite a file as a user would, after a change of its only entry."""
    content = loaded(folder / name)
    change(content["experiment_0"])
    (folder / name).write_text(yaml.safe_dump(content))


def test_an_example_with_a_metrics_name_is_not_taken_for_the_metric(run_folder):
    (result,) = runs(run_folder, frozenset({"loss"}))
    assert {str(s): h.values.tolist() for s, h in result.histories.items()} == {"dev/loss": [0.5, 1.5]}
    (result,) = runs(run_folder, frozenset({"dice"}))
    assert {str(s): h.values.tolist() for s, h in result.histories.items()} == {
        "dev/dice[loss]": [4.0],
        "dev/dice[x]": [5.0],
    }


@pytest.mark.parametrize("names", [None, frozenset({"loss"}), frozenset({"dice", "acc"}), frozenset()])
def test_a_run_reads_the_same_from_reformatted_files(run_folder, names):
    def comparable(result):
        series = {
            str(s): (h.steps.tolist(), h.values.tolist())
            for s, h in sorted(result.histories.items(), key=lambda item: str(item[0]))
        }
        return series, result.best, result.test, result.best_step, result.run, result.points, result.ended

    (before,) = runs(run_folder, names)
    for name in ("metrics.yml", "steps.yml"):
        by_hand(run_folder, name, lambda entry: None)
    (after,) = runs(run_folder, names)
    assert comparable(after) == comparable(before)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("metrics.yml", lambda e: e.update(best_loss="low")),
        ("metrics.yml", lambda e: e.update(best_loss=None)),
        ("metrics.yml", lambda e: e.update(best_loss=True)),
        ("metrics.yml", lambda e: e.update(best_loss=[1.0])),
        ("metrics.yml", lambda e: e.update(test_acc={"a": "b"})),
        ("metrics.yml", lambda e: e.update(best_step="last")),
        ("metrics.yml", lambda e: e.update(best_step=1.5)),
        ("metrics.yml", lambda e: e.update(legm="x")),
        ("metrics.yml", lambda e: e.update(legm=[1])),
        ("metrics.yml", lambda e: e["legm"].update(rule="x")),
        ("metrics.yml", lambda e: e["legm"].update(best_steps={"loss": "x"})),
        ("metrics.yml", lambda e: e["legm"].update(started="yesterday")),
        ("metrics.yml", lambda e: e["legm"].update(ended="yesterday")),
        ("metrics.yml", lambda e: e["legm"].update(points="many")),
        ("metrics.yml", lambda e: e["legm"].update(last_step=[3])),
        ("metrics.yml", lambda e: e["legm"].update(parameters=3)),
        ("metrics.yml", lambda e: e.update(loss="x")),
        ("metrics.yml", lambda e: e.update(loss=3)),
        ("metrics.yml", lambda e: e.update(loss=[[0.5], [1.5]])),
        ("metrics.yml", lambda e: e.update(loss=[0.5])),
        ("metrics.yml", lambda e: e.update(loss=["a", "b"])),
        ("metrics.yml", lambda e: e.update(dice=[1.0])),
        ("steps.yml", lambda e: e.update(loss=[0])),
        ("steps.yml", lambda e: e.update(loss=["a", "b"])),
        ("steps.yml", lambda e: e.update(loss=[0, 1.5])),
        ("steps.yml", lambda e: e.update(loss=[0, 2**70])),
        ("steps.yml", lambda e: e.update(loss={"a": [0, 1]})),
        ("steps.yml", lambda e: e.pop("loss")),
        ("steps.yml", lambda e: [e.pop(key) for key in list(e) if key != "run_id"]),
        ("steps.yml", lambda e: e.pop("run_id")),
        ("steps.yml", lambda e: e.update(run_id="another")),
        ("steps.yml", lambda e: e.update(run_id=[1])),
    ],
)
def test_what_fits_no_run_is_an_error_that_names_the_file(run_folder, file, change):
    by_hand(run_folder, file, change)
    with pytest.raises(CorruptFile) as caught:
        runs(run_folder)
    assert str(run_folder) in str(caught.value)
    assert "experiment_0" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_may_lack_all_that_is_not_its_numbers(run_folder):
    (run_folder / "metrics.yml").write_text("experiment_4: {best_loss: 1, test_acc: .nan}\n")
    (run_folder / "steps.yml").unlink()
    (result,) = runs(run_folder)
    assert {str(series): value for series, value in result.best.items()} == {"dev/loss": 1.0}
    assert math.isnan(next(iter(result.test.values())))
    assert (result.run.run_id, result.run.description) == ("experiment_4", "")


@pytest.mark.parametrize("longer", [True, False])
def test_a_run_that_is_logged_again_while_it_is_read_is_read_again(run_folder, longer):
    metrics, steps = EntryFile(run_folder / "metrics.yml"), EntryFile(run_folder / "steps.yml")
    (entry,), (places,) = metrics.entries(), steps.entries()
    configuration = read_configuration(run_folder)
    head, run_id = {**entry.head, "best_loss": 9.5}, entry.head["run_id"]
    values, at = ("[7.5, 8.5, 9.5]", "[0, 1, 2]") if longer else ("[9.5]", "[2]")
    steps.put({"run_id": run_id}, f'"loss": {at}', places)
    metrics.put(head, f'"loss": {values}', entry)
    for seen in ({run_id: places}, {}, {run_id: steps.entries()[0]}):
        result = read_result_yaml(metrics, entry, (steps, seen), configuration, frozenset({"loss"}))
        (history,) = result.histories.values()
        assert history.values[-1] in (9.5, 1.5)
        assert len(history.values) == (3 if longer else 1) or history.values.tolist() == [0.5, 1.5]
        assert dict(result.best)[Series("loss")] == history.values[-1]


WRITER = """
import sys
from legm import ExperimentHandler
from legm.backends.local import entry_file

entry_file._REWRITE_THRESHOLD = 2000
handler = ExperimentHandler(sys.argv[1], "e").start()
for step in range(60):
    handler.set_metric("loss", step, step=step)
    handler.log()
"""


@pytest.mark.slow
def test_a_reader_during_writes_never_reads_half_a_run(tmp_path):
    workers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(n)]) for n in range(2)]
    try:
        reads = 0
        while any(worker.poll() is None for worker in workers):
            for place in configuration_folders(tmp_path):
                for result in folder_reader.read_runs(place, None):
                    reads += 1
                    if result.status is Status.COMPLETED:
                        (history,) = result.histories.values()
                        assert history.values.tolist() == history.steps.tolist()
    finally:
        assert [worker.wait() for worker in workers] == [0, 0]
    assert reads
    (place,) = configuration_folders(tmp_path)
    assert [r.best[Series("loss")] for r in folder_reader.read_runs(place)] == [59.0, 59.0]
