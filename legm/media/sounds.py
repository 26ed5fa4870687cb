"""Sounds: samples as WAV, or a user's file."""

from __future__ import annotations

import io
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

from legm.errors import MediaError
from legm.media.pending_file import PendingFile, pending_copy
from legm.media.pictures import plain_array

__all__ = ["pending_sound"]

_EXTENSIONS = (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".opus")
_MOST_CHANNELS = 32
_HIGHEST_RATE = 2**32 // (2 * _MOST_CHANNELS) - 1  # a WAV has the bytes per second as a number of 32 bits
_RIGHT = "right are shapes (samples,) and (samples, channels), and (channels, samples) for PyTorch tensors"


def pending_sound(name: str, samples: Any, rate: Any) -> PendingFile:
    """A sound as 16-bit WAV, or a file as it is.

    Args:
        name: under which it is shown, for errors.
        samples: int16, or floats in [-1, 1], of shape (samples,) or (samples, channels); a PyTorch tensor of
            shape (samples,) or (channels, samples); or the path of a file.
        rate: samples per second (Hz); None for a file, which has its own.

    Raises:
        MediaError: a shape, type, range or the rate is wrong, or the file is not a sound.
    """
    if isinstance(samples, (str, Path)):
        pending = pending_copy(name, Path(samples), _EXTENSIONS)
        return pending if rate is None else replace(pending, details={"rate": _whole_sound_rate(name, rate)})
    import numpy as np

    rate = _whole_sound_rate(name, rate)
    array = plain_array(name, samples, "a sound")
    if hasattr(samples, "detach") and array.ndim == 2:
        array = array.T
    if array.ndim not in (1, 2) or 0 in array.shape or (array.ndim == 2 and array.shape[1] > _MOST_CHANNELS):
        raise MediaError(f"{name!r} has the shape {np.shape(samples)}: {_RIGHT}")
    if array.dtype.kind == "f":
        lowest, highest = float(array.min()), float(array.max())
        if not (lowest >= -1 and highest <= 1):
            raise MediaError(
                f"{name!r} has samples from {lowest:.6g} to {highest:.6g}, and floats must be in [-1, 1]: "
                f"divide them by their largest magnitude"
            )
    elif array.dtype != np.int16:
        raise MediaError(f"{name!r} has samples of {array.dtype}: right are int16, and floats in [-1, 1]")
    copy = np.array(array, order="C")
    details = {"rate": rate, "channels": 1 if copy.ndim == 1 else copy.shape[1], "samples": len(copy)}
    return PendingFile(lambda: _sound_wav(copy, rate), ".wav", copy.nbytes, details=details)


def _whole_sound_rate(name: str, rate: Any) -> int:
    try:
        whole = int(rate)
        whole = whole if whole == rate else 0
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if not 0 < whole <= _HIGHEST_RATE:
        raise MediaError(
            f"{name!r}: the rate {rate!r} must be a whole number of samples per second, and at most "
            f"{_HIGHEST_RATE:,}"
        )
    return whole


def _sound_wav(samples: Any, rate: int) -> bytes:
    import numpy as np

    if samples.dtype.kind == "f":
        samples = np.rint(samples.astype(np.float64) * 32767)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
