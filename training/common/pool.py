"""The pool: shards of training examples on disk.

A shard follows from the seed and its number alone, so one that is missing can always be made again. Maker processes keep a
few shards ahead of the training, which uses each several times: most of the time goes into the student that way.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch


class Pool:
    """Shards in a folder, made by processes of their own."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.wanted = multiprocessing.Value("q", 0)  # shards below this number should exist or have existed
        self.oldest = multiprocessing.Value("q", 0)  # shards below this number are no longer needed
        self.makers: list[multiprocessing.Process] = []

    def file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npy"

    def start(self, makers: int, prepare: Callable[[], Callable[[int], np.ndarray]]) -> None:
        """Starts the processes. Each calls prepare once, and what it answers with the number of each of its shards. Before
        the first use of torch's threads: they do not survive a fork."""
        for k in range(makers):
            p = multiprocessing.get_context("fork").Process(target=self._make, args=(k, makers, prepare), daemon=True)
            p.start()
            self.makers.append(p)

    def stop(self) -> None:
        for p in self.makers:
            p.terminate()
            p.join()

    def _make(self, k: int, makers: int, prepare: Callable[[], Callable[[int], np.ndarray]]) -> None:
        """Makes shards k, k+makers, ... as they are wanted."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training ends its makers
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        make = prepare()
        parent, number = os.getppid(), k
        while os.getppid() == parent:
            while number < self.oldest.value:
                number += makers
            if number >= self.wanted.value:
                time.sleep(0.5)
                continue
            if not self.file(number).exists():
                partial = self.file(number).with_suffix(".partial.npy")
                np.save(partial, make(number))
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


def shard_of(tick: int, reuse: int, window: int, seed: int) -> int:
    """Which shard tick uses: every reuse-th tick a new one, else one of the window newest."""
    newest = tick // reuse
    if tick % reuse == 0:
        return newest
    return int(np.random.default_rng([seed, 3, tick]).integers(max(0, newest - window + 1), newest + 1))
