"""What users give as pictures, sounds, histograms and tables, and what is kept of it."""

from __future__ import annotations

import importlib
import io
import json
import math
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from legm.errors import MediaError
from legm.media.figures import pending_figure
from legm.media.histograms import histogram_counts, pending_histogram
from legm.media.pending_file import pending_files_with_captions
from legm.media.pictures import pending_pictures
from legm.media.sounds import pending_sound
from legm.media.tables import media_table_columns, pending_table

NOISE = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)


class Tensor:
    """Stands in for a PyTorch tensor on another device: what legm asks of one."""

    def __init__(self, array: Any) -> None:
        self._array = np.asarray(array)
        self.dtype = f"torch.{self._array.dtype}"

    def __repr__(self) -> str:
        return f"Tensor{self._array.shape}"

    def detach(self) -> Tensor:
        """Itself."""
        return self

    def cpu(self) -> Any:
        """The array."""
        return self._array


class FailingTensor(Tensor):
    """A tensor without data, as PyTorch's device "meta" has."""

    def cpu(self) -> Any:
        """Fail as PyTorch does."""
        raise NotImplementedError("no data")


class Textless:
    """A value that has no text."""

    def __str__(self) -> str:
        raise ValueError("no text")


def cut_off_image() -> Any:
    """A Pillow image that is read when its pixels are asked for, of a file that ends in the middle."""
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(whole, "PNG")
    return Image.open(io.BytesIO(whole.getvalue()[:2000]))


def decoded(image: Any) -> Any:
    """The pixels of one picture after encoding."""
    (pending,) = pending_pictures("x", image)
    return np.asarray(Image.open(io.BytesIO(pending.encode())))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (NOISE[:, :, 0], NOISE[:, :, 0]),
        (NOISE[:, :, :1], NOISE[:, :, 0]),
        (NOISE[:, :, :2], NOISE[:, :, :2]),
        (NOISE[:, :, :3], NOISE[:, :, :3]),
        (NOISE, NOISE),
        (NOISE[::-1, ::2, :3], NOISE[::-1, ::2, :3]),
        (NOISE[:, :, 0] > 100, NOISE[:, :, 0] > 100),
        (NOISE[:, :, :3] > 100, np.where(NOISE[:, :, :3] > 100, 255, 0)),
        (NOISE[:, :, :2] > 100, np.where(NOISE[:, :, :2] > 100, 255, 0)),
        (NOISE[:, :, :1] > 100, NOISE[:, :, 0] > 100),
        (NOISE[:, :, :3] / 255, NOISE[:, :, :3]),
        ((NOISE[:, :, :3] / 255).astype(np.float16), NOISE[:, :, :3]),
        (Tensor(NOISE[:, :, :3].transpose(2, 0, 1)), NOISE[:, :, :3]),
        (Tensor(NOISE[:, :, :1].transpose(2, 0, 1) / 255), NOISE[:, :, 0]),
        (Tensor(NOISE[:, :, 0]), NOISE[:, :, 0]),
        (Image.fromarray(NOISE), NOISE),
        (
            Image.fromarray(NOISE[:, :, 0]).convert("1"),
            np.asarray(Image.fromarray(NOISE[:, :, 0]).convert("1")),
        ),
        (np.zeros((3, 5, 3), np.uint8), np.zeros((3, 5, 3), np.uint8)),
    ],
    ids=str.lower(
        "grey one two rgb rgba views bool bools bools-of-two bool-of-one float half "
        "tensor grey-tensor flat-tensor pillow bits small"
    ).split(),
)
def test_a_picture_keeps_its_pixels(image: Any, expected: Any):
    found = decoded(image)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_a_picture_in_other_colours_is_converted():
    assert decoded(Image.new("CMYK", (3, 2))).shape == (2, 3, 3)


