"""What is measured: the probes, and the rows of the table that are made of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import (
    capturing,
    disk,
    importing,
    look,
    media,
    mlflow_store,
    peer_pages,
    peers,
    read,
    report,
    several,
    start,
    steps,
    tables,
    trainer_runs,
    trainers,
    ui,
    wandb_store,
    write,
)
from benchmarks.sample import Probe

__all__ = ["FULL", "QUICK", "Fixture", "Plan", "Row", "Sizes", "Task", "plan", "short"]

Round = Mapping[str, Mapping[str, float]]
"""The numbers of one round: by task, by name."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each probe does, and how many rounds there are."""

    rounds: int = 5
    rows: int = 100_000
    text: int = 200_000
    tensorboard: int = 4_000
    tensorboardx: int = 4_000
    wandb: int = 10_000
    mlflow: int = 60
    mlflow_batched: int = 2_000
    trackio: int = 40_000
    imports: int = 9
    few: int = 10
    many: int = 10_000
    starts: int = 21
    absent_values: int = 50
    runs: int = 1_000
    steps: int = 1_000
    late_runs: int = 100
    late_configurations: int = 5
    portions: int = 40
    portion_rows: int = 5_000
    seconds: float = 8.0
    opening: float = 8.0
    sent: int = 10_000
    looped: int = 30
    store_runs: int = 100
    store_configurations: int = 100
    looked_at: int = 10_000
    looked_at_few: int = 1_000
    looked_at_runs: int = 5
    looks: int = 5
    pages: int = 3
    page_values: int = 20
    page_steps: int = 1_000_000
    page_runs: int = 100
    page_seconds: float = 10.0
    reported: int = 500
    reported_runs: int = 20
    reported_steps: int = 100
    imported: int = 1_000
    imported_steps: int = 1_000
    imported_points: int = 1_000_000
    event_files: int = 100
    captured: int = 1_000
    imported_logs: int = 100
    imported_folders: int = 200
    large: int = 50_000_000
    samples: int = 100
    repository: int = 100_000
    changed_files: int = 500
    timed_steps: int = 2_000
    pictures: int = 40
    stored: int = 100_000
    stored_mlflow: int = 20_000
    repository_starts: int = 5
    values: int = 10_000_000
    single: int = 1_000_000
    values_mlflow: int = 10_000
    values_trackio: int = 10_000
    values_wandb: int = 10_000
    trainers: tuple[str, ...] | None = None


FULL = Sizes()
QUICK = Sizes(
    rounds=1,
    rows=500,
    text=500,
    tensorboard=50,
    tensorboardx=50,
    wandb=50,
    mlflow=5,
    mlflow_batched=100,
    trackio=50,
    imports=1,
    few=2,
    many=10,
    starts=2,
    runs=5,
    steps=50,
    late_runs=6,
    late_configurations=1,
    portions=1,
    portion_rows=100,
    seconds=0.2,
    opening=0.5,
    sent=200,
    looped=2,
    store_runs=2,
    store_configurations=2,
    looked_at=3,
    looked_at_few=2,
    looked_at_runs=2,
    looks=1,
    pages=1,
    page_values=2,
    page_steps=5_000,
    page_runs=3,
    page_seconds=1.0,
    reported=3,
    reported_runs=2,
    reported_steps=10,
    imported=3,
    imported_steps=10,
    imported_points=1_000,
    event_files=3,
    captured=5,
    imported_logs=2,
    imported_folders=3,
    large=200_000,
    samples=3,
    repository=20,
    changed_files=3,
    timed_steps=20,
    pictures=3,
    stored=2_000,
    stored_mlflow=100,
    repository_starts=1,
    values=1_000,
    single=1_000,
    values_mlflow=20,
    values_trackio=20,
    values_wandb=20,
    trainers=(),
)


