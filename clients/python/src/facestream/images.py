"""Pictures that go to the gateway, and those that come back."""

from __future__ import annotations

import functools
import io
import os
import pathlib
from typing import Any, Union

import PIL.Image
import PIL.ImageOps

# The formats of pixels, with Pillow's mode of such a picture, its order of channels, and their number.
FORMATS = {"rgb": ("RGB", "RGB", 3), "bgr": ("RGB", "BGR", 3), "rgba": ("RGBA", "RGBA", 4)}


class ImageInputArg:
    """A picture: the path of a file, or an array of shape (height, width, channels) of bytes in the order image_format.

    A file goes to the gateway as it is, in any format that facestream reads. Its pixels are decoded only if they are asked for, and
    then in the order image_format. With apply_rotation a file is shown upright, as its EXIF orientation says.
    """

    def __init__(self, image_in: Union[str, "os.PathLike[str]", bytes, Any], image_format: str, apply_rotation: bool = True):
        """Raises ValueError for another format, type or shape, and OSError (FileNotFoundError) for a file that cannot be read."""
        self.image_format = image_format.lower()
        self.orientation = 1
        if self.image_format not in FORMATS:
            raise ValueError(f"image_format is {image_format!r}; it must be one of {', '.join(FORMATS)}")
        self._mode, self._order, channels = FORMATS[self.image_format]
        self._upright = apply_rotation
        self._file = b""
        if isinstance(image_in, (str, os.PathLike)):
            self._file = pathlib.Path(image_in).read_bytes()
        elif isinstance(image_in, bytes):
            self._file = image_in
        else:
            try:
                pixels = memoryview(image_in)
            except TypeError:
                raise ValueError(f"a picture is a path or an array, not a {type(image_in).__name__}") from None
            shape = pixels.shape or ()
            if pixels.format != "B" or len(shape) != 3 or shape[2] != channels:
                raise ValueError(f"an array of {self.image_format} is of unsigned bytes and of shape (height, width, {channels})")
            # Kept as they are now: the caller may change the array before the call.
            self._pixels = PIL.Image.frombytes(self._mode, (shape[1], shape[0]), pixels.tobytes(), "raw", self._order)

    @functools.cached_property
    def _pixels(self) -> PIL.Image.Image:
        with _opened(self._file) as file:
            picture = PIL.ImageOps.exif_transpose(file) if self._upright else file
            return picture.convert(self._mode)

    @property
    def width(self) -> int:
        """In pixels."""
        return self._pixels.width

    @property
    def height(self) -> int:
        """In pixels."""
        return self._pixels.height

    @property
    def image_data(self) -> bytes:
        """The pixels, row by row from the top, in the order image_format."""
        return self._pixels.tobytes("raw", self._order)

    def to_file(self) -> bytes:
        """The file for the gateway: the given one, or a PNG of the given pixels."""
        if self._file and self._upright:
            return self._file
        out = io.BytesIO()
        self._pixels.save(out, "PNG", compress_level=1)
        return out.getvalue()


def pixels_of(file: bytes) -> bytes:
    """The pixels of a picture file as red, green, blue, row by row from the top. Raises OSError if it cannot be read."""
    with _opened(file) as picture:
        pixels: bytes = picture.convert("RGB").tobytes()
        return pixels


def _opened(file: bytes) -> PIL.Image.Image:
    try:
        return PIL.Image.open(io.BytesIO(file))
    except PIL.Image.DecompressionBombError as e:
        raise OSError(str(e)) from e
