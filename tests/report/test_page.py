"""The report's page in a real browser: from a file, without a network, as a user uses it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import plotly.graph_objects
import pytest

from legm import ExperimentHandler, report
from legm.analysis.comparison import compare_runs
from legm.analysis.overview import read_overview
from legm.core.identity import configuration_differences
from legm.delivery.client import BackendClient, connect_client
from legm.delivery.registry import make_backend
from legm.records import BestRule, Configuration, History, Run, RunResult, Series, Split, Status
from legm.runlog.configuration_folders import configuration_folders
from legm.testing.memory import MemoryBackend
from tests.support.browsing import keep_picture
from tests.support.calling import as_json
from tests.support.different_code import make_runs_of_different_code
from tests.support.paths import SAMPLES
from tests.support.reports import content_of, decoded_numbers
from tests.support.waiting import until

HOSTILE = "<script>document.title='taken'</script>"
RATES = (0.5, 0.1, 0.02, 0.004)
WIDE, NARROW = 1600, 360
BACKSPACE = "\ue003"  # to WebDriver


def train(
    root: Path, experiment: str, params: dict, *, fails: str = "", factor: float = 1.0, **options: Any
) -> None:
    """One run whose curves depend on the learning rate and the seed."""
    with suppress(RuntimeError), ExperimentHandler(root, experiment, **options) as handler:
        handler.set_dict_params({"batch_size": 32, "momentum": 0.9, **params})
        handler.set_parent("momentum", "optimizer", "sgd")
        handler.disable_param("seed")
        handler.name_params(["optimizer", "rate"])
        handler.start()
        handler.tag(*["favourite", "good"][: handler.seed])
        for step in range(20):
            loss = factor * (1 + handler.seed / 10) / (1 + step * (1 - abs(handler.rate - 0.1)))
            handler.set_dict_metrics({"loss": loss, "accuracy": 1 - loss / 2}, step=step)
        if fails:
            raise RuntimeError(fails)
        handler.set_best("early_stopping", metric="loss", higher_better=False)
        handler.set_metric("accuracy", 1 - loss, test=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight configurations with three seeds each, two failed runs, and hostile names."""
    folder = tmp_path_factory.mktemp("runs") / "results"
    for optimizer in ("adam", "sgd"):
        for rate in RATES:
            for seed in range(3):
                train(folder, "net", {"optimizer": optimizer, "rate": rate, "seed": seed})
    train(folder, "net", {"optimizer": "sgd", "rate": 0.5, "seed": 3}, fails=f"out of memory {HOSTILE}")
    train(
        folder, "net", {"optimizer": HOSTILE, "rate": 0.1, "seed": 0}, fails="diverged", description=HOSTILE
    )
    train(folder, HOSTILE, {"optimizer": "adam", "rate": 0.1, "seed": 0, HOSTILE: "%{x}"})
    return folder