def test_a_picture_of_sixteen_bits_keeps_them():
    assert decoded(Image.new("I", (2, 1), 65535)).tolist() == [[65535] * 2]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 8, 9), np.uint8), r"shape \(3, 8, 9\).*np.transpose\(image, \(1, 2, 0\)\)"),
        (np.zeros((8, 9, 5), np.uint8), r"shape \(8, 9, 5\): right are"),
        (np.zeros((2, 8, 9, 3), np.uint8), r"shape \(2, 8, 9, 3\).*a list of pictures"),
        (np.zeros(8, np.uint8), r"shape \(8,\)"),
        (np.zeros((0, 8), np.uint8), r"shape \(0, 8\)"),
        (np.zeros((8, 9), np.int64), r"type int64: right are uint8.*astype\('uint8'\)"),
        (np.full((8, 9), 255.0), r"values from 255 to 255, and floats must be in \[0, 1\]"),
        (np.full((8, 9), -0.5), r"values from -0.5 to -0.5"),
        (np.full((8, 9), np.nan), "contains NaN"),
        (np.zeros((8, 9), complex), "ndarray of complex128"),
        ("no-such-file.png", "cannot be read: No such file"),
        ("a.svg", "must have one of the extensions .png"),
        ({"a": 1}, "must be a picture, not dict"),
        ((one for one in [NOISE]), "must be a picture, not generator"),
        (np.zeros((8, 9), np.uint16), "type uint16: right are uint8"),
        (Image.new("F", (2, 1), 0.5), "mode 'F' with values from 0.5 to 0.5, which PNG cannot hold"),
        (Image.new("I", (2, 1), 1 << 16), "mode 'I' with values from 65536 to 65536"),
        (cut_off_image(), "the image cannot be read: "),
        (FailingTensor(NOISE), "must be a picture, not FailingTensor: no data"),
        ("a\0.png", "is not a path"),
        (Path(os.devnull).parent / "null.png", "cannot be read: No such file"),
        ([], "empty list"),
    ],
)
def test_what_is_no_picture_is_an_error_that_says_what_would_be_right(image: Any, message: str):
    with pytest.raises(MediaError, match=message):
        pending_files_with_captions("x", pending_pictures("x", image), None)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(b"not a picture")
    with pytest.raises(MediaError, match="is not a picture, or damaged"):
        pending_pictures("x", path)


@pytest.mark.parametrize("kind", ["folder", "empty", "pipe"])
def test_a_path_of_no_content_is_refused_at_once(tmp_path: Path, kind: str):
    makers = {"folder": Path.mkdir, "empty": Path.touch, "pipe": getattr(os, "mkfifo", Path.mkdir)}
    makers[kind](tmp_path / "a.mp3")
    with pytest.raises(MediaError, match=r"a.mp3' is (not a file|empty)"):
        pending_sound("x", tmp_path / "a.mp3", None)


def test_a_file_of_more_pixels_than_pillow_decodes_is_kept_as_it_is(tmp_path: Path):
    whole = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(whole, "PNG")
    (tmp_path / "a.png").write_bytes(whole.getvalue())
    (pending,) = pending_pictures("x", tmp_path / "a.png")
    assert pending.encode() == whole.getvalue()


def test_what_is_logged_is_a_copy(tmp_path: Path):
    pixels, samples, values = NOISE.copy(), np.zeros(9, np.int16), np.ones(5)
    path = tmp_path / "a.png"
    Image.fromarray(NOISE).save(path)
    content = path.read_bytes()
    pending = [
        *pending_pictures("x", [pixels, path]),
        pending_sound("x", samples, 8),
        pending_histogram("x", values),
    ]
    for array in (pixels, samples, values):
        array[:] = 77
    path.unlink()
    encoded = [one.encode() for one in pending]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded[0]))), NOISE)
    assert encoded[1] == content
    assert b"\x4d" not in encoded[2][44:]
    assert histogram_counts(encoded[3])[0][0] < 1.1


@pytest.mark.parametrize("count", [0, 2])
def test_every_picture_has_a_caption_or_none_has(count: int):
    files = pending_pictures("x", NOISE[:, :, :3])
    with pytest.raises(MediaError, match=r"1 file and the caption \[.*give one text for each"):
        pending_files_with_captions("x", files, ["a"] * count)


@pytest.mark.parametrize("caption", [5, 0.5, True, b"a", ["a", 1]])
def test_a_caption_is_a_text(caption: Any):
    with pytest.raises(MediaError, match="1 file and the caption"):
        pending_files_with_captions("x", pending_pictures("x", NOISE), caption)


def test_captions_may_come_one_by_one():
    files = pending_files_with_captions("x", pending_pictures("x", [NOISE, NOISE]), (text for text in "ab"))
    assert [one.caption for one in files] == ["a", "b"]


