"""The loop that trainings share: pool, optimiser, running average, checkpoints, log, validation."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import network, options, run
from .pool import Pool, shard_of

WARM_UP = 100          # steps
AVERAGE = 0.995        # the validated and exported weights are the running average with this decay
SAVE_SECONDS = 120


@dataclass
class Learning:
    """What is special to a training. loss and measure take a student and records of a shard; measure those of validation. export
    writes the student's file, whose input is of shape for one row."""

    role: str
    batch: int
    shard: int  # records
    every: int  # steps from one validation to the next
    loss: Callable[[nn.Module, np.ndarray], torch.Tensor]
    measure: Callable[[nn.Module, np.ndarray], dict[str, float]]
    export: Callable[[nn.Module, Path], None]
    shape: tuple[int, ...]


def add_options(parser: argparse.ArgumentParser, batch: int, steps: int, decay: int, reuse: int, rate: float) -> None:
    parser.add_argument("--steps", type=int, default=steps, help=f"batches of {batch} in all")
    parser.add_argument("--decay", type=int, default=decay, help="of them, the last ones with falling learning rate")
    parser.add_argument("--reuse", type=int, default=reuse, help="how often an example of the pool is used")
    parser.add_argument("--window", type=int, default=48, help="shards kept for that")
    parser.add_argument("--makers", type=int, default=1, help="processes that make examples")
    parser.add_argument("--rate", type=float, default=rate, help="of AdamW, constant until the last --decay steps")


def settings(o: argparse.Namespace) -> dict:
    """What the log says of the options."""
    return {k: v for k, v in vars(o).items() if k in ("steps", "decay", "reuse", "window", "makers", "rate", "threads", "smoke")}


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


def learn(o: argparse.Namespace, log: run.Log, task: Learning, pool: Pool, student: nn.Module, mean: nn.Module, validation: np.ndarray) -> None:
    """Trains student on the shards of pool, which makes them, from where --out was left; writes ROLE.onnx there from mean, the running
    average, which begins as student."""
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

    per_tick = task.shard // task.batch
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
        for at in range(0, len(order), task.batch):
            for group in optimizer.param_groups:
                group["lr"] = o.rate * schedule(step, o.steps, o.decay)
            loss = task.loss(student, shard[order[at:at + task.batch]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            average(mean, student, step)
            if step % (task.every // 5 or 1) == 0:
                rate = (step - first) * task.batch / (time.monotonic() - began)
                log.write(event="step", step=step, of=o.steps, loss=loss.item(), images_per_second=rate,
                          minutes_left=(o.steps - step) * task.batch / rate / 60)
            if step % task.every == 0:
                log.write(event="validation", step=step, **task.measure(mean, validation))
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()
    save()
    pool.stop()
    if step < o.steps:
        raise SystemExit(f"stopped at step {step} of {o.steps}; the same command goes on from there")

    file = o.out / f"{task.role}.onnx"
    task.export(mean, file)
    log.write(event="end", step=step, **task.measure(mean, validation), **network.check(file, task.shape),
              sha256=run.sha256(file), milliseconds=network.milliseconds(file, task.shape))
