"""The content of events, whichever writer wrote them: numbers, texts, images, sounds, hyperparameters.

Numbers are the simple values of TensorFlow 1, PyTorch and tensorboardX, and the tensors of TensorFlow 2 and
Keras. A tensor's plugin says what the tensor is for; some writers name it only with a tag's first value.
(The messages are TensorFlow's ``core/util/event.proto`` and ``core/framework/summary.proto``.)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.message import DecodeError

from legm.core.point_columns import points_from_rows
from legm.importers.import_notes import ImportNotes
from legm.importers.tensorboard.tensors import tensor_number, tensor_texts
from legm.importers.tensorboard.tfrecords import MAX_MESSAGE_BYTES, read_tfrecords
from legm.records import Points

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "EventContent",
    "EventReader",
    "EventTime",
    "HparamsSession",
    "MediaEvent",
    "TextEvent",
    "UnsupportedEvent",
    "read_event_media",
]

_BATCH_SIZE = 1 << 16  # numbers that are held at once
_MAX_TAGS, _MAX_LAYOUTS = 1 << 16, 8  # limits on what is learned about layouts
_MAX_TRIES = 8
_SCALAR_PLUGINS = ("", "scalars")
_UNSUPPORTED_KINDS = {
    "graph_def": "graphs",
    "meta_graph_def": "graphs",
    "tagged_run_metadata": "metadata of graphs",
    "log_message": "log messages",
    "obsolete_old_style_histogram": "histograms",
}


@dataclass(frozen=True, slots=True)
class TextEvent:
    """A text at a step and time."""

    tag: str
    value: str
    step: int
    time: float


@dataclass(frozen=True, slots=True)
class MediaEvent:
    """Images, sounds or a histogram of one tag and step.

    Args:
        kind: ``images``, ``audio`` or ``histograms``.
        tag, step: the tag and step they were logged for.
        time: when, in seconds since 1970.
        contents: each as the bytes of a file, of which histograms are made when they are opened.
        offset: the offset of its record in the event file.
        number: the index of the value within its event.
    """

    kind: str
    tag: str
    step: int
    time: float
    contents: list[bytes]
    offset: int
    number: int


@dataclass(frozen=True, slots=True)
class HparamsSession:
    """A message of the ``hparams`` plugin, and the time of its event."""

    content: bytes
    time: float


@dataclass(frozen=True, slots=True)
class UnsupportedEvent:
    """Something that legm does not support; its kind in the plural."""

    kind: str


@dataclass(frozen=True, slots=True)
class EventTime:
    """The time of an event without numbers, whatever else it contains."""

    time: float


EventContent: TypeAlias = "Points | TextEvent | MediaEvent | HparamsSession | UnsupportedEvent | EventTime"


class _EventLayout:
    """The byte layout of events with a single number: time, step, a head, the number, a tail.

    Args:
        form: the number's :mod:`struct` format.
        tail: the bytes after it.
    """

    __slots__ = ("at", "end", "form", "metrics", "tail", "unpack")

    def __init__(self, form: str, tail: bytes) -> None:
        self.form = form
        self.tail = tail
        self.at = -struct.calcsize(form) - len(tail)
        self.end = -len(tail) or None
        self.unpack = struct.Struct(form).unpack
        self.metrics: dict[bytes, int] = {}  # by head

    def has_form(self, form: str, tail: bytes) -> bool:
        """Whether this is the layout with this format and tail."""
        return (self.form, self.tail) == (form, tail)


class EventReader:
    """Reads the event files of one folder, one after the other.

    Args:
        notes: collects what cannot be read.
        metric_name: the metric's name for a tag.
    """

    def __init__(self, notes: ImportNotes, metric_name: Callable[[str], str] = str) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._parse = Event.FromString
        self._notes = notes
        self._metric_name = metric_name
        self._plugins: dict[str, str] = {}
        self._metric_numbers: dict[str, int] = {}
        self._layouts = [_EventLayout("<f", b"")]
        self._tries: dict[str, int] = {}  # attempts at learning the layout of a tag's events
        self._rows: tuple[list[int], list[int], list[float], list[float]] = ([], [], [], [])

    def read(self, path: Path, size: int) -> Iterator[EventContent]:
        """Read the content of a file in order, with numbers in batches.

        Args:
            path: the file.
            size: how many bytes of it to read.

        Raises:
            StorageError: it cannot be read.
        """
        layouts, unpack_time = self._layouts, struct.Struct("<d").unpack_from
        numbers, steps, times, values = self._rows
        for offset, message in read_tfrecords(path, size, self._notes):
            if message is None:
                yield UnsupportedEvent(f"events of more than {MAX_MESSAGE_BYTES >> 20} MB")
                continue
            # Most events are a time, a step, and a number between bytes that were seen before.
            start, step = 9, 0
            if message[9:10] == b"\x10":
                start, step = _read_event_varint(message, 10)
            for layout in layouts:
                metric = layout.metrics.get(message[start : layout.at])
                if metric is not None and message[0] == 9 and message.endswith(layout.tail):
                    numbers.append(metric)
                    steps.append(step)
                    times.append(unpack_time(message, 1)[0])
                    values.append(layout.unpack(message[layout.at : layout.end])[0])
                    break
            else:
                try:
                    event = self._parse(message)
                except DecodeError:
                    self._notes.add("records that are not events were skipped", f"{path}, byte {offset}")
                    continue
                before = len(numbers)
                yield from self._contents_of(event, offset)
                if len(numbers) == before:
                    yield EventTime(event.wall_time)
                self._learn_layout(message, start, event)
            if len(numbers) >= _BATCH_SIZE:
                yield self._take_batch()
        if numbers:
            yield self._take_batch()

    def _contents_of(self, event: Any, offset: int) -> Iterator[EventContent]:
        what = event.WhichOneof("what")
        if what in _UNSUPPORTED_KINDS:
            yield UnsupportedEvent(_UNSUPPORTED_KINDS[what])
        for number, value in enumerate(event.summary.value if what == "summary" else ()):
            plugin = self._plugin_of(value)
            kind = value.WhichOneof("value")
            if plugin == "hparams":
                yield HparamsSession(value.metadata.plugin_data.content, event.wall_time)
            elif (found := _event_number(value, plugin)) is not None:
                self._add_number(value.tag, event, found)
            elif kind == "tensor" and plugin == "text" and (text := _event_text(value.tensor)) is not None:
                name = self._metric_name(value.tag.removesuffix("/text_summary"))
                yield TextEvent(name, text, event.step, event.wall_time)
            elif (media := read_event_media(value, plugin)) is not None:
                yield MediaEvent(
                    media[0],
                    self._metric_name(value.tag),
                    *(event.step, event.wall_time, media[1], offset, number),
                )
            elif kind is not None:
                yield UnsupportedEvent(_UNSUPPORTED_KINDS.get(kind) or _event_plugin_kind(plugin))

    def _plugin_of(self, value: Any) -> str:
        """The plugin that a value is for."""
        plugin: str = value.metadata.plugin_data.plugin_name
        if not plugin:
            return self._plugins.get(value.tag, "")
        if plugin not in _SCALAR_PLUGINS:
            self._plugins[value.tag] = plugin
        return plugin

    def _add_number(self, tag: str, event: Any, value: float) -> None:
        numbers, steps, times, values = self._rows
        numbers.append(self._metric_numbers.setdefault(tag, len(self._metric_numbers)))
        steps.append(event.step)
        times.append(event.wall_time)
        values.append(value)

    def _learn_layout(self, message: bytes, start: int, event: Any) -> None:
        """Learn the layout of an event with a single number, so that similar events need no parsing."""
        values = event.summary.value
        if len(values) != 1 or message[0] != 9 or self._tries.get(values[0].tag, 0) >= _MAX_TRIES:
            return
        tag, plugin = values[0].tag, self._plugin_of(values[0])
        number = None if plugin == "hparams" else _event_number(values[0], plugin)
        if number is None or len(self._tries) >= _MAX_TAGS:
            return
        self._tries[tag] = self._tries.get(tag, 0) + 1
        for form in ("<f", "<d"):
            try:
                value = struct.pack(form, number)
            except OverflowError:  # it does not fit into a float32
                continue
            at = message.rfind(value, start)
            if at < 0:
                continue
            head, tail = message[start:at], message[at + len(value) :]
            if all(self._layout_fits(head, form, other, tail, tag, plugin) for other in (1.5, -2.5)):
                layout = next((one for one in self._layouts if one.has_form(form, tail)), None)
                if layout is None and len(self._layouts) < _MAX_LAYOUTS:
                    layout = _EventLayout(form, tail)
                    self._layouts.append(layout)
                if layout is not None:
                    layout.metrics[head] = self._metric_numbers[tag]
                return

    def _layout_fits(self, head: bytes, form: str, number: float, tail: bytes, tag: str, plugin: str) -> bool:
        """Whether an event of this layout really contains this number and nothing else."""
        event = b"\t" + struct.pack("<d", 1.25) + b"\x10\x07" + head + struct.pack(form, number) + tail
        try:
            parsed = self._parse(event)
        except DecodeError:
            return False
        found = [(one.tag, self._plugin_of(one), _event_number(one, plugin)) for one in parsed.summary.value]
        return (parsed.wall_time, parsed.step, found) == (1.25, 7, [(tag, plugin, number)])

    def _take_batch(self) -> Points:
        import numpy as np

        numbers, steps, times, values = self._rows
        points = points_from_rows(
            {self._metric_name(tag): number for tag, number in self._metric_numbers.items()},
            np.array(numbers, np.int64),
            np.array(steps, np.int64),
            np.array(times, np.float64),
            np.array(values, np.float64),
        )
        for column in self._rows:
            column.clear()
        return points


def _read_event_varint(message: bytes, at: int) -> tuple[int, int]:
    """The end of a varint and its value as an int64."""
    number = byte = shift = 0
    try:
        while (byte := message[at]) > 127 and shift < 70:
            number |= (byte & 127) << shift
            shift += 7
            at += 1
    except IndexError:  # it is not an event
        return at, 0
    if shift < 63:
        return at + 1, number | byte << shift
    number = (number | byte << shift) & ((1 << 64) - 1)
    return at + 1, number - (1 << 64) if number >> 63 else number


def _event_number(value: Any, plugin: str) -> float | None:
    """A simple value, or a tensor with one number; for unknown plugins only one without dimensions."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        number: float = value.simple_value
        return number
    is_one = kind == "tensor" and (plugin in _SCALAR_PLUGINS or not value.tensor.tensor_shape.dim)
    return tensor_number(value.tensor) if is_one else None


