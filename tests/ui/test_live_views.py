"""The views of the live page in a real browser: one server and one page for many questions."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from legm import ExperimentHandler
from legm.console.console_options import console_path
from legm.runlog.configuration_folders import artifacts_folder
from tests.support.browsing import LivePageInBrowser
from tests.support.calling import call
from tests.support.live_page import served_page
from tests.support.paths import SAMPLES
from tests.support.waiting import until

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="needs signals")]

HOSTILE = "<img src=x onerror=document.title='taken'>"
RATES = (0.1, 0.01, 0.001)
FAILED = 4  # of six configurations
OF_DIFFERENT_CODE = ("sgd", 0.001)
OF_CHANGED_CODE = ("adam", 0.1)
PATCH = f"""diff --git a/net.py b/net.py
--- a/net.py
+++ b/net.py
@@ -1 +1 @@
-width = 1
+width = "{HOSTILE}"
"""
LONG_NAMES = [
    f"model/encoder/blocks/attention/projection-{letter}/learning_rate" for letter in "abcdefghijkl"
]
INSTANCE = """
const done = arguments[0];
import(location.origin + location.pathname + "page/live_state.js").then(({liveState}) => {
    done(liveState.instance);
});
"""
WIDTHS = "return [...document.querySelectorAll('#media-cards article img')].map((one) => one.naturalWidth)"
PLAYED = "const [sound, video] = document.querySelectorAll('#run .files :is(audio, video)[controls]');"
HANDLES = "return [...document.querySelectorAll('.axis-handle')].map((one) => one.dataset.axisHandle)"
AXES = """
const of = (selector) => document.querySelector(selector).getBoundingClientRect();
const box = (one) => [one.left, one.right];
const titles = [...document.querySelectorAll('#parallel-plot .annotation-text')];
const count = document.querySelectorAll('.axis-handle').length;
return {
    titles: titles.slice(0, count).map((one) => one.textContent),
    boxes: titles.slice(0, count).map((one) => box(one.getBoundingClientRect())),
    metric: box(of('#parallel-metric')), frame: box(of('#parallel-frame')),
    width: document.getElementById('parallel-inside').scrollWidth,
};
"""


def logged(root: Path, optimizer: str, rate: float, seed: int, **options: bool) -> Path:
    """Log a run, and return the folder of its files."""
    handler = ExperimentHandler(root, "net", **options)
    handler.set_dict_params({"rate": rate, "optimizer": optimizer, "seed": seed, "layers": 3})
    handler.disable_param("seed")
    handler.start()
    shift = 0.5 if optimizer == "sgd" else 0.0
    for step in range(12):
        loss = shift + rate + (seed + 1) / 100 / (step + 1)
        handler.set_dict_metrics({"loss": loss, "accuracy": 1 - loss, "epoch": step // 3}, step=step)
        if optimizer == "adam" and step % 4 == 0:
            picture = np.full((4, 4, 3), 10 * step, np.uint8)
            handler.log_image("digits", picture, step=step, caption=HOSTILE)
    if rate == RATES[0]:
        path = root.parent / "notes.txt"
        path.write_text(HOSTILE)
        handler.log_artifact(path)
        handler.log_artifact(SAMPLES / "media" / "square.webm")
        handler.log_artifact(written_silence(root.parent / "silence.wav"))
        console = console_path(handler.configuration_folder, str(handler.run_id))
        console.write_text(f"epoch 1\n{HOSTILE}\n\x1b]0;taken\x07\x1b[31mred\n")
    handler.log()
    return artifacts_folder(handler.configuration_folder, str(handler.run_id))


def written_silence(path: Path) -> Path:
    """Write a sound of a tenth of a second, and return its path."""
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    return path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views") / "results"
    for optimizer in ("adam", "sgd"):
        for rate in RATES:
            for seed in range(4):
                if (optimizer, rate) == OF_DIFFERENT_CODE:
                    git = {"commit": ("b" if seed == 3 else "a") * 40, "dirty": False}
                    logged_with_code(folder, optimizer, rate, seed, git)
                elif (optimizer, rate) == OF_CHANGED_CODE:
                    logged_with_patch(folder, optimizer, rate, seed)
                else:
                    logged(folder, optimizer, rate, seed)
    for number in range(6):
        for seed in range(2):
            with ExperimentHandler(folder, "six") as handler:
                handler.set_dict_params({"number": number, "seed": seed})
                handler.disable_param("seed")
                handler.start()
                handler.set_metric("loss", number + seed / (number + 4))
                if number == FAILED:
                    handler.end("failed", "out of memory")
    for number in range(3):
        with ExperimentHandler(folder, "wide") as handler:
            handler.set_dict_params({name: number + at for at, name in enumerate(LONG_NAMES)})
            handler.start()
            handler.set_metric("loss", number + 0.5)
    return folder


def logged_with_code(
    root: Path, optimizer: str, rate: float, seed: int, git: dict[str, object], **options: bool
) -> Path:
    """Log a run as if a script of a repository did, and return the folder of its files."""
    environment = {"git": git, "command": ["python", "train.py", HOSTILE], "script": "/home/me/net/train.py"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LEGM_PROVENANCE", "1")
        patched.chdir(root.parent)  # it is in no repository
        patched.setattr("legm.delivery.run_start.collect_started_environment", lambda *_: environment)
        return logged(root, optimizer, rate, seed, **options)


def logged_with_patch(root: Path, optimizer: str, rate: float, seed: int) -> None:
    """The same with uncommitted changes, and the machine's own metrics."""
    kept = {"file": "uncommitted.patch", "sha256": hashlib.sha256(PATCH.encode()).hexdigest()}
    git = {"commit": "a" * 40, "folder": "/home/me/net", "dirty": True, "patch": kept}
    artifacts = logged_with_code(root, optimizer, rate, seed, git, system_metrics=True)
    (artifacts / kept["file"]).write_text(PATCH)


