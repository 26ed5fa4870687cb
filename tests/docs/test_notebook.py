"""The notebook of the examples, run as Jupyter runs it."""

from __future__ import annotations

import base64
import io

import nbclient
import nbformat
import numpy as np
import pytest
from matplotlib.image import imread

from legm.runlog.log_folder import find_logs
from legm.runlog.log_reader import read_log_head
from tests.support.paths import ROOT

BAR = """
from legm.util import progress
progress._DELAY = progress._NOTEBOOK_PAUSE = 0
sum(progress.show_progress(range(5), "reading runs"))
"""


def outputs(cell) -> dict[str, str]:
    """What a cell shows last, by the type of its content."""
    return dict(cell.outputs[-1]["data"])


@pytest.mark.libraries
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of the kernel's client
def test_the_notebook_shows_tables_curves_and_a_figure(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # of the kernel itself
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LEGM_PROVENANCE", "1")
    notebook = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]  # they would grow old
    notebook.cells.append(nbformat.v4.new_code_cell(BAR))
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    handler, best, compared, project, runs, figure, bar = [
        cell for cell in notebook.cells if cell.cell_type == "code"
    ][1:]
    for cell in (handler, best, compared, project, runs):
        shown = outputs(cell)
        assert "<table>" in shown["text/html"]
        assert "http" not in shown["text/html"]
        assert "\n" not in shown["text/plain"]
    assert outputs(best)["text/html"].count("<svg") == 6
    assert "lower is better, by the best rule" in outputs(best)["text/html"]
    assert "runs: 3 completed" in outputs(handler)["text/html"]
    assert outputs(compared)["text/html"].count("<tr>") == 6
    picture = imread(io.BytesIO(base64.b64decode(outputs(figure)["image/png"])), "png")
    assert picture.shape[1] > 600
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 20
    first, result = bar.outputs
    assert first["data"]["text/plain"] == "<IPython.core.display.HTML object>"  # the bar, once it was removed
    assert outputs(bar)["text/plain"] == "10"
    assert result["output_type"] == "execute_result"
    for log in find_logs(tmp_path / "results"):
        cell = read_log_head(log).run.environment["notebook"]
        assert (cell["cell"], cell["execution_count"]) == (handler.source, 2)  # which called the training
