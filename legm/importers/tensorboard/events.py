"""What events say, whichever writer wrote them: numbers, texts, pictures, sounds, hyperparameters.

Numbers are the simple values of TensorFlow 1, PyTorch and tensorboardX, and the tensors of TensorFlow 2 and
Keras; a tensor's plugin says what it is for, and is named at its tag's first value only by some writers.
(The messages are TensorFlow's ``core/util/event.proto`` and ``core/framework/summary.proto``.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.message import DecodeError

from legm.importers.columns import points_of
from legm.importers.notes import Notes
from legm.importers.tensorboard.records import records
from legm.importers.tensorboard.tensors import number_in, texts_in
from legm.records import Points

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EventReader", "Media", "Other", "Said", "Seen", "Session", "Text", "media_in"]

_ROWS = 1 << 16  # numbers that are held at once
_MOST_LAYOUTS = 1 << 16
_NUMBERS = ("", "scalars")
_KINDS = {
    "graph_def": "graphs",
    "meta_graph_def": "graphs",
    "tagged_run_metadata": "metadata of graphs",
    "log_message": "log messages",
    "histo": "histograms",
    "obsolete_old_style_histogram": "histograms",
}


@dataclass(frozen=True, slots=True)
class Text:
    """A text at a step and time."""

    tag: str
    value: str
    step: int
    time: float


@dataclass(frozen=True, slots=True)
class Media:
    """Pictures or sounds of one tag and step.

    Args:
        kind: ``images`` or ``audio``.
        tag, step: what they are of.
        contents: each as a file holds it.
        place: that of its record in the event file.
        number: which of its event's values it is.
    """

    kind: str
    tag: str
    step: int
    contents: list[bytes]
    place: int
    number: int


@dataclass(frozen=True, slots=True)
class Session:
    """What the plugin ``hparams`` keeps: its message, and the time of the event."""

    content: bytes
    time: float


@dataclass(frozen=True, slots=True)
class Other:
    """Something that legm has no word for; its kind in the plural."""

    kind: str


@dataclass(frozen=True, slots=True)
class Seen:
    """That there was an event at a time, with whatever it says besides numbers."""

    time: float


Said: TypeAlias = "Points | Text | Media | Session | Other | Seen"


class EventReader:
    """Reads the event files of one folder, one after the other.

    Args:
        notes: takes what cannot be read.
        named: what a tag is called.
    """

    def __init__(self, notes: Notes, named: Callable[[str], str] = str) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._parse = Event.FromString
        self._notes = notes
        self._named = named
        self._plugins: dict[str, str] = {}
        self._numbers: dict[str, int] = {}  # of metrics
        self._layouts: dict[bytes, int] = {}  # by all of an event but its time, step and value, its metric
        self._rows: tuple[list[int], list[int], list[float], list[float]] = ([], [], [], [])

    def read(self, path: Path, size: int) -> Iterator[Said]:
        """What a file says, in its order, but that numbers come in batches.

        Args:
            path: the file.
            size: how much of it is read, in bytes.

        Raises:
            StorageError: it cannot be read.
        """
        layouts = self._layouts
        unpack_time, unpack_value = struct.Struct("<d").unpack_from, struct.Struct("<f").unpack
        numbers, steps, times, values = self._rows
        for place, message in records(path, size, self._notes):
            # Most events are a time, a step, and one simple value at their end.
            start, step = 9, 0
            if message[9:10] == b"\x10":
                start, step = _varint(message, 10)
            metric = layouts.get(message[start:-4])
            if metric is not None and message[0] == 9:
                numbers.append(metric)
                steps.append(step)
                times.append(unpack_time(message, 1)[0])
                values.append(unpack_value(message[-4:])[0])
            else:
                try:
                    event = self._parse(message)
                except DecodeError:
                    self._notes.add("records that are no events were passed over", f"{path}, byte {place}")
                    continue
                before = len(numbers)
                yield from self._said(event, place)
                if len(numbers) == before:
                    yield Seen(event.wall_time)
                self._learn(message, start, event)
            if len(numbers) >= _ROWS:
                yield self._batch()
        if numbers:
            yield self._batch()

    def _said(self, event: Any, place: int) -> Iterator[Said]:
        what = event.WhichOneof("what")
        if what in _KINDS:
            yield Other(_KINDS[what])
        for number, value in enumerate(event.summary.value if what == "summary" else ()):
            plugin = self._plugin(value)
            kind = value.WhichOneof("value")
            if plugin == "hparams":
                yield Session(value.metadata.plugin_data.content, event.wall_time)
            elif kind == "simple_value":
                self._add(value.tag, event, value.simple_value)
            elif kind == "tensor" and (found := _number(plugin, value.tensor)) is not None:
                self._add(value.tag, event, found)
            elif kind == "tensor" and plugin == "text" and (text := _text(value.tensor)) is not None:
                name = self._named(value.tag.removesuffix("/text_summary"))
                yield Text(name, text, event.step, event.wall_time)
            elif (media := media_in(value, plugin)) is not None:
                kind, contents = media
                yield Media(kind, self._named(value.tag), event.step, contents, place, number)
            elif kind is not None:
                known = plugin.replace("_", " ") if kind == "tensor" else _KINDS[kind]
                yield Other(known or "tensors")

    def _plugin(self, value: Any) -> str:
        """Which plugin a value is for."""
        plugin: str = value.metadata.plugin_data.plugin_name
        if not plugin:
            return self._plugins.get(value.tag, "")
        if plugin not in _NUMBERS:
            self._plugins[value.tag] = plugin
        return plugin

    def _add(self, tag: str, event: Any, value: float) -> None:
        numbers, steps, times, values = self._rows
        numbers.append(self._numbers.setdefault(tag, len(self._numbers)))
        steps.append(event.step)
        times.append(event.wall_time)
        values.append(value)

    def _learn(self, message: bytes, start: int, event: Any) -> None:
        """Remember how an event looks that is one simple value, so that its like need not be parsed."""
        if len(self._layouts) >= _MOST_LAYOUTS or len(event.summary.value) != 1 or message[0] != 9:
            return
        (value,) = event.summary.value
        if value.WhichOneof("value") != "simple_value" or self._plugin(value) == "hparams":
            return
        head = b"\t" + struct.pack("<d", 1.5) + b"\x10\x07"
        for number in (1.0, 2.0):
            try:
                other = self._parse(head + message[start:-4] + struct.pack("<f", number))
            except DecodeError:  # it ends with something else
                return
            told = [(one.tag, one.simple_value) for one in other.summary.value]
            if (other.wall_time, other.step, told) != (1.5, 7, [(value.tag, number)]):
                return
        self._layouts[message[start:-4]] = self._numbers[value.tag]

    def _batch(self) -> Points:
        import numpy as np

        numbers, steps, times, values = self._rows
        points = points_of(
            {self._named(tag): number for tag, number in self._numbers.items()},
            np.array(numbers, np.int64),
            np.array(steps, np.int64),
            np.array(times, np.float64),
            np.array(values, np.float64),
        )
        for column in self._rows:
            column.clear()
        return points


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Where a varint ends, and the int64 that it is."""
    number = shift = 0
    for byte in message[at : at + 10]:
        number |= (byte & 127) << shift
        shift += 7
        at += 1
        if byte < 128:
            break
    number &= (1 << 64) - 1
    return at, number - (1 << 64) if number >> 63 else number


def _number(plugin: str, tensor: Any) -> float | None:
    """A tensor that is one number; those of other plugins only where they have no dimension."""
    is_one = plugin in _NUMBERS or not tensor.tensor_shape.dim
    return number_in(tensor) if is_one else None


def _text(tensor: Any) -> str | None:
    """A text, or a list of texts as lines; None for a table."""
    found = texts_in(tensor)
    if found is None or len(found[0]) > 1:
        return None
    return "\n".join(one.decode(errors="replace") for one in found[1])


def media_in(value: Any, plugin: str) -> tuple[str, list[bytes]] | None:
    """The pictures or sounds of a ``Summary.Value``, and what they are; None for any other value."""
    kind = value.WhichOneof("value")
    if kind == "image":
        return "images", [value.image.encoded_image_string]
    if kind == "audio":
        return "audio", [value.audio.encoded_audio_string]
    found = texts_in(value.tensor) if kind == "tensor" else None
    if found is None:
        return None
    shape, contents = found
    if plugin == "images":
        return "images", contents[2:]  # behind width and height
    if plugin == "audio":
        return "audio", contents[:: 2 if len(shape) > 1 else 1]  # each with a label
    return None
