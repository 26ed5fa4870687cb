"""The live page in a real browser, beside a real training: one server and one page for many questions."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from legm import ExperimentHandler
from tests.support.browsing import LivePageInBrowser
from tests.support.calling import call
from tests.support.live_page import ServedPage, served_page
from tests.support.paths import ROOT
from tests.support.waiting import until

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="needs signals")]

HOSTILE = "<img src=x onerror=alert(1)>"
TRAINING = """
import sys
from legm import ExperimentHandler
handler = ExperimentHandler(sys.argv[1], "net", console=True)
handler.set_dict_params({"rate": 0.3, "optimizer": "sgd", "seed": 7, "max_steps": 1000})
handler.disable_params(["seed", "max_steps"])
handler.start()
step = 0
print(handler.run_id, flush=True)
for line in sys.stdin:  # each line is a value
    if line.strip() == "end":
        break
    handler.set_metric("loss", float(line), step=step)
    print(step, flush=True)
    step += 1
handler.log()
"""


def logged(root: Path, experiment: str, optimizer: str, rate: float, seed: int, *, fails: str = "") -> None:
    handler = ExperimentHandler(root, experiment)
    handler.set_dict_params({"rate": rate, "optimizer": optimizer, "seed": seed})
    handler.disable_param("seed")
    handler.start()
    for step in range(10):
        handler.set_metric("loss", rate * (seed + 1) / (step + 1), step=step)
    if fails:
        handler.end("failed", fails)
    else:
        handler.log()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live") / "results"
    for rate in (0.1, 0.01):
        for seed in range(2):
            logged(folder, "net", "adam", rate, seed, fails="out of memory" if seed and rate == 0.1 else "")
    logged(folder, HOSTILE, HOSTILE, 0.5, 0)
    return folder


@pytest.fixture
def page(browser: Any) -> Iterator[LivePageInBrowser]:
    browser.get_log("browser")
    yield LivePageInBrowser(browser)
    browser.get("about:blank")


def test_the_page_lives(page, root, tmp_path):
    with served_page(root, tmp_path) as served:
        page.browser.get(served.address)
        look_at_the_first_view(page)
        page.run("document.querySelector('.card[data-experiment=net] a').click()")
        until(lambda: page.view() == "board" and page.rows())
        assert page.rows() == ["rate=0.01", "rate=0.1"]
        until(lambda: page.run("return document.getElementById('curves-plot').data?.length > 1"))
        follow_a_training(page, root)
        until(lambda: "corrected p" in page.text("#significance table"))
        zoom_and_smooth(page)
        select_and_come_back(page)
        note_about_a_run(page, root)
        change_what_is_below(page, root)
        errors = [one["message"] for one in page.browser.get_log("browser") if one["level"] == "SEVERE"]
        assert not [one for one in errors if "where=rate" not in one]  # a mistake of the user's
        lose_the_server(page, root, served, tmp_path)


def look_at_the_first_view(page: LivePageInBrowser) -> None:
    until(lambda: page.view() == "overview" and len(page.texts(".card")) == 2)
    assert page.browser.current_url.rpartition("?")[2].startswith("http")  # the token is out of sight
    card = page.text(".card[data-experiment=net]")
    assert "2 configurations" in card
    assert "3 completed" in card
    assert "1 failed" in card
    assert page.run("return document.querySelectorAll('img').length") == 0  # a name is only a name


def follow_a_training(page: LivePageInBrowser, root: Path) -> None:
    """A run appears, its values within a second, and its end."""
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(root)],
        cwd=ROOT,
        env=os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as training:
        assert training.stdin is not None
        assert training.stdout is not None
        run_id = training.stdout.readline().strip()
        until(lambda: run_id[-6:] in page.text("#running"))
        until(lambda: len(page.rows()) == 3)
        latencies = []
        for value in (7.25, 6.125, 5.5, 4.75, 3.0625):
            training.stdin.write(f"{value}\n")
            began = time.monotonic()
            training.stdout.readline()
            until(lambda text=f"loss {value:g}"[:9]: text in page.text("#running .values"))
            latencies.append(time.monotonic() - began)
        assert sorted(latencies)[1] < 1.0, (
            latencies
        )  # the others may have waited for other work of the machine
        assert "step 5 of 1,000" in page.text("#running .done")
        points = (
            "return document.getElementById('curves-plot').data"
            ".find((one) => one.line?.dash === 'dash')?.x.length"
        )
        until(lambda: page.run(points) == 5)
        training.stdin.write("2.5\n")
        training.stdout.readline()
        until(lambda: page.run(points) == 6)
        follow_what_it_prints(page, training)
        training.stdin.write("end\n")
        assert training.wait(60) == 0
    until(lambda: page.run("return document.getElementById('running').hidden"))
    until(lambda: "4 completed" in page.text("#counts").replace("✓", "").replace("\n", " "))


def follow_what_it_prints(page: LivePageInBrowser, training: subprocess.Popen[str]) -> None:
    """The run's own view has what its process has printed, and what it prints now."""
    assert training.stdin is not None
    assert training.stdout is not None
    page.click("#running a")
    until(lambda: page.view() == "run" and page.text("#console").split()[-6:] == [*"012345"])
    training.stdin.write("2.25\n")
    training.stdout.readline()
    until(lambda: page.text("#console").split()[-2:] == ["5", "6"])
    assert "began" in page.text("#run-facts")
    assert "last step" not in page.text("#run-facts")  # which is below, where it grows
    page.browser.back()
    until(lambda: page.view() == "board" and len(page.rows()) == 3)


