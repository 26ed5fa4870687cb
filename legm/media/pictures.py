"""Pictures as users have them: arrays, tensors, Pillow's images, figures and files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from legm.errors import MediaError
from legm.media.figures import drawn_figure, is_figure
from legm.media.pending_file import PendingFile, pending_copy

__all__ = ["pending_pictures", "plain_array"]

_CHANNELS = (1, 2, 3, 4)  # grey, grey with alpha, RGB, RGB with alpha
_PNG_MODES = frozenset(("1", "L", "LA", "P", "RGB", "RGBA", "I;16"))
_WIDE_MODES = frozenset(("F", "I"))  # whose values need not fit into the 16 bits of a PNG
_EXTENSIONS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff")
_RIGHT = (
    "right are arrays of shape (height, width) or (height, width, channels), and PyTorch tensors of shape "
    "(channels, height, width), with 1 to 4 channels"
)


def pending_pictures(name: str, image: Any) -> list[PendingFile]:
    """One picture, or a list of them.

    Args:
        name: under which they are shown, for errors.
        image: an array of shape (height, width) or (height, width, channels), uint8, bool, or floats in
            [0, 1]; a PyTorch tensor of shape (height, width) or (channels, height, width); a Pillow image; a
            Matplotlib figure; the path of a file; or a list of these.

    Raises:
        MediaError: one is none of these, or its shape, type or range is wrong.
    """
    images = image if isinstance(image, (list, tuple)) else [image]
    return [_pending_picture(name, one) for one in images]


def _pending_picture(name: str, image: Any) -> PendingFile:
    if isinstance(image, (str, Path)):
        return _copied_picture(name, Path(image))
    if is_figure(image):
        return drawn_figure(name, image)
    if hasattr(image, "getbands") and hasattr(image, "convert"):  # Pillow's
        return _pending_pillow_picture(name, image)
    array = _picture_pixels(name, image)
    return PendingFile(lambda: _picture_png_of_array(array), ".png", array.nbytes)


def _pending_pillow_picture(name: str, image: Any) -> PendingFile:
    if not all(image.size):
        raise MediaError(f"{name!r}: an image of size {image.size} has no pixel")
    try:
        copy = image.copy()
        limits = copy.getextrema() if copy.mode in _WIDE_MODES else (0, 0)
    except Exception as cause:  # Pillow raises many kinds of errors for damaged and for closed files
        raise MediaError(f"{name!r}: the image cannot be read: {cause}") from cause
    if copy.mode == "F" or not 0 <= limits[0] <= limits[1] < 1 << 16:
        raise MediaError(
            f"{name!r} is an image of mode {copy.mode!r} with values from {limits[0]:.6g} to "
            f"{limits[1]:.6g}, which PNG cannot hold: convert it to 'L' or 'RGB', or give an "
            f"array of floats in [0, 1]"
        )
    return PendingFile(lambda: _picture_png(copy), ".png", copy.width * copy.height * len(copy.getbands()))


def _copied_picture(name: str, path: Path) -> PendingFile:
    pending = pending_copy(name, path, _EXTENSIONS)
    from PIL import Image

    try:
        with Image.open(io.BytesIO(pending.encode())) as found:
            is_known = found.format is not None
    except Image.DecompressionBombError:  # too large for Pillow to be decoded, and only kept here
        is_known = True
    except Exception:  # noqa: BLE001 - Pillow raises many kinds of errors for damaged files
        is_known = False
    if not is_known:
        raise MediaError(f"{name!r}: the file {str(path)!r} is not a picture, or damaged")
    return pending


def plain_array(name: str, value: Any, what: str) -> Any:
    """A NumPy array of what an array, a tensor on any device, or nested lists hold; not a copy.

    Args:
        name: of the medium, for the error.
        value: the value.
        what: it must be, for the error.

    Raises:
        MediaError: it has no numbers.
    """
    import numpy as np

    try:
        if hasattr(value, "detach") and hasattr(value, "cpu"):  # PyTorch's
            value = value.detach().cpu()
            if str(value.dtype).endswith("bfloat16"):  # which NumPy does not have
                value = value.float()
        if isinstance(value, np.ma.MaskedArray):
            value = value.filled(np.nan) if value.dtype.kind == "f" else value.filled(0)
        array = np.asarray(value)
    except Exception as cause:  # such as of a tensor without data
        raise MediaError(f"{name!r} must be {what}, not {type(value).__qualname__}: {cause}") from cause
    if array.dtype.kind not in "buif":
        raise MediaError(f"{name!r} must be {what}, not {type(value).__qualname__} of {array.dtype}")
    return array


def _picture_pixels(name: str, image: Any) -> Any:
    """A copy of pixels, of shape (height, width) or (height, width, channels): uint8, bool or float."""
    import numpy as np

    array = plain_array(name, image, "a picture")
    is_tensor = hasattr(image, "detach")
    shape = array.shape
    if array.ndim not in (2, 3) or 0 in shape:
        more = ": give a list of pictures" if array.ndim == 4 else ""
        raise MediaError(f"{name!r} has the shape {shape}, which is no picture{more}; {_RIGHT}")
    if array.ndim == 3:
        is_channels_first = shape[0] in _CHANNELS and (is_tensor or shape[2] not in _CHANNELS)
        if is_channels_first and not is_tensor:
            raise MediaError(
                f"{name!r} has the shape {shape}: {_RIGHT}. np.transpose(image, (1, 2, 0)) moves the channels"
            )
        if is_channels_first:
            array = array.transpose(1, 2, 0)
        elif shape[2] not in _CHANNELS:
            raise MediaError(f"{name!r} has the shape {shape}: {_RIGHT}")
        if array.shape[2] == 1:
            array = array[:, :, 0]
    if array.dtype.kind == "f":
        lowest, highest = float(array.min()), float(array.max())
        if not (lowest >= 0 and highest <= 1):  # NaN is neither
            has_nan = lowest != lowest  # noqa: PLR0124 - NaN is unequal to itself
            what = "contains NaN" if has_nan else f"has values from {lowest:.6g} to {highest:.6g}"
            raise MediaError(
                f"{name!r} {what}, and floats must be in [0, 1]: scale them, or convert values from 0 to "
                f"255 by image.astype('uint8')"
            )
    elif array.dtype not in (np.uint8, np.bool_):
        raise MediaError(
            f"{name!r} has the type {array.dtype}: right are uint8, bool, and floats in [0, 1]; "
            f"image.astype('uint8') converts values from 0 to 255"
        )
    return np.array(array, order="C")


def _picture_png_of_array(array: Any) -> bytes:
    import numpy as np
    from PIL import Image

    if array.dtype.kind == "b" and array.ndim == 3:  # PNG has single bits for grey only
        array = array.astype(np.uint8) * 255
    if array.dtype.kind == "f":
        array = np.rint(array.astype(np.float32) * np.float32(255)).astype(np.uint8)
    return _picture_png(Image.fromarray(array))


def _picture_png(image: Any) -> bytes:
    """The picture as PNG, losslessly where PNG has its colours."""
    if image.mode == "I":
        image = image.convert("I;16")
    if image.mode not in _PNG_MODES:
        image = image.convert("RGBA" if image.mode in {"PA", "La", "RGBa"} else "RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
