"""Where the manifest's operating points come from: the scores below which few untouched photographs of people held out lie.

    python -m training.liveness.points DIR

DIR is that of a finished training. At 0.5, where the loss balances living faces seen by poor cameras against attacks, good
attacks pass: what little gives them away costs them a few hundredths. So the points are set by living faces alone.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from ..common import distil, images, people, teachers
from . import simulate, train

SHARES = {"live_soft": .005, "live": .02, "live_hardened": .05}  # of untouched photographs that are turned away


def crops(found: np.ndarray) -> np.ndarray:
    """RGB crops of faces as they are in their photographs."""
    moves = [teachers.window(*teachers.square(r["box"], train.CROP), 0, train.SIDE, train.SIDE) for r in found]
    return np.stack([teachers.cut(r["image"], m, train.SIDE, train.SIDE, cv2.BORDER_REFLECT)[..., ::-1] for r, m in zip(found, moves)])


def main() -> None:
    folder, data, models = Path(sys.argv[1]), Path("../shared/train"), Path("../shared/models")
    known = np.load(folder.parent / "people.npy", mmap_mode="r")
    chosen, held = people.split(known)
    net = images.session(folder / "liveness.onnx")

    def live(rgb: np.ndarray) -> np.ndarray:
        x = rgb.astype(np.float32).transpose(0, 3, 1, 2) / 255
        return teachers.softmax(np.concatenate([net.run(None, {"input": x[i:i + 32]})[0] for i in range(0, len(x), 32)]))[:, 0]

    first = np.unique(known["source"][held], return_index=True)[1]  # the second is the same head turned
    untouched = live(crops([known[i] for i in held[first] if not known["drawn"][i]]))
    material = distil.Material(models, known, chosen, images.backgrounds(data, images.Detector(models)))
    simulated = train.maker(material)(np.random.default_rng([1, 5]), held[:2000])
    simulated = simulated[simulated["photograph"]]
    scores = live(simulated["image"])
    for name, share in SHARES.items():
        point = float(np.quantile(untouched, share))
        kinds = {kind: float((scores[simulated["kind"] == n + 1] >= point).mean()) for n, kind in enumerate(simulate.ATTACKS)}
        print(f"{name} {point:.3f}: turned away {100 * (untouched < point).mean():.1f} % of {len(untouched)} untouched photographs and "
              f"{100 * (scores[simulated['kind'] == 0] < point).mean():.1f} % of living faces under the training's light and cameras; let in "
              + ", ".join(f"{100 * v:.1f} % of {k}s" for k, v in kinds.items()))


if __name__ == "__main__":
    main()
