"""Draws machine-readable zones: characters of OCR-B as printers set them, on tinted paper, and what a camera makes of them.

Pictures are grey, float32 [height, width], 0..255. Lengths on paper are millimetres; ICAO Doc 9303-3 section 4.4 sets the
distance of characters and lines.
"""

import functools
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..common import images

PITCH, LEADING = 2.54, 6.35
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
FONTS = Path("/usr/share/fonts")
CELL = 32  # pixels from one drawn character to the next
SCALE = CELL / PITCH  # pixels for a millimetre


def find_fonts(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of OCR-B and of other fonts below a folder."""
    ocr_b = [f for name in ("OCRB.otf", "OCRBS.otf") for f in sorted(folder.rglob(name))]
    others = sorted(folder.rglob("DejaVu*.ttf"))
    if not ocr_b or not others:
        raise SystemExit(f"OCR-B or DejaVu is not below {folder}; Debian's packages fonts-ocr-b and fonts-dejavu have them. "
                         "Name another folder with --fonts.")
    return ocr_b, others


class Printer:
    """Draws characters of OCR-B: each a cell of ink, 0..1, CELL wide and two CELLs high, whose base line is at 1.5 CELLs."""

    WEIGHTS = np.linspace(-2.2, 2.2, 7)  # pixels by which strokes are wider than the font's

    def __init__(self, fonts: list[Path]):
        self.cells = np.stack([np.stack([self._draw(f, w) for w in self.WEIGHTS]) for f in fonts])

    @staticmethod
    def _draw(file: Path, weight: float) -> np.ndarray:
        font = ImageFont.truetype(str(file), 200)
        font = ImageFont.truetype(str(file), round(200 * CELL * 4 / font.getlength("0")))
        cells = []
        for c in ALPHABET:
            picture = Image.new("L", (CELL * 4, CELL * 8), 0)
            ImageDraw.Draw(picture).text((0, CELL * 6), c, font=font, fill=255, anchor="ls")
            inside = np.asarray(picture) > 127
            away = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5) - cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
            cells.append(cv2.resize((away + 2 * weight + .5).clip(0, 1), (CELL, CELL * 2), interpolation=cv2.INTER_AREA))
        return np.stack(cells)

    def line(self, rng, text: str, loose: float = 1.0) -> np.ndarray:
        """A line as ink, 0..1, [2 · CELL, CELL · (characters + 2)]: a cell is free at both ends. The base line is at 1.5 CELLs."""
        cells = self.cells[rng.integers(len(self.cells)), rng.integers(len(self.WEIGHTS))]
        ink = np.zeros((2 * CELL + 8, CELL * (len(text) + 2)), np.float32)
        sway = rng.uniform(0, 1.2) * loose
        for i, c in enumerate(text):
            x = CELL * (i + 1) + int(np.rint(rng.normal(0, .5 * sway)))
            y = 4 + int(np.clip(np.rint(rng.normal(0, .6 * sway)), -4, 4))
            part = ink[y:y + 2 * CELL, x:x + CELL]
            np.maximum(part, cells[ALPHABET.index(c)], out=part)
        return ink[4:-4]


def some(rng, alphabet: str, n: int) -> str:
    return "".join(alphabet[i] for i in rng.integers(len(alphabet), size=n))


def zone_text(rng, n: int) -> str:
    """n characters of a zone: of any kind, or as names, numbers, dates and fillers follow each other."""
    if rng.random() < .3:
        return some(rng, ALPHABET, n)
    text = ""
    while len(text) < n:
        kind = rng.random()
        if kind < .3:
            text += some(rng, ALPHABET[10:36], int(rng.integers(1, 10)))
        elif kind < .5:
            text += some(rng, ALPHABET[:10], int(rng.integers(1, 8)))
        elif kind < .65:
            text += some(rng, ALPHABET[:36], int(rng.integers(1, 9)))
        elif kind < .75:
            text += some(rng, "0OQD1IL2Z5S6G8B", int(rng.integers(1, 5)))
        elif kind < .92:
            text += "<" * int(rng.integers(1, 4))
        else:
            text += "<" * int(rng.integers(4, 20))
    at = int(rng.integers(len(text) - n + 1))
    return text[at:at + n]


class Camera:
    """Paper, light and lens, for pictures of any size. noise and backgrounds are drawn and read once."""

    def __init__(self, backgrounds: list[np.ndarray]):
        self.backgrounds = [cv2.cvtColor(b, cv2.COLOR_BGR2GRAY) for b in backgrounds]
        self.noise = np.random.default_rng(0).standard_normal((700, 1700), np.float32)

    def natural(self, rng, height: int, width: int) -> np.ndarray:
        """A part of a natural image, scaled to this size."""
        b = self.backgrounds[rng.integers(len(self.backgrounds))]
        h, w = (max(16, int(s * rng.uniform(.3, 1))) for s in b.shape)
        y, x = rng.integers(b.shape[0] - h + 1), rng.integers(b.shape[1] - w + 1)
        return cv2.resize(b[y:y + h, x:x + w], (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)

    def paper(self, rng, height: int, width: int, scale: float) -> np.ndarray:
        """Tinted paper with scale pixels for a millimetre: plain, with fine lines that swing, with a faint picture."""
        tint = rng.uniform(120, 255)
        paper = np.full((height, width), tint, np.float32)
        y, x = np.mgrid[:height, :width].astype(np.float32) / scale
        for _ in range(rng.choice([0, 1, 1, 2])):  # guilloche, millimetres
            pitch, waves, bend = rng.uniform(.5, 4), rng.uniform(2, 25), rng.uniform(0, 5)
            angle = rng.uniform(0, np.pi)
            across, along = x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle)
            wave = np.sin((across + bend * np.sin(along / waves * 2 * np.pi)) / pitch * 2 * np.pi)
            paper -= rng.uniform(0, 26) * np.maximum(wave - rng.uniform(-.5, .7), 0)
        if rng.random() < .3:
            paper += rng.uniform(.1, .35) * (self.natural(rng, height, width) - 128)
        return paper

    @staticmethod
    def light(rng, picture: np.ndarray) -> np.ndarray:
        """A smooth light field, the edge of a shadow, a reflection."""
        h, w = picture.shape
        if rng.random() < .6:
            field = np.exp(rng.normal(0, rng.uniform(.05, .35), (3, 3))).astype(np.float32)
            picture = picture * cv2.resize(field, (w, h), interpolation=cv2.INTER_CUBIC)
        if (kind := rng.random()) < .2:
            angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(4, 30)
            l = np.cos(angle) * np.linspace(-1, 1, w, dtype=np.float32)[None] + np.sin(angle) * np.linspace(-1, 1, h, dtype=np.float32)[:, None]
            edge = 1 / (1 + np.exp(-(l - rng.uniform(-.6, .6)) * bend))
            picture = picture * (1 - rng.uniform(.1, .55) * edge) if kind < .13 else picture + rng.uniform(10, 70) * edge
        return picture

    def lens(self, rng, picture: np.ndarray, pitch: float, contrast: float = 100) -> np.ndarray:
        """Blur, noise, sharpening, JPEG on a picture whose characters are pitch pixels apart and by contrast darker than the paper."""
        k = rng.random()
        if k < .65:
            picture = cv2.GaussianBlur(picture, (0, 0), max(.15, rng.uniform(.02, .11) * pitch))
        elif k < .75:
            stroke = np.zeros((9, 9), np.float32)
            a, l = rng.uniform(0, np.pi), min(rng.uniform(.05, .2) * pitch, 4)
            d = np.array([np.cos(a), np.sin(a)]) * l
            cv2.line(stroke, tuple(int(round(v)) for v in 4 - d), tuple(int(round(v)) for v in 4 + d), 1.0)
            picture = cv2.filter2D(picture, -1, stroke / stroke.sum())
        h, w = picture.shape
        if rng.random() < .6:
            y, x = rng.integers(0, 700 - h), rng.integers(0, 1700 - w)
            picture = picture + self.noise[y:y + h, x:x + w] * rng.uniform(.01, .1) * contrast
        if rng.random() < .25:
            way = rng.uniform(.3, 1.8)
            picture = picture + way * (picture - cv2.GaussianBlur(picture, (0, 0), rng.uniform(.8, 1.6)))
        picture = picture.clip(0, 255)
        if rng.random() < .7:
            coded = cv2.imencode(".jpg", picture.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30 if pitch > 8 else 50, 96))])[1]
            picture = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE).astype(np.float32)
        return picture


@functools.cache
def _font(file: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(file), size)


def print_text(rng, picture: Image.Image, fonts: list[Path], size: float) -> None:
    """Writes a line of a visual zone, or a label, somewhere on a picture of ink; size is its height in pixels."""
    alphabet = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ ", "abcdefghijklmnopqrstuvwxyz   ", "0123456789.-/ ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ")[rng.integers(4)]
    text = some(rng, alphabet, int(rng.integers(3, 34)))
    font = _font(fonts[rng.integers(len(fonts))], max(4, int(size)))
    at = (rng.uniform(-.05, .8) * picture.width, rng.uniform(0, .95) * picture.height)
    ImageDraw.Draw(picture).text(at, text, font=font, fill=int(rng.integers(90, 256)))


def backgrounds(data: Path, limit: int | None = None) -> list[np.ndarray]:
    """The natural images of the training data."""
    return [images.read(f) for f in images.files(data / "backgrounds")[:limit]]
