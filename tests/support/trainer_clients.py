"""Trainings with the heavy clients of wandb and mlflow, each in a process of its own, and what they left.

Each script runs with the real library, under ``legm capture``, and with legm's stand-ins where neither wandb
nor mlflow is installed. ``nox -s trainers``
runs them; ``python -m tests.support.trainer_clients`` writes their result into docs/clients.md; with names
behind it, such as ``wandb_trainers/ray_tune``, that of these alone. Where ``LEGM_TEST_SHARED`` names the
folder of a run of the tests (``--basetemp``), it writes what that run saw.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from legm.core.plain_form import from_plain
from tests.support.captured import QUIET, prepare_kept_store
from tests.support.captured_scripts import held
from tests.support.compat_stores import Held, flat, in_legm, run, scripts
from tests.support.mlflow_store import prepare_store
from tests.support.originals import runs_of_mlflow, runs_of_wandb
from tests.support.paths import TESTS
from tests.support.shared import once, shared_by_program
from tests.support.wandb_log import RunLog

__all__ = ["HEAD", "SCRIPTS", "client_name", "client_rows", "differences", "left_by"]

GROUPS = ("wandb_trainers", "mlflow_trainers")
SCRIPTS = [script for group in GROUPS for script in scripts(group)]
_QUIET = {**QUIET, "WANDB_MODE": "offline", "TOKENIZERS_PARALLELISM": "false", "RAY_DEDUP_LOGS": "0"}


@dataclass(frozen=True)
class Left:
    """What a script left, and how it ended.

    Args:
        runs: its runs, oldest first.
        said: the end of what it printed; "" where it ended well.
    """

    runs: list[Held]
    said: str


def left_by(script: Path, way: str) -> Left:
    """What a script leaves.

    Args:
        script: the script, whose name is that of its project or experiment.
        way: "original", "captured" or "stand-ins".
    """
    library = script.parent.name.partition("_")[0]

    def make(folder: Path) -> None:
        if way == "original":
            command: list[str] = []
            prepare_store(folder / "mlflow.db")
            variables = {
                "WANDB_DIR": str(folder),
                "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            }
        elif way == "captured":
            prepare_kept_store(folder)
            command = ["-m", "legm", "capture", "--root", "root", "--", sys.executable]
            variables = {}
        else:
            command, variables = ["-m", "legm.compat"], {"LEGM_ROOT": "root"}
        done = run([*command, str(script)], folder, **_QUIET, **variables)
        said = "" if done.returncode == 0 else done.stderr[-3000:] + done.stdout[-1000:]
        (folder / "said.txt").write_text(said, encoding="utf-8")

    folder = once(f"{way}-{script.parent.name}-{script.stem}", make)
    said = (folder / "said.txt").read_text(encoding="utf-8")
    if way == "captured":
        runs = held(folder, script.stem)
    elif way == "stand-ins":
        runs = in_legm(folder / "root", script.stem)
    elif library == "mlflow":
        runs = runs_of_mlflow(folder / "mlflow.db").get(script.stem, [])
    else:
        logs = (RunLog(path) for path in sorted(folder.rglob("offline-run-*")) if path.is_dir())
        runs = runs_of_wandb(logs).get(script.stem, [])
    return Left(runs, said)


_TIMED = re.compile(
    r"(?<![^_./-])"
    r"(time|runtime|per_second|fps|timestamp|date|pid|node_ip|hostname|trial_log_path|trial_id|speed|save_dir)"
    r"(?![^_-])"
)
"""Words in the names of metrics and parameters that are others at each training; a group's name is none."""
_NOT_ALWAYS = {"global_step", "trial_id"}
"""Metrics that need not be there: Ray logs the texts that float() takes, as some of its random names."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def differences(script: Path, way: str) -> list[str]:
    """What a script left otherwise than in the library's own store; nothing where all is equal.

    Of what differs from one training to the next, such as times, the names are compared. A metric of which
    W&B's own client writes the step into a metric ``global_step`` may have that for its step.
    """
    theirs, ours = left_by(script, "original"), left_by(script, way)
    if theirs.said or ours.said or not theirs.runs:
        return [theirs.said or ours.said or "the library itself has no run"]
    if len(ours.runs) != len(theirs.runs):
        return [f"{len(ours.runs)} runs instead of {len(theirs.runs)}"]
    pairs = zip(_sorted(ours.runs), _sorted(theirs.runs), strict=True)
    is_nested = script.parent.name.startswith("wandb")
    return [one for our, their in pairs for one in _different(our, their, is_nested=is_nested)]


def _sorted(runs: list[Held]) -> list[Held]:
    """The runs in an order that does not depend on which process was quicker."""
    return sorted(runs, key=lambda one: sorted(_parameters(one.parameters).items()))


def _different(ours: Held, theirs: Held, *, is_nested: bool) -> Iterator[str]:
    our = _parameters(ours.parameters, is_nested=is_nested)
    their = _parameters(theirs.parameters, is_nested=is_nested)
    yield from (f"parameter {name}" for name in sorted(our.keys() ^ their.keys()))
    yield from (
        f"parameter {name}: {our[name]} instead of {their[name]}"
        for name in sorted(our.keys() & their.keys())
        if our[name] != their[name] and not _TIMED.search(name) and our[name] != "<redacted>"
    )
    own, others = _points(ours), _points(theirs)
    yield from (f"metric {name}" for name in sorted((own.keys() ^ others.keys()) - _NOT_ALWAYS))
    for name in sorted(own.keys() & others.keys()):
        if len(own[name]) != len(others[name]):
            yield f"metric {name}: {len(own[name])} values instead of {len(others[name])}"
        elif not _TIMED.search(name) and own[name] != others[name]:
            yield f"metric {name}: {own[name][:3]} instead of {others[name][:3]}"


def _parameters(values: Mapping[str, Any], *, is_nested: bool = False) -> dict[str, str]:
    """The parameters as texts, without addresses in memory; W&B's are nested, those of MLflow are texts."""
    found = {name: from_plain(value) for name, value in values.items()}
    items = flat(found) if is_nested else found.items()
    return {name.replace("/", "."): _ADDRESS.sub("", str(value)) for name, value in items}


