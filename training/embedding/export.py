"""Writes the student as ONNX. By itself it exports the averaged weights of a checkpoint, also of a run that is still in progress:

    python -m training.embedding.export DIR/checkpoint.pt FILE.onnx
"""

import sys
import warnings
from pathlib import Path

import torch
from torch import nn

from ..common import network, run
from .model import SIZE, Student

OPSET = 17


class _Deployed(nn.Module):
    """The student with its kernel of places as the convolution that the training avoids."""

    def __init__(self, student: Student):
        super().__init__()
        self.student = student.eval()
        side = student.shrink.shape[0] // 16
        self.pool = nn.Conv2d(*student.pool.weight.shape[:1] * 2, side, groups=len(student.pool.weight), bias=False)
        self.pool.weight.data = student.places(side).detach().transpose(0, 1).contiguous()

    def forward(self, x):
        return sum(self._vector(small) for small in self.student.views(x)) / 2

    def _vector(self, x):
        s = self.student
        x = s.stem(x)
        for stage in s.stages:
            x = stage(x)
        return s.vector(s.pool_norm(self.pool(s.head(x))).flatten(1))


def write(student: Student, file: Path) -> None:
    """The network in float32; input [n, 3, 112, 112], output [n, 128]."""
    partial = file.with_suffix(".partial")
    deployed = _Deployed(student).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(deployed, torch.zeros(1, 3, SIZE, SIZE), str(partial), dynamo=False, opset_version=OPSET,
                          input_names=["input"], output_names=["vector"],
                          dynamic_axes={"input": {0: "n"}, "vector": {0: "n"}})
    partial.replace(file)


def main() -> None:
    checkpoint, file = Path(sys.argv[1]), Path(sys.argv[2])
    state = run.load(checkpoint)
    if state is None:
        raise SystemExit(f"{checkpoint} is not here; the training writes it every few minutes")
    student = Student(state["side"])
    student.load_state_dict(state["mean"])
    write(student, file)
    print("step", state["step"], "sha256", run.sha256(file), network.check(file, (3, SIZE, SIZE)))


if __name__ == "__main__":
    main()
