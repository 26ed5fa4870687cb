"""TensorBoard's event files, written fast enough for every scalar of a run.

An event file is a sequence of records; a record frames one ``Event`` message::

    uint64 length · uint32 masked CRC-32C of the length · Event · uint32 masked CRC-32C of the Event

Source: TensorFlow's ``core/lib/io/record_writer.h``, and ``core/util/event.proto`` and
``core/framework/summary.proto`` for the messages. Integers are little-endian. Here one event holds the
numbers that were set together: their time, their step, and the tag and value of each series.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import time as clock
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from legm.backends.local.event_hparams import hparams_event_record, hparams_session
from legm.backends.local.event_records import (
    clean_event_tag,
    encode_event_field,
    encode_event_head,
    encode_event_record,
    plugin_event,
)
from legm.backends.local.event_rows import encode_event_rows, encode_point_events
from legm.backends.local.tensorboard_media import tensorboard_media_value
from legm.records import Plain, Points, Status

if TYPE_CHECKING:
    from legm.records import Media

_LEFT = 3600.0  # seconds after which no TensorBoard still has to leave a truncated file for a newer one


_STATUS = {
    Status.RUNNING: "STATUS_RUNNING",
    Status.COMPLETED: "STATUS_SUCCESS",
    Status.FAILED: "STATUS_FAILURE",
    Status.INTERRUPTED: "STATUS_FAILURE",
    Status.PRUNED: "STATUS_FAILURE",
}


class EventFile:
    """An event file that grows during training; only one thread may write at a time.

    What a call writes has reached the operating system when the call returns. A call that raises an error has
    written nothing and can be repeated.

    Args:
        folder: the folder of the file; TensorBoard shows a folder as a run.
        started: when the run started, in seconds since 1970 (UTC).
        hidden: whether to use a name that readers ignore, for :func:`replace_event_file`.

    Raises:
        OSError: the folder or file cannot be created. Every method raises it if the disk refuses.
    """

    def __init__(self, folder: Path, *, started: float, hidden: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / (f".{secrets.token_hex(8)}.partial" if hidden else _event_file_name())
        self.file = self.path.open("xb", buffering=0)
        self._end = 0
        version = encode_event_record(encode_event_head(started, 0) + b"\x1a\x0dbrain.Event:2")
        restart = -(2**63) if hidden else 2**63 - 1  # readers drop later steps of earlier files
        self._append(
            [version, encode_event_record(encode_event_head(started, restart) + b"\x3a\x02\x08\x01")]
        )

    def points(self, points: Points) -> None:
        """Write every dev series as scalars ``dev/<name>``, in the order the rows were set.

        Rows of one step that were set within a second are one event, with the time of the first. Test
        series and indexed series are left out. Values are rounded to float32; values that are too large
        become infinite, NaN and infinities stay unchanged.
        """
        self._append(encode_point_events(points))

    def scalar(self, tag: str, value: float, step: int, time: float) -> None:
        """Write one value; ``time`` in seconds since 1970, ``step`` any int64."""
        self._append(
            encode_event_rows(
                [tag], np.array([step], np.int64), np.array([time]), np.array([[value]], np.float64)
            )
        )

    def text(self, tag: str, value: str, step: int, time: float) -> None:
        """Write a text, which TensorBoard shows as Markdown; ``time`` in seconds since 1970."""
        tensor = {"dtype": "DT_STRING", "string_val": [value.encode("utf-8", "replace")]}
        metadata = {"plugin_data": {"plugin_name": "text"}}
        self._value({"tag": clean_event_tag(tag), "metadata": metadata, "tensor": tensor}, step, time)

    def media(self, medium: Media) -> None:
        """Write a medium as TensorBoard shows it; nothing for a kind that it has no view for.

        Pictures, figures that were drawn, and GIFs are shown under IMAGES, WAV under AUDIO, histograms under
        HISTOGRAMS and DISTRIBUTIONS, texts and the first rows of tables under TEXT. Several pictures of a
        medium are its samples.

        Raises:
            OSError: a file of it cannot be read.
        """
        value = tensorboard_media_value(medium)
        if value is not None:
            self._value({"tag": clean_event_tag(medium.name), **value}, medium.step, medium.time)

    def hparams(self, parameters: Mapping[str, Plain], group: str, started: float) -> None:
        """Write the run's entry in TensorBoard's HPARAMS table.

        Args:
            parameters: finite numbers, booleans and strings are shown as such; other values, and integers
                that a double cannot represent, as compact JSON.
            group: the sessions of a group are one row of the table, with averaged metrics.
            started: seconds since 1970.
        """
        self._append([hparams_event_record(hparams_session(parameters, group), started)])

    def session_end(self, status: Status, ended: float) -> None:
        """Write how the run ended, and when (seconds since 1970), for the HPARAMS table."""
        from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo

        info = SessionEndInfo(status=_STATUS[status], end_time_secs=ended)
        content = encode_event_field(4, info.SerializeToString())
        self._append(
            [encode_event_record(plugin_event("_hparams_/session_end_info", "hparams", content, ended))]
        )

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self.file.close()

    def _value(self, value: Mapping[str, Any], step: int, time: float) -> None:
        """Write a ``Summary.Value`` of a plugin."""
        self._append([_plugin_event_record(value, step, time)])

    def _append(self, pieces: Iterable[bytes]) -> None:
        end = self._end
        try:
            self.file.seek(end)
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[self.file.write(rest) :]
                end += len(piece)
        except BaseException:
            with contextlib.suppress(OSError):  # the next call overwrites what is left then
                self.file.truncate(self._end)
            raise
        self._end = end


@contextlib.contextmanager
def replace_event_file(folder: Path, *, started: float) -> Iterator[EventFile]:
    """Write an event file that replaces all files in the folder.

    When the block ends, the new file appears atomically, and then the old ones are truncated: a reader sees
    the old files, both, or the new one. A TensorBoard that has read the old ones discards their content and
    shows the new one. (It would stop following the folder if the file it reads were deleted; files that were
    truncated an hour ago are deleted.) If the block raises an error, nothing is changed.

    Args:
        folder: the folder of the files; its subfolders are not changed.
        started: when the run started, in seconds since 1970 (UTC).

    Raises:
        OSError: the disk refuses.
    """
    old = [*folder.glob("events.out.tfevents.*"), *folder.glob(".*.partial")]
    file = EventFile(folder, started=started, hidden=True)
    try:
        yield file
        file.close()
        file.path = file.path.rename(folder / _event_file_name())
    except BaseException:
        file.close()
        file.path.unlink(missing_ok=True)
        raise
    for path in old:
        known = path.stat()
        if path.suffix == ".partial" or (not known.st_size and clock.time() - known.st_mtime > _LEFT):
            path.unlink()
        elif known.st_size:
            os.truncate(path, 0)


def _plugin_event_record(value: Mapping[str, Any], step: int, time: float) -> bytes:
    """The record of a ``Summary.Value`` of a plugin."""
    from tensorboard.compat.proto.event_pb2 import Event

    event = Event(wall_time=time, step=step, summary={"value": [value]})
    return encode_event_record(event.SerializeToString())


def _event_file_name() -> str:
    """The name of a new event file; later files sort after, and so are read after, earlier ones."""
    seconds, rest = divmod(clock.time_ns(), 10**9)
    host = platform.node() or "localhost"
    return f"events.out.tfevents.{seconds:010d}.{host}.{os.getpid()}.{rest:09d}{secrets.token_hex(2)}"
