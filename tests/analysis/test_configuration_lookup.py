"""One rule for the texts that name a configuration, for legm show and handler.compare alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from legm import ExperimentHandler, ParameterError
from tests.support.calling import as_json, failed


def trained(root: Path, lr: float, **options) -> ExperimentHandler:
    for seed in range(3):
        handler = ExperimentHandler(root, "e x", **options)
        handler.set_dict_params({"lr": lr, "seed": seed})
        handler.disable_param("seed")
        handler.name_param("lr")
        with handler.start():
            handler.set_metric("loss", lr + seed / 10)
    return handler


@pytest.fixture
def both(tmp_path):
    return trained(tmp_path, 0.1), trained(tmp_path, 0.2)


def texts(root: Path, handler: ExperimentHandler) -> list[str]:
    """The ways to name a configuration below its experiment."""
    return ["0.2_0", handler.fingerprint, handler.fingerprint[3:11], "0.2"]


def test_show_and_compare_understand_the_same_texts(both, tmp_path, monkeypatch):
    one, other = both
    monkeypatch.chdir(tmp_path)
    for text in texts(tmp_path, other):
        assert as_json("show", str(tmp_path / "e x" / text))["fingerprint"] == other.fingerprint, text
        for written in (text, f"e x/{text}", str(tmp_path / "e x" / text)):
            assert one.compare(one, written, "loss").b.fingerprint == other.fingerprint, written


def test_what_names_nothing_or_two_is_refused_in_the_same_words(both, tmp_path):
    one, _ = both
    for text, message in (("0.3", "has no configuration '0.3'"), ("v1-", "has no configuration 'v1-'")):
        assert message in failed("show", str(tmp_path / "e x" / text))
        with pytest.raises(ParameterError, match=message):
            one.compare(one, text, "loss")


def test_a_piece_that_several_have_is_ambiguous(tmp_path):
    made = [trained(tmp_path, lr / 100) for lr in range(1, 4)]
    start = made[0].fingerprint[:3]
    piece = start + made[0].fingerprint[3:6]
    same = [one for one in made if piece in one.fingerprint]
    assert same == made[:1]  # six characters are enough here
    assert made[1].compare(made[1], piece, "loss").b.fingerprint == made[0].fingerprint


def test_other_backends_have_the_same_texts(tmp_path):
    one = trained(tmp_path, 0.1, backend="local")
    del one
    from legm.testing import MemoryBackend

    memory = MemoryBackend(tmp_path / "m")
    one, other = (trained(tmp_path / "m", lr, backend=memory) for lr in (0.1, 0.2))
    for text in ("0.2_0", "0.2", other.fingerprint, other.fingerprint[3:11], f"e x/{other.fingerprint}"):
        assert one.compare(one, text, "loss").b.fingerprint == other.fingerprint, text
