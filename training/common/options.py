"""The command line that every training has, and the seeds."""

import argparse
import os
import random
import signal
from pathlib import Path

import cv2
import numpy as np
import torch


def parser(description: str) -> argparse.ArgumentParser:
    """An argument parser with the options of every training; a role adds its own."""
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--data", type=Path, default=Path("../shared/train"),
                   help="folder with generated_faces/ and backgrounds/")
    p.add_argument("--models", type=Path, default=Path("../shared/models"),
                   help="folder of the open pack's files: the teachers")
    p.add_argument("--out", type=Path, required=True,
                   help="folder for checkpoint, log and network; a run that stopped goes on from there")
    p.add_argument("--seed", type=int, default=1, help="of everything random")
    p.add_argument("--threads", type=int, default=os.cpu_count(), help="processor threads of the training")
    p.add_argument("--smoke", action="store_true", help="tiny settings: every stage once, to see that it works")
    return p


def prepare(options: argparse.Namespace) -> None:
    """Checks the folders, makes --out, sets seeds and threads."""
    for folder in (options.data / "generated_faces", options.data / "backgrounds", options.models):
        if not folder.is_dir():
            raise SystemExit(f"{folder} is not here; training/README.md says what the training data is. "
                             "Name other places with --data and --models.")
    options.out.mkdir(parents=True, exist_ok=True)
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)  # its own threads do not survive the fork of the processes that make pictures


class Stop:
    """True once the process was asked to end (Ctrl-C, SIGTERM), so that a training can write its state first."""

    def __init__(self):
        self.asked = False
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, self._ask)

    def _ask(self, *_):
        self.asked = True

    def __bool__(self) -> bool:
        return self.asked
