"""Training pictures for the embedding: aligned faces, the teacher, and the augmentation between them.

The generated faces are few and alike; real photographs are neither. So a picture is rarely a face as it was generated: two
faces are mixed into a new person, the head is turned in three dimensions and aligned again as a detector would, natural
images stand behind it, before it and on it, and light and camera vary widely. The teacher names the vector of whatever
comes out. Images are BGR uint8 [height, width, 3] until a shard is written; the networks see RGB.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..common import images
from ..common.augment import Trouble
from ..common.people import TEMPLATE, depth
from .model import SIZE

MARGIN = 16  # pixels kept around the aligned face, so that turning and shifting it shows picture and not border
SOURCE = SIZE + 2 * MARGIN


@dataclass
class Faces:
    """Aligned faces with a margin, [n, SOURCE, SOURCE, 3], and how often each is drawn, relative to the others."""

    images: np.ndarray
    weights: np.ndarray  # [n], sum 1
    drawn: np.ndarray    # [n] bool: a drawing of the project, not a generated photograph

    def choose(self, mask: np.ndarray) -> "Faces":
        w = self.weights[mask]
        return Faces(self.images[mask], w / w.sum(), self.drawn[mask])


def load_faces(data: Path, drawn: Path, detector: images.Detector, cache: Path, limit: int | None = None) -> Faces:
    """All faces that the detector is sure of; the result is kept in cache. limit takes only every n-th file, for a smoke run."""
    if not cache.exists():
        found, weights, is_drawn = [], [], []
        sources = [(f, False) for f in images.files(data / "generated_faces")] + [(f, True) for f in images.files(drawn)]
        step = max(1, len(sources) // limit) if limit else 1
        for i, (file, d) in enumerate(sources[::step]):
            image = images.read(file)
            score, points = detector.best(image)
            if score >= 0.6:
                move, _ = cv2.estimateAffinePartial2D(points, TEMPLATE + MARGIN, method=cv2.LMEDS)
                found.append(cv2.warpAffine(image, move, (SOURCE, SOURCE), borderMode=cv2.BORDER_REFLECT))
                # Sets c and d vary far more than a and b; drawn people make up about one picture in twelve.
                weights.append(0.4 if d else 5.0 if file.name[0] in "cd" else 1.0)
                is_drawn.append(d)
            if i % 1000 == 999:
                print(f"aligned {i + 1} of {len(sources) // step} faces", flush=True)
        partial = cache.with_suffix(".partial.npz")
        np.savez(partial, images=np.stack(found), weights=np.array(weights), drawn=np.array(is_drawn))
        partial.replace(cache)
    with np.load(cache) as f:
        return Faces(f["images"], f["weights"] / f["weights"].sum(), f["drawn"])


def split(faces: Faces) -> tuple[Faces, Faces]:
    """Training and validation people: every twentieth is held out. A drawn person's two pictures stay together."""
    held = (np.arange(len(faces.images)) // 2) % 20 == 7
    return faces.choose(~held), faces.choose(held)


GRID = 29                                   # geometry is computed on a coarse grid and enlarged
AXIS = np.linspace(-1, 1, GRID, dtype=np.float32)


def _enlarge(coarse: int, fine: int) -> np.ndarray:
    """The matrix [fine, coarse] of smooth (cubic) interpolation along one axis."""
    return np.stack([cv2.resize(np.ascontiguousarray(row[:, None]), (1, fine), interpolation=cv2.INTER_CUBIC)[:, 0]
                     for row in np.eye(coarse, dtype=np.float32)], 1)


def _linear(coarse: int, fine: int) -> np.ndarray:
    """The matrix [fine, coarse] of linear interpolation whose ends meet the ends."""
    at = np.linspace(0, coarse - 1, fine)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(coarse))).astype(np.float32)