def zoom_and_smooth(page: LivePageInBrowser) -> None:
    """A zoom and the smoothing are the server's answers, and stay after a reload."""
    lines = "return document.getElementById('curves-plot').data.filter((one) => one.mode !== 'none')"
    until(lambda: page.run("return Boolean(document.getElementById('curves-plot').on)"))
    page.run("Plotly.relayout('curves-plot', {'xaxis.range[0]': 2.5, 'xaxis.range[1]': 5.5})")
    until(lambda: {tuple(one["x"]) for one in page.run(lines)} >= {(2, 3, 4, 5, 6)})
    assert "zoom=" in page.browser.current_url
    page.run(
        "const field = document.getElementById('smoothing'); field.value = 0.6;"
        "field.dispatchEvent(new Event('input'));"
    )
    until(lambda: any(one.get("opacity") == 0.3 for one in page.run(lines)))
    page.browser.refresh()
    until(lambda: page.view() == "board" and page.run("return document.getElementById('curves-plot').data"))
    until(lambda: any(one.get("opacity") == 0.3 and len(one["x"]) == 5 for one in page.run(lines)))
    page.run("Plotly.relayout('curves-plot', {'xaxis.autorange': true})")
    until(lambda: any(len(one["x"]) == 10 for one in page.run(lines)))
    page.run(
        "const field = document.getElementById('smoothing'); field.value = 0;"
        "field.dispatchEvent(new Event('input'));"
    )
    until(lambda: not any(one.get("opacity") == 0.3 for one in page.run(lines)))


def select_and_come_back(page: LivePageInBrowser) -> None:
    """The selection is the server's, its state is in the address, and back is back."""
    page.type("#where", "rate<0.2\ue007")
    until(lambda: len(page.rows()) == 2)
    assert "where=rate" in page.browser.current_url
    page.browser.refresh()
    until(lambda: page.view() == "board" and len(page.rows()) == 2)
    assert page.run("return document.getElementById('where').value") == "rate<0.2"
    page.type("#where", "rate<\ue007")
    until(lambda: page.text("#problem"))
    assert len(page.rows()) == 2
    page.browser.back()
    page.browser.back()
    until(lambda: len(page.rows()) == 3)
    assert page.text("#problem") == ""
    page.click("#home")
    until(lambda: page.view() == "overview")
    page.browser.back()
    until(lambda: page.view() == "board" and len(page.rows()) == 3)


def note_about_a_run(page: LivePageInBrowser, root: Path) -> None:
    until(lambda: page.text("#unfinished-list a"))
    page.click("#unfinished-list a")
    until(lambda: page.view() == "run" and "out of memory" in page.text("#run"))
    run_id = page.run("return new URLSearchParams(location.hash.slice(1)).get('run')")
    until(lambda: len(page.texts("#run-curves .plot .main-svg")) > 0)
    page.type("#run-tags", "broken")
    page.type("#run-note", "too large")
    page.click("#run-save")
    until(lambda: page.text("#run-saved") == "Saved")
    assert "broken" in call("tag", str(root / run_id)).stdout
    page.browser.refresh()
    until(
        lambda: (
            page.view() == "run" and page.run("return document.getElementById('run-tags')?.value") == "broken"
        )
    )
    page.browser.back()
    until(lambda: page.view() == "board" and len(page.rows()) == 3)
    until(lambda: "broken" in page.text("#table"))


def change_what_is_below(page: LivePageInBrowser, root: Path) -> None:
    """What is amended and deleted below the server is so on the page, without a question."""
    assert call("amend", str(root / "net"), "--rename", "optimizer=solver", "--yes").exit_code == 0
    until(lambda: "solver" in page.text("#table thead") + page.text("#constant") + page.text("#filters"))
    folder = next(
        one
        for one in root.glob("net/*")
        if (one / "params.yml").exists() and "rate: 0.3" in (one / "params.yml").read_text()
    )
    assert call("rm", str(folder), "--yes").exit_code == 0
    until(lambda: len(page.rows()) == 2)


def lose_the_server(page: LivePageInBrowser, root: Path, served: ServedPage, home: Path) -> None:
    """The page says that the server does not answer, and continues by itself when it is back."""
    served.process.terminate()
    served.process.wait(20)
    until(lambda: "does not answer" in page.text("#connection"))
    logged(root, "net", "adam", 0.02, 0)
    with served_page(root, home, "--port", str(served.port)):
        until(lambda: page.text("#connection") == "" and len(page.rows()) == 3)
