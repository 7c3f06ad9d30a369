"""Training pictures: portraits pasted onto backgrounds, so the position of every face is known exactly.

The portraits are small, frontal and alike; real photographs are neither. So faces stand alone or in crowds, turned,
squeezed, cut off and covered, between things that resemble faces, under varying light and through bad cameras. Images
are BGR uint8 [height, width, 3]; boxes are corners and points are as in faces.py, in pixels.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..common import images
from .faces import Faces, Network, decode, pad

CLOSE = 320  # pixels: scenes of this size are close-ups, most of them filled by one face
COVER = 255  # in the map of owners: something that is no face


@dataclass
class Portrait:
    """A picture of one person, and where the teacher sees the face."""

    file: Path
    box: np.ndarray     # [4]
    points: np.ndarray  # [5, 2]
    weight: float       # how often it is used, relative to the others


@dataclass
class Scene:
    image: np.ndarray    # [size, size, 3]
    faces: Faces         # exact places of what was pasted
    visible: np.ndarray  # [n] share of each face that is inside and uncovered, 0..1


def portraits(generated: list[Path], drawn: list[Path], teacher: Network, cache: Path) -> list[Portrait]:
    """The pictures whose surest face the teacher is sure of; the result is kept in cache. Of the generated ones, sets c and
    d vary far more than a and b; drawn people make up about one picture in twelve."""
    files = generated + drawn
    if not cache.exists():
        places = np.full((len(files), 14), np.nan)  # box and points; NaN where no face is
        for i, file in enumerate(files):
            faces = decode(teacher.maps(pad(images.read(file))[None]), 0.6, 0.45)[0]
            if len(faces):
                places[i] = np.concatenate([faces.boxes[0], faces.points[0].ravel()])
            if i % 1000 == 999:
                print(f"looked at {i + 1} of {len(files)} portraits", flush=True)
        partial = cache.with_suffix(".partial.npy")
        np.save(partial, places)
        os.replace(partial, cache)
    share = len(generated) / max(len(drawn), 1) / 6
    return [
        Portrait(file, place[:4], place[4:].reshape(5, 2), share if i >= len(generated) else 4.0 if file.name[0] in "cd" else 1.0)
        for i, (file, place) in enumerate(zip(files, np.load(cache))) if not np.isnan(place[0])
    ]


class Painter:
    """Paints scenes; the same seed gives the same scene."""

    def __init__(self, people: list[Portrait], backgrounds: list[np.ndarray]):
        if not people or not backgrounds:
            raise ValueError("there is no portrait or no background to paint with; look into generated_faces/ and backgrounds/")
        self.people, self.backgrounds = people, backgrounds
        weights = np.array([p.weight for p in people])
        self.cumulated = np.cumsum(weights / weights.sum())

    def paint(self, seed: list[int], size: int) -> Scene:
        """A square scene of size pixels."""
        return _Canvas(self, np.random.default_rng(seed), size).scene()

    def person(self, rng: np.random.Generator) -> Portrait:
        return self.people[min(int(np.searchsorted(self.cumulated, rng.random())), len(self.people) - 1)]


class _Canvas:
    """One scene in the making."""

    def __init__(self, painter: Painter, rng: np.random.Generator, size: int):
        self.painter, self.rng, self.size = painter, rng, size
        self.image = self.background()
        self.owner = np.zeros((size, size), np.uint8)  # 0: background, i + 1: face i, COVER: something before it
        self.boxes: list[np.ndarray] = []
        self.points: list[np.ndarray] = []
        self.outlines: list[np.ndarray] = []

    def scene(self) -> Scene:
        rng, size = self.rng, self.size
        shares = [.06, .82, .12, 0, 0] if size == CLOSE else [.13, .40, .22, .15, .10]
        layout = rng.choice(["empty", "portrait", "few", "crowd", "tiles"], p=shares)
        for _ in range(rng.integers(0, 4 if layout == "empty" else 2)):
            self.decoy()
        if layout == "portrait":
            height = rng.uniform(.3, 1.1) if size == CLOSE else self.between(.16, .85)
            self.person(height * size, rng.uniform(.25, .75, 2) * size)
        elif layout == "few":
            for _ in range(rng.integers(2, 5)):
                self.person(self.between(.07, .42) * size, rng.uniform(.05, .95, 2) * size)
        elif layout == "crowd":
            height = self.between(9, 40)
            for _ in range(rng.integers(4, 15)):
                self.person(height * self.between(.7, 1.4), rng.uniform(.03, .97, 2) * size)
        elif layout == "tiles":
            self.tiles()
        self.light()
        self.camera()
        visible = np.array([self.visibility(i) for i in range(len(self.boxes))])
        n = len(self.boxes)
        faces = Faces(np.array(self.boxes).reshape(n, 4), np.array(self.points).reshape(n, 5, 2), np.ones(n))
        return Scene(self.image, faces, visible)

    def between(self, low: float, high: float) -> float:
        """Evenly distributed in the logarithm: every octave of sizes is as frequent."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def colour(self) -> np.ndarray:
        return self.rng.uniform(0, 255, 3)

    def skin(self) -> np.ndarray:
        """A colour in the range of human skin, BGR."""
        light = self.rng.uniform(.25, 1)
        return np.clip(np.array([150, 180, 230]) * light * self.rng.uniform(.85, 1.15, 3), 0, 255)

    # Behind the faces.

    def natural(self, height: int, width: int) -> np.ndarray:
        """A part of a background."""
        rng = self.rng
        b = self.painter.backgrounds[rng.integers(len(self.painter.backgrounds))]
        h, w = b.shape[:2]
        side = min(h / height, w / width) * rng.uniform(.45, 1)
        ch, cw = max(int(height * side), 2), max(int(width * side), 2)
        y, x = rng.integers(h - ch + 1), rng.integers(w - cw + 1)
        how = cv2.INTER_AREA if side > 1 else cv2.INTER_LINEAR
        part = cv2.resize(b[y:y + ch, x:x + cw], (width, height), interpolation=how)
        return part[:, ::-1] if self.chance(.5) else part

    def background(self) -> np.ndarray:
        rng, size = self.rng, self.size
        kind = rng.random()
        if kind < .12:  # a wall: one colour running into another
            ramp = np.linspace(0, 1, size)[:, None, None] * np.ones((1, size, 1))
            wall = (self.colour() * ramp + self.colour() * (1 - ramp)).astype(np.uint8)
            return np.ascontiguousarray(wall[:, ::rng.choice([-1, 1])])
        if kind < .16:  # texture
            cells = int(rng.integers(8, 64))
            return cv2.resize(rng.integers(0, 256, (cells, cells, 3), np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
        image = np.ascontiguousarray(self.natural(size, size))
        if kind > .75:  # several pictures side by side: more detail
            y, x = rng.integers(size // 4, 3 * size // 4, 2)
            image[:y, :x], image[y:, x:] = self.natural(y, x), self.natural(size - y, size - x)
            if self.chance(.5):
                image[:y, x:] = self.natural(y, size - x)
        return image

    # People.

    def person(self, height: float, centre: np.ndarray, mask: str | None = None) -> None:
        """Pastes a person whose face is height pixels high before any turn, and perhaps covers a part of it."""
        rng = self.rng
        portrait = self.painter.person(rng)
        turn = rng.random()
        most = 30 if turn < .88 else 100 if turn < .96 else 180  # degrees
        angle = np.radians(rng.uniform(-most, most))
        if self.chance(.3):
            angle *= .2
        mask = mask or rng.choice(["head", "bust", "tile"], p=[.35, .35, .30])
        to_canvas = self.paste(portrait, height, centre, angle, rng.uniform(.72, 1.12), self.chance(.5), mask)
        points = portrait.points @ to_canvas[:, :2].T + to_canvas[:, 2]
        if np.linalg.det(to_canvas[:, :2]) < 0:  # mirrored: the right eye is now the left one
            points = points[[1, 0, 2, 4, 3]]
        middle = (portrait.box[:2] + portrait.box[2:]) / 2
        # The face as an ellipse in its box; an affine map makes it another ellipse, whose bounds are the box.
        axes = to_canvas[:, :2] * ((portrait.box[2:] - portrait.box[:2]) / 2)
        centre, half = to_canvas[:, :2] @ middle + to_canvas[:, 2], np.sqrt((axes ** 2).sum(axis=1))
        t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        self.boxes.append(np.concatenate([centre - half, centre + half]))
        self.points.append(points)
        self.outlines.append(centre + np.stack([np.cos(t), np.sin(t)], axis=1) @ axes.T)
        if self.chance(.35):
            self.cover(points)

    def paste(self, portrait: Portrait, height: float, centre: np.ndarray, angle: float, squeeze: float, mirrored: bool,
              kind: str) -> np.ndarray:
        """Blends the portrait into the picture and returns the map [2, 3] from its pixels to the picture's."""
        rng, size = self.rng, self.size
        source = images.read(portrait.file)
        w, h = portrait.box[2:] - portrait.box[:2]
        middle = (portrait.box[:2] + portrait.box[2:]) / 2
        scale = height / h
        across = scale * squeeze * (-1 if mirrored else 1)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * [across, scale]
        to_canvas = np.column_stack([turn, np.asarray(centre) - turn @ middle])

        mask = self.mask(kind, source.shape[:2], middle, w, h)
        if kind != "tile" and self.chance(.5):
            self.torso(to_canvas, middle, w, h)
        # Shrinking needs every pixel, which the affine warp would skip.
        shrink = min(1.0, scale * 1.5)
        rest = to_canvas
        if shrink < 1:
            small = (max(round(source.shape[1] * shrink), 4), max(round(source.shape[0] * shrink), 4))
            ratio = np.array([source.shape[1] / small[0], source.shape[0] / small[1]])
            source, mask = (cv2.resize(x, small, interpolation=cv2.INTER_AREA) for x in (source, mask))
            rest = np.column_stack([to_canvas[:, :2] * ratio, to_canvas[:, 2] + to_canvas[:, :2] @ (ratio / 2 - .5)])
        h, w = source.shape[:2]
        corners = np.array([[0, 0, 1], [w, 0, 1], [0, h, 1], [w, h, 1]]) @ rest.T
        x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, size)
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, size)
        if x0 >= x1 or y0 >= y1:
            return to_canvas
        place = rest - np.array([[0, 0, x0], [0, 0, y0]])
        part = (int(x1 - x0), int(y1 - y0))
        face = cv2.warpAffine(source, place, part, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        alpha = cv2.warpAffine(mask, place, part)
        if self.chance(.5):  # another light than the background's
            face = face * rng.uniform(.5, 1.25, 1) * rng.uniform(.9, 1.1, 3) + rng.uniform(-15, 25)
        if self.chance(.12) and height > 16:
            face = cv2.GaussianBlur(face, (0, 0), height * rng.uniform(.01, .035))
        target = self.image[y0:y1, x0:x1]
        target[:] = np.clip(target + (face - target) * alpha[..., None], 0, 255)
        self.owner[y0:y1, x0:x1][alpha > .5] = len(self.boxes) + 1
        return to_canvas

    def mask(self, kind: str, shape: tuple[int, int], middle: np.ndarray, w: float, h: float) -> np.ndarray:
        """How much of each of the portrait's pixels is pasted, 0..1: all, the head, or the head and what is below it."""
        rng = self.rng
        mask = np.zeros(shape, np.float32)
        if kind == "tile":
            mask[2:-2, 2:-2] = 1
            return mask
        x, y = middle + [0, -.12 * h]
        axes = (rng.uniform(.62, .95) * w, rng.uniform(.68, .95) * h)
        cv2.ellipse(mask, (int(x), int(y)), (int(axes[0]), int(axes[1])), 0, 0, 360, 1, -1)
        if kind == "bust":
            below = np.array([[-.5, .4], [.5, .4], [1.4, 1.6], [-1.4, 1.6]]) * [w, h] + [x, y]
            cv2.fillConvexPoly(mask, below.astype(np.int32), 1)
        return cv2.GaussianBlur(mask, (0, 0), rng.uniform(.01, .08) * w)

    def torso(self, to_canvas: np.ndarray, middle: np.ndarray, w: float, h: float) -> None:
        """Clothes below the face, of one colour or of a part of a background."""
        rng = self.rng
        shape = np.array([[-.4, .45], [.4, .45], [rng.uniform(1, 1.8), .9], [2, 5], [-2, 5], [-rng.uniform(1, 1.8), .9]])
        shape = shape * [w, h] + middle
        self.fill(shape @ to_canvas[:, :2].T + to_canvas[:, 2], owner=COVER, natural=.5)

    def tiles(self) -> None:
        """Whole portraits in a grid, as in an album."""
        rng, n = self.rng, int(self.rng.integers(2, 6))
        side = self.size / n
        for row in range(n):
            for column in range(n):
                if self.chance(.8):
                    self.person(side * rng.uniform(.4, .75), np.array([column + .5, row + .5]) * side, "tile")

    # Before the faces, and instead of them.

    def fill(self, polygon: np.ndarray, owner: int, natural: float = .3, colour: np.ndarray | None = None,
             alpha: float = 1) -> None:
        """Fills a polygon, with the chance natural with a part of a background."""
        shape = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(shape, [np.clip(polygon, -4000, 4000).astype(np.int32)], 1)
        x, y, w, h = cv2.boundingRect(shape)
        if not w or not h:
            return
        inside = shape[y:y + h, x:x + w] > 0
        paint = self.natural(h, w)[inside] if self.chance(natural) else self.colour() if colour is None else colour
        part = self.image[y:y + h, x:x + w]
        part[inside] = np.clip(part[inside] * (1 - alpha) + np.asarray(paint) * alpha, 0, 255)
        if owner and alpha > .7:
            self.owner[y:y + h, x:x + w][inside] = owner

    def cover(self, points: np.ndarray) -> None:
        """Puts glasses, a mask, a hat, a hand or a thing before the face of these points."""
        rng = self.rng
        eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
        across = (points[1] - points[0]) / 2  # half the distance of the eyes
        down = mouth - eyes

        def place(shape) -> np.ndarray:
            """From the face's own axes: origin between the eyes, (1, 0) the left eye, (0, 1) the mouth."""
            return eyes + np.asarray(shape)[:, :1] * across + np.asarray(shape)[:, 1:] * down

        t = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        disc = np.stack([np.cos(t), np.sin(t)], axis=1)
        dark = rng.uniform(0, 90, 3)
        kind = rng.choice(["glasses", "frames", "mask", "hat", "hand", "thing"], p=[.22, .18, .18, .14, .10, .18])
        if kind == "glasses":
            alpha, size = rng.uniform(.6, 1), [rng.uniform(.55, .85), rng.uniform(.22, .42)]
            for side in (-1, 1):
                self.fill(place(disc * size + [side, rng.uniform(-.05, .08)]), COVER if alpha > .9 else 0, 0, dark, alpha)
            self.line(place([[-.6, -.05], [.6, -.05]]), dark, across)
        elif kind == "frames":
            size = [rng.uniform(.6, .85), rng.uniform(.28, .45)]
            for side in (-1, 1):
                self.line(place(disc * size + [side, .03]), dark if self.chance(.7) else self.colour(), across, closed=True)
            self.line(place([[-.35, 0], [.35, 0]]), dark, across)
        elif kind == "mask":
            top = rng.uniform(.25, .6)
            colour = [np.array([235, 235, 235.]), np.array([210, 190, 140.]), dark, self.colour()][rng.integers(4)]
            self.fill(place([[-1.9, top], [0, top - .2], [1.9, top], [1.5, 1.45], [0, 1.9], [-1.5, 1.45]]), COVER, .1, colour)
        elif kind == "hat":
            brim, crown = rng.uniform(-.8, -.3), rng.uniform(-2.6, -1.6)
            self.fill(place([[-2.3, brim], [2.3, brim], [1.9, crown], [-1.9, crown]]), COVER)
        elif kind == "hand":
            centre, size = [rng.uniform(-1.8, 1.8), rng.uniform(.3, 1.8)], [rng.uniform(.4, 1.1), rng.uniform(.3, .8)]
            self.fill(place(disc * size + centre), COVER, 0, self.skin())
        else:
            centre, size = rng.uniform(-2, 2, 2), rng.uniform(.3, 1.2, 2)
            self.fill(place(disc * size + centre), COVER, .6)

    def line(self, points: np.ndarray, colour: np.ndarray, across: np.ndarray, closed: bool = False) -> None:
        thickness = max(int(np.linalg.norm(across) * self.rng.uniform(.06, .2)), 1)
        cv2.polylines(self.image, [points.astype(np.int32)], closed, colour.tolist(), thickness, cv2.LINE_AA)

    def decoy(self) -> None:
        """Something that is skin, hair or round but no face. What the teacher says of it is what counts."""
        rng, size = self.rng, self.size
        height = self.between(.06, .5) * size
        centre = rng.uniform(0, 1, 2) * size
        t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        disc = np.stack([np.cos(t), np.sin(t) * 1.3], axis=1) * height / 2
        kind = rng.random()
        if kind < .45:  # a bare head or a hand, perhaps with dots where no features are
            self.fill(disc + centre, 0, .1, self.skin())
            for _ in range(rng.integers(0, 4)):
                self.fill(disc * rng.uniform(.05, .3) + centre + rng.uniform(-.3, .3, 2) * height, 0, .2)
        elif kind < .6:  # a round thing
            self.fill(disc + centre, 0, .5)
        else:  # a head without its face: blurred beyond recognition, hidden, or its parts in disorder
            owner, before = self.owner.copy(), self.image.copy()
            self.paste(self.painter.person(rng), height, centre, rng.uniform(-.5, .5), rng.uniform(.7, 1.1), False, "head")
            self.owner = owner
            x0, y0 = np.clip((centre - height * .45).astype(int), 0, size)
            x1, y1 = np.clip((centre + height * .45).astype(int), 0, size)
            if x1 - x0 < 8 or y1 - y0 < 8:
                self.image = before
                return
            part = self.image[y0:y1, x0:x1]
            if kind < .75:
                part[:] = cv2.GaussianBlur(part, (0, 0), height * .2)
            elif kind < .9:
                h, w = (y1 - y0) // 2, (x1 - x0) // 2
                quarters = [part[:h, :w].copy(), part[:h, -w:].copy(), part[-h:, :w].copy(), part[-h:, -w:].copy()]
                for i, at in enumerate((np.s_[:h, :w], np.s_[:h, -w:], np.s_[-h:, :w], np.s_[-h:, -w:])):
                    part[at] = quarters[(i + 1 + (kind > .83)) % 4]
            else:
                self.fill(disc * .8 + centre, 0, .3, self.skin())

    # Light and camera.

    def light(self) -> None:
        """A lamp from one side, exposure, colours, grey."""
        rng, size = self.rng, self.size
        x = self.image.astype(np.float32)
        if self.chance(.25):
            angle = rng.uniform(0, 2 * np.pi)
            ramp = np.linspace(-1, 1, size, dtype=np.float32)
            x *= (1 + rng.uniform(.2, .6) * (np.cos(angle) * ramp[None] + np.sin(angle) * ramp[:, None]))[..., None]
        if self.chance(.5):
            x = x * rng.uniform(.75, 1.3) + rng.uniform(-25, 25)
        if self.chance(.07):  # dark
            x *= rng.uniform(.15, .5)
        if self.chance(.3):
            x *= rng.uniform(.85, 1.15, 3)
        if self.chance(.3):
            grey = x.mean(axis=2, keepdims=True)
            x = grey + (x - grey) * rng.uniform(.3, 1.5)
        if self.chance(.12):
            x = np.repeat(x @ np.array([[.114], [.587], [.299]], np.float32), 3, axis=2)
        x = np.clip(x, 0, 255)
        if self.chance(.3):
            x = 255 * (x / 255) ** np.float32(self.between(.6, 1.6))
        self.image = x.astype(np.uint8)

    def camera(self) -> None:
        """Blur, low resolution, sharpening, noise, JPEG."""
        rng, size = self.rng, self.size
        if self.chance(.12):
            self.image = cv2.GaussianBlur(self.image, (0, 0), rng.uniform(.5, 1.8))
        if self.chance(.06):  # motion
            length = int(rng.integers(3, 9))
            kernel = np.zeros((length, length), np.float32)
            cv2.line(kernel, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1)
            self.image = cv2.filter2D(self.image, -1, kernel / kernel.sum())
        if self.chance(.12):
            small = int(size * rng.uniform(.35, .8))
            shrunk = cv2.resize(self.image, (small, small), interpolation=cv2.INTER_AREA)
            self.image = cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_CUBIC)
        if self.chance(.35):
            soft = cv2.GaussianBlur(self.image, (0, 0), rng.uniform(.8, 2.5))
            amount = rng.uniform(.3, 1.5)
            self.image = cv2.addWeighted(self.image, 1 + amount, soft, -amount, 0)
        if self.chance(.35):
            noise = rng.standard_normal((size, size, 1 if self.chance(.5) else 3), np.float32) * rng.uniform(2, 14)
            self.image = np.clip(self.image + noise, 0, 255).astype(np.uint8)
        if self.chance(.5):
            quality = int(rng.integers(30, 95))
            self.image = cv2.imdecode(cv2.imencode(".jpg", self.image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)

    def visibility(self, i: int) -> float:
        face = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(face, [self.outlines[i].astype(np.int32)], 1)
        shown = np.count_nonzero(self.owner[face > 0] == i + 1)
        return min(shown / max(cv2.contourArea(self.outlines[i].astype(np.float32)), 1), 1.0)
