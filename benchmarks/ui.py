"""What the live page costs, and how fast it is in a real browser."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.browsing import (
    ViewMarks,
    free_port,
    open_browser,
    process_and_children,
    until_true,
)

__all__ = ["build_long_curve", "cold_memory", "first_view", "long_curve", "running_runs", "value_on_page"]

_LONGEST_SCRIPT = 120.0  # seconds
_LOOK = 0.05  # seconds between two looks at the memory
_READING = 1.0  # seconds for which somebody at least looks at the list of experiments
_ROWS = "#table tbody tr[data-row]"
_CURVES = "#curves-plot .scatterlayer path"
_TEXT = "return document.querySelector(arguments[0])?.innerText ?? ''"


def first_view(folder: str, experiment: str, rounds: int) -> dict[str, float]:
    """Seconds until the first view of an experiment is drawn by the page of a server that has just begun.

    Args:
        folder: the root directory.
        experiment: the experiment in it.
        rounds: how often; the median comes back.

    Returns:
        ``cold``, where neither the server nor the browser has seen anything of it, ``warm``, where both have,
        and ``again``, a reload: until the rows of the leaderboard and the curves of the best ones are to be
        seen; the same with ``_rows`` for the rows alone; and ``memory``, the most that the server had when it
        was warm (bytes).
    """
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        _forget_catalogue(folder, experiment)
        port = free_port()
        with open_browser() as browser:
            marks = ViewMarks(browser, {"rows": _ROWS, "curves": _CURVES})
            for state in (
                "cold",
                "",
                "warm",
            ):  # a browser keeps what it has compiled when it compiles it again
                with _server(folder, port) as (address, process):
                    seconds = marks.open(f"{address}#experiment={experiment}")
                    if state:
                        found.setdefault(state, []).append(max(seconds.values()))
                        found.setdefault(f"{state}_rows", []).append(seconds["rows"])
                    if state == "warm":
                        found.setdefault("again", []).append(max(marks.open(browser.current_url).values()))
                        found.setdefault("memory", []).append(_peak(process.pid))
    return {name: statistics.median(values) for name, values in found.items()}


def cold_memory(folder: str, experiment: str) -> dict[str, float]:
    """Bytes of memory of a server that has just begun and reads an experiment for the first time.

    Args:
        folder: the root directory.
        experiment: the experiment in it.

    Returns:
        ``shared_once``, the most that the server and its child processes had at one time, where what n of
        them share counts as an nth for each (PSS); ``shared_each``, where it counts for each of them (RSS).
    """
    _forget_catalogue(folder, experiment)
    with _server(folder) as (address, process), open_browser() as browser:
        with _watched_memory(process.pid) as memory:
            ViewMarks(browser, {"rows": _ROWS, "curves": _CURVES}).open(f"{address}#experiment={experiment}")
        return dict(memory.most)


def _forget_catalogue(folder: str, experiment: str) -> None:
    for path in Path(folder, experiment, ".legm").glob("catalogue*"):
        path.unlink()


def value_on_page(folder: str, values: int) -> dict[str, float]:
    """Seconds from setting a value in a training until it is on the page, the median and the most.

    Args:
        folder: an empty root directory.
        values: how many are set.
    """
    from legm import ExperimentHandler

    with ExperimentHandler(folder, "net") as handler:
        handler.set_param("rate", 0.1)
        handler.start()
        with _server(folder) as (address, _), open_browser() as browser:
            browser.get(f"{address}#experiment=net")
            until_true(lambda: handler.run_id[-6:] in browser.execute_script(_TEXT, "#running"))
            seconds = []
            for number in range(values):
                began = time.perf_counter()
                handler.set_metric("loss", 1000 + number, step=number)
                text = f"loss {1000 + number}"
                until_true(lambda text=text: text in browser.execute_script(_TEXT, "#running .values"))
                seconds.append(time.perf_counter() - began)
                time.sleep(0.3)
    return {"median": statistics.median(seconds), "most": max(seconds)}


def build_long_curve(folder: str, steps: int) -> dict[str, float]:
    """Log a run with one metric, a random walk.

    Args:
        folder: an empty root directory.
        steps: of the run.
    """
    import numpy as np

    from legm import ExperimentHandler

    began = time.perf_counter()
    values = np.random.default_rng(0).normal(size=steps).cumsum()
    with ExperimentHandler(folder, "net") as handler:
        handler.set_param("rate", 0.1)
        handler.start()
        for step, value in enumerate(values.tolist()):
            handler.set_metric("loss", value, step=step)
    return {"seconds": time.perf_counter() - began}


def long_curve(folder: str, steps: int, rounds: int) -> dict[str, float]:
    """Seconds until the curve of a long run is drawn, and until a zoom into it is.

    Args:
        folder: the root directory with it.
        steps: of the run.
        rounds: how many servers draw it for the first time.

    Returns:
        ``first``, by a server that has just begun, and of which the browser shows the list of experiments;
        ``drawn``, again, when the server has its values in memory; ``zoomed``, the same; medians.
    """
    line = "document.getElementById('curves-plot').data?.find((one) => one.mode !== 'none')"
    points, ends = f"return {line}?.x.length ?? 0", f"return {line}.x.at(-1)"
    first, drawn, zoomed = [], [], []
    for _ in range(rounds):
        with _server(folder) as (address, _), open_browser() as browser:
            browser.get(address)
            until_true(
                lambda browser=browser: browser.execute_script(
                    "return globalThis.Plotly && document.querySelector('.card a')"
                )
            )
            time.sleep(_READING)
            began = time.perf_counter()
            browser.execute_script("location.hash = 'experiment=net'")
            until_true(lambda browser=browser: browser.execute_script(points))
            first.append(time.perf_counter() - began)
            for turn in range(5):
                low, high = steps * (0.2 + turn / 20), steps * (0.3 + turn / 20)
                zoom = "Plotly.relayout('curves-plot', {'xaxis.range[0]': low, 'xaxis.range[1]': high})"
                zoom = f"const [low, high] = arguments; {zoom}"
                began = time.perf_counter()
                browser.execute_script(zoom, low, high)
                until_true(
                    lambda browser=browser, high=high: abs(browser.execute_script(ends) - high) < steps / 50
                )
                zoomed.append(time.perf_counter() - began)
                began = time.perf_counter()
                browser.execute_script("Plotly.relayout('curves-plot', {'xaxis.autorange': true})")
                until_true(lambda browser=browser: browser.execute_script(ends) == steps - 1)
                drawn.append(time.perf_counter() - began)
    every = {"first": first, "drawn": drawn, "zoomed": zoomed}
    return {name: statistics.median(seconds) for name, seconds in every.items()}


def running_runs(folder: str, runs: int, metrics: int, seconds: float) -> dict[str, float]:
    """What runs that all set values each second cost the server, and how fluent the page stays.

    Args:
        folder: an empty root directory.
        runs, metrics: how many, and of each run.
        seconds: how long.

    Returns:
        ``cpu``, the share of a processor; ``frames`` a second; ``gap``, the longest time between two of them
        (s); ``memory`` of the server (bytes).
    """
    from legm import ExperimentHandler

    handlers = []
    for number in range(runs):
        handler = ExperimentHandler(folder, "net")
        handler.set_param("rate", number)
        handlers.append(handler.start())
    is_over = threading.Event()

    def train() -> None:
        step = 0
        while not is_over.wait(1.0):
            for handler in handlers:
                handler.set_dict_metrics({f"m{one}": step + one for one in range(metrics)}, step=step)
            step += 1

    frames = """
    const done = arguments[1]; const began = performance.now(); let count = 0; let last = began; let gap = 0;
    const next = () => {
        count += 1;
        const now = performance.now(); const took = (now - began) / 1000;
        gap = Math.max(gap, (now - last) / 1000); last = now;
        if (took < arguments[0]) requestAnimationFrame(next); else done([count / took, gap]);
    };
    requestAnimationFrame(next);
    """
    training = threading.Thread(target=train)
    training.start()
    try:
        with _server(folder) as (address, process), open_browser() as browser:
            browser.set_script_timeout(seconds + _LONGEST_SCRIPT)
            browser.get(f"{address}#experiment=net")
            until_true(
                lambda: (
                    browser.execute_script("return document.querySelectorAll('#running li').length") == runs
                )
            )
            time.sleep(2.0)
            began, before = time.perf_counter(), _cpu(process.pid)
            fluent, gap = browser.execute_async_script(frames, seconds)
            share = (_cpu(process.pid) - before) / (time.perf_counter() - began)
            return {
                "cpu": share,
                "frames": float(fluent),
                "gap": float(gap),
                "memory": _peak(process.pid),
            }
    finally:
        is_over.set()
        training.join()
        for handler in handlers:
            handler.log()


@contextlib.contextmanager
def _server(folder: str, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "legm", "ui", folder, "--port", str(port), "--json"],
            env={**os.environ, "XDG_CONFIG_HOME": home},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            text = ""
            while not text.rstrip().endswith("}"):
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError("legm ui ended")
                text += line
            yield json.loads(text)["address"], process
        finally:
            process.terminate()
            process.wait(20)


class _MemoryWatch(threading.Thread):
    """Looks at the memory of a process and its children, of which some end soon."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._pid = pid
        self._is_over = threading.Event()
        self.most = {"shared_once": 0.0, "shared_each": 0.0}
        """The most that those had together that were there at one time (bytes)."""

    def end(self) -> None:
        """Look no more."""
        self._is_over.set()
        self.join()

    def run(self) -> None:
        """Look, until it is over."""
        while not self._is_over.wait(_LOOK):
            found = [_present(pid) for pid in process_and_children(self._pid)]
            for name, line in (("shared_once", "Pss"), ("shared_each", "Rss")):
                self.most[name] = max(self.most[name], sum(one.get(line, 0.0) for one in found))


@contextlib.contextmanager
def _watched_memory(pid: int) -> Iterator[_MemoryWatch]:
    watch = _MemoryWatch(pid)
    watch.start()
    try:
        yield watch
    finally:
        watch.end()


def _cpu(pid: int) -> float:
    """Seconds of CPU of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _present(pid: int) -> dict[str, float]:
    """What a process has in memory, by the names of the lines (bytes); nothing where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {line.split(":")[0]: float(line.split()[1]) * 1024 for line in lines}


def _peak(pid: int) -> float:
    """The most memory that a process had (bytes); 0 where it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines: Mapping[str, str] = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return float(lines["VmHWM"].split()[0]) * 1024 if "VmHWM" in lines else 0.0
