"""Trains what is seen of a face and writes attributes.onnx. From the repository's root:

    python -m training.attributes.train --out DIR

One network answers nine probabilities. Where something was drawn over a face the truth is known, and elsewhere the teachers
say it; what nobody knows of a picture is not learnt from it.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..common import distil, teachers
from ..common.layers import Values
from ..common.overlays import Overlays, close_eye, open_mouth

SIDE, CROP = 96, 1.3
# In the order of the answers; left and right are the picture's.
NAMES = ("left_eye", "right_eye", "mouth", "mask", "glasses", "covered_left_eye", "covered_right_eye", "covered_nose", "covered_mouth")
MIRRORED = [1, 0, 2, 3, 4, 6, 5, 7, 8]
UNKNOWN = -1.0
RECORD = np.dtype([("image", np.uint8, (SIDE, SIDE, 3)), ("truth", np.float32, (len(NAMES),)), ("sure", np.bool_)])


def opened(gap: float) -> float:
    """How far a mouth is open, 0..1, by the gap between the inner lips over its width. One in a hundred of the generated people, who
    smile and show their teeth, has one of a third."""
    return float(1 / (1 + np.exp(-(gap - .36) / .03)))


def told(person: np.ndarray) -> dict[str, float | None]:
    """What the teachers say of the picture as it was before anything was done to it."""
    truth = dict(zip(NAMES[:2], person["eyes"] / 255))
    truth |= {"mask": person["mask"] / 255, "glasses": person["glasses"] / 255}
    truth |= dict(zip(NAMES[5:], person["covered"] / 255))
    truth["mouth"] = opened(teachers.mouth_open(person["landmarks"]))
    # The measure of glasses takes one bare face in thirty for one with some; drawn ones are sure.
    return {k: None if .05 < v < .95 and k == "glasses" or .2 < v < .8 and k == "mask" else float(v) for k, v in truth.items()}


def maker(material: distil.Material) -> distil.Make:
    trouble = material.trouble(SIDE)
    overlays, eye_teacher = Overlays(trouble), teachers.Faces(material.models)
    # A head that was turned wears and does what it did before, when the teachers saw it better.
    first = dict(zip(*np.unique(material.people["source"], return_index=True)))

    def changed(rng, person: np.ndarray) -> tuple[np.ndarray, dict[str, float | None]]:
        image, points, truth = person["image"], person["landmarks"], told(material.people[first[person["source"]]])
        if rng.random() < .4:
            eyes = [(name, slice(at, at + 6)) for name, at in (("left_eye", 36), ("right_eye", 42))]
            both, amount = rng.random() < .6, rng.uniform(.9, 1) if rng.random() < .8 else rng.uniform(.1, .35)
            for name, eye in eyes if both else [eyes[rng.integers(2)]]:
                shut = close_eye(image, points[eye], amount)
                if amount < .5:
                    image = shut
                elif eye_teacher.open(shut, points[eye]) < .4:  # not every drawn lid looks like one
                    image, truth[name] = shut, 0.
        if rng.random() < .25:
            image, points, gap = open_mouth(rng, image, points)
            truth["mouth"] = opened(gap)
        if (k := rng.random()) < .25:
            over = overlays.glasses(rng, image, points)
        elif k < .45:
            over = overlays.mask(rng, image, points)
        elif k < .6:
            over = overlays.thing(rng, image, points)
        else:
            return image, truth
        image, truth = over.image, truth | over.truth
        if "mask" in over.truth and rng.random() < .3:
            over = overlays.glasses(rng, image, points)
            image, truth = over.image, truth | over.truth
        return image, truth

    def make(rng: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
        found = np.empty(len(chosen), RECORD)
        for record, i in zip(found, chosen):
            person = material.people[i]
            image, truth = changed(rng, person)
            centre, size = teachers.square(person["box"], CROP)
            lean = teachers.roll(person["points"]) + rng.normal(0, .1)
            move = teachers.window(centre + size * rng.normal(0, .04, 2), size * np.exp(rng.normal(0, .09)), lean, SIDE, SIDE)
            crop = teachers.cut(image, move, SIDE, SIDE, [cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT][rng.integers(2)])
            values = np.array([UNKNOWN if truth[n] is None else truth[n] for n in NAMES], np.float32)
            if rng.random() < .5:
                crop, values = np.ascontiguousarray(crop[:, ::-1]), values[MIRRORED]
            for change, likely in ((trouble.light, .75), (trouble.camera, .6)):
                if rng.random() < likely:
                    crop = change(rng, crop)
            record["image"], record["truth"], record["sure"] = crop[..., ::-1], values, not person["drawn"]
        return found

    return make


def loss(answer: torch.Tensor, record: dict[str, torch.Tensor]) -> torch.Tensor:
    truth = record["truth"]
    known = (truth >= 0).float()
    # The rarer answer of each counts as much as the other.
    errors = F.binary_cross_entropy_with_logits(answer, truth.clamp_min(0), reduction="none") * known
    rare = torch.where(truth > .5, 1.0, 0.0)
    share = ((rare * known).sum(0) / known.sum(0).clamp_min(1)).clamp(.1, .9)
    weight = torch.where(rare > 0, .5 / share, .5 / (1 - share))
    return (errors * weight).sum() / known.sum()


def measure(answer: np.ndarray, held: np.ndarray) -> dict[str, float]:
    """Of each answer on photographs the mean of its two error rates at 0.5, and the probability at which they are equal."""
    found = {}
    for k, name in enumerate(NAMES):
        truth, p = held["truth"][held["sure"], k], 1 / (1 + np.exp(-answer[held["sure"], k]))
        yes, no = p[truth > .8], p[(truth >= 0) & (truth < .2)]
        if len(yes) and len(no):
            found[name] = float((yes < .5).mean() + (no >= .5).mean()) / 2
            at = np.linspace(0, 1, 501)
            found[f"{name}_equal_at"] = float(at[np.abs((yes[:, None] < at).mean(0) - (no[:, None] >= at).mean(0)).argmin()])
    return found


if __name__ == "__main__":
    distil.train(distil.Task(
        role="attributes", side=SIDE,
        teachers=("attributes/eye_open_p.onnx", "attributes/seeta_mask.onnx", "landmarks/seeta_occlusion_5.onnx", "landmarks/openseeface_66.onnx"),
        make=maker, student=lambda: Values(SIDE, len(NAMES), (16, 32, 64, 128), (1, 1, 1), hidden=96), loss=loss, measure=measure,
        output="probabilities", deployed=lambda student: torch.nn.Sequential(student, torch.nn.Sigmoid()), steps=2800))
