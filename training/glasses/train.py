"""Trains whether a face wears glasses and writes glasses.onnx. From the repository's root:

    python -m training.glasses.train --out DIR

labels.csv says what a person saw on the generated photographs for which two older measures disagreed, or one was in doubt, or both
were sure of glasses: glasses, none, or neither for sure. Nobody wears any on the others, where both were sure of none: a person looked
at 240 of these 6429 and saw none. Glasses are also drawn over bare faces.
"""

import csv
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..common import distil, images, teachers
from ..common.layers import Values
from ..common.overlays import Overlays

SIDE = 96
# The square around the eyes, in distances of the eyes: its side, and how far its middle lies below the line through them.
CROP, BELOW = 2.1, 0.15
UNKNOWN = -1.0
RECORD = np.dtype([("image", np.uint8, (SIDE, SIDE, 3)), ("truth", np.float32), ("sure", np.bool_)])


def labels(material: distil.Material) -> tuple[np.ndarray, np.ndarray]:
    """Of each picture: 1 with glasses, 0 without, else UNKNOWN; and whether a person looked at it because a measure was in doubt."""
    seen = {r["file"]: r["glasses"] for r in csv.DictReader((Path(__file__).parent / "labels.csv").open())}
    names = [f.name for f in images.files(material.data / "generated_faces")]
    truth = np.zeros(len(material.people), np.float32)
    doubted = np.zeros(len(material.people), bool)
    for i, (source, drawn, measure) in enumerate(zip(*(material.people[k] for k in ("source", "drawn", "glasses")))):
        if drawn:  # the measure is right about drawings
            truth[i] = 1 if measure > 242 else 0 if measure < 13 else UNKNOWN
        elif label := seen.get(names[source]):
            truth[i], doubted[i] = {"yes": 1, "no": 0, "unsure": UNKNOWN}[label], label == "no"
    return truth, doubted


def square(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre, sides and lean of what the network sees, of landmarks."""
    right, left = p[36:42].mean(0), p[42:48].mean(0)
    d = left - right
    apart, lean = max(float(np.linalg.norm(d)), 1), float(np.arctan2(d[1], d[0]))
    return (right + left) / 2 + BELOW * apart * np.array([-np.sin(lean), np.cos(lean)]), np.full(2, CROP * apart), lean


def maker(material: distil.Material) -> distil.Make:
    trouble = material.trouble(SIDE)
    overlays = Overlays(trouble)
    truth, doubted = labels(material)
    chosen = np.zeros(len(truth), bool)
    chosen[material.chosen] = True
    wearing, hard = np.flatnonzero(chosen & (truth == 1) & ~material.people["drawn"]), np.flatnonzero(chosen & doubted)

    def make(rng: np.random.Generator, numbers: np.ndarray) -> np.ndarray:
        found = np.empty(len(numbers), RECORD)
        for record, i in zip(found, numbers):
            if chosen[i]:  # of those held out none stands for another
                k = rng.random()
                i = rng.choice(wearing) if k < .3 else rng.choice(hard) if k < .42 else i
            person = material.people[i]
            image, points, worn = person["image"], person["landmarks"], float(truth[i])
            if chosen[i] and worn == 0 and (k := rng.random()) < .35:
                over = overlays.glasses(rng, image, points) if k < .2 else overlays.mask(rng, image, points) if k < .28 else overlays.thing(rng, image, points)
                image, worn = over.image, over.truth.get("glasses", worn)
                worn = UNKNOWN if worn is None else worn
            centre, size, lean = square(points)
            move = teachers.window(centre + size * rng.normal(0, .025, 2), size * np.exp(rng.normal(0, .07)), lean + rng.normal(0, .05), SIDE, SIDE)
            crop = teachers.cut(image, move, SIDE, SIDE, [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT][rng.integers(2)])
            if rng.random() < .5:
                crop = np.ascontiguousarray(crop[:, ::-1])
            for change, likely in ((trouble.light, .75), (trouble.camera, .6)):
                if rng.random() < likely:
                    crop = change(rng, crop)
            record["image"], record["truth"], record["sure"] = crop[..., ::-1], worn, not person["drawn"]
        return found

    return make


def loss(answer: torch.Tensor, record: dict[str, torch.Tensor]) -> torch.Tensor:
    truth = record["truth"]
    known = (truth >= 0).float()
    errors = F.binary_cross_entropy_with_logits(answer[:, 0], truth.clamp_min(0) * .96 + .02, reduction="none") * known
    return errors.sum() / known.sum()


def measure(answer: np.ndarray, held: np.ndarray) -> dict[str, float]:
    """Of photographs: what is found at 0.5, on how many bare faces some are seen, and both where one bare face in a hundred reaches."""
    truth, p = held["truth"][held["sure"]], 1 / (1 + np.exp(-answer[held["sure"], 0]))
    worn, bare = p[truth == 1], p[truth == 0]
    if not len(worn) or not len(bare):
        return {}
    limit = float(np.quantile(bare, .99))
    return {"worn": len(worn), "bare": len(bare), "found": float((worn >= .5).mean()), "false_alarms": float((bare >= .5).mean()),
            "limit_1_in_100": limit, "found_there": float((worn >= limit).mean())}


if __name__ == "__main__":
    distil.train(distil.Task(
        role="glasses", side=SIDE, teachers=("landmarks/openseeface_66.onnx",),
        make=maker, student=lambda: Values(SIDE, 1, (16, 32, 48, 64), (1, 1, 1), hidden=32), loss=loss, measure=measure,
        output="probability", deployed=lambda student: torch.nn.Sequential(student, torch.nn.Sigmoid()), steps=1800, decay=700))