class Augmenter(Trouble):
    """Makes pictures from faces and natural images. All randomness comes from the generator given to each call."""

    def __init__(self, faces: Faces, backgrounds: list[np.ndarray]):
        super().__init__(backgrounds, SIZE, MARGIN)
        self.faces = faces
        self.photographs = np.flatnonzero(~faces.drawn)
        ranks = np.cumsum(faces.weights[self.photographs])
        self.photograph_ranks = ranks / ranks[-1]  # for drawing one by its weight
        self.control_to_grid = _enlarge(5, GRID)
        self.grid_to_picture = _linear(GRID, SIZE)
        self.parts = [self._part(self.bank) for _ in range(128)]
        self.heads = [self._head(self.bank) for _ in range(128)]

    @staticmethod
    def _part(rng) -> np.ndarray:
        """A soft ellipse around an eye, both eyes, the nose or the mouth."""
        eyes, nose, mouth = TEMPLATE[:2] + MARGIN, TEMPLATE[2] + MARGIN, TEMPLATE[3:].mean(0) + MARGIN
        centre, size = [(eyes.mean(0), (42, 15)), (nose, (15, 22)), (mouth, (27, 15)), (mouth, (40, 30)),
                        (eyes.mean(0) - [0, 20], (48, 30))][rng.integers(5)]
        size = np.array(size) * rng.uniform(.8, 1.25, 2)
        y, x = np.mgrid[:SOURCE, :SOURCE].astype(np.float32)
        r = np.hypot((x - centre[0]) / size[0], (y - centre[1]) / size[1])
        return (1 / (1 + np.exp((r - 1) * 8))).astype(np.float32)[..., None]

    @staticmethod
    def _head(rng) -> np.ndarray:
        """A soft head, 1 inside, [SIZE, SIZE, 1]: beyond it another background may stand."""
        l = np.linspace(-1, 1, SIZE, dtype=np.float32)
        y = l[:, None] - rng.uniform(-.05, .15)
        r = np.hypot(l[None] / rng.uniform(.7, 1.05), y / np.where(y < 0, rng.uniform(.85, 1.25), rng.uniform(.9, 1.3)))
        return (1 / (1 + np.exp((r - 1) * rng.uniform(8, 30)))).astype(np.float32)[..., None]

    def mix(self, rng, i: int) -> np.ndarray:
        """Face i, or a new person: face i with another laid over it, beside it, or lending it features or texture."""
        a, kind = self.faces.images[i], rng.random()
        if self.faces.drawn[i] or kind < .3:
            return a
        b = self.faces.images[self.photographs[np.searchsorted(self.photograph_ranks, rng.random())]]
        if kind < .5:
            w = rng.uniform(.3, .7)
            return cv2.addWeighted(a, w, b, 1 - w, 0)
        if kind < .92:
            mask = (self.halves if kind < .7 else self.parts)[rng.integers(128)]
            return (a + (b.astype(np.float32) - a) * mask).astype(np.uint8)
        fine = b.astype(np.float32) - cv2.GaussianBlur(b, (0, 0), rng.uniform(1.5, 4))
        return (a + fine * rng.uniform(.3, 1)).clip(0, 255).astype(np.uint8)

    def geometry(self, rng, n: int, bent: bool) -> tuple[np.ndarray, np.ndarray]:
        """For n pictures the source pixel of each pixel, two maps [n, SIZE, SIZE]: the head turned by yaw and pitch, aligned
        anew by its five points, with the detector's error, mirrored half the time; bent makes it another person's a little."""
        bell = lambda deviation, most: rng.normal(0, deviation, n).clip(-most, most).astype(np.float32)
        c1 = lambda v: v[:, None, None]
        yaw, pitch = bell(.24, .7), bell(.08, .25)  # radians
        sy, cy, sp, cp = np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)

        def turn(x, y, z, sy, cy, sp, cp):
            return x * cy + z * sy, y * cp - (z * cy - x * sy) * sp

        # The five points after the turn, and the similarity q -> a*q + b (complex) that fits them to the template again.
        t = (TEMPLATE - SIZE / 2) / (SIZE / 2)
        px, py = turn(t[:, 0][None], t[:, 1][None], depth(t[:, 0], t[:, 1])[None], *(v[:, None] for v in (sy, cy, sp, cp)))
        p, q = px + 1j * py, (t[:, 0] + 1j * t[:, 1])[None]
        pc, qc = p.mean(1, keepdims=True), q.mean(1, keepdims=True)
        a = ((p - pc).conj() * (q - qc)).sum(1, keepdims=True) / (np.abs(p - pc) ** 2).sum(1, keepdims=True)
        a, b = a[:, 0], (qc - a * pc)[:, 0]
        # The detector's error is one more similarity; a stretch stands for other cameras and heads.
        a = a * np.exp(bell(.025, .08) + 1j * bell(.035, .12))
        b = b + bell(.018, .06) + 1j * bell(.018, .06)
        g = (AXIS[None, None, :] + 1j * AXIS[None, :, None] - c1(b)) / c1(a)
        gx, gy = (g.real * c1(np.exp(bell(.035, .1)))).astype(np.float32), g.imag.astype(np.float32)
        # Which point of the face is seen there: solved by iteration, since the depth is that of the point searched for.
        x, y = gx, gy
        for _ in range(4):
            z = depth(x, y)
            nx = (gx - z * c1(sy)) / c1(cy)
            ny = (gy + (z * c1(cy) - x * c1(sy)) * c1(sp)) / c1(cp)
            x, y = .3 * x + .7 * nx.clip(-1.6, 1.6), .3 * y + .7 * ny.clip(-1.6, 1.6)
        strength = rng.uniform(.015, .065, n) * (rng.random(n) < .6) * bent
        bend = (rng.uniform(-1, 1, (2, n, 5, 5)) * c1(strength)).astype(np.float32)
        bend = self.control_to_grid @ bend @ self.control_to_grid.T
        x = (x + bend[0]) * c1(np.where(rng.random(n) < .5, -1, 1).astype(np.float32))
        to_pixel = lambda v: self.grid_to_picture @ (v * np.float32(SIZE / 2) + np.float32(SOURCE / 2 - .5)) @ self.grid_to_picture.T
        return to_pixel(x), to_pixel(y + bend[1])

    def cover(self, rng, image: np.ndarray) -> np.ndarray:
        """Things before and behind the face."""
        if rng.random() < .1:  # glasses, clear or dark
            shade, colour = rng.random() < .4, tuple(int(v) for v in rng.integers(0, 90, 3))
            layer, r = image.copy(), int(rng.integers(10, 16))
            for e in TEMPLATE[:2]:
                at = tuple(int(v) for v in e + rng.uniform(-2, 2, 2))
                size = (r, int(r * rng.uniform(.6, 1)))
                cv2.ellipse(layer, at, size, 0, 0, 360, colour, -1 if shade else int(rng.integers(1, 3)), cv2.LINE_AA)
            cv2.line(layer, (50, 51), (61, 51), colour, 2, cv2.LINE_AA)
            image = cv2.addWeighted(layer, rng.uniform(.6, 1), image, 0, 0) if not shade else \
                cv2.addWeighted(layer, w := rng.uniform(.5, 1), image, 1 - w, 0)
        if rng.random() < .5:  # another background
            head = self.heads[rng.integers(128)]
            n = self.natural(rng)
            image = (n + (image.astype(np.float32) - n) * head).astype(np.uint8)
        if rng.random() < .12:  # something translucent
            image = cv2.addWeighted(image, 1 - (w := rng.uniform(.05, .35)), self.natural(rng), w, 0)
        if rng.random() < .12:  # a hat, a fringe, a collar: a band of something from above or below
            y, edge = rng.uniform(2, 30), rng.uniform(-.3, .3)
            l = np.arange(SIZE, dtype=np.float32)
            m = (.5 - .5 * np.tanh((l[:, None] - y - edge * (l[None] - 56)) / 2)).astype(np.float32)[..., None]
            m = m if rng.random() < .7 else m[::-1]
            n = self.natural(rng)
            image = (image + (n.astype(np.float32) - image) * m).astype(np.uint8)
        if rng.random() < .2:  # a hand, a microphone, another head
            h, w = rng.integers(14, 48, 2)
            y, x = rng.integers(0, SIZE - h), rng.integers(0, SIZE - w)
            image = image.copy()
            image[y:y + h, x:x + w] = self.natural(rng, 48)[:h, :w]
        return image

    def pictures(self, rng: np.random.Generator, people: np.ndarray, mixed: bool = True) -> np.ndarray:
        """One RGB picture of each face index, [n, SIZE, SIZE, 3]; mixed makes new people."""
        mx, my = self.geometry(rng, len(people), bent=mixed)
        out = np.empty((len(people), SIZE, SIZE, 3), np.uint8)
        for k, i in enumerate(people):
            image = self.mix(rng, i) if mixed else self.faces.images[i]
            image = cv2.remap(image, mx[k], my[k], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            # Many real pictures are good ones: each kind of trouble is absent from some.
            for trouble, likely in ((self.cover, .55), (self.light, .75), (self.camera, .7)):
                if rng.random() < likely:
                    image = trouble(rng, image)
            out[k] = image[..., ::-1]
        return out

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n training pictures."""
        return self.pictures(rng, rng.choice(len(self.faces.images), n, p=self.faces.weights))
