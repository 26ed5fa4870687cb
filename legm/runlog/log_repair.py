"""Makes a damaged run log readable again, without what is lost."""

from __future__ import annotations

import os
from pathlib import Path

from legm.errors import CorruptFile, storage_error
from legm.records import Configuration, Run
from legm.runlog import log_frames, log_reader
from legm.util.atomic_files import write_atomically

__all__ = ["repair_log"]


def repair_log(path: Path, configuration: Configuration) -> bool:
    """Put frames that say so in the place of what is damaged; what is intact keeps its position.

    Args:
        path: the log, which no process is writing.
        configuration: whose run it is, where the run's own frame is damaged.

    Returns:
        whether it can be read now.

    Raises:
        StorageError: it cannot be read or written.
    """
    try:
        data = path.read_bytes()
        status = path.stat()
    except OSError as cause:
        raise storage_error("read the run log", path, cause) from cause
    head = len(log_frames.HEADER)
    content, end = bytearray(log_frames.HEADER + data[head:]), head
    has_run, damage = False, list[CorruptFile]()
    for start, kind, payload in log_frames.iterate_frames(path, data, damage):
        end = start + log_frames.FRAME_HEAD.size + len(payload)
        has_run = has_run or kind == log_frames.RUN
        if kind in (log_frames.LOST, log_frames.LOST_ONE) and damage and damage[-1].where == f"byte {start}":
            frame = log_frames.lost_frame(kind, data[start:end])
            if not has_run:  # its description is lost, so that it must not be completed
                run = Run(path.stem, configuration, "", status.st_mtime)
                lost = log_frames.lost_frame(kind, b"")
                frame, has_run = log_frames.run_frame(run, end - start - len(lost)) + lost, True
            if len(frame) != end - start:
                return False  # there is no space for it
            content[start:end] = frame
    try:
        log_reader.parse_log(path, bytes(content))
    except CorruptFile:  # nobody knows what it was
        return False
    write_atomically(path, bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # when an interrupted run ended
    return True
