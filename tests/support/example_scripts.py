"""What scripts in the style of both libraries' examples leave, as a table in docs/clients.md.

``python -m tests.support.example_scripts`` runs all of them natively, captured and with stand-ins, in a few
minutes, and writes how many leave the same. The tests compare them one by one. Where ``LEGM_TEST_SHARED``
names the folder of a run of these tests (``--basetemp``), it writes what that run saw.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from tests.support.captured_scripts import (
    require_same_both_ways,
    require_same_captured,
    require_same_with_stand_ins,
)
from tests.support.compat_stores import scripts
from tests.support.originals import of_mlflow, of_wandb
from tests.support.paths import ROOT
from tests.support.shared import shared_by_program
from tests.support.trainer_clients import client_name

ORIGINALS = {"wandb": of_wandb, "mlflow": of_mlflow}
KINDS = ("", "_clients", "_examples")
PAGE = ROOT / "docs" / "clients.md"
HEAD = (
    "| scripts that write to | all | in each run of the tests | `legm capture` | stand-ins | both equal "
    "| last run |"
)


def counted_scripts(library: str) -> list[str]:
    """The first cells of a library's row, which need no run of a script."""
    every = [script for kind in KINDS for script in scripts(library + kind)]
    return [f"{library} {version(library)}", str(len(every)), str(len(scripts(library)))]


def trainings() -> str:
    """The lines of the page that name the scripts which train with another library, and what each does."""
    every = [script for library in ORIGINALS for kind in KINDS for script in scripts(library + kind)]
    return "".join(
        f"- `{script.parent.name}/{script.name}`: {client_name(script)}\n"
        for script in every
        if script.parent.name.endswith("_clients") or script.stem.startswith("xgboost_")
    )


def _equal_scripts(library: str, require: Callable[[Path], object]) -> str:
    different = []
    every = [script for kind in KINDS for script in scripts(library + kind)]
    for script in every:
        try:
            require(script)
        except AssertionError:
            different.append(script.stem)
    count = f"{len(every) - len(different)} equal"
    return f"{count}; different: {', '.join(different)}" if different else count


def row_of(library: str) -> str:
    """A library's row."""
    found = {library + kind: ORIGINALS[library](library + kind) for kind in KINDS if scripts(library + kind)}
    cells = [
        _equal_scripts(library, lambda script: require_same_captured(script, found[script.parent.name])),
        _equal_scripts(
            library, lambda script: require_same_with_stand_ins(script, found[script.parent.name])
        ),
        _equal_scripts(library, require_same_both_ways),
    ]
    today = datetime.now(timezone.utc).date().isoformat()
    return f"| {' | '.join([*counted_scripts(library), *cells, today])} |\n"


def main() -> None:
    """Write the trainings and the table into the page."""
    with shared_by_program():
        rows = [row_of(library) for library in ORIGINALS]
    before, _, after = PAGE.read_text(encoding="utf-8").partition(HEAD)
    text, _, _ = before.partition("\n- `")
    rest = after[after.index("\n\n") + 1 :]
    table = f"{HEAD}\n|---|---|---|---|---|---|---|\n{''.join(rows)}"
    PAGE.write_text(f"{text}\n{trainings()}\n{table}{rest}", encoding="utf-8")


if __name__ == "__main__":
    main()
