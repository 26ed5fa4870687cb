"""What W&B's server is sent of the command line, which W&B takes itself: never a credential."""

from __future__ import annotations

import pytest

from tests.support.wandb_server import ENTITY, KEY, environment, serving

SECRET = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345"
SCRIPT = f"""
from legm import ExperimentHandler

options = {{"mode": "online", "entity": "{ENTITY}", "settings": {{"x_disable_stats": True}}}}
for backend in (["wandb"], ["local", "wandb"]):
    with ExperimentHandler("results", "e", backend=backend, backend_options={{"wandb": options}}) as handler:
        handler.set_param("lr", 0.1)
        handler.start()
        for step in range(3):
            handler.set_metric("loss", step)
"""


@pytest.mark.parametrize(
    "given",
    [
        ["--hf_token", SECRET],
        [f"--hf-token={SECRET}"],
        ["--password", "abc"],
        ["--optimizer", "adam-and-eve"],
    ],
)
def test_a_credential_on_the_command_line_never_reaches_the_server(tmp_path, prepared, given):
    (tmp_path / "train.py").write_text(SCRIPT)
    text = given[-1].rpartition("=")[2].encode()
    with serving() as server:
        server.received = []
        variables = {**environment(server, tmp_path / "home"), "LEGM_PROVENANCE": "1"}
        prepared.run(["train.py", *given], cwd=tmp_path, env=variables, check=True)
        found = [(run.state, len(run.history)) for run in server.runs.values()]
        assert found == [("finished", 3)] * 2
        everything = b"".join(server.received)
        assert KEY.encode() not in everything
        is_sent = b"--" + text in everything or b'"' + text + b'"' in everything
        assert is_sent is (text == b"adam-and-eve")  # W&B sends other arguments
        assert (text in everything) is is_sent
    assert not server.unknown
