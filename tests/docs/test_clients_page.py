"""docs/clients.md has a row for each client and each library, and says how many scripts are compared."""

from __future__ import annotations

from datetime import date

import pytest

from tests.support.example_scripts import HEAD, ORIGINALS, PAGE, counted_scripts, trainings
from tests.support.trainer_clients import SCRIPTS, client_name


def rows() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]


def test_each_client_has_a_row_of_a_training_that_left_the_same():
    found = {(row[0], row[2].partition(" ")[0]): row[3:5] for row in rows() if len(row) == 6}
    clients = {(client_name(script), script.parent.name.partition("_")[0]) for script in SCRIPTS}
    assert set(found) - {("client", "writes")} == clients
    assert {tuple(cells) for client, cells in found.items() if client in clients} == {("equal", "equal")}


@pytest.mark.parametrize("library", ORIGINALS)
def test_the_counts_of_scripts_are_those_that_there_are_and_all_left_the_same(library):
    assert HEAD in PAGE.read_text(encoding="utf-8")
    (row,) = (one for one in rows() if one[0].startswith(f"{library} ") and len(one) == 7)
    name, every, always = counted_scripts(library)
    assert row[:-1] == [name, every, always, *[f"{every} equal"] * 3]


def test_the_trainings_among_the_scripts_are_named():
    assert f"\n\n{trainings()}\n{HEAD}" in PAGE.read_text(encoding="utf-8")


def test_each_row_has_the_date_of_its_last_run():
    dates = [date.fromisoformat(row[-1]) for row in rows() if len(row) > 5 and row[-1] != "last run"]
    assert len(dates) == len(SCRIPTS) + len(ORIGINALS)