def _event_plugin_kind(plugin: str) -> str:
    """The name for a plugin's tensors in messages; names that are not readable are not shown."""
    is_name = re.fullmatch(r"[\w-]{1,40}", plugin, re.ASCII)
    return plugin.replace("_", " ") if is_name else "tensors of plugins" if plugin else "tensors"


def _event_text(tensor: Any) -> str | None:
    """A text, or a list of texts as lines; None for a table."""
    found = tensor_texts(tensor)
    if found is None or len(found[0]) > 1:
        return None
    return "\n".join(one.decode(errors="replace") for one in found[1])


def read_event_media(value: Any, plugin: str) -> tuple[str, list[bytes]] | None:
    """The kind and the contents of the images or sounds in a ``Summary.Value``; None for any other value.

    The content of a histogram is empty: :func:`event_histogram_json` makes it.
    """
    kind = value.WhichOneof("value")
    if kind == "histo" or (kind == "tensor" and plugin == "histograms"):
        return "histograms", [b""]
    if kind == "image":
        return "images", [value.image.encoded_image_string]
    if kind == "audio":
        return "audio", [value.audio.encoded_audio_string]
    found = tensor_texts(value.tensor) if kind == "tensor" else None
    if found is None:
        return None
    shape, contents = found
    if plugin == "images":
        return "images", contents[2:]  # after width and height
    if plugin == "audio":
        return "audio", contents[:: 2 if len(shape) > 1 else 1]  # each is followed by a label
    return None