@pytest.fixture(scope="module")
def address(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("page") / "report.html"
    report.write(BackendClient(make_backend("local", root, {}), root), ["net", HOSTILE], place)
    return place.as_uri()


class Page:
    """What a user sees of the page, and does with it."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def open(self, address: str, *, width: int = WIDE, theme: str = "light") -> Page:
        self.browser.get_log("browser")
        self.browser.get("about:blank")
        self.look(theme)
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.get(address)
        until(self.is_drawn)
        return self

    def is_drawn(self) -> bool:
        """Whether the page's script, which draws it as a whole, has ended."""
        return bool(self.run("return Boolean(document.querySelector('#bottom')?.textContent)"))

    def look(self, theme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", selector))

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self.one(selector).click()

    def choose(self, selector: str, text: str) -> None:
        from selenium.webdriver.support.select import Select

        Select(self.one(selector)).select_by_visible_text(text)

    def texts(self, selector: str) -> list[str]:
        found = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector
        )
        return [str(text) for text in found]

    def names(self) -> list[str]:
        """The configurations of the leaderboard, from the top."""
        return self.texts("#table tbody tr[data-row] .open .name")

    def drawn(self) -> list[str]:
        """The curves that are to be seen."""
        return [
            str(name)
            for name in self.run(
                "return document.getElementById('curves-plot').data?.filter((one) => one.name && "
                "one.visible !== 'legendonly').map((one) => one.name) ?? []"
            )
        ]

    def plot(self, name: str, path: str) -> Any:
        return self.run(f"return document.getElementById('{name}-plot').{path}")

    def problems(self) -> list[str]:
        return [str(entry["message"]) for entry in self.browser.get_log("browser")]

    def keep_picture(self, name: str) -> None:
        """For a user to look at, where one asks for it."""
        keep_picture(self.browser, name)


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    found = Page(browser)
    yield found
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_page_opens_from_a_file_without_errors_and_asks_the_network_for_nothing(page, address):
    page.open(address)
    assert page.texts("#counts li") == [
        "9 configurations",
        "✓24 completed",
        "✕2 failed",
        "‖0 interrupted",
        "✂0 pruned",
        "▸0 running",
    ]
    assert page.names()[0] == "adam,0.1_0"
    assert page.drawn()[0] == "adam,0.1_0"
    assert page.run("return performance.getEntriesByType('resource').map((one) => one.name)") == []
    assert page.problems() == []


def test_the_browser_itself_keeps_the_page_from_the_network(page, address):
    page.open(address)
    script = (
        "const done = arguments[0]; const refused = new Set();"
        "const expected = ['connect-src', 'img-src', 'script-src-elem'];"
        "document.addEventListener('securitypolicyviolation', (e) => {"
        "refused.add(e.effectiveDirective);"
        "if (expected.every((one) => refused.has(one))) done([...refused]); });"
        "fetch('http://127.0.0.1:1/').catch(() => {});"
        "const image = new Image(); image.src = 'http://127.0.0.1:1/x.png';"
        "const script = document.createElement('script'); script.textContent = 'document.title = 1';"
        "document.head.append(script);"
    )
    refused = page.browser.execute_async_script(script)
    assert {"connect-src", "img-src", "script-src-elem"} <= set(refused)
    assert page.browser.title == "results · legm report"
    page.problems()


def test_no_button_sends_a_picture_anywhere(page, address):
    page.open(address)
    titles_of = "return [...document.querySelectorAll(arguments[0])].map((one) => one.dataset.title)"
    for plot in ("#curves-plot", "#relations-plot"):
        titles = page.run(titles_of, f"{plot} .modebar-btn")
        assert {"Download as SVG", "Download as PNG", "Zoom", "Pan", "Reset axes"} <= set(titles)
        assert len(titles) == 7
        assert not [title for title in titles if "hare" in title or "loud" in title]


# The leaderboard


def test_a_click_on_a_heading_sorts_and_another_one_turns_it(page, address):
    page.open(address)
    heading = '#table [data-column="p:rate"]'
    page.click(heading)
    rates = [float(name.removesuffix("_0").split(",")[1]) for name in page.names() if "script" not in name]
    assert rates == sorted(rates)
    assert page.one('th[aria-sort="ascending"]').text.startswith("rate")
    page.click(heading)
    rates = [float(name.removesuffix("_0").split(",")[1]) for name in page.names() if "script" not in name]
    assert rates == sorted(rates, reverse=True)
    assert page.one('th[aria-sort="descending"]').text.startswith("rate")


def test_the_leaderboard_is_sorted_from_the_keyboard_too(page, address):
    page.open(address)
    heading = page.one('#table [data-column="name"]')
    heading.send_keys("\n")
    names = page.names()
    assert names == sorted(names)
    assert page.run("return document.activeElement.dataset.column") == "name"


def test_the_first_is_best_and_what_has_no_value_is_last_whatever_the_direction(page, address):
    page.open(address)
    first = page.names()
    assert page.one("#lower").get_attribute("aria-pressed") == "true"
    assert page.one("#because").text == "as the runs chose their best step"
    page.click("#higher")
    turned = page.names()
    assert turned[0] in {"adam,0.5_0", "sgd,0.5_0"}
    assert first[0] in {"adam,0.1_0", "sgd,0.1_0"}
    assert first[-1] == turned[-1]
    assert "script" in first[-1]
    assert page.one("#because").text == "as you chose"


def test_filters_search_and_their_clearing(page, address):
    page.open(address)
    assert len(page.names()) == 9
    page.choose('select[data-parameter="optimizer"]', "sgd")
    assert sorted(page.names()) == sorted(f"sgd,{rate}_0" for rate in RATES)
    assert page.one("#filters-title").text == "Filter by parameter (1 set)"
    page.choose('select[data-parameter="rate"]', "0.1")
    assert page.names() == ["sgd,0.1_0"]
    page.choose('select[data-parameter="optimizer"]', "adam")
    page.choose('select[data-parameter="momentum"]', "0.9")
    assert page.names() == []
    assert page.texts("#table td.empty") == ["No configuration matches the search and the filters."]
    page.click("#clear-filters")
    assert len(page.names()) == 9
    page.one("#search").send_keys("adam rate=0.004")
    until(lambda: page.names() == ["adam,0.004_0"])
    assert page.one("#leaderboard-note").text == "1 of 9 rows"


def test_an_open_row_has_all_parameters_and_every_run(page, address):
    page.open(address)
    page.one("#search").send_keys("sgd rate=0.5")
    until(lambda: page.names() == ["sgd,0.5_0"])
    page.click("#table .open")
    shown = page.one("#table .detail").text
    assert "batch_size" in shown
    assert "★, good" in shown
    assert page.texts("#table .detail tbody .status") == ["✓completed"] * 3 + ["✕failed"]
    assert page.one("#table .open").get_attribute("aria-expanded") == "true"


def test_parameters_that_never_vary_are_folded_away(page, address):
    page.open(address)
    assert "batch_size" not in page.one("#table thead").text
    assert page.one("#constant summary").text == "1 parameter with one value everywhere"
    page.click("#constant summary")
    assert page.one("#constant dl").text.split() == ["batch_size", "32"]


SAVED = """
const texts = [];
const made = URL.createObjectURL;
URL.createObjectURL = (blob) => { texts.push(blob); return made.call(URL, blob); };
document.querySelector(`#leaderboard-download [data-format=${arguments[0]}]`).click();
URL.createObjectURL = made;
return texts[0].text();
"""


def test_the_leaderboard_is_saved_in_each_format(page, address):
    page.open(address)
    exact, latex, markdown = (str(page.run(SAVED, kind)) for kind in ("csv", "latex", "markdown"))
    assert exact.startswith("Configuration,best_loss_mean,best_loss_std,best_loss_n,")
    assert "\\toprule\nConfiguration & " in latex
    assert markdown.startswith("| Configuration ")
    for text in (exact, latex, markdown):
        assert len(text.splitlines()) > len(page.names())


def test_columns_are_chosen(page, address):
    page.open(address)
    page.click("#columns summary")
    page.click('#columns input[data-id="p:optimizer"]')
    assert "optimizer" not in page.one("#table thead").text
    page.click('#columns input[data-id="p:optimizer"]')
    assert "optimizer" in page.one("#table thead").text


def test_another_metric_ranks_anew(page, address):
    page.open(address)
    page.choose("#metric", "test accuracy")
    assert page.one("#higher").get_attribute("aria-pressed") == "true"
    assert page.one("#because").text == "as no run and no word in the name says otherwise"
    assert page.one('th[aria-sort="descending"]').text.startswith("test accuracy")
    assert page.plot("curves", "layout.yaxis.title.text") == "accuracy"


def test_a_description_leaves_only_its_rows(page, address):
    page.open(address)
    page.choose("#description", "(none)")
    assert len(page.names()) == 8
    assert page.texts("#counts .failed") == ["✕1 failed"]
    page.choose("#description", HOSTILE)
    assert len(page.names()) == 1


# Curves


def test_checkboxes_add_and_remove_curves(page, address):
    page.open(address)
    assert len(page.drawn()) == 5
    first = page.drawn()[0]
    page.click("#table tbody input[type=checkbox]")
    assert first not in page.drawn()
    assert len(page.drawn()) == 4
    page.click("#table tbody input[type=checkbox]")
    assert page.drawn()[-1] == first
    page.click("#show-none")
    assert page.texts("#curves-empty") == ["Tick configurations in the leaderboard to see their curves here."]
    page.click("#show-all")
    assert len(page.drawn()) == 8  # a failed run has no curve
    page.click("#show-best")
    assert len(page.drawn()) == 5
    assert page.problems() == []


def test_a_click_on_the_legend_hides_a_curve_and_its_spread_until_the_next(page, address):
    page.open(address)
    first = page.drawn()[0]
    page.click("#curves-plot .legendtoggle")
    until(lambda: first not in page.drawn())
    hidden = "data.filter((one) => one.visible === 'legendonly').map((one) => Boolean(one.meta.band)).sort()"
    assert page.plot("curves", hidden) == [False, True]
    page.click('#curve-metrics [data-metric="accuracy"]')  # something else changes, it stays hidden
    time.sleep(0.4)  # a second click soon after the first would be a double click
    page.click("#curves-plot .legendtoggle")
    until(lambda: first in page.drawn())


def test_a_drag_zooms_and_a_double_click_shows_all_again(page, address):
    from selenium.webdriver import ActionChains

    page.open(address)
    before = page.plot("curves", "layout.xaxis.range")
    page.run("document.querySelector('#curves-plot').scrollIntoView({block: 'center'})")
    area = page.one("#curves-plot .nsewdrag")
    ActionChains(page.browser).move_to_element_with_offset(area, -100, -80).click_and_hold().move_by_offset(
        200, 100
    ).release().perform()
    until(lambda: page.plot("curves", "layout.xaxis.range") != before)
    low, high = page.plot("curves", "layout.xaxis.range")
    assert before[0] < low < high < before[1]
    page.click("#spread")  # what is drawn changes, the zoom stays
    assert page.plot("curves", "layout.xaxis.range") == [low, high]
    ActionChains(page.browser).double_click(area).perform()
    until(lambda: page.plot("curves", "layout.xaxis.range")[1] > high)


def test_the_spread_and_the_logarithmic_scale_are_switched(page, address):
    page.open(address)
    bands = "data.filter((one) => one.meta?.band).length"
    assert page.plot("curves", bands) == 5
    page.click("#spread")
    assert page.plot("curves", bands) == 0
    page.click("#spread")
    page.click("#logarithmic")
    assert page.plot("curves", "layout.yaxis.type") == "log"
    heights = "data.filter((one) => one.meta?.band).flatMap((one) => one.y).filter((y) => y !== null)"
    assert min(page.plot("curves", heights)) > 0
    assert page.problems() == []


def test_steps_are_on_a_logarithmic_axis_where_one_asks_for_it(page, address):
    page.open(address)
    page.one("#logarithmic-steps").click()
    assert page.plot("curves", "_fullLayout.xaxis.type") == "log"
    assert "logx=true" in page.browser.current_url
    assert not page.one("#smoothing-field").is_displayed()  # it needs all values, which a server has


def test_several_metrics_are_stacked_and_at_least_one_is_drawn(page, address):
    page.open(address)
    page.click('#curve-metrics [data-metric="accuracy"]')
    titles = [page.plot("curves", f"layout.{axis}.title.text") for axis in ("yaxis", "yaxis2")]
    assert titles == ["loss", "accuracy"]
    for _ in range(2):
        page.click('#curve-metrics [data-metric="loss"]')
        page.click('#curve-metrics [data-metric="accuracy"]')
    assert len(page.all('#curve-metrics [aria-pressed="true"]')) >= 1
    assert page.drawn()


# Parallel coordinates


def test_every_configuration_with_a_value_is_a_line_over_its_parameters(page, address):
    page.open(address)
    rows = page.plot("parallel", "data.flatMap((one) => one.customdata).filter((row) => row !== null)")
    assert len(set(rows)) == 8
    titles = page.plot("parallel", "layout.annotations.map((one) => one.text)")
    assert {"momentum", "optimizer", "rate", "<b>best loss</b>", "inactive", "adam", "sgd"} <= set(titles)
    page.click('#axes [data-axis="momentum"]')
    assert "momentum" not in page.plot("parallel", "layout.annotations.map((one) => one.text)")
    page.choose('select[data-parameter="optimizer"]', "sgd")
    rows = page.plot("parallel", "data.flatMap((one) => one.customdata).filter((row) => row !== null)")
    assert len(set(rows)) == 4


def test_a_click_on_a_line_shows_its_curves(page, address):
    page.open(address)
    page.click("#show-none")
    row = page.run("return Number(document.querySelector('#table input[data-row]').dataset.row)")
    page.run(
        "const point = {customdata: arguments[0]};"
        "document.getElementById('parallel-plot').emit('plotly_click', {points: [point]})",
        row,
    )
    assert page.drawn() == page.names()[:1]
    assert page.plot("parallel", "data.filter((one) => one.meta).map((one) => one.meta.row)") == [row]


# The difference of two


def test_the_difference_of_two_is_that_of_legm_diff(page, address, root):
    page.open(address)
    for letter, name in (("A", "adam,0.5_0"), ("B", "sgd,0.02_0")):
        row = page.run(
            "return [...document.querySelectorAll('#table tr[data-row]')].find((one) => "
            "one.querySelector('.open .name').textContent === arguments[0]).dataset.row",
            name,
        )
        page.click(f'#table tr[data-row="{row}"] [data-letter="{letter}"]')
    found = {
        one.configuration.name: one.configuration
        for folder in configuration_folders(root / "net")
        if (one := read_overview(folder)).configuration is not None
    }
    expected = [
        [one.name, one.our_note or str(one.ours), one.their_note or str(one.theirs)]
        for one in configuration_differences(found["adam,0.5"], found["sgd,0.02"])
    ]
    assert [text.split("\n") for text in cells(page, "#compare-tables tr.differs")] == expected
    assert [name for name, *_ in expected] == ["momentum", "optimizer", "rate"]
    metrics = cells(page, "#compare-tables > :last-child tbody tr")
    assert [text.split("\n")[0] for text in metrics] == [
        "accuracy at the best loss",
        "best loss",
        "test accuracy",
    ]
    page.click("#equal-too")
    assert "batch_size" in page.one("#compare-tables").text


def cells(page: Page, rows: str) -> list[str]:
    return [
        str(text)
        for text in page.run(
            "return [...document.querySelectorAll(arguments[0])].map((row) => "
            "[...row.children].map((one) => one.textContent).join('\\n'))",
            rows,
        )
    ]


# Runs that did not complete, and hostile names


def test_failed_runs_are_in_plain_sight_with_their_errors(page, address):
    page.open(address)
    chip = page.one("#counts .failed")
    assert chip.is_displayed()
    assert chip.value_of_css_property("color") != page.one("#counts .total").value_of_css_property("color")
    items = [one.text for one in page.all("#unfinished-list > li")]
    assert len(items) == 2
    assert any(
        "sgd,0.5_0" in text and f"out of memory {HOSTILE}" in text and "seed 3" in text for text in items
    )
    assert any("diverged" in text for text in items)
    page.click("#unfinished-list .link")
    assert len(page.all("#table .detail")) == 1


def test_names_are_shown_as_they_are_and_never_run(page, address):
    page.open(address)
    assert page.browser.title == "results · legm report"
    page.choose("#experiment", HOSTILE)
    assert page.names() == ["adam,0.1_0"]
    assert page.texts("#counts li")[:2] == ["1 configuration", "✓1 completed"]
    page.click("#table .open")
    assert HOSTILE in page.one("#table .detail").text
    assert "%{x}" in page.one("#table .detail").text
    assert page.texts("#parallel-empty") == [
        "At least two configurations with a finite best loss are needed."
    ]
    assert page.browser.title == "results · legm report"
    assert page.problems() == []


def test_the_address_keeps_what_was_chosen(page, address):
    page.open(address)
    page.choose("#metric", "accuracy at the best loss")
    page.click("#lower")
    page.choose('select[data-parameter="optimizer"]', "adam")
    page.click('#table [data-column="p:rate"]')
    page.click("#table tbody input[type=checkbox]")
    page.click("#logarithmic")
    sent = page.browser.current_url
    before = (page.names(), page.drawn())
    page.open(sent)
    assert (page.names(), page.drawn()) == before
    assert page.one("#because").text == "as you chose"
    assert page.plot("curves", "layout.yaxis.type") == "log"
    page.open(address + "#metric=nothing&filters=%7B%22rate%22&shown=7&experiment=none&sort=-x")
    assert len(page.names()) == 9
    assert page.problems() == []


# Groups


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Two optimizers with two depths and two rates, each with two seeds; one run more is described."""
    folder = tmp_path_factory.mktemp("grouped") / "results"
    for optimizer, depth, rate, seed in itertools.product(("adam", "sgd"), (2, 4), RATES[:2], range(2)):
        params = {"optimizer": optimizer, "depth": depth, "rate": rate, "seed": seed}
        train(folder, "net", params, factor=depth + (optimizer == "sgd") / 2)
    train(folder, "net", {"optimizer": "adam", "depth": 2, "rate": 0.1, "seed": 2}, description="longer")
    place = folder.parent / "report.html"
    client = BackendClient(make_backend("local", folder, {}), folder)
    report.write(client, ["net"], place, group_by=["optimizer", "depth"])
    return folder, place.as_uri()


def test_groups_are_ranked_as_by_the_command_line_and_lead_to_their_configurations(page, grouped):
    folder, address = grouped
    page.open(address)
    page.choose("#description", "(none)")
    best = [
        [
            str(rank),
            one["group"]["optimizer"],
            str(one["group"]["depth"]),
            len(one["configurations"]),
            one["runs"],
        ]
        for rank, one in enumerate(
            as_json("best", folder / "net", "loss", "--group-by", "optimizer,depth"), 1
        )
    ]
    rows = page.run(
        "return [...document.querySelectorAll('#groups-table tbody tr')].map((row) => "
        "[...row.cells].map((cell) => cell.textContent))"
    )
    assert [[*row[:3], int(row[4]), int(row[5])] for row in rows] == best
    assert len(best) == 4
    assert page.one("#groups-note").text == (
        "grouped by optimizer, depth: each value is the mean over the configurations of a group, which "
        "differ in rate, and their standard deviation; each of these is over its runs (8 configurations)"
    )
    page.click("#higher")
    turned = [page.texts(f"#groups-table tbody td:nth-child({column})") for column in (2, 3)]
    assert [*zip(*turned, strict=True)] == [(one[1], one[2]) for one in reversed(best)]
    page.choose("#description", "all")
    assert page.texts("#groups-table th")[3] == "Description"
    assert len(page.all("#groups-table tbody tr")) == 5
    page.click("#groups-table tbody tr[data-group='0'] button")
    assert len(page.names()) == 3  # two rates, and one of them with a description too
    assert page.one("#filters-title").text == "Filter by parameter (2 set)"
    assert page.problems() == []


def test_groups_are_chosen_in_the_report_and_are_those_that_it_is_built_with(page, grouped):
    _, address = grouped
    cells = "return [...document.querySelectorAll('#groups-table tr')].map((row) => row.innerText)"
    page.open(address)
    page.run("document.getElementById('group-by').open = true")
    built, note = page.run(cells), page.one("#groups-note").text
    page.click("#group-by [data-group-by=optimizer]")
    page.click("#group-by [data-group-by=depth]")
    assert not page.one("#groups").is_displayed()
    page.click("#group-by [data-group-by=optimizer]")
    assert len(page.all("#groups-table tbody tr")) < len(built) - 1
    assert "group=" in page.browser.current_url
    page.click("#group-by [data-group-by=depth]")
    assert page.run(cells) == built
    assert page.one("#groups-note").text == note


def test_rows_have_the_significance_of_their_difference_from_the_best_one(page, grouped):
    folder, address = grouped
    (experiment,) = content_of(Path(urlsplit(address).path).read_bytes())["experiments"]
    (known,) = [one for one in experiment["differences"] if len(one["rows"]) == 7]
    client = connect_client(folder)
    stored = {one.fingerprint: one for one in client.configurations("net")}

    def configuration(row: int) -> Configuration:
        return stored[experiment["configurations"][experiment["rows"][row]["configuration"]]["fingerprint"]]

    others = [configuration(row) for row in known["rows"]]
    arguments = (client, "", configuration(known["baseline"]), others, "loss")
    expected = compare_runs(*arguments, test=False, seed=None, level=0.95)
    numbers = [decoded_numbers(text).tolist() for text in known["numbers"]]
    for one, (difference, lower, upper, p, adjusted) in zip(expected, numbers, strict=True):
        assert (-difference, -upper, -lower) == (one.difference, one.lower, one.upper)
        assert (p, adjusted) == (one.p, one.p_adjusted)
    page.open(address + "#columns=%5B%22difference%22%5D&description=")
    cells = page.texts("#table td.difference")
    assert cells[0] == "A, the baseline"
    assert len(cells) == 8
    assert all(" p " in text for text in cells[1:])
    assert "p-values corrected together for all (Holm)" in page.one("#leaderboard-note").text
    page.click("#table tr[data-row]:nth-child(2) [data-letter=A]")
    assert not any(" p " in text for text in page.texts("#table td.difference"))
    only = "differences in best loss from the best row only: legm ui and legm compare have those from any A"
    assert only in page.one("#leaderboard-note").text
    page.open(address)  # where the columns are the usual ones, it is said too
    page.click("#table tr[data-row]:nth-child(3) [data-letter=A]")
    assert only in page.one("#leaderboard-note").text
    assert page.problems() == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_groups_read_on_wide_and_narrow_screens(page, grouped, width):
    page.open(grouped[1], width=width)
    page.keep_picture(f"groups-{width}")
    heights = page.run(
        "return [...document.querySelectorAll('#groups-table tr')].map((row) => row.offsetHeight)"
    )
    assert max(heights) < 60  # no cell is squeezed
    over = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.run(over) <= 0
    assert page.one("#groups").is_displayed()


# Looks


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_reads_in_light_and_dark_on_wide_and_narrow_screens(page, address, theme, width):
    page.open(address, width=width, theme=theme)
    page.keep_picture(f"report-{theme}-{width}")
    over = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.run(over) <= 0
    for selector in ("#top", "#leaderboard", "#curves", "#parallel", "#compare", "#unfinished"):
        assert page.one(selector).is_displayed()
    ratios = {
        name: contrast(page, name)
        for name in ("ink", "faint", "accent", "failed", "interrupted", "pruned", "completed")
    }
    assert min(ratios.values()) >= 4.5, ratios
    is_dark = luminance(page, "--raised") < 0.5
    assert is_dark == (theme == "dark")


def luminance(page: Page, name: str) -> float:
    """The relative luminance of a colour of the page (WCAG 2.1)."""
    text = page.run(
        "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0]).trim()", name
    )
    parts = [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(page: Page, name: str) -> float:
    ground, ink = (luminance(page, f"--{one}") for one in ("raised", name))
    return (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05)


def test_the_theme_follows_the_system_until_the_user_chooses(page, address):
    page.open(address)
    ground = page.one("#leaderboard").value_of_css_property("background-color")
    page.look("dark")
    until(lambda: page.one("#leaderboard").value_of_css_property("background-color") != ground)
    page.click("#theme")
    assert page.one("#leaderboard").value_of_css_property("background-color") == ground
    assert page.plot("curves", "layout.font.color") == page.run(
        "return getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()"
    )


@pytest.fixture(scope="module")
def long_names(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of 40 configurations with long dotted names, of which most share start and end."""
    folder = tmp_path_factory.mktemp("long")
    backend = MemoryBackend(folder)
    steps, random = np.arange(30), np.random.default_rng(0)
    names = [
        f"{part}.attention.{one}"
        for part in ("model.encoder", "model.decoder")
        for one in ("heads", "dropout")
    ]
    names += ["optimizer.learning_rate_schedule.peak_learning_rate", "trainer.gradient_clipping.maximum_norm"]
    names += ["data.training.preprocessed_corpus_directory", "data.validation.preprocessed_corpus_directory"]
    for number in range(40):
        parameters = {name: random.random() for name in names[:6]}
        parameters |= dict.fromkeys(names[6:], f"/datasets/version-{number}/preprocessed/tokenized")
        configuration = Configuration(
            "net",
            f"v1-{number:032x}",
            f"sinusoidal_position_embedding,version-{number},learned_absolute,bfloat16_mixed_precision",
            parameters,
            tuple(parameters),
            {},
        )
        histories = {
            Series(f"validation/{name}_of_the_auxiliary_objective"): History(steps, random.random(30))
            for name in ("loss", "macro_f1")
        }
        for seed in range(2):
            run = Run(f"2026-{number:03}-{seed}", configuration, "", 1e9 + number, {"seed": seed})
            best = {series: float(history.values[-1]) for series, history in histories.items()}
            backend.results[run.run_id] = RunResult(run, Status.COMPLETED, best=best, histories=histories)
    place = folder / "report.html"
    report.write(BackendClient(backend, folder), ["net"], place)
    return place.as_uri()


BOXES = """
return [...document.querySelectorAll(arguments[0])].map((one) => {
  const {left, right, top, bottom} = one.getBoundingClientRect();
  return {left, right, top, bottom, text: one.textContent};
});
"""


BROKEN = """
return [...document.querySelectorAll(arguments[0])].flatMap((one) => {
  const walker = document.createTreeWalker(one, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
    if (lines.size > 1) found.push(walker.currentNode.textContent);
  }
  return found;
});
"""
"""The words, which are texts of their own, that are on several lines."""


@pytest.mark.parametrize("width", [1400, 836, 820, 390])
def test_long_names_stay_distinct_and_inside_the_figure(page, long_names, width):
    page.open(long_names, width=width)
    page.keep_picture(f"report-long-{width}")
    assert page.run("return document.documentElement.scrollWidth") <= width
    names, legend = page.names(), page.drawn()
    assert len(set(names)) == len(names) == 40
    assert len(set(legend)) == len(legend) == 5
    assert set(legend) <= set(names)  # a configuration is called the same everywhere
    for selector in ("#axes .chip", "#curve-metrics .chip", "#compare-a option", "#table thead th"):
        shown = [text for text in page.texts(selector) if text]
        assert len(set(shown)) == len(shown)
    broken = page.run(BROKEN, "#table .open .name, #table thead th, #compare-tables th")
    assert [text for text in broken if "…" not in text] == []  # behind that sign a line may end
    frame = page.run(BOXES, "#compare-tables")[0]
    for box in page.run(BOXES, "#compare-tables th, #compare-tables td"):
        assert frame["left"] - 1 <= box["left"] <= box["right"] <= frame["right"] + 1
    titles = page.run(BOXES, "#parallel-plot .annotation-text")
    frame = page.run(BOXES, "#parallel-frame")[0]
    scales = page.run("return document.querySelectorAll('#axes .chip[aria-pressed=true]').length") + 1
    titles = sorted(titles[:scales], key=lambda box: box["left"])
    assert "validation/" in titles[-1]["text"]  # the metric
    assert frame["left"] <= titles[0]["left"]
    assert titles[-1]["right"] <= frame["right"]
    for one, other in itertools.pairwise(titles):
        assert one["right"] <= other["left"]


# Nothing, little, much


@pytest.mark.parametrize("kind", ["no experiment", "no run", "no completed run", "one run", "not finite"])
def test_where_there_is_little_the_page_says_so(page, tmp_path, kind):
    root = tmp_path / "results"
    experiments = [] if kind == "no experiment" else ["net"]
    if kind == "no completed run":
        train(root, "net", {"optimizer": "adam", "rate": 0.1, "seed": 0}, fails="at once")
    if kind == "one run":
        train(root, "net", {"optimizer": "adam", "rate": 0.1, "seed": 0})
    for value in ("nan", "inf", "-inf") if kind == "not finite" else ():
        with ExperimentHandler(root, "net") as handler:
            handler.set_param("value", value)
            handler.start()
            handler.set_dict_metrics({"loss": float(value)})
            handler.set_dict_metrics({"loss": 1.0})
            handler.set_dict_metrics({"loss": float(value)})
    report.write(BackendClient(make_backend("local", root, {}), root), experiments, tmp_path / "report.html")
    page.open((tmp_path / "report.html").as_uri())
    shown = page.one("main").text
    expected = {
        "no experiment": "There are no experiments to show yet.",
        "no run": "This experiment has no configurations yet.",
        "no completed run": "No completed run has a dev metric yet",
        "one run": "Two configurations are needed.",
        "not finite": "▲ is inf; ▼ is -inf",
    }
    assert expected[kind] in shown
    if kind == "not finite":
        assert {"NaN", "inf", "-inf"} <= set(page.texts("#table td.chosen .mean"))
    page.click("#theme")
    assert page.problems() == []


def test_five_hundred_configurations_of_twenty_seeds_are_answered(page, tmp_path):
    backend = MemoryBackend(tmp_path)
    steps, random = np.arange(100), np.random.default_rng(0)
    for number in range(500):
        parameters = {
            "rate": 10 ** random.uniform(-4, -1),
            "layers": int(random.integers(1, 9)),
            "optimizer": f"o{number % 4}",
        }
        configuration = Configuration(
            "net", f"v1-{number:032x}", f"c{number:03}", parameters, tuple(parameters), {}
        )
        for seed in range(20):
            run = Run(f"2026-{number:03}-{seed:02}", configuration, "", 1e9 + number, {"seed": seed})
            loss = 1 / (1 + steps + number) + random.normal(scale=0.01, size=100)
            histories = {
                Series(name): History(steps, loss + shift)
                for shift, name in enumerate(("loss", "error", "f1"))
            }
            best = {series: float(history.values[-1]) for series, history in histories.items()}
            backend.results[run.run_id] = RunResult(
                run,
                Status.COMPLETED if seed or number % 10 else Status.FAILED,
                BestRule("early_stopping", metric="loss", higher_better=False),
                99,
                best,
                {},
                {Series("f1", Split.TEST): best[Series("f1")]},
                histories,
            )
    place = tmp_path / "report.html"
    report.write(BackendClient(backend, tmp_path), ["net"], place)
    page.open(place.as_uri())
    assert page.texts("#counts li")[:3] == ["500 configurations", "✓9,950 completed", "✕50 failed"]
    assert 15 < len(page.names()) < 80  # those in view, and some around them
    assert page.one("#table").get_attribute("aria-rowcount") == "501"
    page.run("const frame = document.getElementById('table-frame'); frame.scrollTop = frame.scrollHeight")
    until(lambda: page.texts("#table tr[data-row] .rank")[-1:] == ["500"])
    assert len(page.names()) < 80
    page.run("document.getElementById('table-frame').scrollTop = 0")
    until(lambda: page.texts("#table tr[data-row] .rank")[:1] == ["1"])
    page.click('#table [data-column="p:rate"]')
    rates = page.texts("#table tr[data-row] td:last-child")
    shown = [float(text.replace("\N{MULTIPLICATION SIGN}10⁻⁴", "e-4")) for text in rates]
    assert shown == sorted(shown)
    page.one('input[aria-label="rate from"]').send_keys("0.05")
    until(lambda: "of 500 rows" in page.one("#leaderboard-note").text)
    page.click("#show-all")
    assert len(page.drawn()) == 40
    lines = page.plot("parallel", "data.length")
    page.one('input[aria-label="rate from"]').send_keys(BACKSPACE * 4)
    until(lambda: page.one("#leaderboard-note").text == "500 rows")
    assert page.plot("parallel", "data.length") <= 40 + 20
    assert lines <= 40 + 20
    disabled = page.run("return document.querySelectorAll('#table tbody input:disabled').length")
    assert disabled > 0  # no more than forty curves at once
    page.run("document.getElementById('group-by').open = true")
    page.click("#group-by [data-group-by=rate]")
    for control, rows, (few, more) in (
        ("#unfinished-more", "#unfinished-list > li", (20, 50)),
        ("#groups-more", "#groups-table tbody tr", (50, 100)),
    ):
        assert len(page.all(rows)) == few
        page.click(control)
        assert len(page.all(rows)) == more
    assert not page.one("#unfinished-more").is_displayed()
    assert page.one("#groups-more").text == "Show 50 more of 400"
    assert page.problems() == []


# Where runs come from


@pytest.fixture(scope="module")
def different_code(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page of runs whose code differs, of which one was resumed."""
    root = tmp_path_factory.mktemp("code") / "results"
    with pytest.MonkeyPatch.context() as monkeypatch:
        make_runs_of_different_code(root, monkeypatch)
    place = root.parent / "report.html"
    report.write(BackendClient(make_backend("local", root, {}), root), ["e"], place)
    return place.as_uri()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_runs_of_different_code_are_said_and_system_metrics_are_none_of_the_metrics(
    page, different_code, width, theme
):
    page.open(different_code, width=width, theme=theme)
    page.keep_picture(f"code-{width}-{theme}")
    body = page.run("return document.body.innerText")
    said = "averaged runs come from different code: 1 run of aaaaaaa, 1 of aaaaaaa with changes, 1 of aaaaaaa"
    assert f"{said} then bbbbbbb" in body
    assert "system/" not in page.run("return document.body.textContent")
    assert page.run("return document.documentElement.scrollWidth") <= width
    page.click("#table tbody tr[data-row] .open")
    page.keep_picture(f"code-open-{width}-{theme}")
    opened = page.run("return document.body.innerText")
    assert "preempted" in opened
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.problems() == []


def test_media_of_the_ticked_configurations_are_side_by_side_at_one_step(page, tmp_path):
    for rate in (1, 2):
        with ExperimentHandler(tmp_path, "net") as handler:
            handler.set_param("rate", rate)
            handler.name_params(["rate"])
            handler.start()
            for step in range(0, 10 * rate, 5):
                handler.set_metric("loss", rate / (1 + step), step=step)
                picture = np.full((4, 4, 3), 10 * step, np.uint8)
                handler.log_image("digits", picture, step=step, caption=f"{HOSTILE} {step}")
                handler.log_histogram("weights", np.arange(50.0), step=step)
            figure = {"data": [{"y": [1, 2], "name": HOSTILE}], "layout": {"title": {"text": HOSTILE}}}
            handler.log_figure("figure", plotly.graph_objects.Figure(figure))
            handler.log_table("answers", {"letter": ["a", HOSTILE]})
            handler.log_audio("tone", np.sin(np.arange(800) / 5), 8000)
            handler.log_text("words", f"{HOSTILE}\nsecond line")
            handler.log_video("clip", SAMPLES / "media" / "square.webm")
    report.write(tmp_path, ["net"], tmp_path / "report.html")
    page.open((tmp_path / "report.html").as_uri())
    assert page.texts("#media-names .chip") == [
        "answers",
        "clip",
        "digits",
        "figure",
        "tone",
        "weights",
        "words",
    ]
    assert page.texts("#media-cards td") == ["a", HOSTILE] * 2

    def choose(name: str) -> None:
        page.click(f"#media-names .chip[title='{name}']")

    choose("digits")
    assert page.texts("#media-cards figcaption") == [f"{HOSTILE} 15", f"{HOSTILE} 5"]
    assert page.texts("#media-step-text") == ["15"]
    until(
        lambda: page.run(
            "return [...document.querySelectorAll('#media-cards img')].every((p) => p.naturalWidth === 4)"
        )
    )
    page.run(
        "const slider = document.getElementById('media-step'); slider.value = 0;"
        "slider.dispatchEvent(new Event('input'))"
    )
    assert page.texts("#media-cards figcaption") == [f"{HOSTILE} 0"] * 2
    page.keep_picture("report-media")
    again = page.browser.current_url
    page.open(again)
    assert page.texts("#media-cards figcaption") == [f"{HOSTILE} 0"] * 2

    choose("words")
    assert page.texts("#media-cards pre") == [f"{HOSTILE}\nsecond line"] * 2
    page.keep_picture("report-text")
    choose("clip")
    assert len(page.all("#media-cards video[controls]")) == 2
    clips = "[...document.querySelectorAll('#media-cards video')]"
    until(lambda: page.run(f"return {clips}.every((one) => one.videoWidth === 64)"))
    page.keep_picture("report-video")
    choose("weights")
    assert len(page.all("#media-cards svg rect")) == 2 * 64
    choose("figure")
    until(lambda: len(page.all("#media-cards .figure .main-svg")) >= 2)
    choose("tone")
    until(
        lambda: page.run(
            "return [...document.querySelectorAll('audio')].every((one) => one.duration === 0.1)"
        )
    )
    page.click("#show-none")
    assert page.texts("#media-empty") == ["Tick configurations in the leaderboard to see theirs here."]
    assert page.browser.title != "taken"
    assert page.problems() == []