@pytest.mark.parametrize(
    ("samples", "expected", "channels"),
    [
        (np.array([0, 1, -32768], np.int16), [0, 1, -32768], 1),
        (np.array([0.0, 1.0, -1.0], np.float32), [0, 32767, -32767], 1),
        ([0.0, 0.5], [0, 16384], 1),
        (np.array([[1, 2], [3, 4], [5, 6]], np.int16), [1, 2, 3, 4, 5, 6], 2),
        (Tensor(np.array([[1, 3, 5], [2, 4, 6]], np.int16)), [1, 2, 3, 4, 5, 6], 2),
    ],
)
def test_a_sound_keeps_its_samples(samples: Any, expected: list[int], channels: int):
    pending = pending_sound("x", samples, 8000)
    with wave.open(io.BytesIO(pending.encode())) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (channels, 8000, 2)
        assert np.frombuffer(file.readframes(99), "<i2").tolist() == expected
    assert pending.details == {"rate": 8000, "channels": channels, "samples": len(expected) // channels}


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(3), None, "rate None must be a whole number"),
        (np.zeros(3), 0, "rate 0"),
        (np.zeros(3), 44.5, "rate 44.5"),
        (np.zeros(3), math.inf, "rate inf"),
        (np.zeros(3), math.nan, "rate nan"),
        (np.zeros(3), "8000", "rate '8000'"),
        (np.zeros(3), np.array([8000, 1]), "rate array"),
        (np.zeros(3), 2**31 - 1, "at most 67,108,863"),
        (np.full(3, 2.0), 8, r"samples from 2 to 2, and floats must be in \[-1, 1\]"),
        (np.full(3, np.nan), 8, "samples from nan"),
        (np.zeros(3, np.int64), 8, "int64: right are int16"),
        (np.zeros((2, 3, 4), np.int16), 8, r"shape \(2, 3, 4\): right are shapes"),
        (np.zeros((2, 44100), np.int16), 8, r"shape \(2, 44100\): right are shapes"),
        (np.zeros(0), 8, r"shape \(0,\)"),
        ("a.txt", None, "must have one of the extensions .wav"),
    ],
)
def test_what_is_no_sound_is_an_error_that_says_what_would_be_right(samples: Any, rate: Any, message: str):
    with pytest.raises(MediaError, match=message):
        pending_sound("x", samples, rate)


def test_a_histogram_counts_every_value():
    values = np.concatenate([np.linspace(-3, 7, 1000), [np.nan, np.inf, -np.inf]])
    content = json.loads(pending_histogram("x", values.reshape(-1, 17)).encode())
    assert (sum(content["counts"]), content["nan"], content["infinite"]) == (1000, 1, 2)
    assert (content["edges"][0], content["edges"][-1], len(content["counts"])) == (-3, 7, 64)
    counts, _ = np.histogram(values[:1000], np.array(content["edges"]))
    assert content["counts"] == counts.tolist()


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ([2.5] * 3, 3),
        ([0.0], 1),
        ([1e308, -1e308], 2),
        ([5e-324, 0.0], 2),
        ([1.0, 1.0 + 2e-16], 2),
        ([np.nan], 0),
        (np.array([True, False]), 2),
        (Tensor(np.arange(6).reshape(2, 3)), 6),
        (7, 1),
    ],
    ids=str,
)
def test_a_histogram_of_odd_values_counts_all_of_them(values: Any, count: int):
    edges, counts = histogram_counts(pending_histogram("x", values).encode())
    assert sum(counts) == count
    assert edges == sorted(set(edges))
    assert all(map(math.isfinite, edges))


@pytest.mark.parametrize("values", [[], "text", None, [[1], [1, 2]], {"a": 1}])
def test_what_has_no_histogram_is_an_error(values: Any):
    with pytest.raises(MediaError, match="'x'"):
        pending_histogram("x", values)


def test_the_number_of_bins_may_be_one_of_numpy():
    assert len(histogram_counts(pending_histogram("x", [1.0, 2.0], np.int64(3)).encode())[1]) == 3


@pytest.mark.parametrize("rate", [1, 67_108_863])
def test_a_sound_may_have_any_rate_that_a_wav_can_say(rate: int):
    with wave.open(io.BytesIO(pending_sound("x", np.zeros((4, 32)), rate).encode())) as file:
        assert (file.getframerate(), file.getnchannels()) == (rate, 32)