@pytest.fixture
def page(browser, root, tmp_path) -> Iterator[LivePageInBrowser]:
    browser.get_log("browser")
    with served_page(root, tmp_path) as served:
        browser.get(f"{served.address}#experiment=net&metric=best_loss")
        yield LivePageInBrowser(browser)
        browser.get("about:blank")


def test_every_view_shows_what_it_promises(page, root, tmp_path):
    until(lambda: page.view() == "board" and len(page.rows()) == 6)
    averages_over_different_code_say_so(page)
    groups_are_made_live(page, tmp_path)
    columns_are_moved(page)
    rows_differ_from_the_baseline(page)
    tags_are_edited_in_the_row(page, root)
    tables_and_pictures_are_saved(page, page.save_into(tmp_path))
    the_link_is_copied_or_shown(page)
    curves_are_switched(page)
    curves_have_another_axis(page)
    axes_are_moved_turned_and_brushed(page)
    relations_are_drawn(page)
    two_are_chosen_and_compared(page)
    another_experiment_is_chosen(page)
    twelve_axes_of_long_names_are_dragged(page)
    configurations_are_compared(page)
    six_are_compared_of_which_one_has_no_completed_run(page)
    a_configuration_has_a_view(page, tmp_path)
    a_run_has_a_view(page)
    tables_of_a_run_are_saved(page, tmp_path)
    an_address_stays_while_something_comes(page)
    every_tab_is_told_what_has_changed(page, root)
    the_theme_stays(page)
    assert [one["message"] for one in page.browser.get_log("browser") if one["level"] == "SEVERE"] == []


def test_a_page_that_changes_nothing_has_no_editor_and_one_without_runs_says_what_to_do(
    browser, root, tmp_path
):
    page = LivePageInBrowser(browser)
    with served_page(root, tmp_path, "--read-only") as served:
        browser.get(f"{served.address}#experiment=net&metric=best_loss")
        until(lambda: page.view() == "board" and len(page.rows()) == 6)
        assert page.texts("#table button.edit") == []
        page.run("document.querySelector('#table tr[data-row] .open').click()")
        until(lambda: page.run("return document.querySelector('#table .runs-part a')"))
        page.click("#table .runs-part a")
        until(lambda: page.view() == "run" and page.text("#run-facts"))
        assert page.texts("#run-save") == []
        browser.get("about:blank")
    (tmp_path / "empty").mkdir()
    with served_page(tmp_path / "empty", tmp_path) as served:
        browser.get(served.address)
        until(lambda: "There is no experiment here yet." in page.text("#overview-empty"))
        assert "start()" in page.text("#overview-empty")
        browser.get("about:blank")


