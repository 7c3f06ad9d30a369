"""The loop of a training whose student learns what a shard's records say: pool, optimiser, running average, checkpoints, log,
validation, export. A role says what is special to it with a Task."""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from . import images, network, options, people, run, warm
from .augment import Trouble
from .pool import Pool, shard_of

BATCH = 128
SHARD = 1024
WARM_UP = 100          # steps
AVERAGE = 0.995        # the validated and exported weights are the running average with this decay
SAVE_SECONDS = 120
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


def schedule(step: int, steps: int, decay: int) -> float:
    """Factor of the learning rate: warm-up, constant, then linearly to zero. What a step does in the constant part does not
    depend on steps, so a run can be ended early or made longer without losing what it has."""
    return min(1.0, (step + 1) / WARM_UP, max(0.0, (steps - step) / max(1, decay)))


def average(mean: nn.Module, student: nn.Module, step: int) -> None:
    """Moves mean towards student; faster at first, when there is little to average."""
    keep = min(AVERAGE, (1 + step) / (10 + step))
    with torch.no_grad():
        for m, s in zip(mean.state_dict().values(), student.state_dict().values()):
            m.lerp_(s, 1 - keep) if m.is_floating_point() else m.copy_(s)


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
    parser.add_argument("--steps", type=int, default=task.steps, help=f"batches of {BATCH} in all")
    parser.add_argument("--decay", type=int, default=task.decay, help="of them, the last ones with falling learning rate")
    parser.add_argument("--reuse", type=int, default=6, help="how often an example of the pool is used")
    parser.add_argument("--window", type=int, default=48, help="shards kept for that")
    parser.add_argument("--makers", type=int, default=1, help="processes that make examples")
    parser.add_argument("--rate", type=float, default=2e-3, help="of AdamW, constant until the last --decay steps")
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
              people=len(known), backgrounds=len(backgrounds),
              **{k: v for k, v in vars(o).items() if k in ("steps", "decay", "reuse", "window", "makers", "rate", "threads", "smoke")})

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
    mean.load_state_dict(student.state_dict())
    mean.requires_grad_(False)
    student.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(student.parameters(), lr=o.rate, weight_decay=1e-4)
    parts = {"student": student, "mean": mean, "optimizer": optimizer}
    checkpoint = o.out / "checkpoint.pt"
    step = 0
    if state := run.load(checkpoint):
        for name, part in parts.items():
            part.load_state_dict(state[name])
        step = state["step"]
        print(f"goes on from step {step}", flush=True)

    def save() -> None:
        run.save(checkpoint, {"step": step, **{k: p.state_dict() for k, p in parts.items()}})

    per_tick = size // BATCH
    saved = began = time.monotonic()
    first = step
    stop = options.Stop()
    while step < o.steps and not stop:
        tick = step // per_tick
        newest = tick // o.reuse
        pool.need(max(0, newest - o.window + 1), min(newest + 4, (o.steps - 1) // per_tick // o.reuse + 1))
        student.train()
        shard = pool.read(shard_of(tick, o.reuse, o.window, o.seed))
        order = np.random.default_rng([o.seed, 4, tick]).permutation(len(shard))
        for at in range(0, len(order), BATCH):
            part = shard[order[at:at + BATCH]]
            for group in optimizer.param_groups:
                group["lr"] = o.rate * schedule(step, o.steps, o.decay)
            x = pictures(part, task.mean, task.std).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                answer = student(x)
            loss = task.loss(answer.float(), tensors(part))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            average(mean, student, step)
            if step % (every // 5 or 1) == 0:
                rate = (step - first) * BATCH / (time.monotonic() - began)
                log.write(event="step", step=step, of=o.steps, loss=loss.item(), images_per_second=rate,
                          minutes_left=(o.steps - step) * BATCH / rate / 60)
            if step % every == 0:
                log.write(event="validation", step=step, **task.measure(answers(mean, validation, task), validation))
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()
    save()
    pool.stop()
    if step < o.steps:
        raise SystemExit(f"stopped at step {step} of {o.steps}; the same command goes on from there")

    file, shape = o.out / f"{task.role}.onnx", (3, task.side, task.side)
    export(mean, task, file)
    log.write(event="end", step=step, **task.measure(answers(mean, validation, task), validation), **network.check(file, shape),
              sha256=run.sha256(file), milliseconds=network.milliseconds(file, shape))
