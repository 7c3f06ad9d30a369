"""Trains the detector and writes detector.onnx. From the repository's root:

    python -m training.detector.train --out DIR

A run that was stopped goes on from DIR when it is started again. More --steps for a finished run train it further.
"""

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..common import network, options, run, warm
from .data import TEACHER, Painters, Pool, draw, split
from .export import export
from .faces import Network
from .model import Detector
from .scenes import CLOSE
from .validation import SURE, Validation

WARMUP = 200         # steps in which the rate rises
AVERAGE = 0.998      # how much of the averaged weights a step keeps
CONFIDENCES = (0.4, 0.45, 0.5, 0.55, 0.6)  # of which the manifest takes one


def settings(o: argparse.Namespace) -> dict:
    """Sizes of the run: the full one, or one that only shows that every stage works."""
    if o.smoke:
        return {"every": 40, "drawn": 4, "pool": {256: 256, CLOSE: 160, 512: 64}, "steps": 30, "decay": 10, "save": 10,
                "report": 15, "validation": {256: 16, CLOSE: 4, 512: 4}}
    pool = {256: 24576, CLOSE: 4160, 512: 3072}
    return {"every": 1, "drawn": 400, "pool": {side: int(count * o.scenes) for side, count in pool.items()}, "steps": o.steps, "decay": o.decay,
            "save": 250, "report": 1000, "validation": {256: 400, CLOSE: 100, 512: 100}}