def averages_over_different_code_say_so(page: LivePageInBrowser) -> None:
    shown = page.run("return document.body.innerText")
    assert shown.count("averaged runs come from different code: 3 runs of aaaaaaa, 1 of bbbbbbb") == 1
    (badge,) = page.run(
        "return [...document.querySelectorAll('#table .badge')].filter("
        "(one) => one.textContent === 'different code').map((one) => one.title)"
    )
    assert badge == "3 runs of aaaaaaa, 1 of bbbbbbb"


def groups_are_made_live(page: LivePageInBrowser, folder: Path) -> None:
    page.click("#group-by input[data-group-by=optimizer]")
    until(lambda: len(page.texts("#groups-table tbody tr")) == 2)
    assert page.texts("#groups-table tbody td:nth-child(2)") == ["adam", "sgd"]
    folder = page.save_into(folder)
    page.click("#groups-download [data-format=csv]")
    head, first, _ = until(lambda: saved(folder, "legm-groups.csv")).decode().splitlines()
    assert head == "optimizer,description,best_loss_mean,best_loss_std,configurations,runs"
    assert first.startswith("adam,,")
    assert first.endswith(",3,12")
    assert "group=" in page.browser.current_url
    page.browser.refresh()
    until(lambda: page.view() == "board" and len(page.texts("#groups-table tbody tr")) == 2)
    page.click("#group-by input[data-group-by=optimizer]")
    until(lambda: page.run("return document.getElementById('groups').hidden"))


def titles(page: LivePageInBrowser) -> list[str]:
    return page.run(
        "return [...document.querySelectorAll('#table thead [data-column]')].map((o) => o.dataset.column)"
    )


def columns_are_moved(page: LivePageInBrowser) -> None:
    before = titles(page)
    assert before[-2:] == ["p:optimizer", "p:rate"]
    button = page.browser.find_element("css selector", "#table [data-column='p:rate']")
    button.send_keys("\ue00a\ue012")  # Alt and the left arrow
    assert titles(page)[-2:] == ["p:rate", "p:optimizer"]
    assert page.run("return document.activeElement.dataset.column") == "p:rate"
    page.click("#columns [data-move='later p:rate']")
    assert titles(page) == before
    page.drag("#table [data-column='p:rate']", "#table [data-column='p:optimizer']")
    until(lambda: titles(page)[-2:] == ["p:rate", "p:optimizer"])
    page.drag("#table [data-column='p:optimizer']", "#table [data-column='p:rate']")
    until(lambda: titles(page) == before)
    page.click("#columns input[data-id='p:rate']")
    assert "p:rate" not in titles(page)
    page.click("#columns input[data-id='p:rate']")
    assert "columns=" in page.browser.current_url


def rows_differ_from_the_baseline(page: LivePageInBrowser) -> None:
    page.click("#columns input[data-id=difference]")
    until(lambda: any("p " in text for text in page.texts("#table td.difference")))
    cells = page.texts("#table td.difference")
    assert cells[0] == "A, the baseline"
    assert cells[-1].startswith("+0.5")
    assert "corrected together for all" in page.text("#leaderboard-note")
    page.click("#table [data-column=difference]")
    assert page.texts("#table td.difference")[-1].startswith("+0.5")


def tags_are_edited_in_the_row(page: LivePageInBrowser, root: Path) -> None:
    page.click("#table tr[data-row] button.edit")
    assert page.run("return document.activeElement.placeholder") == "tags"
    page.run("document.activeElement.value = 'good steady'")
    page.browser.switch_to.active_element.send_keys("\ue007")
    until(lambda: "good (4), steady (4)" in page.text("#table"))
    assert call("tag", str(root / "net"), "--tag", "good").stdout.count("steady") == 4


