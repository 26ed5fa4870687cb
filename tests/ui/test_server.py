"""The server of the live page: what it answers to whom, and that it ends as it is told."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal
import socket
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from legm import ExperimentHandler, report
from legm import ui as legm_ui
from legm.analysis.comparison import compare_runs
from legm.delivery.client import BackendClient, connect_client
from legm.delivery.registry import make_backend
from legm.runlog.file_names import CONSOLE_FILE
from tests.support.calling import as_json, call
from tests.support.live_page import ServedPage, served_page
from tests.support.reports import content_of
from tests.support.waiting import until

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="needs signals")]

HOSTILE = "<script>document.title='taken'</script>"


def logged(root: Path, experiment: str, rate: float, seed: int, *, fails: bool = False) -> str:
    handler = ExperimentHandler(root, experiment)
    handler.set_dict_params({"rate": rate, "seed": seed, "optimizer": HOSTILE})
    handler.disable_param("seed")
    handler.start()
    for step in range(5):
        handler.set_dict_metrics({"loss": rate * (seed + 1) / (step + 1), "odd": float("nan")}, step=step)
    handler.set_metric("accuracy", rate / (seed + 1), test=True)
    if fails:
        handler.end("failed", "out of memory")
    else:
        handler.log()
    return handler.run_id


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live") / "results"
    for rate in (0.1, 0.01):
        for seed in range(3):
            logged(folder, "net", rate, seed, fails=rate == 0.1 and seed == 2)
    with pytest.MonkeyPatch.context() as patched:  # a run with uncommitted changes
        patched.setenv("LEGM_PROVENANCE", "1")
        patched.chdir(folder.parent)
        git = {"commit": "a" * 40, "dirty": True, "patch": {"file": "code.patch"}}
        patched.setattr("legm.delivery.run_start.collect_started_environment", lambda *_: {"git": git})
        logged(folder, HOSTILE, 0.5, 0)
    (folder.parent / "secret.txt").write_text("outside")
    return folder


@pytest.fixture(scope="module")
def page(root: Path, tmp_path_factory: pytest.TempPathFactory) -> ServedPage:
    with served_page(root, tmp_path_factory.mktemp("home")) as found:
        yield found


def one_run(page: ServedPage, experiment: str = "net") -> dict[str, str]:
    content = page.ask("/api/experiment", {"name": experiment}).json
    fingerprint = content["configurations"][0]["fingerprint"]
    parameters = {"experiment": experiment, "fingerprint": fingerprint}
    (part,) = page.ask("/api/configurations", parameters).json
    return {**parameters, "run": part["experiment"]["runs"]["id"][0]}


# The page's files


def test_files_are_sent_again_only_when_they_have_changed(page):
    first = page.ask("/page/live.js")
    assert first.headers["etag"] == f'"{hashlib.sha256(first.body).hexdigest()[:32]}"'
    again = page.ask("/page/live.js", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert page.ask("/page/live.js", If_None_Match='"another"').body == first.body


def test_no_address_on_the_page_begins_at_the_root_of_the_server(page):
    for name in ("live.html", *sorted(one.name for one in Path(legm_ui.__file__).parent.glob("page/*.js"))):
        text = (Path(legm_ui.__file__).parent / "page" / name).read_text(encoding="utf-8")
        assert not re.search(r"""["'`]/(api|page)/""", text), name
    assert b'"/page/' not in page.ask("/").body


# Who may ask


def test_nothing_is_answered_without_the_token(page):
    assert page.ask("/api/experiments").status == 200
    for path in ("/", "/page/live.js", "/api/experiments", "/api/events", "/api/marks"):
        assert page.ask(path, Authorization=None).status == 401
        assert page.ask(path, Authorization="Bearer wrong").status == 401
    assert page.ask("/?token=wrong", Authorization=None).status == 401


