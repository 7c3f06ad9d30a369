"""Pictures of faces with what the teachers say of each: what the trainings of landmarks, pose, attributes, segmentation and
liveness start from.

Generated photographs show nearly everybody from the front. So each comes a second time with its head turned in three
dimensions, and the teachers look at that picture anew. Images are BGR uint8 [SIDE, SIDE, 3].
"""

import multiprocessing
import os
import subprocess
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np

from . import images, teachers

SIDE = 192
SURE = 0.6  # least score of a detection

# Where ArcFace's alignment puts right eye, left eye, nose and mouth corners, pixels of a 112x112 picture.
TEMPLATE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
                    np.float32)

# One picture of one person. Points are in pixels of the picture; probabilities are 0..1 in steps of 1/255.
RECORD = np.dtype([
    ("image", np.uint8, (SIDE, SIDE, 3)),
    ("person", np.uint8, (SIDE, SIDE)),      # 255 where a person is
    ("box", np.float32, (4,)),               # left, top, right, bottom
    ("points", np.float32, (5, 2)),          # right eye, left eye, nose, mouth corners
    ("landmarks", np.float32, (68, 2)),      # in the order of 300-W
    ("eyes", np.uint8, (2,)),                # open: the picture's left one, its right one
    ("glasses", np.uint8),
    ("mask", np.uint8),
    ("covered", np.uint8, (4,)),             # the picture's left eye, its right eye, nose, mouth
    ("drawn", np.bool_),                     # a drawing of the project
    ("source", np.int32),                    # number of the file; what comes from one file is not parted by split
])


def depth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of a coarse head above the picture's plane. x, y, result: units of 56 pixels of the template from its centre."""
    r2 = (x / .85) ** 2 + ((y + .05) / 1.2) ** 4
    nose = .15 * np.exp(-(x / .15) ** 2 - ((y - .2) / .22) ** 2)
    sockets = .06 * np.exp(-((np.abs(x) - .31) / .16) ** 2 - ((y + .08) / .12) ** 2)
    return .72 * (1 - r2) / (1 + .6 * r2) + nose - sockets


def turned(image: np.ndarray, points: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """The picture with its head turned by yaw and pitch, radians. points are the five points."""
    move, _ = cv2.estimateAffinePartial2D(points, (TEMPLATE - 56) / 56, method=cv2.LMEDS)
    back = cv2.invertAffineTransform(move)
    grid = np.linspace(0, SIDE - 1, 49, dtype=np.float32)
    px, py = np.meshgrid(grid, grid)
    gx, gy = (move[k, 0] * px + move[k, 1] * py + move[k, 2] for k in range(2))
    sy, cy, sp, cp = np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)
    x, y = gx, gy
    for _ in range(6):  # the depth is that of the point searched for
        z = depth(x, y)
        z = z * (z > -.6) - .6 * (z <= -.6)
        nx = (gx - z * sy) / cy
        ny = (gy + (z * cy - x * sy) * sp) / cp
        x, y = .3 * x + .7 * nx, .3 * y + .7 * ny
    sx, sy2 = (back[k, 0] * x + back[k, 1] * y + back[k, 2] for k in range(2))
    fine = [cv2.resize(m.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for m in (sx, sy2)]
    return cv2.remap(image, *fine, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def draw_people(folder: Path, people: int) -> None:
    """Draws people with the project's own renderer, two pictures each."""
    if not folder.is_dir():
        unfinished = folder.with_suffix(".partial")
        subprocess.run(["go", "run", "./training/drawn", "-out", str(unfinished), "-people", str(people), "-shots", "2"], check=True)
        unfinished.rename(folder)


@cache
def _lookers(models: Path) -> tuple[images.Detector, teachers.Faces]:
    cv2.setNumThreads(1)
    return images.Detector(models), teachers.Faces(models)


def _look(models: Path, seed: int, job: tuple[int, Path, bool, bool]) -> np.ndarray | None:
    source, file, drawn, turn = job
    detector, faces = _lookers(models)
    image = images.read(file)
    if image.shape != (SIDE, SIDE, 3):
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    score, box, points = detector.face(image)
    if turn and score >= SURE:
        rng = np.random.default_rng([seed, 11, source])
        yaw, pitch = (float(np.clip(rng.normal(0, d), -2 * d, 2 * d)) for d in (.45, .22))
        image = turned(image, points, yaw, pitch)
        score, box, points = detector.face(image)
    if score < SURE:
        return None
    r = np.zeros((), RECORD)
    r["image"], r["box"], r["points"], r["drawn"], r["source"] = image, box, points, drawn, source
    for name, value in faces.look(image, box, points).items():
        r[name] = value
    return r


def load(data: Path, models: Path, drawn: Path, kept: Path, seed: int, limit: int | None = None) -> np.ndarray:
    """RECORDs of all pictures in which the detector is sure of a face; the result is the file kept. limit takes only every
    n-th file, for a smoke run."""
    if not kept.exists():
        files = [(f, False) for f in images.files(data / "generated_faces")] + [(f, True) for f in images.files(drawn)]
        step = max(1, len(files) // limit) if limit else 1
        jobs = [(i, f, d, turn) for i, (f, d) in list(enumerate(files))[::step] for turn in ((False,) if d else (False, True))]
        found = []
        with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
            for n, r in enumerate(pool.imap(partial(_look, models, seed), jobs, chunksize=64)):
                if r is not None:
                    found.append(r)
                if n % 2000 == 1999:
                    print(f"the teachers have looked at {n + 1} of {len(jobs)} pictures", flush=True)
        unfinished = kept.with_suffix(".partial.npy")
        np.save(unfinished, np.stack(found))
        unfinished.replace(kept)
    return np.load(kept, mmap_mode="r")


def split(people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the pictures for training and of those held out: every twentieth pair of files."""
    held = people["source"] // 2 % 20 == 7
    return np.flatnonzero(~held), np.flatnonzero(held)


def weights(people: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How often each of the chosen pictures is drawn, sum 1: a drawn person's a third of a photograph's."""
    w = np.where(people["drawn"][chosen], 1 / 3, 1.0)
    return w / w.sum()
