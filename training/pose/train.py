"""Trains the head pose and writes pose.onnx. From the repository's root:

    python -m training.pose.train --out DIR

The student sees what light and camera left of a head, leaning, moved and scaled; the two FSA-Nets name the angles of the same
head before that.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..common import distil, teachers
from ..common.layers import Values

SIDE = 64
RECORD = np.dtype([("image", np.uint8, (SIDE, SIDE, 3)), ("angles", np.float32, (3,))])  # yaw, pitch, roll, degrees


def maker(material: distil.Material) -> distil.Make:
    teacher, trouble = teachers.Pose(material.models), material.trouble(SIDE)

    def make(rng: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
        found = np.empty(len(chosen), RECORD)
        for record, i in zip(found, chosen):
            person = material.people[i]
            centre, size = teachers.square(person["box"], teacher.CROP)
            lean = rng.normal(0, .3) if rng.random() < .7 else rng.uniform(-1, 1)
            crop = teachers.cut(person["image"], teachers.window(centre, size, lean, SIDE, SIDE), SIDE, SIDE, cv2.BORDER_REPLICATE)
            angles = teacher.look(crop)
            # The student's crop is not quite the teacher's: a detector's boxes differ.
            moved = teachers.window(centre + size * rng.normal(0, .025, 2), size * np.exp(rng.normal(0, .05)), lean, SIDE, SIDE)
            crop = teachers.cut(person["image"], moved, SIDE, SIDE, cv2.BORDER_REPLICATE)
            if rng.random() < .5:
                crop, angles = crop[:, ::-1], angles * [-1, 1, -1]
            for change, likely in ((trouble.light, .75), (trouble.camera, .6)):
                if rng.random() < likely:
                    crop = change(rng, np.ascontiguousarray(crop))
            record["image"], record["angles"] = crop[..., ::-1], angles
        return found

    return make


class Pose(Values):
    """Angles in degrees: the layers before answer in units of 30."""

    def forward(self, x):
        return 30 * super().forward(x)


def loss(answer: torch.Tensor, record: dict[str, torch.Tensor]) -> torch.Tensor:
    return F.smooth_l1_loss(answer / 30, record["angles"] / 30, beta=.1)


def measure(answer: np.ndarray, held: np.ndarray) -> dict[str, float]:
    error = np.abs(answer - held["angles"])
    turned = np.abs(held["angles"]) >= 15
    signs = (answer * held["angles"] > 0)[turned].mean()
    return {**dict(zip(("yaw", "pitch", "roll"), error.mean(0).tolist())), "signs": float(signs)}


if __name__ == "__main__":
    distil.train(distil.Task(
        role="pose", side=SIDE, teachers=("pose/fsanet_1x1.onnx", "pose/fsanet_var.onnx"), make=maker,
        student=lambda: Pose(SIDE, 3, (16, 32, 64, 128), (1, 1, 1), hidden=64), loss=loss, measure=measure, output="angles", steps=2500, decay=800))
