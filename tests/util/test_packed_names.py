"""Names that take little memory come back as they were, in their order."""

from __future__ import annotations

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from legm.util.packed_names import PackedNames

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1) | st.just(
    "a\udcff"
)


@given(st.lists(NAMES))
def test_names_come_back_in_their_order_and_sorted(names):
    assert [*PackedNames(names)] == names
    assert len(PackedNames(names)) == len(names)
    assert [*PackedNames.sorted(names)] == sorted(names)


@given(st.sets(NAMES), NAMES)
def test_each_name_has_its_position_and_others_have_none(names, other):
    packed = PackedNames.sorted(names)
    assert [packed.position(name) for name in sorted(names)] == [*range(len(names))]
    assert (packed.position(other) >= 0) == (other in names)


def test_many_names_are_sorted_and_take_little_more_than_their_letters():
    chosen = random.Random(0)
    numbers = [*range(20_000)]
    chosen.shuffle(numbers)
    tracemalloc.start()
    packed = PackedNames.sorted(f"{number / 1000},{number}_0" for number in numbers)
    position = packed.position("1.5,1500_0")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    names = sorted(f"{number / 1000},{number}_0" for number in numbers)
    assert [*packed] == names
    assert names[position] == "1.5,1500_0"
    assert most < 3 * sum(len(name) + 1 for name in names)
