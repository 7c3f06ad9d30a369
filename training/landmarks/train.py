"""Trains the 68 landmarks and writes landmarks.onnx. From the repository's root:

    python -m training.landmarks.train --out DIR

The teachers name the points of each picture once; they move with it when it is turned, moved and scaled, and stay where they
are when something covers them.
"""

import cv2
import numpy as np
import torch

from ..common import distil, teachers
from ..common.layers import Values
from ..common.overlays import Overlays

SIDE, CROP = 96, 1.3
RECORD = np.dtype([("image", np.uint8, (SIDE, SIDE, 3)), ("points", np.float32, (68, 2))])  # of the crop, 0..1

MIRRORED = np.array([*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46,
                     39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65])


def maker(material: distil.Material) -> distil.Make:
    trouble = material.trouble(SIDE)
    overlays = Overlays(trouble)

    def make(rng: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
        found = np.empty(len(chosen), RECORD)
        for record, i in zip(found, chosen):
            person = material.people[i]
            image, points = overlays.some(rng, person)
            centre, size = teachers.square(person["box"], CROP)
            # The roll of a head is known to a few degrees before its landmarks are.
            lean = teachers.roll(person["points"]) + rng.normal(0, .12)
            move = teachers.window(centre + size * rng.normal(0, .03, 2), size * np.exp(rng.normal(0, .06)), lean, SIDE, SIDE)
            crop = teachers.cut(image, move, SIDE, SIDE, [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT][rng.integers(2)])
            points = ((points - .5) @ move[:, :2].T + move[:, 2] + .5) / SIDE
            if rng.random() < .5:
                crop, points = np.ascontiguousarray(crop[:, ::-1]), (points * [-1, 1] + [1, 0])[MIRRORED]
            for change, likely in ((trouble.light, .75), (trouble.camera, .6)):
                if rng.random() < likely:
                    crop = change(rng, crop)
            record["image"], record["points"] = crop[..., ::-1], points
        return found

    return make


def apart(points):
    """The distance of the outer corners of the eyes, by which 300-W divides errors."""
    return ((points[:, 36] - points[:, 45]) ** 2).sum(-1) ** .5


def loss(answer: torch.Tensor, record: dict[str, torch.Tensor]) -> torch.Tensor:
    truth = record["points"]
    error = (answer.view(-1, 68, 2) - truth).abs() / apart(truth)[:, None, None].clamp_min(.15)
    return torch.log1p(error / .02).mean() * .2 + error.mean()  # small errors count as well as large ones


def measure(answer: np.ndarray, held: np.ndarray) -> dict[str, float]:
    points = answer.reshape(-1, 68, 2)
    error = np.linalg.norm(points - held["points"], axis=-1).mean(-1) / apart(held["points"])
    found = {"nme": float(100 * error.mean()), "nme_median": float(100 * np.median(error)), "above_10": float((error > .1).mean())}
    for name, value, limit in (("mouth", teachers.mouth_open, .125), ("smile", teachers.smile, .45)):
        mine, truth = value(points), value(held["points"])
        found |= {f"{name}_missed": float((mine < limit)[truth >= limit].mean()), f"{name}_false": float((mine >= limit)[truth < limit].mean())}
    return found


class Landmarks(Values):
    """Points 0..1 of the crop."""

    def forward(self, x):
        return .5 + .25 * super().forward(x)


if __name__ == "__main__":
    distil.train(distil.Task(
        role="landmarks", side=SIDE, teachers=("landmarks/openseeface_66.onnx", "landmarks/pfld_68.onnx"), make=maker,
        student=lambda: Landmarks(SIDE, 136, (16, 32, 64, 128), (1, 1, 2), narrow=48), loss=loss, measure=measure, output="points"))
