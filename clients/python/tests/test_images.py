"""Pictures of files and of arrays."""

from __future__ import annotations

import io
import pathlib

import numpy
import PIL.Image
import pytest

from facestream import ImageInputArg
from facestream.images import pixels_of

# Two rows of three pixels, each of another colour.
PIXELS = numpy.arange(18, dtype=numpy.uint8).reshape(2, 3, 3) * 13


def test_array() -> None:
    """An array arrives pixel for pixel, in whichever order its channels are, and as it was when the picture was made."""
    for format, array in (("rgb", PIXELS), ("RGB", PIXELS), ("bgr", PIXELS[:, :, ::-1])):
        array = array.copy(order="F")
        image = ImageInputArg(array, format)
        assert (image.width, image.height, image.orientation, image.image_format) == (3, 2, 1, format.lower())
        assert image.image_data == array.tobytes()
        array[:] = 0
        assert pixels_of(image.to_file()) == PIXELS.tobytes()
    transparent = numpy.dstack([PIXELS, numpy.full((2, 3), 255, numpy.uint8)])
    image = ImageInputArg(transparent, "rgba")
    assert image.image_data == transparent.tobytes() and pixels_of(image.to_file()) == PIXELS.tobytes()


def test_file(tmp_path: pathlib.Path) -> None:
    """A file is sent as it is; its pixels are upright unless apply_rotation is false."""
    path = tmp_path / "lying.png"
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    PIL.Image.fromarray(PIXELS).save(path, exif=exif)
    for name in (str(path), path):
        image = ImageInputArg(name, "rgb")
        assert image.to_file() == path.read_bytes()
        assert (image.width, image.height) == (2, 3)
        assert image.image_data == numpy.rot90(PIXELS, -1).tobytes()
    as_it_lies = ImageInputArg(str(path), "bgr", apply_rotation=False)
    assert (as_it_lies.width, as_it_lies.height) == (3, 2)
    assert as_it_lies.image_data == PIXELS[:, :, ::-1].tobytes()
    assert pixels_of(as_it_lies.to_file()) == PIXELS.tobytes()
    with PIL.Image.open(io.BytesIO(as_it_lies.to_file())) as sent:
        assert 0x0112 not in sent.getexif()


def test_what_is_no_picture(tmp_path: pathlib.Path) -> None:
    for array in (PIXELS.astype(numpy.float32), PIXELS.astype(numpy.int8), PIXELS[0], PIXELS[:, :, :2], numpy.zeros((2, 3, 4), numpy.uint8)):
        with pytest.raises(ValueError, match="an array of rgb"):
            ImageInputArg(array, "rgb")
    with pytest.raises(ValueError, match="an array of rgba"):
        ImageInputArg(PIXELS, "rgba")
    for format in ("", "gbr", "yuv"):
        with pytest.raises(ValueError, match="image_format"):
            ImageInputArg(PIXELS, format)
    with pytest.raises(ValueError, match="not a int"):
        ImageInputArg(7, "rgb")
    with pytest.raises(FileNotFoundError):
        ImageInputArg(str(tmp_path / "absent.jpg"), "rgb")
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    image = ImageInputArg(str(text), "rgb")
    assert image.to_file() == b"no picture"  # the gateway says what it is
    with pytest.raises(OSError):
        image.width
