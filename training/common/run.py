"""State of a run on disk: checkpoints, and a log from which the run can be repeated."""

import hashlib
import json
import os
import platform
import sys
import time
from pathlib import Path

import torch


def save(file: Path, state: dict) -> None:
    """Writes a checkpoint; a reader or a crash sees the old or the new one, never a part."""
    partial = file.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, file)


def load(file: Path) -> dict | None:
    """The checkpoint, or None where there is none yet."""
    return torch.load(file, weights_only=True, map_location="cpu") if file.exists() else None


def sha256(*paths: Path) -> str:
    """Of one file, or of the contents of all files below the folders, in the order of their names."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


class Log:
    """JSON lines: first what the run is made of, then its progress; each line is also printed in short."""

    def __init__(self, file: Path):
        self.file = file

    def start(self, seed: int, inputs: dict[str, str], **settings) -> None:
        """One line at each start or restart: command, seed, sha256 of the inputs by name, versions."""
        import numpy
        import onnxruntime
        self.write(event="start", command=" ".join(["python -m", _module(), *sys.argv[1:]]), seed=seed, inputs=inputs,
                   settings=settings, versions={"python": platform.python_version(), "torch": torch.__version__,
                                                "numpy": numpy.__version__, "onnxruntime": onnxruntime.__version__})

    def write(self, **line) -> None:
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **line}
        with self.file.open("a") as f:
            f.write(json.dumps(line, default=str) + "\n")
        print(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in line.items()
                       if k not in ("inputs", "settings", "versions")), flush=True)


def _module() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else sys.argv[0]
