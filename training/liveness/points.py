"""Where the manifest's operating points come from: the scores below which few living faces of people held out lie.

    python -m training.liveness.points DIR

DIR is that of a finished training. The living faces are as various as those of the training: close-ups, grey ones, poor light,
poor cameras. The points are set by them alone; what they let in of the simulated attacks is measured.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from ..common import distil, images, people, teachers
from . import simulate, train

SHARES = {"live_soft": .02, "live": .05, "live_hardened": .15}  # of various living faces that are turned away
ROUNDS = 4  # pictures of each photograph held out


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
    material = distil.Material(data, models, known, chosen, images.backgrounds(data, images.Detector(models)))
    simulated = train.maker(material)(np.random.default_rng([1, 6]), np.tile(held[~known["drawn"][held]], ROUNDS))
    simulated = simulated[simulated["photograph"]]
    scores = live(simulated["image"])
    living = scores[simulated["kind"] == 0]
    for name, share in SHARES.items():
        point = float(np.quantile(living, share))
        kinds = {kind: float((scores[simulated["kind"] == n + 1] >= point).mean()) for n, kind in enumerate(simulate.ATTACKS)}
        print(f"{name} {point:.3f}: turned away {100 * (living < point).mean():.1f} % of {len(living)} living faces under the training's "
              f"light and cameras and {100 * (untouched < point).mean():.1f} % of {len(untouched)} untouched photographs; let in "
              + ", ".join(f"{100 * v:.1f} % of {k}s" for k, v in kinds.items()))


if __name__ == "__main__":
    main()
