"""Training data of the detector: who trains and who is held out, and a pool of scenes with the teacher's maps.

The teacher is the open pack's YuNet (Apache-2.0). What it says of every cell of a scene is the target, so the network
learns where it is sure, where it hesitates and how it places its points; the exact places of what was pasted are for
measuring. Scenes are painted once and seen several times, so that neither painting nor the teacher slows the training.
"""

import math
import multiprocessing
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..common import images
from .faces import Network
from .model import CELL
from .scenes import CLOSE, Painter, Portrait, portraits

# Side of the scenes in pixels and how many make a batch, about two million pixels.
BATCH = {256: 32, CLOSE: 20, 512: 8}

TEACHER = Path("detector") / "yunet_n_dynamic.onnx"


@dataclass
class Split:
    """Material that is trained on, or that is held out: people, and backgrounds without any."""

    people: list[Portrait]
    backgrounds: list[np.ndarray]

    def painter(self) -> Painter:
        return Painter(self.people, self.backgrounds)


def split(data: Path, models: Path, drawn: Path, cache: Path, every: int = 1) -> tuple[Split, Split]:
    """Training and held-out material: every twentieth portrait and every eighth background is held out. every > 1 takes
    only each so many files, for a smoke run."""
    generated = images.files(data / "generated_faces")[::every]
    people = portraits(generated, images.files(drawn)[::every], Network(models / TEACHER), cache)
    free = images.backgrounds(data, images.Detector(models), limit=None if every == 1 else 40)
    print(f"{len(people)} portraits, {len(free)} backgrounds without people", flush=True)
    return (
        Split([p for i, p in enumerate(people) if i % 20], [b for i, b in enumerate(free) if i % 8]),
        Split(people[::20], free[::8]),
    )


def draw(folder: Path, people: int) -> Path:
    """Draws people with the project's own program, once: drawings show detail at sizes at which the portraits are blurred."""
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        subprocess.run(["go", "run", "./training/drawn", "-out", str(partial), "-people", str(people), "-shots", "1",
                        "-size", "448"], check=True)
        os.replace(partial, folder)
    return folder


class Pool:
    """Scenes of one size with the teacher's maps, in shards on disk, which a resumed training uses again."""

    def __init__(self, folder: Path, size: int, count: int):
        self.folder, self.size = folder, size
        self.shard = 8 * BATCH[size]
        self.shards = -(-count // self.shard)
        self.images: list[np.ndarray] = []
        self.maps: list[np.ndarray] = []

    def file(self, what: str, shard: int) -> Path:
        return self.folder / f"{what}-{self.size}-{shard:04d}.npy"

    def batch(self, rng: np.random.Generator, share: float, painters: "Painters") -> tuple[np.ndarray, np.ndarray]:
        """From the first share, 0..1, of the scenes, which it waits for: pixels uint8 [n, size, size, 3] and the teacher's
        maps float32 [n, 16, cells of all strides]."""
        for shard in range(len(self.images), min(max(math.ceil(self.shards * share), 1), self.shards)):
            painters.wait(self.file("maps", shard))
            self.images.append(np.load(self.file("images", shard), mmap_mode="r"))
            self.maps.append(np.load(self.file("maps", shard), mmap_mode="r"))
        at = [divmod(int(i), self.shard) for i in rng.choice(len(self.images) * self.shard, BATCH[self.size], replace=False)]
        return np.stack([self.images[s][i] for s, i in at]), np.stack([self.maps[s][i] for s, i in at]).astype(np.float32)

    def paint(self, shard: int, painter: Painter, teacher: Network, seed: int) -> None:
        first = shard * self.shard
        pixels = np.stack([painter.paint([seed, self.size, first + i], self.size).image for i in range(self.shard)])
        maps = np.concatenate([join(teacher.maps(p[None])) for p in pixels]).astype(np.float16)
        for what, array in (("images", pixels), ("maps", maps)):  # the maps last: where they are, the shard is whole
            partial = self.file(what, shard).with_suffix(".partial.npy")
            np.save(partial, array)
            os.replace(partial, self.file(what, shard))


def join(maps: list[np.ndarray]) -> np.ndarray:
    """The maps of the three strides as one array [N, 16, cells]."""
    return np.concatenate([m.reshape(len(m), sum(CELL.values()), -1) for m in maps], axis=2)


class Painters:
    """Processes that fill the pools while the training already uses what is there."""

    def __init__(self, pools: list[Pool], painter: Painter, teacher: Path, seed: int, processes: int):
        # All pools fill up at the same pace.
        order = sorted((shard / pool.shards, pool.size, shard, pool) for pool in pools for shard in range(pool.shards))
        jobs = [(pool, shard) for _, _, shard, pool in order if not pool.file("maps", shard).exists()]
        for pool in pools:
            pool.folder.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("fork")  # the backgrounds are shared, not copied
        self.processes = [
            context.Process(target=_paint, args=(jobs[i::processes], painter, teacher, seed, os.getpid()), daemon=True)
            for i in range(processes)
        ]
        for process in self.processes:
            process.start()

    def wait(self, file: Path) -> None:
        while not file.exists():
            if any(p.exitcode for p in self.processes):
                raise RuntimeError(f"a painter ended with an error (see above) before {file} was there; start the training again")
            time.sleep(0.2)


def _paint(jobs: list[tuple[Pool, int]], painter: Painter, teacher: Path, seed: int, parent: int) -> None:
    cv2.setNumThreads(1)
    net = Network(teacher)
    for done, (pool, shard) in enumerate(jobs, 1):
        if os.getppid() != parent:  # the training was killed
            return
        pool.paint(shard, painter, net, seed)
        if done % 10 == 0:
            print(f"a painter has {done} of its {len(jobs)} shards", flush=True)
