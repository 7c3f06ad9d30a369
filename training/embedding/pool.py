"""The pool: shards of training pictures with what the teacher says of them, on disk.

A shard follows from the seed and its number alone, so one that is missing can always be made again. A maker process keeps a
few shards ahead of the training, which uses each several times: most of the time goes into the student that way.
"""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from .data import Augmenter, Faces
from .model import DIMENSIONS, SIZE, Teacher

SHARD = 1024  # pictures

# One picture: RGB, the teacher's vector, its inner maps in steps of 1/HINT_STEPS of each channel's deviation.
RECORD = np.dtype([("image", np.uint8, (SIZE, SIZE, 3)), ("vector", np.float32, (DIMENSIONS,)), ("early", np.int8, (64, 14, 14)),
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


def make_shard(maker: Augmenter, teacher: Teacher, scale: dict[str, np.ndarray], seed: int, number: int, size: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 2, number])
    shard = np.empty(size, RECORD)
    for at in range(0, size, BATCH):
        part = shard[at:at + BATCH]
        part["image"] = maker.draw(rng, len(part))
        vector, *maps = teacher.look(part["image"])
        part["vector"] = vector
        for (name, (mean, deviation)), m in zip(scale.items(), maps):
            part[name] = ((m - mean) / deviation * HINT_STEPS).round().clip(-127, 127)
    return shard


class Pool:
    """Shards in a folder, made by processes of their own."""

    def __init__(self, folder: Path, size: int = SHARD):
        self.folder, self.size = folder, size
        folder.mkdir(parents=True, exist_ok=True)
        self.wanted = multiprocessing.Value("q", 0)  # shards below this number should exist or have existed
        self.oldest = multiprocessing.Value("q", 0)  # shards below this number are no longer needed
        self.makers: list[multiprocessing.Process] = []

    def file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npy"

    def start(self, makers: int, faces: Faces, backgrounds: list[np.ndarray], models: Path, seed: int) -> None:
        for k in range(makers):
            p = multiprocessing.get_context("fork").Process(
                target=self._make, args=(k, makers, faces, backgrounds, models, seed), daemon=True)
            p.start()
            self.makers.append(p)

    def stop(self) -> None:
        for p in self.makers:
            p.terminate()
            p.join()

    def _make(self, k: int, makers: int, faces: Faces, backgrounds: list[np.ndarray], models: Path, seed: int) -> None:
        """Makes shards k, k+makers, ... as they are wanted."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training ends its makers
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        maker, teacher = Augmenter(faces, backgrounds), Teacher(models)
        scale = statistics(maker, teacher, seed)
        parent, number = os.getppid(), k
        while os.getppid() == parent:
            while number < self.oldest.value:
                number += makers
            if number >= self.wanted.value:
                time.sleep(0.5)
                continue
            if not self.file(number).exists():
                partial = self.file(number).with_suffix(".partial.npy")
                np.save(partial, make_shard(maker, teacher, scale, seed, number, self.size))
                partial.replace(self.file(number))
            number += makers

    def need(self, oldest: int, wanted: int) -> None:
        """Says which shards the training will use: [oldest, wanted). Older files are removed."""
        for number in range(self.oldest.value, oldest):
            self.file(number).unlink(missing_ok=True)
        self.oldest.value, self.wanted.value = oldest, wanted

    def read(self, number: int) -> np.ndarray:
        """A shard, once it is there."""
        waited = 0
        while not self.file(number).exists():
            if not any(p.is_alive() for p in self.makers):
                raise RuntimeError("the processes that make training pictures have ended; their error is above")
            if waited and waited % 120 == 0:
                print(f"waiting for training pictures, shard {number}", flush=True)
            time.sleep(0.5)
            waited += 1
        return np.load(self.file(number))
