"""Writes photographs of people who do not exist, and simulated prints and screens of them, for `facestream eval attacks`:

    python -m training.liveness.presentations OUT [--people 2000]

OUT/live has the photographs, OUT/print and OUT/screen the attacks (simulate.py). The operating points of a pack's liveness
are set on OUT/live alone.

The generated faces of ../shared/train fill their pictures, and the liveness networks need surroundings. So each person is cut out
by the open pack's segmentation, stands before a natural image, and is photographed by an ordinary camera: the face is 80 to 320
pixels wide, in more or less light, with noise and JPEG artefacts. People whose outline is doubtful are left out.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from ..common import images
from ..common.augment import Trouble
from . import simulate

WIDER, HIGHER = 2.0, 1.5  # the photograph's sides over those of the generated picture


def outline(net, image: np.ndarray) -> np.ndarray:
    """How much of each pixel is person, [height, width, 1], 0..1."""
    x = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)[None, ..., ::-1].astype(np.float32) / 255
    mask = net.run(None, {net.get_inputs()[0].name: x})[0].reshape(256, 256)
    mask = (mask - mask.min()) / (mask.max() - mask.min() + 1e-6)
    return cv2.resize(mask, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)[..., None]


def standing(rng, image: np.ndarray, person: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """The person before another scene: at the lower edge, anywhere from left to right."""
    h, w = image.shape[:2]
    height, width = int(h * HIGHER), int(w * WIDER)
    scale = max(height / behind.shape[0], width / behind.shape[1])
    scene = cv2.resize(behind, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)[:height, :width]
    if rng.random() < .5:  # out of focus
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(1, 5))
    x = int(rng.uniform(.2, .8) * (width - w))
    place = scene[height - h:, x:x + w].astype(np.float32)
    scene[height - h:, x:x + w] = (place + (image - place) * person).astype(np.uint8)
    return scene


def photographed(rng, scene: np.ndarray, face: float) -> np.ndarray:
    """The scene as an ordinary camera takes it; face is the width of the face in pixels of the scene."""
    size = np.exp(rng.uniform(np.log(80), np.log(320))) / face
    scene = cv2.resize(scene, None, fx=size, fy=size, interpolation=cv2.INTER_AREA if size < 1 else cv2.INTER_CUBIC)
    gain = np.exp(rng.normal(0, .12)) * (1 + rng.normal(0, .04, 3))
    scene = 255 * (scene.astype(np.float32) / 255) ** np.exp(rng.normal(0, .2)) * gain
    if rng.random() < .4:
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(.3, .9))
    if rng.random() < .5:
        scene = scene + rng.standard_normal(scene.shape).astype(np.float32) * rng.uniform(1, 5)
    return scene.clip(0, 255).astype(np.uint8)


def main() -> None:
    arguments = argparse.ArgumentParser(description="photographs of people who do not exist, and attacks with them")
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--people", type=int, default=2000)
    arguments.add_argument("--data", type=Path, default=Path("../shared/train"))
    arguments.add_argument("--models", type=Path, default=Path("../shared/models"))
    a = arguments.parse_args()
    rng = np.random.default_rng(12)
    detector = images.Detector(a.models)
    behind = images.backgrounds(a.data, detector, limit=300)
    trouble = Trouble(behind, 128)
    net = images.session(a.models / "segmentation" / "selfie_segmentation.onnx")
    files = images.files(a.data / "generated_faces")
    for kind in ("live", *simulate.ATTACKS):
        (a.out / kind).mkdir(parents=True, exist_ok=True)
    written = 0
    for file in rng.permutation(np.array(files, object))[:a.people]:
        image = images.read(file)
        score, box, _ = detector.face(image)
        person = outline(net, image)
        doubtful = float(((person > .2) & (person < .8)).mean())
        if score < .7 or doubtful > .08:
            continue
        scene = standing(rng, image, person, behind[rng.integers(len(behind))])
        kinds = {"live": scene}
        if written % 4 == 0:  # attacks tell little more by being many
            square = min(scene.shape[:2])
            x = (scene.shape[1] - square) // 2
            for kind in simulate.ATTACKS:
                kinds[kind] = simulate.attack(rng, trouble, cv2.resize(scene[:, x:x + square], (448, 448)), kind)
        for kind, picture in kinds.items():
            width = (box[2] - box[0]) * (1 if kind == "live" else 448 / min(scene.shape[:2]))
            quality = int(rng.integers(60, 96))
            cv2.imwrite(str(a.out / kind / f"{file.stem}.jpg"), photographed(rng, picture, width), [cv2.IMWRITE_JPEG_QUALITY, quality])
        written += 1
    print(f"{written} people")


if __name__ == "__main__":
    main()
