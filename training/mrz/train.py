"""Trains the reader of the lines of machine-readable zones and writes mrz.onnx. From the repository's root:

    python -m training.mrz.train --out DIR

The student sees parts of drawn lines, as the worker cuts them out, and learns their characters by CTC (Graves et al. 2006).
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

from ..common import loop, network, options, run
from ..common.layers import Residual, conv
from ..common.pool import Pool
from .draw import ALPHABET, CELL, FONTS, LEADING, PITCH, SCALE, Camera, Printer, backgrounds, find_fonts, print_text, zone_text

HEIGHT, WIDTH = 48, 512
MOST = 24  # characters in a picture
BATCH, SHARD = 64, 1024
OPSET = 17
CLASSES = len(ALPHABET) + 2  # the blank first, a space, which is never learnt, last: the order of PaddleOCR's readers
RECORD = np.dtype([("image", np.uint8, (HEIGHT, WIDTH)), ("text", np.uint8, (MOST,)), ("length", np.uint8), ("pitch", np.float32),
                   ("at", np.float32, (MOST,))])  # the middle of each character, pixels from the left


class Lines:
    """Draws examples: a line, those above and below it, the paper, the camera, and the window that is cut out."""

    def __init__(self, printer: Printer, camera: Camera, others: list[Path]):
        self.printer, self.camera, self.others = printer, camera, others

    def draw(self, rng, record) -> None:
        height = rng.uniform(3.3, 5.6)  # of the window, millimetres
        stretch = np.exp(rng.normal(0, .1))
        apart = HEIGHT * PITCH / height * stretch  # pixels from one character to the next in the example
        foreign = rng.random() < .03
        room = int((WIDTH - 6) / apart)
        n = min(room, MOST) if rng.random() < .6 else int(rng.integers(3, min(room, MOST) + 1))
        text = zone_text(rng, n)
        pitch = float(np.exp(rng.uniform(np.log(4.6), np.log(24))))  # pixels from one character to the next in the photograph
        ink = self._ink(rng, text, foreign)
        centre = np.array([ink.shape[1] / 2, LEADING * SCALE * 1.5])

        # The photograph shows the line a little aslant, in perspective; the window follows it nearly.
        photo_scale = pitch / CELL
        border = 6
        w, h = int(ink.shape[1] * photo_scale) + 2 * border, int(ink.shape[0] * photo_scale) + 2 * border
        corners = np.float32([[0, 0], [ink.shape[1], 0], [ink.shape[1], ink.shape[0]], [0, ink.shape[0]]])
        lean = np.deg2rad(rng.normal(0, 1.2))
        turn = np.float32([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        moved = ((corners - centre) @ turn.T) * photo_scale + np.float32([w / 2, h / 2])
        moved += rng.uniform(-.08, .08, (4, 2)).astype(np.float32) * h * rng.random()
        view = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        if photo_scale < .7:
            ink = cv2.GaussianBlur(ink, (0, 0), .42 / photo_scale)
        seen = cv2.warpPerspective(ink, view, (w, h), flags=cv2.INTER_LINEAR)
        scale = pitch / PITCH
        paper = self.camera.paper(rng, h, w, scale)
        dark = rng.uniform(0, 110)
        dark = min(dark, paper.mean() - rng.uniform(60, 110))
        photo = paper + (dark - paper) * seen * rng.uniform(.85, 1)
        photo = self.camera.lens(rng, self.camera.light(rng, photo), pitch, paper.mean() - dark)

        # The line's own window.
        middle = cv2.perspectiveTransform(np.float32([[[ink.shape[1] / 2 - n * CELL / 2, centre[1]], [ink.shape[1] / 2 + n * CELL / 2, centre[1]]]]), view)[0]
        along = middle[1] - middle[0]
        length = np.linalg.norm(along)
        along = along / length
        down = np.float32([-along[1], along[0]])
        tall = height * scale
        margin = rng.uniform(0, .45) * tall, rng.uniform(0, .45) * tall
        a = middle[0] - along * margin[0] + down * rng.normal(0, .07) * tall
        b = middle[1] + along * margin[1] + down * rng.normal(0, .07) * tall
        width = int(round(np.linalg.norm(b - a) / tall * HEIGHT * stretch))
        width = min(width, WIDTH)
        across = (b - a) / np.linalg.norm(b - a)
        down = np.float32([-across[1], across[0]]) * tall / 2
        window = cv2.getPerspectiveTransform(np.float32([a - down, b - down, b + down, a + down]),
                                             np.float32([[0, 0], [width, 0], [width, HEIGHT], [0, HEIGHT]]))
        way = cv2.INTER_LINEAR if rng.random() < .8 else cv2.INTER_CUBIC
        cut = cv2.warpPerspective(photo, window, (width, HEIGHT), flags=way, borderMode=cv2.BORDER_REPLICATE)
        record["image"][:] = 128  # as the worker ends lines: with grey, which is zero
        record["image"][:, :width] = cut.clip(0, 255)
        record["length"] = 0 if foreign else n
        record["text"][:n] = [ALPHABET.index(c) + 1 for c in text]
        record["pitch"] = pitch
        cells = np.float32([[[ink.shape[1] / 2 + (i + .5 - n / 2) * CELL, centre[1]] for i in range(n)]])
        record["at"][:n] = cv2.perspectiveTransform(cells, window @ view)[0, :, 0]

    def _ink(self, rng, text: str, foreign: bool) -> np.ndarray:
        """Three lines' height of ink, with the line in the middle."""
        tall, wide = int(3 * LEADING * SCALE), CELL * (len(text) + 4)
        ink = np.zeros((tall, wide), np.float32)
        if foreign:
            picture = Image.fromarray((ink * 255).astype(np.uint8))
            for _ in range(int(rng.integers(0, 4))):
                print_text(rng, picture, self.others, rng.uniform(.5, 2) * CELL)
            return np.asarray(picture, np.float32) / 255
        leading = LEADING * SCALE * rng.uniform(.85, 1.1)
        for k in (-1, 0, 1):
            if k and rng.random() < .45:
                continue
            said = text if k == 0 else zone_text(rng, len(text) + 2)
            line = self.printer.line(rng, said)
            # The middle of the characters, half a cell above the base line, lies in the middle of the row.
            top = int(tall / 2 + k * leading - CELL)
            left = CELL if k == 0 else 0
            a, b = max(0, top), min(tall, top + line.shape[0])
            part = ink[a:b, left:left + line.shape[1]]
            np.maximum(part, line[a - top:b - top, :part.shape[1]], out=part)
        if rng.random() < .15:  # ink that lacks here and there
            holes = cv2.resize(rng.random((tall // 4, wide // 4), np.float32), (wide, tall), interpolation=cv2.INTER_LINEAR)
            ink *= (holes > rng.uniform(.1, .35)) * .8 + .2
        if rng.random() < .1:  # a word across it
            picture = Image.new("L", (wide, tall), 0)
            print_text(rng, picture, self.others, rng.uniform(2, 6) * CELL)
            ink = np.maximum(ink, np.asarray(picture, np.float32) / 255 * rng.uniform(.1, .35))
        return ink


class Rows(nn.Module):
    """Residual layer along the line."""

    def __init__(self, channels: int):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(channels, channels, (1, 5), padding=(0, 2), bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.b = nn.Sequential(nn.Conv2d(channels, channels, (1, 5), padding=(0, 2), bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        return torch.relu(x + self.b(self.a(x)))


class Reader(nn.Module):
    """Logits of CLASSES at every fourth pixel: input [n, 1, 48, width], output [n, width / 4, CLASSES]."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(conv(1, 16, stride=2), conv(16, 32, stride=2), Residual(32), conv(32, 64, stride=2), Residual(64))
        self.rows = nn.Sequential(nn.Conv2d(64, 96, (6, 3), padding=(0, 1), bias=False), nn.BatchNorm2d(96), nn.ReLU(inplace=True), Rows(96), Rows(96))
        self.head = nn.Conv2d(96, 2 * CLASSES, 1)  # two steps at each place

    def forward(self, x):
        x = self.head(self.rows(self.trunk(x))).squeeze(2).transpose(1, 2)
        return x.reshape(x.shape[0], -1, CLASSES)


class Deployed(nn.Module):
    """Probabilities from pictures of three channels."""

    def __init__(self, reader: Reader):
        super().__init__()
        self.reader = reader

    def forward(self, x):
        return torch.softmax(self.reader(x.mean(1, keepdim=True)), -1)


def pictures(part: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(np.ascontiguousarray(part["image"]))[:, None].float() - 127.5) / 127.5


def loss(student: nn.Module, part: np.ndarray) -> torch.Tensor:
    """CTC, and, which spares the thousand steps in which CTC alone finds out that there are characters, their classes at the steps where they
    are drawn and the blank half-way between them."""
    with torch.autocast("cpu", torch.bfloat16):
        answer = student(pictures(part).contiguous(memory_format=torch.channels_last))
    answer = answer.float().log_softmax(-1)
    lengths = torch.from_numpy(part["length"].astype(np.int64))
    targets = torch.from_numpy(np.concatenate([r["text"][:r["length"]] for r in part]).astype(np.int64))
    ctc = F.ctc_loss(answer.transpose(0, 1), targets, torch.full((len(part),), answer.shape[1], dtype=torch.long), lengths,
                     reduction="none", zero_infinity=True)
    ctc = (ctc / lengths.clamp(min=MOST)).mean() * 2  # a line without characters weighs as much as others
    rows, steps, classes = [], [], []
    for i, r in enumerate(part):
        n, at = int(r["length"]), r["at"]
        rows += [i] * max(0, 2 * n - 1)
        steps += [*at[:n], *((at[1:n] + at[:max(0, n - 1)]) / 2)]
        classes += [*r["text"][:n], *[0] * max(0, n - 1)]
    steps = (torch.tensor(steps) / 4).long().clamp(0, answer.shape[1] - 1)
    placed = F.nll_loss(answer[torch.tensor(rows), steps], torch.tensor(classes).long())
    return ctc + placed


def spell(classes: np.ndarray) -> list[int]:
    best = classes.argmax(-1)
    return [int(c) for c, before in zip(best, np.concatenate([[0], best[:-1]])) if c and c != before]


def distance(a: list[int], b: list[int]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, last + (x != y))
    return row[-1]


@torch.inference_mode()
def measure(student: nn.Module, held: np.ndarray) -> dict[str, float]:
    """The share of characters that are right, by edit distance, of lines without a wrong one, and both where characters are 9 pixels and
    more apart."""
    student.eval()
    wrong, characters, exact = [], [], []
    for i in range(0, len(held), BATCH):
        part = held[i:i + BATCH]
        for r, classes in zip(part, student(pictures(part)).numpy()):
            d = distance(spell(classes), [int(c) for c in r["text"][:r["length"]]])
            wrong.append(d)
            characters.append(int(r["length"]))
            exact.append(d == 0)
    wrong, characters, exact, fine = np.array(wrong), np.array(characters), np.array(exact), held["pitch"] >= 9
    return {"characters": 1 - wrong.sum() / characters.sum(), "lines": exact.mean(),
            "characters_9px": 1 - wrong[fine].sum() / max(1, characters[fine].sum()), "lines_9px": exact[fine].mean()}


def export(student: nn.Module, file: Path) -> None:
    """Writes the network: input [n, 3, 48, width], any multiple of 32; its metadata list the characters as PaddleOCR's do."""
    partial = file.with_suffix(".partial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Deployed(student).eval(), torch.zeros(1, 3, HEIGHT, WIDTH), str(partial), dynamo=False, opset_version=OPSET,
                          input_names=["input"], output_names=["classes"],
                          dynamic_axes={"input": {0: "n", 3: "width"}, "classes": {0: "n", 1: "steps"}})
    model = onnx.load(partial)
    network.halve(model)
    model.metadata_props.add(key="character", value="\n".join(ALPHABET))
    onnx.save(model, partial)
    partial.replace(file)


def main() -> None:
    parser = options.parser("Trains the starter pack's reader of machine-readable zones.")
    parser.add_argument("--fonts", type=Path, default=FONTS, help="folder with OCR-B and DejaVu")
    loop.add_options(parser, BATCH, steps=1300, decay=500, reuse=5, rate=2e-3)
    o = parser.parse_args()
    size = SHARD
    if o.smoke:
        o.steps, o.decay, o.window, size = 8, 4, 2, 2 * BATCH
    options.prepare(o)
    ocr_b, others = find_fonts(o.fonts)
    log = run.Log(o.out / "log.jsonl")
    natural = backgrounds(o.data, 20 if o.smoke else None)
    log.start(o.seed, {"backgrounds": run.sha256(o.data / "backgrounds"), **{f.name: run.sha256(f) for f in ocr_b}}, **loop.settings(o))
    lines = Lines(Printer(ocr_b), Camera(natural), others)

    def make(number: int, kind: int = 2, n: int = size) -> np.ndarray:
        rng = np.random.default_rng([o.seed, kind, number])
        records = np.zeros(n, RECORD)
        for r in records:
            lines.draw(rng, r)
        return records

    pool = Pool(o.out / "pool")
    pool.start(o.makers, lambda: make)
    validation = make(0, 5, 2000 if not o.smoke else BATCH)
    loop.learn(o, log, loop.Learning(role="mrz", batch=BATCH, shard=size, every=500 if not o.smoke else 4, loss=loss, measure=measure, export=export,
                                     shape=(3, HEIGHT, WIDTH)), pool, Reader(), Reader(), validation)


if __name__ == "__main__":
    main()