def _points(run: Held) -> dict[str, list[tuple[float, float]]]:
    """The values by step at single precision, since the clients of event files have no other."""
    points: dict[str, dict[float, float]]
    points = {name.replace("/", "."): dict(values) for name, values in run.points.items()}
    counting = points.get("global_step")
    if counting is not None:  # W&B's own number of the row, and what the row says that its step is
        points = {
            name: {counting.get(step, step): value for step, value in values.items()}
            for name, values in points.items()
        }
    return {
        name: [(step, float(f"{value:.6g}")) for step, value in sorted(values.items())]
        for name, values in points.items()
    }


_DISTRIBUTIONS = {
    "accelerate": "accelerate",
    "catboost": "catboost",
    "huggingface": "datasets",
    "hydra": "hydra-core",
    "joblib": "joblib",
    "keras": "keras",
    "lightning": "lightning",
    "optuna": "optuna",
    "pytorch_lightning": "pytorch-lightning",
    "ray": "ray",
    "stable_baselines3": "stable-baselines3",
    "statsmodels": "statsmodels",
    "torchrun": "torch",
    "transformers": "transformers",
    "ultralytics": "ultralytics",
}


def client_name(script: Path) -> str:
    """What the first line of a script says that it is."""
    return script.read_text(encoding="utf-8").partition("\n")[0].strip('"').rstrip(".")


HEAD = "| client | version | writes to | `legm capture` | stand-ins | last run |\n|---|---|---|---|---|---|\n"


def client_rows(chosen: Iterable[Path]) -> dict[str, str]:
    """The rows of docs/clients.md for what these libraries do now, by their first cells.

    Args:
        chosen: the scripts that run.
    """
    rows = {}
    for script in chosen:
        library = script.parent.name.partition("_")[0]
        client = next(
            one for one in sorted(_DISTRIBUTIONS, key=len, reverse=True) if script.stem.startswith(one)
        )
        found = [differences(script, way) for way in ("captured", "stand-ins")]
        cells = [
            "equal" if not one else " ".join("; ".join(one[:3]).replace("|", "/").split())[:200]
            for one in found
        ]
        today = datetime.now(timezone.utc).date().isoformat()
        row = [client_name(script), version(_DISTRIBUTIONS[client]), f"{library} {version(library)}", *cells]
        rows[f"{row[0]} {library}"] = f"| {' | '.join([*row, today])} |\n"
    return rows


def main(names: Iterable[str]) -> None:
    """Write the rows of some scripts, or of all, into the page; the other rows stay with their dates.

    Args:
        names: of scripts, such as ``wandb_trainers/ray_tune``; none for all.
    """
    page = TESTS.parent / "docs" / "clients.md"
    chosen = set(names)
    before, _, after = page.read_text(encoding="utf-8").partition(HEAD)
    table, _, rest = after.partition("\n\n")
    kept = {}
    for line in table.splitlines():
        client, _, library, *_ = line.strip("| ").split(" | ")
        kept[f"{client} {library.partition(' ')[0]}"] = f"{line}\n"
    every = {f"{client_name(one)} {one.parent.name.partition('_')[0]}" for one in SCRIPTS}
    rows = {name: row for name, row in kept.items() if name in every} | client_rows(
        one for one in SCRIPTS if not chosen or f"{one.parent.name}/{one.stem}" in chosen
    )
    page.write_text(f"{before}{HEAD}{''.join(sorted(rows.values()))}\n{rest}", encoding="utf-8")


if __name__ == "__main__":
    with shared_by_program():
        main(sys.argv[1:])
