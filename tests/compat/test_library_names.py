"""The tables of public names have every name of the libraries that are installed."""

from __future__ import annotations

import pytest

from legm.compat.public_names import public_names
from tests.support.library_names import names_of


@pytest.mark.parametrize("library", ["wandb", "mlflow"])
def test_the_table_has_every_public_name_of_the_installed_version(library):
    known = public_names(library).by_name
    found = {f"{row.module}.{row.name}" for row in names_of(library, only_imported=True)}
    assert len(found) > 500
    new = sorted(found - set(known))
    assert not new, "python -m tests.support.library_names adds them; then see what becomes of each"
