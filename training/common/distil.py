"""The training of a student that learns from pictures of people what a shard's records say. A role says what is special to it with a
Task."""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from . import images, loop, network, options, people, run, warm
from .augment import Trouble
from .pool import Pool

BATCH = 128
SHARD = 1024
OPSET = 17


@dataclass
class Material:
    """What the makers draw from: pictures of people with what the teachers say, and which of them are for training."""

    data: Path
    models: Path
    people: np.ndarray
    chosen: np.ndarray
    backgrounds: list[np.ndarray]

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n numbers of pictures for training."""
        return rng.choice(self.chosen, n, p=people.weights(self.people, self.chosen))

    def trouble(self, side: int) -> Trouble:
        return Trouble(self.backgrounds, side)


Make = Callable[[np.random.Generator, np.ndarray], np.ndarray]


@dataclass
class Task:
    """What is special to the training of a role.

    make prepares a process and answers a function from a generator and numbers of people to RECORDs, whose field image is RGB
    uint8 [side, side, 3]. loss takes the student's answers and the record's other fields as tensors. measure takes the
    answers and the records of the held-out pictures. deployed wraps the student for the file, whose input is what the
    manifest's normalisation makes of a picture."""

    role: str
    side: int
    teachers: tuple[str, ...]
    make: Callable[[Material], Make]
    student: Callable[[], nn.Module]
    loss: Callable[[torch.Tensor, dict[str, torch.Tensor]], torch.Tensor]
    measure: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    output: str
    deployed: Callable[[nn.Module], nn.Module] = lambda student: student
    mean: float = 0.5
    std: float = 0.5
    steps: int = 3000
    decay: int = 1000  # of them, the last ones with falling learning rate
    held: int = 2000   # pictures of people held out


def tensors(part: np.ndarray) -> dict[str, torch.Tensor]:
    """The fields of records but the image, as float32."""
    return {k: torch.from_numpy(np.ascontiguousarray(part[k])).float() for k in part.dtype.names if k != "image"}


def pictures(part: np.ndarray, mean: float, std: float) -> torch.Tensor:
    return (torch.from_numpy(np.ascontiguousarray(part["image"])).permute(0, 3, 1, 2).float() / 255 - mean) / std


@torch.inference_mode()
def answers(student: nn.Module, records: np.ndarray, task: Task) -> np.ndarray:
    student.eval()
    return np.concatenate([student(pictures(records[i:i + BATCH], task.mean, task.std)).float().numpy()
                           for i in range(0, len(records), BATCH)])


def export(student: nn.Module, task: Task, file: Path) -> None:
    """Writes the network, its weights in half precision; input [n, 3, side, side]."""
    partial = file.with_suffix(".partial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(task.deployed(student).eval(), torch.zeros(1, 3, task.side, task.side), str(partial), dynamo=False,
                          opset_version=OPSET, input_names=["input"], output_names=[task.output],
                          dynamic_axes={"input": {0: "n"}, task.output: {0: "n"}})
    model = onnx.load(partial)
    network.halve(model)
    onnx.save(model, partial)
    partial.replace(file)


def _options(task: Task) -> argparse.Namespace:
    parser = options.parser(f"Trains the starter pack's network for {task.role}.")
    loop.add_options(parser, BATCH, task.steps, task.decay, reuse=6, rate=2e-3)
    parser.add_argument("--from", type=Path, dest="warm", help="ROLE.onnx of an earlier run, to start from")
    parser.add_argument("--people", type=Path, help="file of the pictures with what the teachers say, shared between trainings "
                        "(default: people.npy beside --out)")
    o = parser.parse_args()
    if o.smoke:
        o.steps, o.decay, o.window = 12, 6, 2
    options.prepare(o)
    return o


def train(task: Task) -> None:
    """Trains, from where --out was left, and writes ROLE.onnx there."""
    o = _options(task)
    size, drawn, limit, every = (SHARD, 1500, None, 500) if not o.smoke else (256, 8, 200, 6)
    log = run.Log(o.out / "log.jsonl")
    folder = o.out if o.smoke else o.out.parent
    people.draw_people(folder / "drawn", drawn)
    known = people.load(o.data, o.models, folder / "drawn", o.people or folder / "people.npy", o.seed, limit)
    backgrounds = images.backgrounds(o.data, images.Detector(o.models, o.threads), limit=20 if o.smoke else None)
    chosen, held = people.split(known)
    material = Material(o.data, o.models, known, chosen, backgrounds)
    log.start(o.seed, {"generated_faces": run.sha256(o.data / "generated_faces"), "backgrounds": run.sha256(o.data / "backgrounds"),
                       "drawn": run.sha256(folder / "drawn"), **{t: run.sha256(o.models / t) for t in task.teachers},
                       **({"from": run.sha256(o.warm)} if o.warm else {})},
              people=len(known), backgrounds=len(backgrounds), **loop.settings(o))

    def prepare() -> Callable[[int], np.ndarray]:
        make = task.make(material)

        def shard(number: int) -> np.ndarray:
            rng = np.random.default_rng([o.seed, 2, number])
            return make(rng, material.draw(rng, size))
        return shard

    pool = Pool(o.out / "pool")
    pool.start(o.makers, prepare)
    held = held[:task.held] if not o.smoke else held[:32]
    validation = task.make(material)(np.random.default_rng([o.seed, 5]), held)

    student, mean = task.student(), task.student()
    if o.warm and not (o.out / "checkpoint.pt").exists():
        warm.start(student, o.warm, pictures(validation, task.mean, task.std))
        log.write(event="validation", step=0, **task.measure(answers(student, validation, task), validation))
    def loss(student: nn.Module, part: np.ndarray) -> torch.Tensor:
        x = pictures(part, task.mean, task.std).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            answer = student(x)
        return task.loss(answer.float(), tensors(part))

    def measure(student: nn.Module, held: np.ndarray) -> dict[str, float]:
        return task.measure(answers(student, held, task), held)

    loop.learn(o, log, loop.Learning(role=task.role, batch=BATCH, shard=size, every=every, loss=loss, measure=measure,
                                     export=lambda student, file: export(student, task, file), shape=(3, task.side, task.side)),
               pool, student, mean, validation)
