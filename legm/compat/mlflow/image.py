"""``mlflow.Image``: a picture as an object of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legm.compat.wandb.media import Image as Picture

__all__ = ["Image"]


class Image:
    """A picture.

    Args:
        image: an array, nested lists, an image of Pillow, or the path of a file.
    """

    def __init__(self, image: Any) -> None:
        import io

        import numpy as np
        from PIL import Image as Pillow

        self.image: Any
        if isinstance(image, (str, Path)):
            self.image = Pillow.open(image)
        elif isinstance(image, Pillow.Image):
            self.image = image
        else:
            self.image = Pillow.open(io.BytesIO(Picture(np.asarray(image)).content()))
        self.size = self.image.size

    def to_list(self) -> list[Any]:
        """The pixels, row by row."""
        return list(self.image.getdata())

    def to_array(self) -> Any:
        """The pixels as an array."""
        import numpy as np

        return np.array(self.image)

    def to_pil(self) -> Any:
        """The image of Pillow."""
        return self.image

    def save(self, path: Any) -> None:
        """Write it to a file."""
        self.image.save(path)

    def resize(self, size: tuple[int, int]) -> Image:
        """The picture in another size: width and height."""
        return Image(self.image.resize(size))
