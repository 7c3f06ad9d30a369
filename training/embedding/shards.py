"""What the training's shards hold: pictures with what the teacher says of them."""

import numpy as np

from .data import Augmenter
from .model import DIMENSIONS, SIZE, SFace, Teacher

SHARD = 1024  # pictures

# One picture: RGB, the teachers' vectors, the first one's inner maps in steps of 1/HINT_STEPS of each channel's deviation.
RECORD = np.dtype([("image", np.uint8, (SIZE, SIZE, 3)), ("vector", np.float32, (DIMENSIONS,)),
                   ("second", np.float32, (DIMENSIONS,)), ("early", np.int8, (64, 14, 14)),
                   ("middle", np.int8, (128, 14, 14)), ("late", np.int8, (512, 7, 7))])
HINT_STEPS = 25  # int8 then covers five deviations

BATCH = 16  # of the teacher: its maps stay in the processor's cache


def statistics(maker: Augmenter, teacher: Teacher, seed: int) -> dict[str, np.ndarray]:
    """Mean and deviation of each channel of the teacher's maps over 512 pictures, {name: [2, channels, 1, 1]}."""
    rng = np.random.default_rng([seed, 1])
    looks = zip(*(teacher.look(maker.draw(rng, BATCH)) for _ in range(512 // BATCH)))
    maps = dict(zip(("vector", "early", "middle", "late"), (np.concatenate(l) for l in looks)))
    return {k: np.stack([m.mean((0, 2, 3)), m.std((0, 2, 3)) + 1e-3])[:, :, None, None]
            for k, m in maps.items() if k != "vector"}


def make_shard(maker: Augmenter, teacher: Teacher, second: SFace | None, scale: dict[str, np.ndarray], seed: int, number: int,
               size: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 2, number])
    shard = np.empty(size, RECORD)
    for at in range(0, size, BATCH):
        part = shard[at:at + BATCH]
        part["image"] = maker.draw(rng, len(part))
        vector, *maps = teacher.look(part["image"])
        part["vector"], part["second"] = vector, second.look(part["image"]) if second else 0
        for (name, (mean, deviation)), m in zip(scale.items(), maps):
            part[name] = ((m - mean) / deviation * HINT_STEPS).round().clip(-127, 127)
    return shard
