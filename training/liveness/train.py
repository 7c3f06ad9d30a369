"""Trains the tell of living faces from pictures of faces and writes liveness.onnx. From the repository's root:

    python -m training.liveness.train --out DIR

Nobody photographed an attack for it: prints and screens are simulated (simulate.py). A second teacher, the open pack's networks
of the same input, says what it thinks of each picture, and of an attack the student learns the mean of both. What is not one
is living for certain, however little the picture shows: its colours may be missing, its surroundings, its sharpness. The generated
photographs are few and soft; so a quarter of the examples are natural images without a face, as they are and as attacks, from
which the student learns what photographs look like.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..common import distil, teachers
from ..common.layers import Trunk, conv
from . import simulate

SIDE, CROP = teachers.Spoof.SIZE, teachers.Spoof.CROP
RECORD = np.dtype([("image", np.uint8, (SIDE, SIDE, 3)), ("kind", np.int8),  # 0 live, else the number of ATTACKS
                   ("live", np.float32), ("photograph", np.bool_)])

TIGHT = .25    # share of faces that fill their photograph
NATURAL = .25  # share of examples without a face


def grey(_, image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def maker(material: distil.Material) -> distil.Make:
    trouble, teacher = material.trouble(SIDE), teachers.Spoof(material.models)

    def face(rng: np.random.Generator, person: np.void) -> np.ndarray:
        image = person["image"]
        if rng.random() < .6:  # people stand before other things than plain walls
            behind = trouble.natural(rng, len(image)).astype(np.float32)
            alpha = (person["person"].astype(np.float32) / 255)[..., None]
            image = (behind + (image - behind) * alpha).astype(np.uint8)
        centre, size = teachers.square(person["box"], CROP)
        if rng.random() < TIGHT:  # the photograph ends near the face: the engine mirrors what is there
            w, h = (person["box"][2:] - person["box"][:2]) * rng.uniform(0, .3, 2)
            left, top = np.maximum(person["box"][:2] - [w, h], 0).astype(int)
            right, bottom = np.ceil(person["box"][2:] + [w, h]).astype(int)
            image, centre = image[top:bottom, left:right], centre - [left, top]
        move = teachers.window(centre + size * rng.normal(0, .02, 2), size * np.exp(rng.normal(0, .05)), rng.normal(0, .06), SIDE, SIDE)
        return teachers.cut(image, move, SIDE, SIDE, cv2.BORDER_REFLECT)

    def make(rng: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
        found = np.empty(len(chosen), RECORD)
        for record, i in zip(found, chosen):
            person = material.people[i]
            natural = rng.random() < NATURAL
            crop = trouble.natural(rng) if natural else face(rng, person)
            if rng.random() < .5:
                crop = np.ascontiguousarray(crop[:, ::-1])
            if rng.random() < .4:
                crop = trouble.light(rng, crop)
            kind = int(rng.integers(1, 3)) if rng.random() < .5 else 0
            if kind:
                crop = simulate.attack(rng, trouble, crop, simulate.ATTACKS[kind - 1])
            # Living or not, a camera took it.
            for change, likely in ((trouble.light, .35), (trouble.camera, .5), (trouble.webcam, .25), (grey, .12)):
                if rng.random() < likely:
                    crop = change(rng, crop)
            record["image"], record["kind"], record["photograph"] = crop[..., ::-1], kind, not (natural or person["drawn"])
        # Of a drawing, and of what is no face, the second teacher knows nothing.
        found["live"] = found["kind"] == 0
        asked = np.flatnonzero((found["kind"] > 0) & found["photograph"])
        for at in range(0, len(asked), 16):
            part = asked[at:at + 16]
            found["live"][part] = teacher.look(found["image"][part][..., ::-1]) / 2
        return found

    return make


class Liveness(torch.nn.Module):
    """Two logits, the first for a living face. The mean and the greatest value of the last map over the places: what tells an attack
    is a texture, and may be anywhere."""

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64, 96)):
        super().__init__()
        self.trunk, self.wide = Trunk(channels, (1, 1, 1)), conv(channels[-1], 128, kernel=1)
        self.head = torch.nn.Linear(256, 2)

    def forward(self, x):
        x = self.wide(self.trunk(x)).flatten(2)
        return self.head(torch.cat([x.mean(2), x.amax(2)], 1))


def loss(answer: torch.Tensor, record: dict[str, torch.Tensor]) -> torch.Tensor:
    live = record["live"]
    return F.cross_entropy(answer, torch.stack([live, 1 - live], 1))


def measure(answer: np.ndarray, held: np.ndarray) -> dict[str, float]:
    """Against the simulation's truth: APCER of each attack and BPCER at 0.5, and the equal error rate. Of photographs alone, since
    a drawing is no living face. points.py has the manifest's operating points."""
    answer, held = answer[held["photograph"]], held[held["photograph"]]
    live = teachers.softmax(answer)[:, 0]
    attack = held["kind"] > 0
    at = np.linspace(0, 1, 1001)
    accepted, rejected = ((live[attack, None] >= at).mean(0), (live[~attack, None] < at).mean(0))
    k = int(np.abs(accepted - rejected).argmin())
    return {**{f"apcer_{name}": float((live[held["kind"] == n + 1] >= .5).mean()) for n, name in enumerate(simulate.ATTACKS)},
            "bpcer": float((live[~attack] < .5).mean()), "eer": float((accepted[k] + rejected[k]) / 2),
            **{f"apcer_{p}": float((live[attack] >= np.quantile(live[~attack], p)).mean()) for p in (.005, .02, .05)}}


if __name__ == "__main__":
    distil.train(distil.Task(
        role="liveness", side=SIDE, teachers=teachers.Spoof.FILES, make=maker, student=Liveness, loss=loss, measure=measure,
        output="logits", mean=0.0, std=1.0, steps=3000, decay=1000))
