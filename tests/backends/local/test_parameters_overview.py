"""A huge parameter costs an overview neither memory nor room; who asks for it gets all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legm import ExperimentHandler
from legm.backends.local import parameters_overview
from legm.backends.local.parameters_file import read_configuration
from legm.backends.local.parameters_overview import read_configuration_overview
from legm.backends.local.status_cache import read_cached_statuses
from legm.delivery.client import connect_client
from tests.support.calling import as_json
from tests.support.examples import examples

LARGE = 1 << 16  # bytes
PEAK = """
import sys
from legm.cli import main
main(sys.argv[1:], standalone_mode=False)
status = open("/proc/self/status").read()  # ru_maxrss has that of the process that started this one
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""


def made(root: Path, **parameters) -> Path:
    """A configuration with a completed run; its folder."""
    handler = ExperimentHandler(root, "e")
    handler.set_dict_params({"lr": 0.1, **parameters})
    with handler.start():
        handler.set_metric("loss", 0.5)
    return Path(handler.configuration_folder)


def told(*arguments: str) -> list[str]:
    command = [sys.executable, "-c", PEAK, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    "value", ["ä" * 1_500_000, [f"row {number:>600}" for number in range(5_000)]], ids=["text", "list"]
)
def test_a_parameter_of_many_megabytes_costs_a_look_no_memory(tmp_path, value):
    made(tmp_path / "small")
    made(tmp_path / "large", data=value)
    *_, small = told("best", str(tmp_path / "small"))
    for command in ("ls", "best"):  # the second one from the catalogue
        *lines, large = told(command, str(tmp_path / "large"))
        assert int(large) - int(small) < 2 * 2**20
        shown = next(line for line in lines if "data=" in line)
        assert "bytes, " in shown
        assert len(shown) < 500


def test_different_huge_values_are_shown_as_different_ones(tmp_path):
    for end in "ab":
        made(tmp_path, data="x" * LARGE + end)
    texts = {one.configuration.parameters["data"] for one in read_cached_statuses(tmp_path / "e")}
    assert len(texts) == 2
    assert all(text.startswith("x" * 90) and f"… ({LARGE + 3:,} bytes, " in text for text in texts)


def test_who_asks_for_a_configuration_gets_its_values_whole(tmp_path):
    folder = made(tmp_path, data="x" * 2 * LARGE, other=[1, {"a": None}])
    (status,) = read_cached_statuses(tmp_path / "e")
    assert status.is_shortened
    assert status.configuration.fingerprint == read_configuration(folder).fingerprint
    (found,) = connect_client(tmp_path).configurations("e")
    assert found == read_configuration(folder)
    assert found.parameters["data"] == "x" * 2 * LARGE
    assert as_json("show", folder)["parameters"]["data"] == "x" * 2 * LARGE


def test_a_damaged_huge_value_is_reported(tmp_path):
    folder = made(tmp_path, data="x" * 2 * LARGE)
    path = folder / "params.yml"
    content = path.read_bytes()
    path.write_bytes(content[:LARGE] + b"y" + content[LARGE + 1 :])
    (status,) = read_cached_statuses(tmp_path / "e")
    assert "edited or damaged" in str(status.problem)


def test_a_file_without_checksums_is_shortened_like_any_other(tmp_path):
    folder = made(tmp_path, data="x" * 2 * LARGE)
    path = folder / "params.yml"
    before, _ = read_configuration_overview(folder)
    path.write_bytes(path.read_bytes().rpartition(b"# legm crc=")[0])
    assert read_configuration_overview(folder) == (before, True)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
)
NAMES = st.text('abcdefg "\\:#ä\n', min_size=1, max_size=8)


@examples(60)
@given(
    parameters=st.dictionaries(NAMES, plain, max_size=6), large=st.integers(1, 200), piece=st.integers(1, 99)
)
def test_every_value_that_is_not_huge_stays_as_it_is(parameters, large, piece, tmp_path_factory):
    from legm.backends.local.parameters_file import parameters_yaml
    from legm.core.identity import fingerprint
    from legm.records import Configuration

    folder = tmp_path_factory.mktemp("c")
    active = tuple(sorted(parameters))
    written = Configuration("e", fingerprint("e", parameters), "", parameters, active, {})
    (folder / "params.yml").write_bytes(parameters_yaml(written))
    whole = read_configuration(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parameters_overview, "_LARGE", large)
        patch.setattr(parameters_overview, "_PIECE", piece)
        found, is_shortened = read_configuration_overview(folder)
    assert [*found.parameters] == [*whole.parameters]
    assert found.fingerprint == whole.fingerprint
    changed = [name for name, value in found.parameters.items() if value != whole.parameters[name]]
    assert is_shortened == bool(changed)
    assert all(" bytes, " in str(found.parameters[name]) for name in changed)
