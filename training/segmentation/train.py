"""Trains the mask of a portrait's person and writes segmentation.onnx. From the repository's root:

    python -m training.segmentation.train --out DIR

The teacher says once where the person of each picture is. Behind that mask natural images take the background's place, so that
the student meets more than the plain walls of generated photographs.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..common import distil, teachers
from ..common.layers import Residual, Trunk, conv

SIDE = 128
RECORD = np.dtype([("image", np.uint8, (SIDE, SIDE, 3)), ("person", np.uint8, (SIDE, SIDE))])


def maker(material: distil.Material) -> distil.Make:
    trouble = material.trouble(SIDE)

    def make(rng: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
        found = np.empty(len(chosen), RECORD)
        for record, i in zip(found, chosen):
            p = material.people[i]
            image, person = p["image"], p["person"]
            if rng.random() < .5:
                behind = trouble.natural(rng, len(image)).astype(np.float32)
                if rng.random() < .4:
                    behind = cv2.GaussianBlur(behind, (0, 0), rng.uniform(1, 8))
                if rng.random() < .15:
                    behind[:] = rng.uniform(0, 255, 3)
                alpha = (person.astype(np.float32) / 255)[..., None]
                alpha = (alpha * 1.3 - .15).clip(0, 1)  # a rim of the old background would give the person away
                image = (behind + (image - behind) * alpha).astype(np.uint8)
            side = len(image)
            lean, size = rng.normal(0, .12), side * rng.uniform(.6, 1.15)
            centre = side / 2 + rng.uniform(-.5, .5, 2) * max(side - size, 20)
            # Portraits are higher than wide, and the network sees them as squares.
            move = teachers.window(centre, (size * rng.uniform(.62, 1), size), lean, SIDE, SIDE)
            crop, mask = (teachers.cut(v, move, SIDE, SIDE, cv2.BORDER_REPLICATE) for v in (image, person))
            if rng.random() < .5:
                crop, mask = np.ascontiguousarray(crop[:, ::-1]), mask[:, ::-1]
            for change, likely in ((trouble.light, .7), (trouble.camera, .4)):
                if rng.random() < likely:
                    crop = change(rng, crop)
            record["image"], record["person"] = crop[..., ::-1], mask
        return found

    return make


class Segmenter(nn.Module):
    """A U-Net (O. Ronneberger et al., MICCAI 2015): logits [n, 1, side, side] that a person is there."""

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64, 96)):
        super().__init__()
        self.trunk = Trunk(channels, (1, 1, 1))
        self.side = nn.ModuleList(conv(i, o, kernel=1) for i, o in zip(channels[1:], channels))
        self.mix = nn.ModuleList(conv(c, c) for c in channels[:-1])
        self.deep = Residual(channels[-1])
        self.last = nn.Conv2d(channels[0], 1, 3, padding=1)

    def forward(self, x):
        *maps, x = self.trunk.maps(x)
        x = self.deep(x)
        for below, side, mix in zip(reversed(maps), reversed(self.side), reversed(self.mix)):
            x = mix(below + F.interpolate(side(x), scale_factor=2.0, mode="bilinear", align_corners=False))
        return F.interpolate(self.last(x), scale_factor=2.0, mode="bilinear", align_corners=False)


def loss(answer: torch.Tensor, record: dict[str, torch.Tensor]) -> torch.Tensor:
    truth = record["person"][:, None] / 255
    p = torch.sigmoid(answer)
    overlap = 1 - (2 * (p * truth).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + truth.sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(answer, truth) + .5 * overlap.mean()


def measure(answer: np.ndarray, held: np.ndarray) -> dict[str, float]:
    found, truth = answer[:, 0] > 0, held["person"] > 127
    union = (found | truth).sum((1, 2))
    iou = (found & truth).sum((1, 2))[union > 0] / union[union > 0]
    return {"iou": float(iou.mean()), "iou_5th_percentile": float(np.percentile(iou, 5))}


if __name__ == "__main__":
    distil.train(distil.Task(
        role="segmentation", side=SIDE, teachers=("segmentation/selfie_segmentation.onnx",), make=maker, student=Segmenter, loss=loss,
        measure=measure, output="person", deployed=lambda student: nn.Sequential(student, nn.Sigmoid()), steps=1000, decay=400, held=600))