def test_the_token_of_the_address_becomes_a_cookie_and_leaves_the_address(page):
    answer = page.ask(f"/?token={page.token}", Authorization=None)
    assert (answer.status, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    name_and_value = cookie.partition(";")[0]
    assert page.ask("/", Authorization=None, Cookie=name_and_value).status == 200
    assert page.ask("/", Authorization=None, Cookie=f"{name_and_value}x").status == 401


def test_another_name_of_this_machine_and_another_sites_page_are_refused(page):
    for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1.evil.example", ""):
        assert page.ask("/api/experiments", Host=host).status == 403
    for host in ("localhost", f"localhost:{page.port}", f"[::1]:{page.port}"):
        assert page.ask("/api/experiments", Host=host).status == 200
    own = f"http://127.0.0.1:{page.port}"
    assert page.ask("/api/experiments", Origin=own).status == 200
    for origin in ("http://evil.example", f"http://127.0.0.1:{page.port + 1}", "null"):
        assert page.ask("/api/experiments", Origin=origin).status == 403
    assert page.ask("/api/experiments", Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors").status == 403
    assert page.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


def test_every_answer_forbids_scripts_of_others(page):
    for path in ("/", "/page/live.js", "/api/experiments", "/nothing"):
        headers = page.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    html = page.ask("/").body.decode()
    assert "<script>" not in html
    assert "onclick" not in html


def test_the_users_token_is_kept_where_only_they_can_read_it(root, tmp_path):
    with served_page(root, tmp_path) as first:
        token = first.token
    path = tmp_path / "legm" / "ui-token"
    assert path.read_text() == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with served_page(root, tmp_path) as second:
        assert second.token == token


def test_a_password_or_a_proxy_lets_users_in_elsewhere(root, tmp_path):
    with served_page(root, tmp_path, "--host", "0.0.0.0", LEGM_UI_PASSWORD="open") as found:
        assert "token" not in found.address
        refused = found.ask("/api/experiments")
        assert refused.status == 401
        assert "Basic" in refused.headers["www-authenticate"]
        assert found.ask("/api/experiments", Authorization="Basic dTpvcGVu").status == 200
        assert found.ask("/api/experiments", Authorization="Basic dTpvcGVuIQ==").status == 401
    options = ("--proxy-header", "X-User", "--allow-host", "runs.example")
    with served_page(root, tmp_path, *options) as found:
        assert found.ask("/api/experiments").status == 401
        assert found.ask("/api/experiments", X_User="ada", Host="runs.example").status == 200


# What is answered


def test_the_leaderboards_numbers_are_those_of_the_report_bit_for_bit(page, root):
    live = page.ask("/api/experiment", {"name": "net"}).json
    client = BackendClient(make_backend("local", root, {}), root)
    (built,) = content_of(report.build(client, ["net"]))["experiments"]
    assert [one["name"] for one in live["configurations"]] == [one["name"] for one in built["configurations"]]
    for name in ("metric", "metrics", "parameters", "counts", "problems"):
        assert live[name] == built[name]
    fingerprints = [one["fingerprint"] for one in live["configurations"]]
    parts = page.ask("/api/configurations", {"experiment": "net", "fingerprint": fingerprints}).json
    assert [one["fingerprint"] for one in parts] == fingerprints
    drawn = [one["experiment"]["rows"][0]["curves"]["loss"]["center"] for one in parts]
    assert drawn == [one["curves"]["loss"]["center"] for one in built["rows"]]


def test_the_first_view_has_the_best_and_what_failed(page):
    cards = {one["name"]: one for one in page.ask("/api/experiments").json["experiments"]}
    assert set(cards) == {"net", HOSTILE}
    assert cards["net"]["counts"] == {
        "completed": 5,
        "failed": 1,
        "interrupted": 0,
        "pruned": 0,
        "running": 0,
    }
    assert cards["net"]["best"]["metric"] == "last loss"
    assert cards["net"]["configurations"] == 2


def test_a_selection_is_that_of_where_and_its_mistakes_are_said(page):
    found = page.ask("/api/experiment", {"name": "net", "where": "rate<0.05"}).json
    assert found["selected"] == "rate<0.05"
    assert len(found["rows"]) == 1
    for wrong in ("rate<", "nothing=3", "rate>7"):
        answer = page.ask("/api/experiment", {"name": "net", "where": wrong})
        assert answer.status == 400
        assert answer.json["error"]
    missing = page.ask("/api/experiment", {"name": "nett"})
    assert (missing.status, "net" in missing.json["error"]) == (400, True)
    assert page.ask("/api/experiment").status == 400


def test_differences_are_those_of_legm_compare(page, root):
    content = page.ask("/api/experiment", {"name": "net"}).json
    a, b = (one["fingerprint"] for one in content["configurations"])
    asked = {"experiment": "net", "baseline": a, "other": [b], "metric": "best_loss", "higher": "0"}
    answer = page.ask("/api/differences", asked).json
    (found,) = answer["differences"]
    assert answer["problems"] == {}
    client = connect_client(root)
    by_fingerprint = {one.fingerprint: one for one in client.configurations("net")}
    (compared,) = compare_runs(
        client,
        "",
        by_fingerprint[a],
        [by_fingerprint[b]],
        "loss",
        test=False,
        seed=None,
        level=0.95,
        higher_better=False,
    )
    code, _, data = found["numbers"].partition(":")
    numbers = np.frombuffer(base64.b64decode(data), f"<{code}").tolist()
    expected = [-compared.difference, -compared.upper, -compared.lower, compared.p, compared.p_adjusted]
    assert numbers == expected
    assert (found["paired"], found["pairs"], found["better"]) == (True, 2, compared.better)
    gone = page.ask("/api/differences", {**asked, "other": [b, "v1-x"]}).json
    assert gone["differences"] == [found]  # those that are there keep their intervals
    assert "no configuration 'v1-x'" in gone["problems"]["v1-x"]
    gone = page.ask("/api/differences", {**asked, "baseline": "v1-x"}).json
    assert (gone["differences"], [*gone["problems"]]) == ([], ["v1-x"])
    selected = page.ask("/api/differences", {**asked, "where": "seed=0,1"}).json
    assert "only runs with seed=0,1" in selected["differences"][0]["notes"]


def test_groups_are_those_of_legm_best(page, root):
    asked = {"name": "net", "by": ["optimizer"]}
    found = page.ask("/api/groups", asked).json
    groups = found["metrics"]["best_loss"]
    best = as_json("best", str(root / "net"), "loss", "--lower", "--group-by", "optimizer")
    assert numbers_of(groups["mean"]) == [one["value"]["mean"] for one in best]
    assert numbers_of(groups["std"]) == [one["value"]["std"] for one in best]
    assert numbers_of(groups["configurations"]) == [2]
    by_rate = page.ask("/api/groups", {"name": "net", "by": ["rate"], "where": "rate<0.05"}).json
    assert numbers_of(by_rate["metrics"]["best_loss"]["runs"]) == [3]
    assert page.ask("/api/groups", {"name": "net", "by": ["rate", "rate"]}).status == 400
    assert page.ask("/api/groups", {"name": "net", "by": ["nothing"]}).json["missing"] == ["nothing"]


def test_configurations_side_by_side_have_the_differences_of_every_metric(page):
    content = page.ask("/api/experiment", {"name": "net"}).json
    a, b = (one["fingerprint"] for one in content["configurations"])
    pair = {"experiment": "net", "baseline": a, "other": [b]}
    keys = ["best_loss", "test_accuracy", "best_odd"]
    found = page.ask("/api/comparison", {**pair, "metric": keys, "higher": ["0", "1", "1"]}).json
    assert [one["metric"] for one in found] == keys
    alone = page.ask("/api/differences", {**pair, "metric": "best_loss", "higher": "0"}).json
    assert found[0] == {"metric": "best_loss", **alone}
    assert found[1]["differences"][0]["better"] in {"a", "b", None}
    assert found[2]["problems"] or found[2]["differences"]
    assert page.ask("/api/comparison", {**pair, "metric": keys, "higher": ["0"]}).status == 400
    code = page.ask("/api/code", pair).json
    assert all(code["runs"])
    assert code["facts"] == []  # one process made both


def numbers_of(text: str) -> list[float]:
    code, _, data = text.partition(":")
    return np.frombuffer(base64.b64decode(data), f"<{code}").astype(float).tolist()


def test_the_curves_of_a_run_are_its_own_values(page):
    curves = {one["metric"]: one for one in page.ask("/api/run-curves", one_run(page)).json}
    assert set(curves) == {"loss", "odd"}
    code, _, data = curves["loss"]["center"].partition(":")
    values = np.frombuffer(base64.b64decode(data), f"<{code}")
    np.testing.assert_allclose(values, [values[0] / (step + 1) for step in range(5)], rtol=1e-6)


def test_tags_and_notes_are_changed_as_by_legm_tag(page, root):
    run = one_run(page)
    origin = f"http://127.0.0.1:{page.port}"
    body = {**run, "add": ["good"], "note": "as expected"}
    assert page.ask("/api/marks", method="POST", body=body).status == 403  # without an origin
    changed = page.ask("/api/marks", method="POST", body=body, Origin=origin)
    assert changed.json == {run["run"]: {"tags": ["good"], "note": "as expected"}}
    assert "good" in call("tag", str(root / run["run"])).stdout
    assert page.ask("/api/run", run).json["marks"] == {"tags": ["good"], "note": "as expected"}
    wrong = page.ask("/api/marks", method="POST", body={**run, "add": ["not a tag"]}, Origin=origin)
    assert (wrong.status, "not a tag" in wrong.json["error"]) == (400, True)
    removed = page.ask(
        "/api/marks", method="POST", body={**run, "remove": ["good"], "note": ""}, Origin=origin
    )
    assert removed.json == {run["run"]: {"tags": []}}


def test_tags_and_a_note_are_changed_for_all_runs_of_a_row(page):
    row = {name: value for name, value in one_run(page).items() if name != "run"}
    origin = f"http://127.0.0.1:{page.port}"
    body = {**row, "description": "", "add": ["seen"], "note": "all of them"}
    changed = page.ask("/api/marks", method="POST", body=body, Origin=origin).json
    assert list(changed.values()) == [{"tags": ["seen"], "note": "all of them"}] * 3
    content = page.ask("/api/experiment", {"name": "net"}).json
    assert content["rows"][0]["every_tag"] == ["seen"]
    assert content["rows"][0]["tags"] == "seen (3)"
    other = page.ask("/api/marks", method="POST", body={**body, "description": "other"}, Origin=origin)
    assert (other.status, "other" in other.json["error"]) == (400, True)
    page.ask("/api/marks", method="POST", body={**row, "remove": ["seen"], "note": ""}, Origin=origin)
    assert not page.ask("/api/experiment", {"name": "net"}).json["rows"][0].get("tags")


def test_read_only_changes_nothing(root, tmp_path):
    with served_page(root, tmp_path, "--read-only") as found:
        assert found.ask("/api/experiments").json["read_only"] is True
        body = {**one_run(found), "add": ["good"]}
        answer = found.ask("/api/marks", method="POST", body=body, Origin=f"http://127.0.0.1:{found.port}")
    assert answer.status == 403


@pytest.mark.skipif(sys.platform != "linux", reason="needs xdg-open")
def test_the_browser_is_opened_where_one_asks_for_it(root, tmp_path):
    script = tmp_path / "bin" / "xdg-open"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path / "opened"}\n')
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    with served_page(root, tmp_path, "--open", PATH=path) as found:
        opened = until(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text().strip())
        assert opened == found.address


def test_nothing_outside_the_root_is_given(page, root):
    run = one_run(page)
    folder = next(root.glob(f"net/*/runs/{run['run']}.log")).parent.parent
    own = folder / "artifacts" / run["run"]
    own.mkdir(parents=True, exist_ok=True)
    (own / "model.bin").write_bytes(b"weights")
    (own / "link.txt").symlink_to(root.parent / "secret.txt")
    (own / "away").symlink_to(root.parent, target_is_directory=True)
    names = {one["name"] for one in page.ask("/api/run", run).json["files"]}
    assert "model.bin" in names
    assert not {"link.txt", "away", "away/secret.txt"} & names
    given = page.ask("/api/artifact", {**run, "name": "model.bin"})
    assert given.body == b"weights"
    assert given.headers["content-disposition"] == "attachment"
    assert "sandbox" in given.headers["content-security-policy"]
    outside = ["link.txt", "away/secret.txt", "../../params.yml", "/etc/passwd", "../../../../secret.txt"]
    for name in outside:
        assert page.ask("/api/artifact", {**run, "name": name}).status == 400
    for target in ("/page/../../../pyproject.toml", "/page/%2e%2e%2fapplication.py", "/page/live.html"):
        assert page.ask(target).status == 404
    for changed in ({"run": "../../x"}, {"fingerprint": "x"}, {"experiment": "../live"}):
        assert page.ask("/api/run", {**run, **changed}).status == 400
        assert page.ask("/api/artifact", {**run, **changed, "name": "model.bin"}).status == 400


def test_no_link_from_a_configuration_to_files_of_its_runs_is_followed(page, root, tmp_path):
    run = one_run(page, HOSTILE)
    folder = next(root.glob(f"*/*/runs/{run['run']}.log")).parent.parent
    own, outside = folder / "artifacts" / run["run"], tmp_path / "outside" / run["run"]
    names = {"console": CONSOLE_FILE, "patch": "code.patch", "artifact": "model.bin"}
    for into, text in ((own, "own"), (outside, "secret")):
        into.mkdir(parents=True, exist_ok=True)
        for name in names.values():
            (into / name).write_text(text)

    def given() -> str:
        return " ".join(
            page.ask(f"/api/{what}", {**run, "name": name}).body.decode() for what, name in names.items()
        )

    assert given().count("own") == 3
    for linked, target in ((own, outside), (own.parent, outside.parent)):
        linked.rename(tmp_path / "kept")
        linked.symlink_to(target, target_is_directory=True)
        assert "secret" not in given()
        found = page.ask("/api/run", run).json
        assert (found["has_console"], found["has_patch"], found["files"]) == (False, False, [])
        linked.unlink()
        (tmp_path / "kept").rename(linked)
    for name in (CONSOLE_FILE, "code.patch"):  # and so where the file itself is one
        (own / name).unlink()
        (own / name).symlink_to(outside / name)
    assert "secret" not in given()
    far = {**run, "run": f"../../../../{outside.parent.name}/{run['run']}"}
    assert page.ask("/api/console", far).json["lines"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_file_is_sent_in_pieces(page, root):
    run = one_run(page)
    own = next(root.glob(f"net/*/runs/{run['run']}.log")).parent.parent / "artifacts" / run["run"]
    own.mkdir(parents=True, exist_ok=True)
    size = (300 << 20) + 7
    with (own / "large.bin").open("wb") as file:
        file.truncate(size - 3)  # a hole, which needs no disk
        file.seek(0, os.SEEK_END)
        file.write(b"end")
    assert page.download("/api/artifact", {**run, "name": "large.bin"}) == (size, b"end")
    status = Path(f"/proc/{page.process.pid}/status").read_text()
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert int(peak) * 1024 < 300 << 20
    (own / "large.bin").unlink()


# Its end


def test_every_signal_ends_it_and_open_streams_at_once(root, tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with (
            served_page(root, tmp_path) as found,
            socket.create_connection(("127.0.0.1", found.port)) as open_one,
        ):
            open_one.sendall(
                f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{found.port}\r\n"
                f"Authorization: Bearer {found.token}\r\n\r\n".encode()
            )
            until(lambda stream=open_one: b"hello" in stream.recv(65536))
            found.process.send_signal(number)
            assert found.process.wait(20) == 0


def test_a_port_that_is_taken_is_said(root):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = call("ui", str(root), "--port", str(port))
    assert answer.exit_code == 1
    assert f"127.0.0.1:{port}" in answer.stderr


def test_a_root_that_does_not_exist_is_said(tmp_path):
    answer = call("ui", str(tmp_path / "missing"), "--port", "0")
    assert answer.exit_code != 0
    assert "missing" in answer.stderr