@dataclass(frozen=True, slots=True)
class Fixture:
    """A folder that is filled once and then measured again and again."""

    probe: Probe
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A probe with its arguments.

    Args:
        probe: what is called.
        arguments: its keyword arguments, but for ``folder``.
        folders: which fixture's folder each of these arguments is; "" for an empty one.
        most: in how many rounds it takes part at most, where one takes long.
        numbered: whether it gets the round's number as ``fresh``.
    """

    probe: Probe
    arguments: Mapping[str, Any] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=lambda: {"folder": ""})
    most: int = 100
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Args:
        name: what ``--only`` calls it.
        what: what a person reads.
        unit: of the figure.
        tasks: whose numbers it takes, fixtures among them.
        value: the figure from the numbers of one round; the median over the rounds is shown.
        limit: the figure to reach, None where the row only tells.
        at_least: whether a higher figure is better.
        beside: more of the round's numbers in words.
    """

    name: str
    what: str
    unit: str
    tasks: tuple[str, ...]
    value: Callable[[Round], float]
    limit: float | None = None
    at_least: bool = False
    beside: Callable[[Round], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All there is to measure at some sizes."""

    fixtures: Mapping[str, Fixture]
    tasks: Mapping[str, Task]
    rows: tuple[Row, ...]
    rounds: int


_IMAGE_PEERS = {
    "tensorboardX": "image_tensorboardx",
    "W&B offline": "image_wandb",
    "MLflow": "image_mlflow",
}

_PEERS: dict[str, tuple[Probe, str]] = {
    "text": (peers.text, "a line of text a scalar, buffered"),
    "tensorboard": (peers.tensorboard, "tensorboard.summary.Writer"),
    "tensorboardx": (peers.tensorboardx, "tensorboardX SummaryWriter"),
    "wandb": (peers.wandb, "W&B offline, run.log of 10"),
    "mlflow": (peers.mlflow, "MLflow on SQLite, log_metric"),
    "mlflow_batched": (peers.mlflow_batched, "MLflow on SQLite, log_batch of 1,000"),
    "trackio": (peers.trackio, "trackio, local, log of 10"),
}


def _each_trainer(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in found.items() if name != "most")


def plan(sizes: Sizes) -> Plan:
    """The fixtures, tasks and rows at these sizes."""
    fixtures = {
        "few": Fixture(start.build_configurations, {"configurations": sizes.few}),
        "many": Fixture(start.build_configurations, {"configurations": sizes.many}),
        "repository": Fixture(
            start.build_repository, {"files": sizes.repository, "changed": sizes.changed_files}
        ),
        "store": Fixture(
            mlflow_store.build_store,
            {"runs": sizes.store_runs, "configurations": sizes.store_configurations},
        ),
        **{
            name: Fixture(
                look.build_looked_at, {"configurations": configurations, "runs": sizes.looked_at_runs}
            )
            for name, configurations in (
                ("looked_at", sizes.looked_at),
                ("looked_at_few", sizes.looked_at_few),
            )
        },
        "histories": Fixture(tables.build_histories, {"values": sizes.values, "single": sizes.single}),
        "runs": Fixture(read.build_runs, {"runs": sizes.runs, "steps": sizes.steps}),
        "logs": Fixture(importing.build_logs, {"runs": sizes.imported_logs, "steps": sizes.imported_steps}),
        **{
            name: Fixture(build, {"runs": sizes.imported_folders, "steps": sizes.imported_steps // 10})
            for name, build in (("folders", importing.build_folders), ("classic", importing.build_classic))
        },
        "long": Fixture(importing.build_foreign, {"runs": 1, "steps": sizes.imported_points // 10}),
        "short": Fixture(importing.build_foreign, {"runs": 1, "steps": 10}),
        "foreign": Fixture(importing.build_foreign, {"runs": sizes.imported, "steps": sizes.imported_steps}),
        "event_files": Fixture(
            importing.build_events, {"runs": sizes.event_files, "steps": sizes.imported_steps}
        ),
        **{
            f"{peer}_runs": Fixture(build, {"configurations": sizes.looked_at, "runs": sizes.looked_at_runs})
            for peer, build in (
                ("mlflow", peer_pages.build_mlflow_runs),
                ("trackio", peer_pages.build_trackio_runs),
            )
        },
        **{
            name: Fixture(build, {"steps": sizes.page_steps})
            for name, build in (
                ("long_curve", ui.build_long_curve),
                ("mlflow_curve", peer_pages.build_mlflow_curve),
                ("trackio_curve", peer_pages.build_trackio_curve),
            )
        },
        "reported": Fixture(
            report.build_reported,
            {"configurations": sizes.reported, "runs": sizes.reported_runs, "steps": sizes.reported_steps},
        ),
    }
    tasks = {
        "legm": Task(write.legm, {"rows": sizes.rows}),
        **{name: Task(probe, {"rows": getattr(sizes, name)}) for name, (probe, _) in _PEERS.items()},
        **_mlflow_tasks(sizes),
        "wandb_legm": Task(wandb_store.legm, {"rows": sizes.rows}, most=3),
        "wandb_plain": Task(wandb_store.plain, {"rows": sizes.rows}, most=3),
        "several": Task(several.steady, {"rows": sizes.rows, "opening": sizes.opening}, most=3),
        "several_paced": Task(several.paced, {"seconds": sizes.seconds, "opening": sizes.opening}, most=3),
        "several_away": Task(several.away, {"seconds": sizes.seconds}, most=3),
        "imports": Task(start.imports, {"rounds": sizes.imports}, {}, most=3),
        "loaded": Task(start.loaded, {}, {}, most=1),
        "trainer_imports": Task(
            trainers.imports, {"rounds": sizes.imports, "modules": sizes.trainers}, {}, most=1
        ),
        "trainer_calls": Task(trainers.log_calls, {"calls": sizes.rows, "modules": sizes.trainers}, most=3),
        "trainer_runs": Task(trainer_runs.runs, {"number": sizes.starts, "modules": sizes.trainers}, most=3),
        "system_metrics": Task(start.system_metrics, {"samples": sizes.samples}, {}),
        "start": Task(
            start.start,
            {"configurations": [sizes.few, sizes.many], "rounds": sizes.starts},
            {"few": "few", "many": "many"},
            numbered=True,
        ),
        "start_in_repository": Task(
            start.start_in_repository, {"rounds": sizes.repository_starts}, {"folder": "repository"}, most=3
        ),
        "steps": Task(
            steps.steps_beside,
            {"steps": sizes.timed_steps, "rounds": sizes.repository_starts},
            {"folder": "repository"},
            most=2,
        ),
        "start_absent_values": Task(
            start.start_absent_values, {"count": sizes.absent_values, "rounds": sizes.starts}, most=3
        ),
        "run_start": Task(start.run_start, {"rounds": sizes.imports}, most=3),
        "resume": Task(start.resume, {"rows": sizes.rows}, {"folder": ""}, most=3),
        "log_late": Task(
            write.log_late,
            {"runs": sizes.late_runs, "steps": sizes.steps, "configurations": sizes.late_configurations},
            most=3,
        ),
        "aggregate": Task(read.aggregate, {}, {"folder": "runs"}),
        "curves": Task(read.curves, {}, {"folder": "runs"}, most=3),
        "plot": Task(read.plot, {}, {"folder": "runs"}, most=3),
        "look": Task(
            look.look, {"experiment": "look", "rounds": sizes.looks}, {"folder": "looked_at"}, most=2
        ),
        "page_first": Task(
            ui.first_view, {"experiment": "look", "rounds": sizes.pages}, {"folder": "looked_at"}, most=1
        ),
        **{
            f"page_{peer}": Task(
                peer_pages.first_view, {"peer": peer, "rounds": 1}, {"folder": fixture}, most=1
            )
            for peer, fixture in (
                ("tensorboard", "looked_at"),
                ("mlflow", "mlflow_runs"),
                ("trackio", "trackio_runs"),
            )
        },
        **{
            f"page_curve_{peer}": Task(
                peer_pages.first_view,
                {"peer": peer, "rounds": 1, "of_one_run": True},
                {"folder": fixture},
                most=1,
            )
            for peer, fixture in (
                ("tensorboard", "long_curve"),
                ("mlflow", "mlflow_curve"),
                ("trackio", "trackio_curve"),
            )
        },
        "page_value": Task(ui.value_on_page, {"values": sizes.page_values}, most=1),
        "page_curve": Task(
            ui.long_curve,
            {"steps": sizes.page_steps, "rounds": sizes.pages},
            {"folder": "long_curve"},
            most=1,
        ),
        "page_curve_opened": Task(
            ui.first_view, {"experiment": "net", "rounds": 1}, {"folder": "long_curve"}, most=1
        ),
        "page_memory_cold": Task(ui.cold_memory, {"experiment": "look"}, {"folder": "looked_at"}, most=1),
        "page_running": Task(
            ui.running_runs,
            {"runs": sizes.page_runs, "metrics": 10, "seconds": sizes.page_seconds},
            most=1,
        ),
        "amend": Task(
            look.amend, {"experiment": "look"}, {"folder": "looked_at", "few": "looked_at_few"}, most=1
        ),
        "history_logs": Task(tables.from_logs, {}, {"folder": "histories"}, most=3),
        "history_csv": Task(tables.from_csv, {}, {"folder": "histories"}, most=1),
        "history_parquet": Task(tables.from_parquet, {}, {"folder": "histories"}, most=3),
        "history_polars": Task(tables.to_polars, {}, {"folder": "histories"}, most=3),
        "history_mlflow": Task(tables.by_mlflow, {"rows": sizes.values_mlflow}, most=2),
        "history_trackio": Task(tables.by_trackio, {"rows": sizes.values_trackio}, most=2),
        "history_wandb": Task(tables.by_wandb, {"rows": sizes.values_wandb}, most=2),
        "report": Task(report.report, {}, {"folder": "reported"}, most=3),
        "script": Task(capturing.script, {"rows": sizes.captured, "captured": False}, {"folder": ""}),
        "captured": Task(capturing.script, {"rows": sizes.captured, "captured": True}, {"folder": ""}),
        "moving": Task(importing.moving, {}, {"folder": "", "source": "foreign"}, most=3),
        "moving_logs": Task(importing.moving, {"store": "wandb"}, {"folder": "", "source": "logs"}, most=3),
        "moving_folders": Task(
            importing.moving, {"store": "mlruns"}, {"folder": "", "source": "folders"}, most=3
        ),
        "moving_classic": Task(
            importing.moving, {"store": "classic"}, {"folder": "", "source": "classic"}, most=3
        ),
        "reading": Task(importing.reading, {}, {"source": "logs"}, most=3),
        "reading_by_wandb": Task(importing.reading_by_wandb, {}, {"source": "logs"}, most=3),
        "moving_events": Task(
            importing.moving, {"store": "runs"}, {"folder": "", "source": "event_files"}, most=3
        ),
        "accumulated": Task(importing.accumulated, {}, {"source": "event_files"}, most=3),
        "import_memory": Task(
            importing.memory,
            {"points": sizes.imported_points},
            {"folder": "", "short": "short", "long": "long"},
            most=3,
        ),
        "slow": Task(write.slow, {"seconds": sizes.seconds}, most=3),
        **{
            f"log_memory_{metrics}": Task(
                write.log_memory, {"rows": sizes.rows * 10 // metrics, "metrics": metrics}, most=3
            )
            for metrics in (10, 1)
        },
        **{
            f"disk_{kind}_{metrics}": Task(
                disk.legm, {"rows": sizes.stored // metrics, "metrics": metrics, "kind": kind}, most=1
            )
            for kind in disk.KINDS
            for metrics in (10, 1)
        },
        **{
            f"disk_{name}": Task(probe, {"rows": rows // 10, "metrics": 10, "kind": "float32"}, most=1)
            for name, probe, rows in (
                ("mlflow", disk.mlflow, sizes.stored_mlflow),
                ("trackio", disk.trackio, sizes.stored),
                ("wandb", disk.wandb, sizes.stored),
            )
        },
        "look_at_large": Task(look.look_at_large, {"size": sizes.large}, most=3),
        "image": Task(media.legm, {"pictures": sizes.pictures}),
        "image_tensorboardx": Task(media.tensorboardx, {"pictures": sizes.pictures}),
        "image_wandb": Task(media.wandb, {"pictures": sizes.pictures}, most=2),
        "image_mlflow": Task(media.mlflow, {"pictures": sizes.pictures}, most=2),
        "image_trackio": Task(media.trackio, {"pictures": sizes.pictures}, most=2),
        "memory": Task(write.live_memory, {"portions": sizes.portions, "rows": sizes.portion_rows}, most=2),
    }
    return Plan(
        fixtures,
        tasks,
        (
            *_writing(sizes),
            *_beginning(sizes),
            *_reading(sizes),
            *_as_tables(sizes),
            *_looking(sizes),
            *_live_page(sizes),
            *_reporting(sizes),
            *_importing(sizes),
            _capturing(sizes),
            *_through_mlflow(sizes),
            *_through_wandb(sizes),
            *_through_several(),
            *_peers(),
        ),
        sizes.rounds,
    )


def _writing(sizes: Sizes) -> tuple[Row, ...]:
    scalars = f"{sizes.rows * 10:,} scalars"
    return (
        Row(
            "set",
            "set_dict_metrics of 10, caller's thread, per scalar",
            "µs",
            ("legm",),
            lambda r: _per_scalar(r, "legm", "caller"),
            2,
            beside=lambda r: f"{_per_scalar(r, 'legm', 'caller_cpu'):.2f} µs of it the thread's own CPU",
        ),
        Row(
            "set_ratio",
            "tensorboardX's add_scalar over that",
            "x",
            ("legm", "tensorboardx"),
            lambda r: _per_scalar(r, "tensorboardx", "caller") / _per_scalar(r, "legm", "caller"),
            20,
            at_least=True,
        ),
        Row(
            "run",
            f"all CPU of a run of {scalars} to the end of log(), per scalar",
            "µs",
            ("legm",),
            lambda r: _per_scalar(r, "legm", "cpu"),
            8,
            beside=lambda r: f"log() itself {r['legm']['total'] - r['legm']['caller']:.2f} s",
        ),
        Row(
            "run_ratio",
            "all CPU of TensorBoard's writer over that",
            "x",
            ("legm", "tensorboard"),
            lambda r: _per_scalar(r, "tensorboard", "cpu") / _per_scalar(r, "legm", "cpu"),
            15,
            at_least=True,
        ),
        Row(
            "image",
            "log_image of 512 x 512 x 3, caller's thread",
            "ms",
            ("image", *_IMAGE_PEERS.values()),
            lambda r: 1000 * r["image"]["caller"],
            1,
            beside=lambda r: _images_beside(r, "caller"),
        ),
        Row(
            "image_cpu",
            "all CPU of that, a picture",
            "ms",
            ("image", *_IMAGE_PEERS.values()),
            lambda r: 1000 * r["image"]["cpu"] / sizes.pictures,
            beside=lambda r: _images_beside(r, "cpu", sizes.pictures),
        ),
        Row(
            "image_trackio",
            "trackio: log of such a picture, caller's thread",
            "ms",
            ("image_trackio",),
            lambda r: 1000 * r["image_trackio"]["caller"],
        ),
        Row(
            "memory",
            f"memory of a live run of {sizes.portions * sizes.portion_rows * 10:,} scalars, per scalar",
            "bytes",
            ("memory",),
            lambda r: r["memory"]["bytes"],
            32,
            beside=lambda r: f"{r['memory']['at_log'] / 2**20:.0f} MiB resident after log()",
        ),
        *(
            Row(
                f"log_memory_{metrics}",
                f"growth in log() of a run of {sizes.rows * 10:,} scalars, {words}, per scalar",
                "bytes",
                (f"log_memory_{metrics}",),
                lambda r, task=f"log_memory_{metrics}": r[task]["bytes"],  # type: ignore[misc]
                32,
                beside=lambda r, task=f"log_memory_{metrics}": (  # type: ignore[misc]
                    f"{r[task]['peak'] / 2**20:.0f} MiB at most"
                ),
            )
            for metrics, words in ((10, "ten in a step"), (1, "one in a step"))
        ),
        *_on_disk(sizes),
        Row(
            "slow",
            "CPU of a second of a run that sets 10 scalars every 10 ms",
            "ms",
            ("slow",),
            lambda r: (r["slow"]["cpu"] - r["slow"]["sleeping"]) * 1e3,
            beside=lambda r: f"less {r['slow']['sleeping'] * 1e3:.1f} ms of the same loop without legm",
        ),
        Row(
            "log_late",
            f"log() of a configuration's run {sizes.late_runs} over that of its first",
            "x",
            ("log_late",),
            lambda r: r["log_late"]["last"] / r["log_late"]["first"],
            1.5,
            beside=lambda r: f"{r['log_late']['first'] * 1e3:.1f} ms → {r['log_late']['last'] * 1e3:.1f} ms",
        ),
    )


def _on_disk(sizes: Sizes) -> tuple[Row, ...]:
    def row(kind: str, words: str, metrics: int) -> Row:
        name = f"disk_{kind}_{metrics}"
        in_a_step = "ten in a step" if metrics == 10 else "one in a step"
        return Row(
            name,
            f"all files of a run of {sizes.stored:,} {words} numbers, {in_a_step}, per number",
            "bytes",
            (name,),
            lambda r: r[name]["bytes"],
            40 if metrics == 10 else None,
            beside=lambda r: ", ".join(
                f"{part} {short(r[name][part])}" for part in ("yaml", "steps", "events", "log")
            ),
        )

    def peer(name: str, words: str, numbers: int) -> Row:
        return Row(
            f"disk_{name}",
            f"{words}: its files of a run of {numbers:,} single-precision numbers, ten in a step, per number",
            "bytes",
            (f"disk_{name}",),
            lambda r: r[f"disk_{name}"]["bytes"],
        )

    words = {"rounded": "rounded", "float32": "single-precision", "random": "random"}
    return (
        *(row(kind, word, metrics) for metrics in (10, 1) for kind, word in words.items()),
        peer("mlflow", "MLflow on SQLite", sizes.stored_mlflow),
        peer("trackio", "trackio, local", sizes.stored),
        peer("wandb", "W&B offline", sizes.stored),
    )


def _importing(sizes: Sizes) -> tuple[Row, ...]:
    points = 10 * sizes.imported_steps

    def row(name: str, runs: int, store: str, task: str, fixture: str, limit: float) -> Row:
        return Row(
            name,
            f"legm import of {runs:,} runs of {points:,} points from {store}, and comparing at the end",
            "points/s",
            (task, fixture),
            lambda r: r[task]["points"] / r[task]["seconds"],
            limit,
            at_least=True,
            beside=lambda r: (
                f"{r[task]['seconds']:.0f} s, CPU {r[task]['cpu']:.0f} s; "
                f"{r[task]['peak'] / 2**20:.0f} MiB at most; once more {r[task]['again']:.0f} s"
            ),
        )

    def again(name: str, runs: int, store: str, task: str, fixture: str) -> Row:
        return Row(
            name,
            f"legm import of {runs:,} runs from {store} once more, over the first time",
            "x",
            (task, fixture),
            lambda r: r[task]["again"] / r[task]["seconds"],
            0.5,
            beside=lambda r: f"{r[task]['again']:.1f} s after {r[task]['seconds']:.1f} s",
        )

    folders = sizes.imported_folders
    return (
        again("again_folders", folders, "an mlruns folder", "moving_folders", "folders"),
        again("again_classic", folders, "folders of the original legm", "moving_classic", "classic"),
        again("again_mlflow", sizes.imported, "MLflow's SQLite", "moving", "foreign"),
        again("again_wandb", sizes.imported_logs, "W&B's logs", "moving_logs", "logs"),
        again("again_tensorboard", sizes.event_files, "event files", "moving_events", "event_files"),
        Row(
            "import_memory",
            f"growth in importing a run of {sizes.imported_points:,} points from MLflow's SQLite, per point",
            "bytes",
            ("import_memory", "long", "short"),
            lambda r: r["import_memory"]["bytes"],
            32,
            beside=lambda r: f"{r['import_memory']['peak'] / 2**20:.0f} MiB at most",
        ),
        row("import_mlflow", sizes.imported, "MLflow's SQLite", "moving", "foreign", 200_000),
        row("import_wandb", sizes.imported_logs, "W&B's logs", "moving_logs", "logs", 100_000),
        Row(
            "read_wandb",
            "reading the numbers of those logs by W&B's own messages over reading them as legm does",
            "x",
            ("reading", "reading_by_wandb"),
            lambda r: r["reading_by_wandb"]["seconds"] / r["reading"]["seconds"],
            2,
            at_least=True,
            beside=lambda r: f"{r['reading']['points'] / r['reading']['seconds']:,.0f} points/s",
        ),
        Row(
            "import_tensorboard",
            f"legm import of {sizes.event_files:,} runs of {10 * sizes.imported_steps:,} points from event "
            "files, and comparing at the end, beside TensorBoard's EventAccumulator, which only reads them",
            "points/s",
            ("moving_events", "accumulated", "event_files"),
            lambda r: r["moving_events"]["points"] / r["moving_events"]["seconds"],
            at_least=True,
            beside=lambda r: (
                f"EventAccumulator: {r['accumulated']['points'] / r['accumulated']['seconds']:,.0f} "
                f"points/s; {r['moving_events']['peak'] / 2**20:.0f} MiB at most"
            ),
        ),
    )


def _capturing(sizes: Sizes) -> Row:
    return Row(
        "capture",
        f"a script's {sizes.captured:,} calls of mlflow.log_metrics with 10 under legm capture, over without",
        "x",
        ("script", "captured"),
        lambda r: r["captured"]["calls"] / r["script"]["calls"],
        1.1,
        beside=lambda r: (
            f"{r['captured']['calls']:.1f} s, without {r['script']['calls']:.1f} s; "
            f"all of the command {r['captured']['seconds']:.1f} s, without {r['script']['seconds']:.1f} s"
        ),
    )


def _beginning(sizes: Sizes) -> tuple[Row, ...]:
    def beside_many(kind: str, words: str) -> tuple[Row, Row]:
        return (
            Row(
                f"start_{kind}",
                f"start() of {words} configuration beside {sizes.many:,}",
                "ms",
                ("few", "many", "start"),
                lambda r: r["start"][f"{kind}_many"] * 1e3,
                5,
                beside=lambda r: f"the process's first: {r['start']['first'] * 1e3:.0f} ms",
            ),
            Row(
                f"start_{kind}_ratio",
                f"that over start() beside {sizes.few}",
                "x",
                ("few", "many", "start"),
                lambda r: r["start"][f"{kind}_many"] / r["start"][f"{kind}_few"],
                1.5,
                beside=lambda r: f"{r['start'][f'{kind}_few'] * 1e3:.2f} ms there",
            ),
        )

    return (
        Row(
            "import",
            "import legm over a bare interpreter",
            "ms",
            ("imports",),
            lambda r: (r["imports"]["legm"] - r["imports"]["bare"]) * 1e3,
            40,
            beside=lambda r: (
                f"bare {r['imports']['bare'] * 1e3:.0f}; with ExperimentHandler "
                f"+{(r['imports']['handler'] - r['imports']['bare']) * 1e3:.0f}, with one made "
                f"+{(r['imports']['made'] - r['imports']['bare']) * 1e3:.0f}"
            ),
        ),
        Row(
            "trainer_import",
            "import of an integration, its library being there, the most of those installed",
            "ms",
            ("trainer_imports",),
            lambda r: r["trainer_imports"]["most"],
            10,
            beside=lambda r: _each_trainer(r["trainer_imports"]),
        ),
        Row(
            "trainer_call",
            "a call that logs two metrics through an integration, the most of those installed",
            "µs",
            ("trainer_calls",),
            lambda r: r["trainer_calls"]["most"],
            20,
            beside=lambda r: _each_trainer(r["trainer_calls"]),
        ),
        Row(
            "trainer_run",
            "a run that an integration makes of a fit, trial or job, the most of those installed",
            "ms",
            ("trainer_runs",),
            lambda r: r["trainer_runs"]["most"],
            beside=lambda r: _each_trainer(r["trainer_runs"]),
        ),
        Row(
            "import_heavy",
            "of numpy, matplotlib, tensorboard, mlflow, wandb, loaded by it",
            "",
            ("loaded",),
            lambda r: sum(r["loaded"].values()),
            0,
            beside=lambda r: ", ".join(name for name, there in r["loaded"].items() if there),
        ),
        Row(
            "system_metrics",
            "system metrics of a run, sampled every 15 s, of a core",
            "%",
            ("system_metrics",),
            lambda r: 100 * r["system_metrics"]["sample"] / 15,
            0.2,
            beside=lambda r: f"{r['system_metrics']['sample'] * 1e3:.1f} ms of CPU a sample; no GPU",
        ),
        *beside_many("existing", "an existing"),
        *beside_many("new", "a new"),
        Row(
            "start_in_repository",
            f"start() with provenance, in a git repository of {sizes.repository:,} files",
            "ms",
            ("repository", "start_in_repository"),
            lambda r: r["start_in_repository"]["start"] * 1e3,
            5,
            beside=lambda r: f"without provenance: {r['start_in_repository']['without'] * 1e3:.2f} ms",
        ),
        *(
            Row(
                f"step_{kind}",
                f"the slowest of 1,000 steps of a training {words}, over the same without",
                "x",
                ("repository", "steps"),
                lambda r, kind=kind: _late_step(r["steps"], kind),
                2,
                beside=lambda r, kind=kind: ", ".join(
                    f"{name} {short(r['steps'][f'alone_{key}'])} → {short(r['steps'][f'{kind}_{key}'])} ms"
                    for name, key in (("median", "median"), ("of 1,000", "late"), ("longest", "longest"))
                ),
            )
            for kind, words in (
                (
                    "git",
                    f"as git is asked of {2 * sizes.changed_files:,} changes of {sizes.repository:,} files",
                ),
                ("sampler", "while system metrics are sampled every 50 ms"),
            )
        ),
        Row(
            "start_absent_values",
            f"start() with {sizes.absent_values} absent values, which the experiment has already",
            "ms",
            ("start_absent_values",),
            lambda r: r["start_absent_values"]["with"] * 1e3,
            5,
            beside=lambda r: (
                f"without them {r['start_absent_values']['without'] * 1e3:.2f} ms, "
                f"the first, which keeps them, {r['start_absent_values']['first'] * 1e3:.2f} ms"
            ),
        ),
        Row(
            "run_start",
            "the first line of a script under legm run --drop-in, later than under plain Python",
            "s",
            ("run_start",),
            lambda r: r["run_start"]["run"] - r["run_start"]["plain"],
            0.3,
            beside=lambda r: f"plain Python: {r['run_start']['plain'] * 1e3:.0f} ms",
        ),
        Row(
            "resume",
            f"resuming a killed run of {sizes.rows * 10:,} values, until the next one is accepted",
            "s",
            ("resume",),
            lambda r: r["resume"]["seconds"] if r["resume"]["resumed"] else float("nan"),
            1,
        ),
        Row(
            "build_start",
            f"making {sizes.many:,} configurations by start(), each",
            "ms",
            ("many",),
            lambda r: r["many"]["seconds"] / r["many"]["configurations"] * 1e3,
        ),
    )


def _looking(sizes: Sizes) -> tuple[Row, ...]:
    def row(name: str, what: str, limit: float) -> Row:
        def cpu(numbers: Round) -> str:
            return f"{numbers['look'][f'{name}_cpu']:.2f} s of CPU"

        return Row(name, what, "s", ("look",), lambda r: r["look"][name], limit, beside=cpu)

    many = f"{sizes.looked_at:,} configurations of {sizes.looked_at_runs} runs"
    return (
        row("ls_cold", f"legm ls of {many}, looked at for the first time", 2),
        row("ls_warm", "the same again, nothing changed since", 0.5),
        row("best_cold", f"legm best over {many}, looked at for the first time", 2),
        row("best_warm", "the same again, nothing changed since", 0.5),
        row("help", "legm --help", 0.15),
        Row(
            "amend",
            f"legm amend --rename of {many}",
            "s",
            ("amend",),
            lambda r: r["amend"]["many"],
            30,
            beside=lambda r: f"{r['amend']['many_cpu']:.1f} s of CPU",
        ),
        Row(
            "amend_memory",
            f"the peak of memory of that, above that of {sizes.looked_at_few:,} configurations",
            "MiB",
            ("amend",),
            lambda r: (r["amend"]["many_peak"] - r["amend"]["few_peak"]) / 2**20,
            2,
            beside=lambda r: (
                f"{r['amend']['many_peak'] / 2**20:.1f} MiB, and {r['amend']['few_peak'] / 2**20:.1f} MiB"
            ),
        ),
        Row(
            "ls_memory",
            f"the peak of memory of legm ls with a parameter of {sizes.large / 1e6:g} MB",
            "MiB",
            ("look_at_large",),
            lambda r: r["look_at_large"]["large"] / 2**20,
            100,
            beside=lambda r: f"{r['look_at_large']['small'] / 2**20:.0f} MiB with a small one",
        ),
    )


def _reading(sizes: Sizes) -> tuple[Row, ...]:
    runs = f"{sizes.runs:,} runs of 10 x {sizes.steps:,}"
    return (
        Row(
            "aggregate",
            f"aggregate_results() over {runs}",
            "s",
            ("runs", "aggregate"),
            lambda r: r["aggregate"]["seconds"],
            1,
            beside=lambda r: f"n = {r['aggregate']['n']:.0f}; imports {r['aggregate']['imports']:.2f} s",
        ),
        Row(
            "plot_data",
            "what plot() reads and computes over them",
            "s",
            ("runs", "curves"),
            lambda r: r["curves"]["seconds"],
            10,
            beside=lambda r: f"{r['curves']['curves']:.0f} curves; imports included",
        ),
        Row(
            "plot_memory",
            "the peak of memory of that",
            "MiB",
            ("runs", "curves"),
            lambda r: r["curves"]["peak"] / 2**20,
            1024,
        ),
        Row(
            "plot",
            "a whole plot(), pictures and imports included",
            "s",
            ("runs", "plot"),
            lambda r: r["plot"]["seconds"],
            beside=lambda r: (
                f"{r['plot']['pictures']:.0f} pictures, peak {r['plot']['peak'] / 2**20:.0f} MiB"
            ),
        ),
        Row(
            "build_runs",
            "making those runs by reset() and log()",
            "runs/s",
            ("runs",),
            lambda r: r["runs"]["runs"] / r["runs"]["seconds"],
            at_least=True,
            beside=lambda r: f"CPU {r['runs']['cpu'] / r['runs']['runs'] * 1e3:.1f} ms a run",
        ),
    )


def _as_tables(sizes: Sizes) -> tuple[Row, ...]:
    def seconds(name: str, seconds: float, cpu: float) -> str:
        return f"{name} {seconds:.2f} s, CPU {cpu:.2f} s"

    def speed(numbers: Mapping[str, float]) -> float:
        return numbers["values"] / numbers["seconds"]

    def peer(name: str, words: str) -> Row:
        task = f"history_{name}"
        return Row(
            task,
            f"legm's values a second of history().pandas() over those of {words}",
            "x",
            (task, "histories", "history_logs"),
            lambda r: (
                r["history_logs"]["pandas_values"] / r["history_logs"]["pandas_seconds"] / speed(r[task])
            ),
            beside=lambda r: f"{speed(r[task]):,.0f} values/s",
        )

    values = f"{sizes.values:,} values"
    return (
        Row(
            "history_csv",
            f"pandas.read_csv of {values} over history().pandas() of them",
            "x",
            ("histories", "history_logs", "history_csv"),
            lambda r: r["history_csv"]["seconds"] / r["history_logs"]["pandas_seconds"],
            3,
            at_least=True,
            beside=lambda r: "; ".join(
                (
                    seconds("CSV", r["history_csv"]["seconds"], r["history_csv"]["cpu"]),
                    seconds("legm", r["history_logs"]["pandas_seconds"], r["history_logs"]["pandas_cpu"]),
                )
            ),
        ),
        Row(
            "history_parquet",
            f"history().arrow() of {values} over pyarrow's read_table of them in Parquet",
            "x",
            ("histories", "history_logs", "history_parquet"),
            lambda r: r["history_logs"]["arrow_seconds"] / r["history_parquet"]["seconds"],
            2,
            beside=lambda r: "; ".join(
                (
                    seconds("legm", r["history_logs"]["arrow_seconds"], r["history_logs"]["arrow_cpu"]),
                    seconds("Parquet", r["history_parquet"]["seconds"], r["history_parquet"]["cpu"]),
                )
            ),
        ),
        Row(
            "history_polars",
            f"{sizes.single:,} values of one metric to a polars frame",
            "ms",
            ("histories", "history_polars"),
            lambda r: r["history_polars"]["seconds"] * 1e3,
            50,
            beside=lambda r: f"CPU {r['history_polars']['cpu'] * 1e3:.0f} ms",
        ),
        peer("mlflow", "MLflow's client, get_metric_history on SQLite"),
        peer("trackio", "trackio's own reader of its local store"),
        peer("wandb", "W&B's own messages of an offline run"),
    )


def _live_page(sizes: Sizes) -> tuple[Row, ...]:
    many = f"{sizes.looked_at:,} configurations of {sizes.looked_at_runs} runs"
    running = f"{sizes.page_runs} running runs of 10 metrics, all set each second"
    long = f"a curve of {sizes.page_steps:,} points"
    pages = {
        "tensorboard": "TensorBoard",
        "mlflow": "MLflow's page",
        "trackio": "trackio's dashboard",
    }.items()

    def seconds(name: str, what: str, task: str, key: str, limit: float, *beside: str) -> Row:
        return Row(
            name,
            f"legm ui: {what}",
            "s",
            (task,),
            lambda r: r[task][key],
            limit,
            beside=lambda r: ", ".join(f"{one.replace('_', ' ')} {short(r[task][one])}" for one in beside),
        )

    return (
        seconds("page_value", "a value set in a training is on the page", "page_value", "most", 1, "median"),
        seconds("page_cold", f"first view of {many}, never looked at", "page_first", "cold", 4, "cold_rows"),
        seconds("page_warm", f"first view of {many}", "page_first", "warm", 2, "warm_rows", "again"),
        *(_peer_page(f"page_{peer}", f"{words}: first view of the same runs") for peer, words in pages),
        seconds("page_curve_first", f"{long} is drawn for the first time", "page_curve", "first", 0.3),
        seconds(
            "page_curve", f"{long} that the server has in memory is drawn again", "page_curve", "drawn", 0.3
        ),
        seconds(
            "page_zoom", f"a tenth of {long} that it has in memory is drawn", "page_curve", "zoomed", 0.2
        ),
        _peer_page("page_curve_opened", f"legm ui: {long}, from opening the address of its experiment"),
        *(
            _peer_page(f"page_curve_{peer}", f"{words}: a curve of as many points, of which it shows some")
            for peer, words in pages
        ),
        Row(
            "page_cpu",
            f"legm ui: CPU of the server for {running}",
            "%",
            ("page_running",),
            lambda r: 100 * r["page_running"]["cpu"],
            10,
        ),
        Row(
            "page_frames",
            f"legm ui: frames a second of the page with {running}",
            "1/s",
            ("page_running",),
            lambda r: r["page_running"]["frames"],
            30,
            at_least=True,
        ),
        Row(
            "page_gap",
            "legm ui: the longest time between two of these frames",
            "ms",
            ("page_running",),
            lambda r: 1000 * r["page_running"]["gap"],
        ),
        Row(
            "page_memory",
            f"legm ui: memory of the server, with {many}",
            "MiB",
            ("page_first",),
            lambda r: r["page_first"]["memory"] / 2**20,
            300,
            beside=lambda r: (
                f"with {sizes.page_runs} running runs {r['page_running']['memory'] / 2**20:.0f}"
                if "page_running" in r
                else ""
            ),
        ),
        Row(
            "page_memory_cold",
            "legm ui: memory of the server and its child processes, which read them for the first time",
            "MiB",
            ("page_memory_cold",),
            lambda r: r["page_memory_cold"]["shared_once"] / 2**20,
            300,
            beside=lambda r: f"RSS {r['page_memory_cold']['shared_each'] / 2**20:.0f}",
        ),
    )


def _peer_page(name: str, what: str) -> Row:
    """The first view of a page that is beside another one."""
    return Row(
        name,
        what,
        "s",
        (name,),
        lambda r: r[name]["warm"],
        beside=lambda r: f"again {short(r[name]['again'])}",
    )


def _reporting(sizes: Sizes) -> tuple[Row, ...]:
    runs = f"{sizes.reported} configurations x {sizes.reported_runs} runs of 5 x {sizes.reported_steps}"
    return (
        Row(
            "report_build",
            f"the report of {runs}, imports included",
            "s",
            ("reported", "report"),
            lambda r: r["report"]["seconds"],
            20,
            beside=lambda r: f"peak {r['report']['peak'] / 2**20:.0f} MiB",
        ),
        Row(
            "report_size",
            "its page, with all that it needs",
            "MB",
            ("reported", "report"),
            lambda r: r["report"]["bytes"] / 1e6,
            20,
        ),
    )


def _mlflow_tasks(sizes: Sizes) -> dict[str, Task]:
    probes: dict[str, tuple[Probe, int]] = {
        "legm": (mlflow_store.legm, sizes.sent),
        "perfect": (mlflow_store.perfect, sizes.sent),
        "loop": (mlflow_store.loop, sizes.looped),
    }
    return {
        **{
            f"{kind}_{name}": Task(probe, {"rows": rows, "server": kind == "server"}, most=3)
            for kind in ("sqlite", "server")
            for name, (probe, rows) in probes.items()
        },
        "mlflow_paced": Task(
            mlflow_store.paced, {"seconds": sizes.seconds, "opening": sizes.opening}, most=3
        ),
        "mlflow_aggregate": Task(mlflow_store.aggregate, {}, {"folder": "store"}),
    }


def _through_mlflow(sizes: Sizes) -> tuple[Row, ...]:
    def beside_mlflow(kind: str, words: str) -> tuple[Row, Row]:
        ours, perfect, loop = (f"{kind}_{name}" for name in ("legm", "perfect", "loop"))
        return (
            Row(
                f"mlflow_{kind}",
                f"{sizes.sent * 10:,} scalars through legm to {words}, over one log_batch of them all",
                "x",
                (ours, perfect),
                lambda r: r[ours]["total"] / r[perfect]["total"],
                1.15,
                beside=lambda r: (
                    f"{r[ours]['total']:.1f} s, log_batch {r[perfect]['total']:.1f} s; "
                    f"CPU beside the training {r[ours]['cpu']:.1f} s"
                ),
            ),
            Row(
                f"mlflow_{kind}_loop",
                f"a loop of log_metric to {words}, per scalar, over that",
                "x",
                (ours, loop),
                lambda r: _per_scalar(r, loop, "total") / _per_scalar(r, ours, "total"),
                30,
                at_least=True,
                beside=lambda r: f"{_per_scalar(r, loop, 'total') / 1e3:.2f} ms each",
            ),
        )

    return (
        *beside_mlflow("sqlite", "MLflow on SQLite"),
        *beside_mlflow("server", "an MLflow server"),
        Row(
            "mlflow_caller",
            "set_dict_metrics of 10 while MLflow's SQLite store gets them, per scalar",
            "µs",
            ("sqlite_legm", "mlflow_paced"),
            lambda r: max(_per_scalar(r, name, "caller") for name in ("sqlite_legm", "mlflow_paced")),
            2,
            beside=lambda r: (
                f"without a pause {_per_scalar(r, 'sqlite_legm', 'caller'):.2f}, "
                f"every 2 ms {_per_scalar(r, 'mlflow_paced', 'caller'):.2f}"
            ),
        ),
        Row(
            "mlflow_aggregate",
            f"aggregate_results() over {sizes.store_runs} runs among "
            f"{sizes.store_runs * sizes.store_configurations:,} in a SQLite store",
            "s",
            ("store", "mlflow_aggregate"),
            lambda r: r["mlflow_aggregate"]["seconds"],
            2,
            beside=lambda r: f"n = {r['mlflow_aggregate']['n']:.0f}; the store's opening included",
        ),
    )


def _through_wandb(sizes: Sizes) -> tuple[Row, ...]:
    def beside(name: str) -> Callable[[Round], str]:
        return lambda r: f"{r['wandb_legm'][name]:.2f} s, run.log {r['wandb_plain'][name]:.2f} s"

    rows = f"{sizes.rows:,} rows of 10"
    return (
        Row(
            "wandb_caller",
            f"run.log of {rows} to W&B offline, caller's thread, over the same through legm",
            "x",
            ("wandb_legm", "wandb_plain"),
            lambda r: r["wandb_plain"]["caller"] / r["wandb_legm"]["caller"],
            50,
            at_least=True,
            beside=beside("caller"),
        ),
        Row(
            "wandb_total",
            f"{rows} through legm to W&B offline, to the end of finish, over run.log",
            "x",
            ("wandb_legm", "wandb_plain"),
            lambda r: r["wandb_legm"]["total"] / r["wandb_plain"]["total"],
            1.1,
            beside=beside("total"),
        ),
        Row(
            "wandb_cpu",
            "CPU time of that, W&B's own process included",
            "x",
            ("wandb_legm", "wandb_plain"),
            lambda r: r["wandb_legm"]["cpu"] / r["wandb_plain"]["cpu"],
            1.1,
            beside=beside("cpu"),
        ),
    )


def _through_several() -> tuple[Row, ...]:
    def own(numbers: Round) -> float:
        return max(_per_scalar(numbers, name, "caller_cpu") for name in ("several", "several_paced"))

    slowest = Row(
        "several_slowest",
        "the slowest of the calls of set_dict_metrics every 2 ms while a mirror hangs and raises",
        "ms",
        ("several_away",),
        lambda r: r["several_away"]["away"] * 1e3,
        100,
        beside=lambda r: (
            f"without a mirror {short(r['several_away']['alone'] * 1e3)}; "
            f"the mirror's calls take {r['several_away']['hangs']:g} s"
        ),
    )
    caller = Row(
        "several_caller",
        "set_dict_metrics of 10 to the local folder, MLflow on SQLite and W&B offline at once, per scalar",
        "µs",
        ("several", "several_paced"),
        lambda r: max(_per_scalar(r, name, "caller") for name in ("several", "several_paced")),
        1,
        beside=lambda r: (
            f"without a pause {_per_scalar(r, 'several', 'caller'):.2f}, "
            f"every 2 ms {_per_scalar(r, 'several_paced', 'caller'):.2f}; "
            f"of it at most {own(r):.2f} the thread's own CPU"
        ),
    )
    return caller, slowest


def _peers() -> tuple[Row, ...]:
    def row(name: str, words: str) -> Row:
        return Row(
            name,
            f"{words}: to close, per scalar",
            "µs",
            (name,) if name == "legm" else ("legm", name),
            lambda r: _per_scalar(r, name, "total"),
            beside=lambda r: ", ".join(
                [
                    f"caller {short(_per_scalar(r, name, 'caller'))}",
                    f"CPU {short(_per_scalar(r, name, 'cpu'))}",
                    f"{short(_per_scalar(r, name, 'total') / _per_scalar(r, 'legm', 'total'))} x legm",
                ]
            ),
        )

    return (
        row("legm", "legm, set_dict_metrics of 10"),
        *(row(name, words) for name, (_, words) in _PEERS.items()),
    )


def _per_scalar(numbers: Round, task: str, name: str) -> float:
    return numbers[task][name] / numbers[task]["scalars"] * 1e6


def _late_step(numbers: Mapping[str, float], kind: str) -> float:
    if kind == "git" and not numbers["git_complete"]:
        return float("nan")
    return numbers[f"{kind}_late"] / numbers["alone_late"]


def _images_beside(numbers: Round, name: str, pictures: int = 1) -> str:
    return ", ".join(
        f"{other} {short(1000 * numbers[task][name] / pictures)}"
        for other, task in _IMAGE_PEERS.items()
        if task in numbers
    )


def short(value: float) -> str:
    """A number as the table shows it: three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