def loss(found: torch.Tensor, taught: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Of the raw maps [N, 15, cells] against the teacher's [N, 16, cells]. Every cell counts for the confidence; boxes and
    points count where the teacher sees a face, the more the surer it is, and are measured in sizes of that face."""
    product = taught[:, :2].clamp(0, 1).prod(dim=1)  # the square of the confidence
    faces = (product > SURE ** 2).sum().clamp(min=1)
    score = F.binary_cross_entropy_with_logits(found[:, 0], product, reduction="sum") / faces

    weight = torch.where(product > 0.02, product, 0)
    cells = weight.sum().clamp(min=1)
    log_size = taught[:, 4:6].clamp(-4, 6)
    place = (found[:, 1:3] - taught[:, 2:4]).abs() / log_size.exp() + (found[:, 3:5] - log_size).abs()
    box = (place.sum(dim=1) * weight).sum() / cells
    size = log_size.mean(dim=1, keepdim=True).exp()
    points = (((found[:, 5:] - taught[:, 6:]) / size).abs().mean(dim=1) * weight).sum() / cells
    return score + 2 * box + 20 * points, {"score": score.item(), "box": box.item(), "points": points.item()}


def fill(scenes: float) -> float:
    """Steps in which the pools grow to their full size, which is scenes times that of a training from scratch."""
    return 4000 * scenes


def rate(step: int, steps: int, decay: int) -> float:
    """Factor of --rate: warm-up, constant, then linearly to zero. A step of the constant part does not depend on steps, so a run can be ended
    early or made longer without losing what it has."""
    return min(1, (step + 1) / WARMUP, (steps - step) / decay)


def side_of(step: int, close: bool) -> int:
    """Of the scenes of a step. Faces that fill the picture are few in the small and large scenes; close-ups add them once
    the common sizes are learned."""
    return (256, CLOSE if close else 256, 256, 512)[step % 4]


def average(kept: Detector, trained: Detector, step: int) -> None:
    """Moves the averaged weights a little towards the trained ones; at first by more, to leave the random start behind."""
    keep = min(AVERAGE, (1 + step) / (10 + step))
    with torch.no_grad():
        for a, b in zip(kept.state_dict().values(), trained.state_dict().values()):
            a.lerp_(b, 1 - keep) if a.is_floating_point() else a.copy_(b)


def train(o: argparse.Namespace, size: dict, pools: dict[int, Pool], painters: Painters, log: run.Log, report) -> Detector:
    """Runs the steps that are left and returns the averaged network."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = Detector()
    if o.warm and not (o.out / "checkpoint.pt").exists():
        pixels, _ = pools[256].batch(np.random.default_rng(o.seed), 0.04, painters)
        warm.start(net, o.warm, torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    net.to(device, memory_format=torch.channels_last)
    kept = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=o.rate, weight_decay=1e-2)
    checkpoint, first = o.out / "checkpoint.pt", 0
    if state := run.load(checkpoint):
        net.load_state_dict(state["net"])
        kept.load_state_dict(state["kept"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    for step in range(first, size["steps"]):
        # A batch depends only on the seed and the step, so an interrupted run resumes with the same batches.
        rng = np.random.default_rng([o.seed, step])
        side = side_of(step, bool(o.warm) or step >= fill(o.scenes))
        pixels, taught = pools[side].batch(rng, 0.04 + step / fill(o.scenes), painters)
        planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device).float()  # a view of [N, H, W, 3]: channels last
        with torch.autocast(device, torch.bfloat16):
            features = net.features(planes)
        found = torch.cat([m.flatten(2) for m in net.read([f.float() for f in features])], dim=2)
        total, parts = loss(found, torch.from_numpy(taught).to(device))
        for group in optimizer.param_groups:
            group["lr"] = o.rate * rate(step, size["steps"], size["decay"])
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 20)
        optimizer.step()
        average(kept, net, step)
        if step % 50 == 49:
            log.write(event="step", step=step + 1, of=size["steps"], **parts)
        if (step + 1) % size["save"] == 0 or step + 1 == size["steps"]:
            run.save(checkpoint, {"net": net.state_dict(), "kept": kept.state_dict(), "optimizer": optimizer.state_dict(),
                                  "step": step + 1})
        if (step + 1) % size["report"] == 0:
            report(kept, step + 1)
    return kept.cpu()


def main() -> None:
    p = options.parser("Distils the starter pack's face detector.")
    p.add_argument("--steps", type=int, default=12000, help="batches in all, each of about two million pixels")
    p.add_argument("--decay", type=int, default=3000, help="of them, the last ones with falling learning rate")
    p.add_argument("--rate", type=float, default=2.5e-3, help="of AdamW, constant until the last --decay steps")
    p.add_argument("--scenes", type=float, default=1, help="size of the pools of scenes, relative to that of a training from scratch")
    p.add_argument("--from", type=Path, dest="warm", help="detector.onnx of an earlier run, to start from")
    p.add_argument("--painters", type=int, default=1, help="processes that paint scenes")
    o = p.parse_args()
    options.prepare(o)
    size = settings(o)
    drawn = draw(o.out / "drawn", size["drawn"])
    log = run.Log(o.out / "log.jsonl")
    inputs = {"generated_faces": o.data / "generated_faces", "backgrounds": o.data / "backgrounds", "drawn": drawn,
              "teacher": o.models / TEACHER, **({"from": o.warm} if o.warm else {})}
    log.start(o.seed, {name: run.sha256(path) for name, path in inputs.items()}, rate=o.rate, **size)

    training, held_out = split(o.data, o.models, drawn, o.out / "portraits.npy", size["every"])
    pools = {side: Pool(o.out / "pool", side, count) for side, count in size["pool"].items()}
    # Before torch's threads are first used: they do not survive a fork.
    painters = Painters(list(pools.values()), training.painter(), o.models / TEACHER, o.seed, o.painters)
    painter = held_out.painter()
    scenes = [painter.paint([o.seed, side, i], side) for side, count in size["validation"].items() for i in range(count)]
    validation = Validation(Network(o.models / TEACHER), scenes, held_out.backgrounds)
    log.write(event="teacher", truth=validation.teacher())

    file = o.out / "detector.onnx"

    def report(kept: Detector, step: int) -> None:
        export(copy.deepcopy(kept).cpu(), file)
        log.write(event="validation", step=step, **validation.network(file))

    export(train(o, size, pools, painters, log, report), file)
    for confidence in CONFIDENCES:
        log.write(event="result", **validation.network(file, confidence))
    facts = network.check(file, (3, 96, 160), tolerance=1e-3)
    times = {f"ms_{side}": round(network.milliseconds(file, (3, side, side), runs=5), 2) for side in (320, 640)}
    log.write(event="done", file=str(file), sha256=run.sha256(file), **facts, **times)


if __name__ == "__main__":
    main()
