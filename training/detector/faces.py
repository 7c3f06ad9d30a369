"""Maps of a YuNet-like network, faces in them, and how two sets of faces compare.

Maps are one array [N, 16, H/s, W/s] for each stride s: classification and objectness (0..1), box (dx, dy, log w, log h)
and five points (x, y), all in cells. Boxes are corners (x0, y0, x1, y1) in pixels; points are right eye, left eye, nose,
right and left corner of the mouth, as seen by the person, [5, 2] in pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..common import images
from .model import CELL, OUTPUTS, STRIDES


@dataclass
class Faces:
    """n faces of one image, the surest first."""

    boxes: np.ndarray   # [n, 4]
    points: np.ndarray  # [n, 5, 2]
    scores: np.ndarray  # [n]

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, index: np.ndarray) -> "Faces":
        return Faces(self.boxes[index], self.points[index], self.scores[index])

    @property
    def eye_distances(self) -> np.ndarray:
        return np.linalg.norm(self.points[:, 0] - self.points[:, 1], axis=1)


class Network:
    """An ONNX file with YuNet's inputs and outputs: the teacher, or what was trained."""

    def __init__(self, file: Path, threads: int = 1):
        self.session = images.session(file, threads)

    def maps(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Of BGR uint8 images [N, H, W, 3] with sides that are multiples of 32."""
        n, height, width = pixels.shape[:3]
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
        found = dict(zip(OUTPUTS, self.session.run(OUTPUTS, {self.session.get_inputs()[0].name: planes})))
        return [
            np.concatenate([found[f"{head}_{s}"] for head in CELL], axis=2)
            .transpose(0, 2, 1).reshape(n, sum(CELL.values()), height // s, width // s)
            for s in STRIDES
        ]


def pad(image: np.ndarray) -> np.ndarray:
    """The image with black right and below, so that its sides are multiples of 32."""
    height, width = image.shape[:2]
    padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.uint8)
    padded[:height, :width] = image
    return padded


def scores(maps: np.ndarray) -> np.ndarray:
    """Confidence of every cell, 0..1."""
    return np.sqrt(np.clip(maps[:, 0], 0, 1) * np.clip(maps[:, 1], 0, 1))


def cells(maps: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [N, rows, columns, 4] and points [N, rows, columns, 5, 2] of all cells of one stride's maps."""
    n, _, rows, columns = maps.shape
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    centre = np.stack([x + maps[:, 2], y + maps[:, 3]], axis=-1)
    half = np.exp(np.clip(maps[:, 4:6], -10, 10)).transpose(0, 2, 3, 1) / 2
    points = maps[:, 6:].transpose(0, 2, 3, 1).reshape(n, rows, columns, 5, 2) + np.stack([x, y], axis=-1)[:, :, None]
    return np.concatenate([centre - half, centre + half], axis=-1) * stride, points * stride


def decode(maps: list[np.ndarray], confidence: float, overlap: float) -> list[Faces]:
    """The faces of each image of at least confidence; of two that overlap by more than overlap the surer remains."""
    found = []
    for i in range(len(maps[0])):
        parts = []
        for m, stride in zip(maps, STRIDES):
            score = scores(m[i:i + 1])
            boxes, points = cells(m[i:i + 1], stride)
            sure = score >= confidence
            parts.append(Faces(boxes[sure], points[sure], score[sure]))
        together = Faces(*(np.concatenate([getattr(p, a) for p in parts]) for a in ("boxes", "points", "scores")))
        found.append(suppress(together, overlap))
    return found


def suppress(faces: Faces, overlap: float) -> Faces:
    """Greedy non-maximum suppression; the surest first."""
    faces = faces.take(np.argsort(-faces.scores, kind="stable"))
    ious, kept = iou(faces.boxes, faces.boxes), []
    for i in range(len(faces)):
        if not kept or ious[i, kept].max() <= overlap:
            kept.append(i)
    return faces.take(np.array(kept, int))


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of a with every box of b, [len(a), len(b)]."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.clip(sides, 0, None).prod(axis=2)
    areas = [(x[:, 2:] - x[:, :2]).prod(axis=1) for x in (a, b)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


@dataclass
class Agreement:
    """How found faces compare with a reference, summed over images."""

    images: int = 0
    reference: int = 0
    matched: int = 0
    false: int = 0
    point_error: float = 0.0  # sum over matched faces of the mean distance of the points, in inter-eye distances

    def add(self, reference: Faces, found: Faces, tolerated: Faces) -> None:
        """A found face matches a reference face at an intersection over union of at least 0.5, each at most once, the
        surest first. Found faces that match none are false unless they overlap as much with a tolerated one."""
        ious, free = iou(found.boxes, reference.boxes), np.ones(len(reference), bool)
        for i in range(len(found)):
            best = int(np.argmax(ious[i] * free)) if free.any() else -1
            if best >= 0 and free[best] and ious[i, best] >= 0.5:
                free[best] = False
                self.matched += 1
                distance = np.linalg.norm(found.points[i] - reference.points[best], axis=1).mean()
                self.point_error += distance / max(reference.eye_distances[best], 1)
            elif not len(tolerated) or iou(found.boxes[i:i + 1], tolerated.boxes).max() < 0.5:
                self.false += 1
        self.images += 1
        self.reference += len(reference)

    def figures(self) -> dict[str, float]:
        return {
            "recall": round(self.matched / max(self.reference, 1), 4),
            "false_per_image": round(self.false / max(self.images, 1), 4),
            "point_error": round(float(self.point_error) / max(self.matched, 1), 4),
            "faces": self.reference,
        }