@pytest.mark.parametrize("bins", [0, -1, 2.5, True, 10**6, "64", np.linspace(0, 1, 5), [0, 1]], ids=repr)
def test_a_wrong_number_of_bins_is_an_error(bins: Any):
    with pytest.raises(MediaError, match="bins="):
        pending_histogram("x", [1.0], bins)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"a": [1, 2], "b": ["x", None]}, {"a": [1, 2], "b": ["x", None]}),
        ({"a": np.array([1.5, np.inf]), "b": (True, False)}, {"a": [1.5, math.inf], "b": [True, False]}),
        ([{"a": 1}, {"b": "x"}], {"a": [1, None], "b": [None, "x"]}),
        (
            {"a": [np.float32(0.5), np.int64(3)], 7: [{"z": 1}, Path("p")]},
            {"a": [0.5, 3], "7": ["{'z': 1}", "p"]},
        ),
        ({"a": Tensor([1, 2])}, {"a": [1, 2]}),
        ({"a": ["NaN", "b"]}, {"a": ["NaN", "b"]}),
        ({"a": []}, {"a": []}),
        ({"a": [2**70]}, {"a": [2**70]}),
        ({"a": [np.longdouble(0.5)]}, {"a": [0.5]}),
    ],
    ids=str,
)
def test_a_table_keeps_its_values(table: Any, expected: dict[str, list[Any]]):
    found = media_table_columns(pending_table("x", table).encode())
    assert found == expected
    assert [[type(one) for one in values] for values in found.values()] == [
        [type(one) for one in values] for values in expected.values()
    ]


@pytest.mark.libraries
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_table_may_be_a_frame_of_each_library(library: str):
    columns = {"name": ["a", "b"], "score": [0.5, 0.25], "count": [1, 2], "right": [True, False]}
    module = importlib.import_module(library)
    frame = module.table(columns) if library == "pyarrow" else module.DataFrame(columns)
    assert media_table_columns(pending_table("x", frame).encode()) == columns


@pytest.mark.libraries
@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_two_columns_of_one_name_are_refused(library: str):
    module = importlib.import_module(library)
    if library == "pandas":
        table = module.DataFrame([[1, 2]], columns=["a", "a"])
    else:
        table = module.Table.from_arrays([module.array([1]), module.array([2])], names=["a", "a"])
    with pytest.raises(MediaError, match="several columns have the name 'a'"):
        pending_table("x", table)


def test_a_column_may_come_one_by_one():
    assert media_table_columns(pending_table("x", {"a": (one for one in "bc")}).encode()) == {"a": ["b", "c"]}


def test_nan_in_a_table_comes_back_and_the_file_is_strict_json():
    content = pending_table("x", {"a": [float("nan"), 1.0, -math.inf]}).encode()

    def refused(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    json.loads(content, parse_constant=refused)
    first, *rest = media_table_columns(content)["a"]
    assert math.isnan(first)
    assert rest == [1.0, -math.inf]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [1], "b": [1, 2]}, r"differ in length: {'a': 1, 'b': 2}"),
        ({}, "no column"),
        ([1, 2], "must be a table, not list"),
        ("text", "must be a table, not 'text'"),
        ({1: [1], "1": [2]}, "several columns have the name '1': rename them"),
        ({"a": [10**5000]}, "the column 'a' has a value that cannot be kept: an integer of 16610 bits"),
        ({"a": [Textless()]}, "the column 'a' has a value that cannot be kept: no text"),
        ({"a": "text"}, "column 'a' must be a list of values, not str"),
        (7, "must be a table, not int"),
    ],
)
def test_what_is_no_table_is_an_error(table: Any, message: str):
    with pytest.raises(MediaError, match=message):
        pending_table("x", table)


def test_a_figure_is_drawn_as_it_is_when_it_is_logged():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1), dpi=50)
    axes = figure.subplots()
    before = pending_figure("x", axes).encode()
    axes.plot([1, 2])
    after = pending_figure("x", figure).encode()
    assert before != after
    assert Image.open(io.BytesIO(after)).size == (100, 50)


def test_a_figure_may_be_logged_as_a_picture_beside_others():
    from matplotlib.figure import Figure

    drawn, pixels = pending_pictures("x", [Figure(figsize=(2, 1), dpi=50), np.zeros((3, 4), np.uint8)])
    assert Image.open(io.BytesIO(drawn.encode())).size == (100, 50)
    assert Image.open(io.BytesIO(pixels.encode())).size == (4, 3)


@pytest.mark.parametrize("figure", [7, "text", object(), dict])
def test_what_is_no_figure_is_an_error(figure: Any):
    with pytest.raises(MediaError, match="must be a Matplotlib or Plotly figure"):
        pending_figure("x", figure)
