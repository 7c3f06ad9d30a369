"""Images of the training data, and the teacher detector that looks at them. All images are BGR uint8 [height, width, 3]."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def files(folder: Path) -> list[Path]:
    """The folder's images in the order of their names."""
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in (".jpg", ".jpeg", ".png"))


def read(file: Path) -> np.ndarray:
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{file} is not an image that can be decoded; remove it or fetch it again")
    return image


def session(file: Path | str | bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the processor; file is a path or a serialised model."""
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = threads
    o.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file) if isinstance(file, Path) else file, o,
                                        providers=["CPUExecutionProvider"])


class Detector:
    """YuNet, the open pack's detector: faces with five points (Apache-2.0)."""

    STRIDES = (8, 16, 32)

    def __init__(self, models: Path, threads: int = 1):
        self.session = session(models / "detector" / "yunet_n_dynamic.onnx", threads)
        self.names = [o.name for o in self.session.get_outputs()]

    def raw(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by name for one image, whose sides are padded with black to multiples of 32."""
        h, w = image.shape[:2]
        padded = np.zeros(((h + 31) // 32 * 32, (w + 31) // 32 * 32, 3), np.float32)
        padded[:h, :w] = image
        out = dict(zip(self.names, self.session.run(None, {"input": padded.transpose(2, 0, 1)[None]})))
        out["size"] = np.array(padded.shape[:2])
        return out

    def best(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """Score 0..1 and five points [5, 2] in pixels (right eye, left eye, nose, mouth corners) of the surest face."""
        score, _, points = self.face(image)
        return score, points

    def face(self, image: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Score, box [4] (left, top, right, bottom) and five points of the surest face."""
        out = self.raw(image)
        best, box, points = 0.0, np.zeros(4, np.float32), np.zeros((5, 2), np.float32)
        for s in self.STRIDES:
            columns = int(out["size"][1]) // s
            score = np.sqrt(np.clip(out[f"cls_{s}"][0, :, 0], 0, 1) * np.clip(out[f"obj_{s}"][0, :, 0], 0, 1))
            i = int(score.argmax())
            if score[i] > best:
                best, cell = float(score[i]), np.array([i % columns, i // columns])
                points = (out[f"kps_{s}"][0, i].reshape(5, 2) + cell) * s
                b = out[f"bbox_{s}"][0, i]
                centre, size = (cell + b[:2]) * s, np.exp(b[2:]) * s
                box = np.concatenate([centre - size / 2, centre + size / 2])
        return best, box.astype(np.float32), points.astype(np.float32)


def backgrounds(data: Path, detector: Detector, sure: float = 0.3, limit: int | None = None) -> list[np.ndarray]:
    """The images of data/backgrounds in which the detector finds no face of a score above sure, at most limit of them."""
    found = []
    for file in files(data / "backgrounds"):
        image = read(file)
        if detector.best(image)[0] < sure:
            found.append(image)
        if len(found) == limit:
            break
    return found