def tables_and_pictures_are_saved(page: LivePageInBrowser, folder: Path) -> None:
    tables = {"csv": "Configuration,", "latex": "% \\usepackage{booktabs}", "markdown": "| "}
    for suffix, (kind, start) in zip(("csv", "tex", "md"), tables.items(), strict=True):
        page.click(f"#leaderboard-download [data-format={kind}]")
        text = until(lambda suffix=suffix: saved(folder, f"legm-net.{suffix}")).decode()
        assert text.startswith(start)
        assert text.count("adam") >= 3
    until(lambda: page.run("return document.querySelector('#curves-plot .modebar-btn')"))
    for kind, start in (("svg", b"<svg"), ("png", b"\x89PNG")):
        page.click(f"#curves-plot .modebar-btn[data-title*='{kind.upper()}']")
        assert until(lambda kind=kind: saved(folder, f"*.{kind}")).startswith(start)


def saved(folder: Path, pattern: str) -> bytes:
    """What a browser has saved wholly; empty until then."""
    found = list(folder.glob(pattern))
    return found[0].read_bytes() if len(found) == 1 and not list(folder.glob("*.part")) else b""


def the_link_is_copied_or_shown(page: LivePageInBrowser) -> None:
    said = "return document.querySelector('#leaderboard-download [role=status]').textContent"
    page.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.click("#leaderboard-download [data-format=link]")
    until(lambda: page.run(said) == "The link is copied")
    assert page.run("return window.copied") == page.browser.current_url
    page.run("navigator.clipboard.writeText = async () => { throw new Error('not allowed'); }")
    page.click("#leaderboard-download [data-format=link]")
    until(lambda: page.run(said) == page.browser.current_url)
    page.run("delete navigator.clipboard.writeText")


def curves_are_switched(page: LivePageInBrowser) -> None:
    plot = "return document.getElementById('curves-plot')"
    bands = f"{plot}.data.filter((one) => one.meta?.band).length"
    until(lambda: page.run(bands) == 5)
    for number in (0, 5):
        page.click("#spread")
        until(lambda number=number: page.run(bands) == number)
    for control, axis in (("#logarithmic", "yaxis"), ("#logarithmic-steps", "xaxis")):
        for kind in ("log", "linear"):
            page.click(control)
            until(lambda axis=axis, kind=kind: page.run(f"{plot}._fullLayout.{axis}.type") == kind)
    for control, number in (("#show-all", 6), ("#show-best", 5)):
        page.click(control)
        until(lambda number=number: page.run(bands) == number)
        assert len(page.texts("#table tbody .pick input:checked")) == number


