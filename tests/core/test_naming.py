"""Names: safe everywhere, readable, and different for what is different."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm.core.naming import configuration_name, make_run_id, run_title, safe_name, short_name
from legm.errors import InvalidName
from legm.records import Configuration

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
AWKWARD = st.one_of(TEXT, st.text(st.sampled_from("./\\_x2f~ aé:%\n\0"), min_size=1, max_size=12))


@given(AWKWARD)
def test_a_safe_name_is_one_file_below_its_folder(text):
    name = safe_name(text)
    assert os.path.normpath(f"/root/{name}") == f"/root/{name}"
    assert not set(name) & set('/\\:*?"<>|%#;\0\n\r\t')
    assert not name.startswith((".", "-", " "))
    assert not name.endswith((".", " "))
    assert unicodedata.is_normalized("NFC", name)


@given(AWKWARD, AWKWARD)
def test_different_texts_have_different_names(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(
    st.text(st.sampled_from("_x2f/a"), min_size=1, max_size=14),
    st.text(st.sampled_from("_x2f/a"), min_size=1, max_size=14),
)
def test_what_looks_like_an_escape_is_escaped_itself(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


def test_letters_that_compose_with_each_other_are_separated():
    assert safe_name("\u1100\u1161") != safe_name("\uac00")


@pytest.mark.parametrize("text", ["LeNet", "0.1,adam", "64+32", "lr=0.1", "resnet_50", "学习率", "Größe"])
def test_readable_text_stays_as_it_is(text):
    assert safe_name(text) == text


@pytest.mark.parametrize("text", ["CON", "nul", "com1.txt", "..", ".", ".hidden", "-rf", "a/b", "tab\t"])
def test_what_a_file_system_stumbles_over_is_replaced(text):
    assert safe_name(text) != text


def test_an_empty_name_is_refused():
    with pytest.raises(InvalidName, match="empty"):
        safe_name("")


@given(st.lists(TEXT, max_size=30), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_configurations_name_fits_into_a_file_system(values, digest):
    assert len(configuration_name(values, f"v1-{digest}").encode()) <= 180


def test_long_names_that_begin_alike_stay_different():
    one = configuration_name(["x" * 300], "v1-" + "a" * 32)
    other = configuration_name(["x" * 300], "v1-" + "b" * 32)
    assert one != other


@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_run_ids_sort_by_time(one, other):
    early, late = sorted((one, other))
    assert make_run_id(early, "ffffff")[:19] <= make_run_id(late, "000000")[:19]


@given(AWKWARD.map(lambda text: text * 20), st.sampled_from(["", ".pt", ".yml"]))
def test_a_long_file_name_is_cut_to_the_same_name_each_time_and_keeps_its_extension(text, extension):
    name = short_name(text + extension)
    assert name == short_name(text + extension)
    assert len(name.encode()) <= 120
    assert name.endswith(extension)
    assert len(name) == len(safe_name(text + extension)) or short_name("x" + text + extension) != name


def test_a_run_is_called_as_people_read_its_configurations_name():
    named = Configuration("e", "v1-0123456789abcdef", "data_x2f_train", {}, (), {})
    assert run_title(named, ["seed=1"]) == "data/train, seed=1"
    assert run_title(replace(named, name="")) == "v1-0123456789ab"
