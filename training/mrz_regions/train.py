"""Trains the finder of the lines of machine-readable zones and writes mrz_regions.onnx. From the repository's root:

    python -m training.mrz_regions.train --out DIR

The student sees drawn documents before natural images and learns which pixels lie in the middle of a zone's line: differentiable
binarization (Liao et al. 2020) without the binarization, which a fixed threshold replaces.
"""

import warnings
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from ..common import images, loop, network, options, run
from ..common.layers import Residual, conv
from ..common.pool import Pool
from ..mrz.draw import CELL, FONTS, LEADING, PITCH, SCALE, Camera, Printer, backgrounds, find_fonts, print_text, zone_text

SIDE = 320
BATCH, SHARD = 16, 128
OPSET = 17
KERNEL = 1.65  # the height of the middle of a line, millimetres: the worker makes 2.6 times as much of it
SHORTER = 0.9  # by so many millimetres the middle ends before the first and the last character's cell
SHAPES = ((3, 30, 85.6, 53.98), (2, 36, 105., 74.), (2, 44, 125., 88.))  # lines, columns, width and height in millimetres
RECORD = np.dtype([("image", np.uint8, (SIDE, SIDE)), ("middle", np.uint8, (SIDE // 2, SIDE // 2))])


class Pages:
    """Draws documents, and photographs of them."""

    def __init__(self, printer: Printer, camera: Camera, others: list[Path], faces: list[np.ndarray]):
        self.printer, self.camera, self.others, self.faces = printer, camera, others, faces

    def page(self, rng) -> tuple[np.ndarray, list[np.ndarray]]:
        """A document at SCALE pixels for a millimetre, and the quads of the middles of its zone's lines, if it has one."""
        lines, columns, width, height = SHAPES[rng.integers(3)]
        h, w = int(height * SCALE), int(width * SCALE)
        small = .5  # paper is drawn at half the size
        paper = cv2.resize(self.camera.paper(rng, int(h * small), int(w * small), SCALE * small), (w, h))
        if rng.random() < .75:
            self._portrait(rng, paper)
        ink = Image.new("L", (w, h), 0)
        for _ in range(int(rng.integers(0, 26))):
            print_text(rng, ink, self.others, rng.uniform(1.2, 5) * SCALE)
        ink = np.array(ink, np.float32) / 255
        for _ in range(int(rng.integers(0, 5))):  # numbers and words of the visual zone in OCR-B
            line = self.printer.line(rng, zone_text(rng, int(rng.integers(2, 15))).replace("<", "0"))
            self._put(ink, line, int(rng.uniform(0, .6) * w), int(rng.uniform(0, .9) * h))
        middles = []
        if rng.random() < .85:
            first = height - rng.uniform(3.5, 8) - LEADING * (lines - 1)  # the first line's base line, millimetres from the top
            left = (width - columns * PITCH) / 2 + rng.uniform(-2, 2)
            top, bottom = int((first - 4.5) * SCALE), h
            ink[top:bottom] *= rng.random() < .15  # hardly anything else is printed there
            leading = LEADING * rng.uniform(.93, 1.04)
            for k in range(lines):
                base = first + k * leading
                line = self.printer.line(rng, zone_text(rng, columns))
                self._put(ink, line, int(left * SCALE) - CELL, int(base * SCALE - 1.5 * CELL))
                middle = base - CELL / 2 / SCALE
                l, r = left + SHORTER, left + columns * PITCH - SHORTER
                middles.append(np.float32([[l, middle - KERNEL / 2], [r, middle - KERNEL / 2], [r, middle + KERNEL / 2], [l, middle + KERNEL / 2]]) * np.float32(SCALE))
        dark = min(rng.uniform(0, 110), paper.mean() - rng.uniform(60, 110))
        return paper + (dark - paper) * ink * rng.uniform(.8, 1), middles

    @staticmethod
    def _put(ink: np.ndarray, line: np.ndarray, x: int, y: int) -> None:
        a, b = max(0, y), min(ink.shape[0], y + line.shape[0])
        c, d = max(0, x), min(ink.shape[1], x + line.shape[1])
        if a < b and c < d:
            part = ink[a:b, c:d]
            np.maximum(part, line[a - y:b - y, c - x:d - x], out=part)

    def _portrait(self, rng, paper: np.ndarray) -> None:
        h, w = paper.shape
        face = self.faces[rng.integers(len(self.faces))]
        tall = int(rng.uniform(.35, .6) * h)
        wide = int(tall * rng.uniform(.7, .85))
        y, x = int(rng.uniform(.05, .3) * h), int(rng.choice([rng.uniform(.02, .12), rng.uniform(.6, .7)]) * w)
        part = paper[y:y + tall, x:x + wide]
        part[:] = cv2.resize(face, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_AREA)

    def photograph(self, rng, page: np.ndarray, middles: list[np.ndarray], record) -> None:
        """The page before a natural image, or filling the picture, or in parts beyond it."""
        h, w = page.shape
        pitch = float(np.exp(rng.uniform(np.log(4.5), np.log(14))))
        scale = pitch / CELL
        k = rng.random()
        angle = rng.normal(0, .04) if k < .4 else rng.normal(0, .25) if k < .75 else rng.uniform(-np.pi, np.pi)
        angle += np.pi / 2 * rng.integers(4) if rng.random() < .35 else 0
        turn = np.float32([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
        seen = (corners - np.float32([w / 2, h / 2])) * scale
        seen += rng.uniform(-.06, .06, (4, 2)).astype(np.float32) * h * scale * rng.random()
        seen = seen @ turn.T
        low, high = seen.min(0), seen.max(0)
        room = SIDE - (high - low)
        at = np.array([rng.uniform(min(0, r), max(0, r)) for r in room])
        if middles and rng.random() < .6 and (room < 0).any():  # the zone rather than the rest
            zone = cv2.perspectiveTransform(np.mean([m.mean(0) for m in middles], 0, dtype=np.float32)[None, None],
                                            cv2.getPerspectiveTransform(corners, seen.astype(np.float32)))[0, 0]
            at = np.clip(SIDE / 2 - (zone - low) + rng.uniform(-.3, .3, 2) * SIDE, np.minimum(0, room), np.maximum(0, room))
        seen = (seen - low + at).astype(np.float32)
        view = cv2.getPerspectiveTransform(corners, seen)
        if scale < .7:
            page = cv2.GaussianBlur(page, (0, 0), .42 / scale)
        behind = self.camera.natural(rng, SIDE, SIDE) if rng.random() < .7 else np.full((SIDE, SIDE), rng.uniform(0, 255), np.float32)
        photo = cv2.warpPerspective(page, view, (SIDE, SIDE), dst=behind.copy(), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
        photo = self.camera.lens(rng, self.camera.light(rng, photo), pitch, 80)
        if rng.random() < .15:  # in pixels of a small photograph
            q = int(SIDE * rng.uniform(.5, .9))
            photo = cv2.resize(cv2.resize(photo, (q, q), interpolation=cv2.INTER_AREA), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        record["image"] = photo.clip(0, 255)
        middle = np.zeros((SIDE, SIDE), np.uint8)
        for m in middles:
            cv2.fillConvexPoly(middle, np.rint(cv2.perspectiveTransform(m[None], view)[0] * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        record["middle"] = cv2.resize(middle, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)


class Finder(nn.Module):
    """Logits at half the size: input [n, 1, height, width], multiples of 32, output [n, 1, height / 2, width / 2]."""

    def __init__(self):
        super().__init__()
        self.a = conv(1, 8, stride=2)                                                # 1/2
        self.b = conv(8, 16, stride=2)                                               # 1/4
        self.c = nn.Sequential(conv(16, 32, stride=2), Residual(32))                 # 1/8
        self.d = nn.Sequential(conv(32, 48, stride=2), Residual(48), Residual(48))   # 1/16
        self.e = nn.Sequential(conv(48, 64, stride=2), Residual(64), Residual(64))   # 1/32
        self.de, self.cd, self.bc = conv(64, 48, kernel=1), conv(48, 32, kernel=1), conv(32, 16, kernel=1)
        self.ud, self.uc, self.ub = conv(48, 48), conv(32, 32), conv(16, 16)
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, x):
        up = lambda m: F.interpolate(m, scale_factor=2.0, mode="nearest")
        b = self.b(self.a(x))
        c = self.c(b)
        d = self.d(c)
        e = self.e(d)
        d = self.ud(d + up(self.de(e)))
        c = self.uc(c + up(self.cd(d)))
        b = self.ub(b + up(self.bc(c)))
        return F.pixel_shuffle(self.head(b), 2)


class Deployed(nn.Module):
    """Probabilities at the size of the picture, of three channels."""

    def __init__(self, finder: Finder):
        super().__init__()
        self.finder = finder

    def forward(self, x):
        return torch.sigmoid(F.interpolate(self.finder(x.mean(1, keepdim=True)), scale_factor=2.0, mode="bilinear", align_corners=False))


def pictures(part: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(np.ascontiguousarray(part["image"]))[:, None].float() - 127.5) / 127.5


def loss(student: nn.Module, part: np.ndarray) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        answer = student(pictures(part).contiguous(memory_format=torch.channels_last))
    answer, wanted = answer.float(), torch.from_numpy(np.ascontiguousarray(part["middle"]))[:, None].float() / 255
    each = F.binary_cross_entropy_with_logits(answer, wanted, reduction="none")
    p = answer.sigmoid()
    dice = 1 - (2 * (p * wanted).sum() + 1) / (p.sum() + wanted.sum() + 1)
    return (each * (1 + 4 * wanted)).mean() * 4 + dice


@torch.inference_mode()
def measure(student: nn.Module, held: np.ndarray) -> dict[str, float]:
    """Of the pixels: the intersection of what is found and what is there over their union; the share of pictures with lines in which it
    is above 0.6, and of pictures without any in which more than 20 pixels are found."""
    student.eval()
    both = either = 0
    fair, false = [], []
    for i in range(0, len(held), BATCH):
        part = held[i:i + BATCH]
        found = student(pictures(part)).numpy()[:, 0] > 0
        there = part["middle"] > 127
        for f, t in zip(found, there):
            a, b = int((f & t).sum()), int((f | t).sum())
            both, either = both + a, either + b
            if t.sum() > 100:
                fair.append(a / b > .6)
            elif not t.any():
                false.append(f.sum() > 20)
    return {"iou": both / max(1, either), "fair": float(np.mean(fair or [0])), "false": float(np.mean(false or [0]))}


def export(student: nn.Module, file: Path) -> None:
    """Writes the network: input [n, 3, height, width], any multiples of 32, output [n, 1, height, width]."""
    partial = file.with_suffix(".partial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Deployed(student).eval(), torch.zeros(1, 3, 64, 96), str(partial), dynamo=False, opset_version=OPSET,
                          input_names=["input"], output_names=["probabilities"],
                          dynamic_axes={"input": {0: "n", 2: "height", 3: "width"}, "probabilities": {0: "n", 2: "height", 3: "width"}})
    model = onnx.load(partial)
    network.halve(model)
    onnx.save(model, partial)
    partial.replace(file)


def main() -> None:
    parser = options.parser("Trains the starter pack's finder of the lines of machine-readable zones.")
    parser.add_argument("--fonts", type=Path, default=FONTS, help="folder with OCR-B and DejaVu")
    loop.add_options(parser, BATCH, steps=1000, decay=400, reuse=4, rate=2e-3)
    o = parser.parse_args()
    size = SHARD
    if o.smoke:
        o.steps, o.decay, o.window, size = 4, 2, 2, BATCH
    options.prepare(o)
    ocr_b, others = find_fonts(o.fonts)
    log = run.Log(o.out / "log.jsonl")
    natural = backgrounds(o.data, 20 if o.smoke else None)
    faces = [cv2.cvtColor(images.read(f), cv2.COLOR_BGR2GRAY).astype(np.float32) for f in images.files(o.data / "generated_faces")[:20 if o.smoke else 400]]
    log.start(o.seed, {"backgrounds": run.sha256(o.data / "backgrounds"), "generated_faces": run.sha256(o.data / "generated_faces"),
                       **{f.name: run.sha256(f) for f in ocr_b}}, **loop.settings(o))
    pages = Pages(Printer(ocr_b), Camera(natural), others, faces)

    def make(number: int, kind: int = 2, n: int = size) -> np.ndarray:
        rng = np.random.default_rng([o.seed, kind, number])
        records = np.zeros(n, RECORD)
        for i, r in enumerate(records):
            if i % 2 == 0:
                page, middles = pages.page(rng)
            pages.photograph(rng, page, middles, r)
        return records

    pool = Pool(o.out / "pool")
    pool.start(o.makers, lambda: make)
    validation = make(0, 5, 320 if not o.smoke else BATCH)
    loop.learn(o, log, loop.Learning(role="mrz_regions", batch=BATCH, shard=size, every=200 if not o.smoke else 2, loss=loss, measure=measure,
                                     export=export, shape=(3, SIDE, SIDE)), pool, Finder(), Finder(), validation)


if __name__ == "__main__":
    main()