def curves_have_another_axis(page: LivePageInBrowser) -> None:
    lines = "return (document.getElementById('curves-plot').data ?? []).filter((one) => one.mode !== 'none')"
    page.click("#each")
    until(lambda: len(page.run(lines)) == 5 * 4)  # the best five configurations with four runs each
    page.choose("#x-axis", "metric:epoch")
    until(lambda: page.run(lines) and page.run(lines)[0]["x"] == [step // 3 for step in range(12)])
    page.choose("#x-axis", "time")
    until(lambda: page.run(lines) and str(page.run(lines)[0]["x"][0]).startswith(time.strftime("%Y-")))
    page.choose("#x-axis", "step")
    page.click("#each")
    page.click("#curve-metrics [data-metric=accuracy]")
    until(lambda: page.run("return document.getElementById('curves-plot').layout.xaxis2?.matches") == "x")
    assert page.run("return document.getElementById('curves').classList.contains('wide')")
    left = "return document.getElementById('curves-plot').layout.xaxis2.domain[0]"
    for columns, is_below in (("1", True), ("2", False)):
        page.choose("#grid-columns", columns)
        until(lambda is_below=is_below: (page.run(left) == 0) == is_below)
    drawn = "return new URLSearchParams(location.hash.slice(1)).get('curves')"
    assert json.loads(page.run(drawn)) == ["loss", "accuracy"]
    chip = page.browser.find_element("css selector", "#curve-metrics [data-metric=loss]")
    chip.send_keys("\ue00a\ue014")  # Alt and the right arrow
    until(lambda: json.loads(page.run(drawn)) == ["accuracy", "loss"])
    assert page.run("return document.activeElement.dataset.metric") == "loss"


def axes_are_moved_turned_and_brushed(page: LivePageInBrowser) -> None:
    from selenium.webdriver import ActionChains

    page.run("document.getElementById('parallel').scrollIntoView()")
    labels = (
        "return document.getElementById('parallel-plot').layout.annotations"
        ".filter((one) => one.x === 0 && one.xanchor === 'right').map((one) => [one.text, one.y])"
    )
    until(lambda: len(page.run(HANDLES)) == 3)
    assert page.run(HANDLES)[:2] == ["optimizer", "rate"]
    page.browser.find_element("css selector", "[data-axis-handle=rate]").send_keys("\ue00a\ue012")
    until(lambda: page.run(HANDLES)[:2] == ["rate", "optimizer"])
    before = dict(page.run(labels))
    page.click("[data-axis-handle=rate]")
    until(lambda: dict(page.run(labels)) == pytest.approx({text: 1 - at for text, at in before.items()}))
    assert "reversed=" in page.browser.current_url
    zone = page.browser.find_elements("css selector", ".brush-zone")[0]
    drag = ActionChains(page.browser).move_to_element(zone).click_and_hold().move_by_offset(0, 150)
    drag.release().perform()
    until(lambda: page.text("#brush-filter").startswith("Filter by the brushes: "))
    number = int(page.text("#brush-filter").split()[4])
    assert number in {2, 4}
    page.click("#brush-filter")
    if number == 2:  # one value, which is a filter
        until(lambda: len(page.rows()) == 2)
        page.click("#clear-filters")
    until(lambda: len(page.rows()) == 6)


def twelve_axes_of_long_names_are_dragged(page: LivePageInBrowser) -> None:
    board = page.browser.current_url
    axes = quote(json.dumps(LONG_NAMES))
    page.browser.get(f"{board.partition('#')[0]}#experiment=wide&axes={axes}")
    page.browser.set_window_size(1000, 1000)
    sight = "document.getElementById('parallel').scrollIntoView();"
    until(lambda: page.run(sight + HANDLES) == [*LONG_NAMES, "metric best_loss"])
    shown = page.run(AXES)
    assert len(set(shown["titles"])) == len(LONG_NAMES) + 1  # shortened, and still different
    for one, other in itertools.pairwise(sorted(shown["boxes"])):
        assert one[1] <= other[0] + 1  # no title is over another one
    for scrolled in (0, 10_000):
        shown = page.run(f"document.getElementById('parallel-frame').scrollLeft = {scrolled};{AXES}")
        left, right = shown["metric"]
        assert shown["frame"][0] < left < right <= shown["frame"][1] + 1
        assert right >= shown["frame"][1] - 2  # it stays at the right edge
    assert shown["frame"][1] - shown["frame"][0] < shown["width"]  # which is not for nothing
    page.run("document.getElementById('parallel-frame').scrollLeft = 0")
    page.drag(f"[data-axis-handle='{LONG_NAMES[3]}']", f"[data-axis-handle='{LONG_NAMES[0]}']")
    until(lambda: page.run(HANDLES)[:2] == [LONG_NAMES[3], LONG_NAMES[0]])
    assert page.run(HANDLES)[-1] == "metric best_loss"
    page.keep_picture("ui-twelve-axes")
    page.browser.set_window_size(1500, 1000)
    page.browser.get(board)
    until(lambda: page.view() == "board" and len(page.rows()) == 6)


def relations_are_drawn(page: LivePageInBrowser) -> None:
    page.run("document.getElementById('relations').scrollIntoView()")
    until(lambda: page.run("return document.getElementById('relations-plot').data"))
    page.choose("#scatter-x", "p:rate")
    page.choose("#scatter-colour", "m:best_loss")
    points = "return document.getElementById('relations-plot').data?.[0]"
    until(lambda: sorted(page.run(points)["x"]) == sorted([*RATES, *RATES]))
    assert len(page.run(points)["marker"]["color"]) == 6
    page.choose("#scatter-y", "p:rate")
    until(lambda: page.run(points)["y"] == page.run(points)["x"])
    page.click("#relation-importance")
    until(lambda: page.texts("#relations-table tbody td:first-child")[:1] == ["optimizer"])
    page.click("#relation-bars")
    until(lambda: len(page.run(points)["x"]) == 6)
    page.click("#relation-scatter")
    until(lambda: page.run(points)["y"] == page.run(points)["x"])
    assert len(page.run(points)["marker"]["color"]) == 6


def two_are_chosen_and_compared(page: LivePageInBrowser) -> None:
    page.run("document.getElementById('compare').scrollIntoView()")
    names = "return [...document.querySelectorAll('#compare-b option')].map((one) => [one.value, one.text])"
    _, (second, _), (third, name), *_ = page.run(names)
    page.choose("#compare-b", third)
    until(lambda: name.partition(". ")[2] in page.text("#compare-tables thead"))
    equal_parameters_are_shown_and_hidden(page, "#equal-too", "#compare-tables")
    page.choose("#compare-b", second)
    until(lambda: name.partition(". ")[2] not in page.text("#compare-tables thead"))


def equal_parameters_are_shown_and_hidden(page: LivePageInBrowser, control: str, where: str) -> None:
    names = f"{where} tbody th"
    until(lambda: page.texts(names))
    assert "layers" not in page.texts(names)
    page.click(control)
    until(lambda: "layers" in page.texts(names))
    page.click(control)
    until(lambda: "layers" not in page.texts(names))


def another_experiment_is_chosen(page: LivePageInBrowser) -> None:
    board = page.browser.current_url
    page.choose("#live-experiment", "wide")
    until(lambda: page.view() == "board" and len(page.rows()) == 3)
    assert "experiment=wide" in page.browser.current_url
    page.browser.get(board)
    until(lambda: page.view() == "board" and len(page.rows()) == 6)
    assert page.run("return document.getElementById('live-experiment').value") == "net"


def configurations_are_compared(page: LivePageInBrowser) -> None:
    page.click("#show-none")
    for row in page.run(
        "return [...document.querySelectorAll('#table tr[data-row]')].slice(0, 2).map((o) => o.dataset.row)"
    ):
        page.click(f"#table input[data-row='{row}']")
    address = page.browser.current_url
    page.click("#compare-ticked")
    until(lambda: page.view() == "compare" and "p " in page.text("#compared-tables .difference"))
    assert "view=compare" in page.browser.current_url
    assert "baseline" in page.text("#compared-tables thead")
    assert "rate" in page.texts("#compared-tables tr.differs th")
    until(lambda: "newest run" in page.text("#compared-code"))
    until(lambda: page.run("return document.getElementById('curves-plot').data?.length > 1"))
    assert page.run("return document.getElementById('leaderboard').offsetParent") is None
    equal_parameters_are_shown_and_hidden(page, "#compared-equal", "#compared-tables")
    page.run("document.getElementById('media').scrollIntoView()")
    until(lambda: page.run(WIDTHS) == [4, 4])  # a picture of each
    shown = [text.strip() for text in page.texts("#media-cards h3")]
    assert shown == page.texts("#compared-tables thead a")[:2]
    page.browser.refresh()
    until(lambda: page.view() == "compare" and "p " in page.text("#compared-tables .difference"))
    page.browser.back()
    until(lambda: page.view() == "board" and page.browser.current_url == address)
    page.browser.forward()
    until(lambda: page.view() == "compare" and "p " in page.text("#compared-tables .difference"))
    page.browser.back()
    until(lambda: page.view() == "board" and page.browser.current_url == address)


def six_are_compared_of_which_one_has_no_completed_run(page: LivePageInBrowser) -> None:
    """It says so, and the others keep the intervals of their completed runs."""
    board = page.browser.current_url
    page.browser.get(f"{board.partition('#')[0]}#experiment=six&metric=best_loss")
    until(lambda: page.view() == "board" and page.text("#compare-ticked") == "Compare the 5 ticked")
    page.run("document.querySelector('#table td.pick input:not(:checked)').click()")
    until(lambda: page.text("#compare-ticked") == "Compare the 6 ticked")
    until(lambda: len(page.texts("#significance tbody tr")) == 5)
    assert "no completed run" in page.texts("#significance tbody tr")[-1]
    page.click("#compare-ticked")
    until(lambda: page.view() == "compare" and "p " in page.text("#compared-tables .difference"))
    baseline, *others, failed = page.texts("#compared-tables tr.chosen td")
    assert "n = 2" in baseline
    assert [text.count(" … ") for text in others] == [1] * 4
    assert failed == "no completed run, 2 failed"
    page.browser.get(board)
    until(lambda: page.view() == "board" and len(page.rows()) == 6)


def a_configuration_has_a_view(page: LivePageInBrowser, folder: Path) -> None:
    page.run("document.querySelectorAll('#table tr[data-row] .open')[1].click()")  # that below the baseline
    page.click("#table .detail a[href*='view=configuration']")
    until(
        lambda: (
            page.view() == "configuration"
            and len(page.texts("#configuration-parts .runs-part tbody tr")) == 4
        )
    )
    assert "rank " in page.text("#configuration-note")
    equal_parameters_are_shown_and_hidden(page, "#configuration-equal", "#configuration-parts")
    folder = page.save_into(folder)
    page.click("#configuration-parts .runs-part [data-format=csv]")
    head, *runs = until(lambda: saved(folder, "legm-runs.csv")).decode().splitlines()
    assert head.startswith("run,status,seed,best_step,chosen,best_loss,")
    assert len(runs) == 4
    assert all(run.split(",")[1] == "completed" for run in runs)
    page.click("#configuration-parts [data-format=markdown]")
    assert "| rate " in until(lambda: saved(folder, "legm-parameters.md")).decode()
    page.click("#back a")
    until(lambda: page.view() == "board")
    page.browser.back()
    until(lambda: page.view() == "configuration" and page.texts("#configuration-parts .runs-part tbody tr"))


def a_run_has_a_view(page: LivePageInBrowser) -> None:
    page.browser.get(page.browser.current_url.partition("#")[0] + "#experiment=net&metric=best_loss")
    until(lambda: page.view() == "board" and len(page.rows()) == 6)
    fingerprint = page.run(
        "const row = [...document.querySelectorAll('#table tr[data-row]')]"
        ".find((one) => one.innerText.includes('0.1') && one.innerText.includes('adam'));"
        "row.querySelector('.open').click(); return row.dataset.id"
    )
    assert fingerprint
    until(lambda: page.run("return document.querySelector('#table .runs-part a')"))
    page.click("#table .runs-part a")
    until(lambda: page.view() == "run" and page.text("#run-differences"))
    assert "rate" in page.text("#run-differences")
    until(lambda: len(page.texts("#run-media article")) == 1)
    beside = page.run("return document.getElementById('run-beside').options[1].value")
    page.choose("#run-beside", beside)
    until(lambda: len(page.texts("#run-media article")) == 2)
    page.run(
        "const slider = document.getElementById('run-media-step'); slider.value = 0;"
        "slider.dispatchEvent(new Event('input'))"
    )
    until(lambda: all("step 0" in text for text in page.texts("#run-media article")))
    assert f"beside={beside}" in page.browser.current_url
    page.browser.refresh()
    until(lambda: [text.count("step 0") for text in page.texts("#run-media article")] == [1, 1])
    until(lambda: page.text("#console").splitlines()[:2] == ["epoch 1", HOSTILE])
    until(lambda: page.texts("#run-curves .system .plot .main-svg"))
    page.click("#run .files button")
    until(lambda: page.text("#run .preview pre") == HOSTILE)
    page.run(f"{PLAYED} sound.preload = video.preload = 'auto'")
    until(lambda: page.run(f"{PLAYED} return [sound.duration, video.videoWidth]") == [0.1, 64])
    assert HOSTILE in page.text("#run-media figcaption")
    assert "\x1b" not in page.text("#console")
    assert page.text("#run-curves .machine")
    shown = page.text("#reproduce")
    assert "git apply" in shown
    assert "uncommitted.patch" in shown
    assert "/train.py '<img src=x" in shown
    buttons = "[...document.querySelectorAll('#run button')]"
    page.run(f"{buttons}.find((one) => one.innerText === 'Show the uncommitted changes').click()")
    until(lambda: page.text("#run .head + .patch").rstrip() == PATCH.rstrip())  # below its heading
    page.run(f"{buttons}.find((one) => one.innerText === 'Hide the uncommitted changes').click()")
    assert page.text("#run .patch") == ""
    assert page.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert page.browser.title != "taken"


def tables_of_a_run_are_saved(page: LivePageInBrowser, folder: Path) -> None:
    folder = page.save_into(folder)
    tables = page.run("return document.querySelectorAll('#run table').length")
    assert page.run("return document.querySelectorAll('#run .download').length") == tables
    page.click("#run .pair .download [data-format=csv]")  # the values, exactly
    lines = until(lambda: saved(folder, "legm-values.csv")).decode().splitlines()
    assert lines[0] == "metric,best,test"
    best = dict(line.split(",")[:2] for line in lines[1:])
    assert float(best["accuracy"]) == 1 - float(best["loss"])


def an_address_stays_while_something_comes(page: LivePageInBrowser) -> None:
    """What is drawn while another view is loaded does not put the address back."""
    board = page.browser.current_url.partition("#")[0] + "#experiment=net"
    page.browser.get(board)
    until(lambda: page.view() == "board" and page.run("return document.querySelector('#table tr[data-row]')"))
    page.run("document.querySelector('#table tr[data-row] .open').click()")
    until(lambda: page.run("return document.querySelector('#table .runs-part a')"))
    address = page.run(
        "const link = document.querySelector('#table .runs-part a');"
        "link.click();"
        "document.querySelector('#logarithmic').click();"  # draws at once, before the view is there
        "return link.hash"
    )
    assert "view=run" in address
    until(lambda: page.view() == "run")
    assert page.run("return location.hash") == address
    page.browser.back()
    until(lambda: page.view() == "board")


def every_tab_is_told_what_has_changed(page: LivePageInBrowser, root: Path) -> None:
    first = page.browser.current_window_handle
    board = page.browser.current_url.partition("#")[0] + "#experiment=net&metric=best_loss"
    page.browser.get(board)
    until(lambda: page.view() == "board" and len(page.rows()) == 6)
    for number in range(7):  # more than a browser opens connections to a server
        page.browser.switch_to.new_window("tab")
        page.browser.get(board if number == 6 else board.partition("#")[0])
        until(lambda: page.rows() or page.texts(".card"))
    last = page.browser.current_window_handle
    if page.browser.name != "firefox":  # which does not let a test import a module of the page
        until(lambda: page.browser.execute_async_script(INSTANCE))
    told = [last, first]
    if page.browser.name != "firefox":  # which has no such command
        page.browser.switch_to.new_window("tab")
        without = {"source": "delete window.SharedWorker"}
        page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", without)
        page.browser.get(board)
        until(lambda: page.view() == "board" and len(page.rows()) == 6)
        assert page.run("return typeof SharedWorker") == "undefined"  # it has a connection of its own
        told.insert(0, page.browser.current_window_handle)
    assert call("tag", str(root / "net"), "+told", "--yes").exit_code == 0
    for tab in told:
        page.browser.switch_to.window(tab)
        until(lambda: "told (4)" in page.text("#table"))
    logged(root, "adam", RATES[1], seed=4)
    for tab in page.browser.window_handles:
        page.browser.switch_to.window(tab)
        if tab not in told:
            until(lambda: any("25 completed" in text for text in page.texts(".card")))
        if tab != first:
            page.browser.close()
    page.browser.switch_to.window(first)


def the_theme_stays(page: LivePageInBrowser) -> None:
    theme = "return document.documentElement.dataset.theme"
    page.browser.get(page.browser.current_url.partition("#")[0])
    until(lambda: page.texts(".card"))
    assert page.run(theme) == ""
    page.click("#theme")
    chosen = page.run(theme)
    assert chosen
    page.browser.refresh()
    until(lambda: page.texts(".card"))
    assert page.run(theme) == chosen
    page.click(".card a")
    until(lambda: page.view() == "board" and page.rows())
    assert page.run(theme) == chosen
