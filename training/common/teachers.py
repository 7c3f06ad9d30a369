"""The teachers that look at faces: networks of the open pack, and the project's measures on landmarks. The crops are those
that pkg/engine/face makes for them. Images are BGR uint8."""

from pathlib import Path

import cv2
import numpy as np

from .images import session

IMAGENET_MEAN = np.array([.485, .456, .406], np.float32)
IMAGENET_STD = np.array([.229, .224, .225], np.float32)

# For each of the first 66 points of 300-W without its inner mouth corners (60 and 64), its number in OpenSeeFace's answer.
OPENSEE = [*range(48), 58, 48, 49, 50, 51, 52, 62, 53, 54, 55, 56, 57, 59, 60, 61, 63, 64, 65]
SHARED = [i for i in range(68) if i not in (60, 64)]


def window(centre, size, angle: float, width: int, height: int) -> np.ndarray:
    """The affine map from the picture to a crop of width x height around centre; size is what it shows, in pixels, and angle
    by how many radians it is turned clockwise."""
    c, s = np.cos(angle), np.sin(angle)
    sx, sy = width / size[0], height / size[1]
    rotate = np.array([[sx * c, sx * s], [-sy * s, sy * c]], np.float32)
    # Pixel centres: the crop's middle is (width-1)/2.
    shift = np.array([(width - 1) / 2, (height - 1) / 2], np.float32) - rotate @ (np.asarray(centre, np.float32) - .5)
    return np.concatenate([rotate, shift[:, None]], 1)


def cut(image: np.ndarray, move: np.ndarray, width: int, height: int, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    """What window's map shows, without the false patterns of pixels that are skipped."""
    scale = np.sqrt(abs(np.linalg.det(move[:, :2])))
    k = 1 if scale > .8 else 2 if scale > .4 else 4
    big = move * k
    big[:, 2] += (k - 1) / 2
    picture = cv2.warpAffine(image, big, (width * k, height * k), flags=cv2.INTER_LINEAR, borderMode=border)
    return picture if k == 1 else cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def square(box: np.ndarray, crop: float) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size of the square of crop times the box's longer side."""
    side = max(box[2] - box[0], box[3] - box[1]) * crop
    return (box[:2] + box[2:]) / 2, np.array([side, side], np.float32)


def roll(points: np.ndarray) -> float:
    """By how many radians the line through the eyes leans clockwise."""
    d = points[1] - points[0]
    return float(np.arctan2(d[1], d[0]))


def planes(image: np.ndarray, rgb: bool, scale: float, mean, std) -> np.ndarray:
    x = (image[..., ::-1] if rgb else image).astype(np.float32) * scale
    return np.ascontiguousarray(((x - mean) / std).transpose(2, 0, 1)[None])


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class _Network:
    def __init__(self, models: Path, file: str):
        self.session = session(models / file)
        self.input = self.session.get_inputs()[0].name

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.input: x})[0]


class Pose:
    """The mean of the two FSA-Nets (MIT): yaw, pitch, roll in degrees with the project's signs."""

    CROP, SIZE = 1.5, 64

    def __init__(self, models: Path):
        self.networks = [_Network(models, f"pose/fsanet_{k}.onnx") for k in ("1x1", "var")]

    def look(self, crop: np.ndarray) -> np.ndarray:
        x = planes(crop, False, 1, 127.5, 128)
        return np.mean([n(x)[0] for n in self.networks], 0) * [-1, 1, 1]


class Spoof:
    """The open pack's two liveness networks of 128 x 128 (face-antispoof-onnx, Apache-2.0): the probability that a crop shows a
    living face, by the mean of their logits, each clipped to -8..8."""

    CROP, SIZE = 1.5, 128
    FILES = ("liveness/antispoof_9780.onnx", "liveness/antispoof_9820.onnx")

    def __init__(self, models: Path):
        self.networks = [_Network(models, file) for file in self.FILES]

    def look(self, crops: np.ndarray) -> np.ndarray:
        x = crops[..., ::-1].astype(np.float32).transpose(0, 3, 1, 2) / 255
        logits = np.mean([np.subtract(*n(x).T).clip(-8, 8) for n in self.networks], 0)
        return 1 / (1 + np.exp(-logits))


class Faces:
    """Landmarks, eyes, glasses, mask, covered regions and the person's mask of one face."""

    def __init__(self, models: Path):
        self.points66 = _Network(models, "landmarks/openseeface_66.onnx")
        self.points68 = _Network(models, "landmarks/pfld_68.onnx")
        self.eye = _Network(models, "attributes/eye_open_p.onnx")
        self.mask = _Network(models, "attributes/seeta_mask.onnx")
        self.occlusion = _Network(models, "landmarks/seeta_occlusion_5.onnx")
        self.person = _Network(models, "segmentation/selfie_segmentation.onnx")

    def look(self, image: np.ndarray, box: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
        landmarks = self.landmarks(image, box, points)
        covered = self.covered(image, box)
        mask = self.masked(image, box, points) * (covered[2] + covered[3]) / 2
        glasses = max(glasses_of(image, landmarks), min(covered[0], covered[1]))
        byte = lambda v: np.round(np.clip(v, 0, 1) * 255)
        return {"landmarks": landmarks, "eyes": byte([self.open(image, landmarks[36:42]), self.open(image, landmarks[42:48])]),
                "glasses": byte(glasses), "mask": byte(mask), "covered": byte(covered), "person": byte(self.people(image))}

    def landmarks(self, image: np.ndarray, box: np.ndarray, points: np.ndarray) -> np.ndarray:
        """OpenSeeFace's 66 points; of the inner mouth corners, which it lacks, PFLD's place beside the outer ones."""
        c, size, a = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * [1.2, 1.25], roll(points)
        move = window(c, size, a, 224, 224)
        maps = self.points66(planes(cut(image, move, 224, 224), True, 1 / 255, IMAGENET_MEAN, IMAGENET_STD))[0]
        maps = maps.reshape(3, 66, 28 * 28)
        best = maps[0].argmax(1)
        offsets = np.clip(np.take_along_axis(maps[1:], best[None, :, None], 2)[..., 0], 1e-7, 1 - 1e-7)
        v, u = np.stack([best // 28, best % 28]) / 27 + np.log(offsets / (1 - offsets)) / 16
        found = np.empty((68, 2), np.float32)
        found[SHARED] = self._back(np.stack([u, v], 1)[OPENSEE] * 224, move)

        side = max(size) * .95
        move = window(c, (side, side), a, 112, 112)
        other = self.points68(planes(cut(image, move, 112, 112), True, 1 / 255, 0, 1))[0].reshape(68, 2)
        other = self._back(other * 112, move)
        width = np.linalg.norm(other[54] - other[48]) + 1e-6
        found[60], found[64] = (found[o] + (other[i] - other[o]) * np.linalg.norm(found[54] - found[48]) / width
                                for i, o in ((60, 48), (64, 54)))
        return found

    @staticmethod
    def _back(crop_points: np.ndarray, move: np.ndarray) -> np.ndarray:
        """Points of the crop, in pixels with the origin at its upper left corner, in those of the picture."""
        inverse = cv2.invertAffineTransform(move)
        return (crop_points - .5) @ inverse[:, :2].T + inverse[:, 2] + .5

    def open(self, image: np.ndarray, eye: np.ndarray) -> float:
        line = eye[3] - eye[0]
        width = max(.8 * float(np.linalg.norm(line)), 1)
        move = window(eye.mean(0), (width, width * 24 / 40), float(np.arctan2(line[1], line[0])), 40, 24)
        return float(self.eye(planes(cut(image, move, 40, 24), True, 1 / 255, 0, 1)).ravel()[0])

    def masked(self, image: np.ndarray, box: np.ndarray, points: np.ndarray) -> float:
        move = window((box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * 1.2, roll(points), 112, 112)
        return float(self.mask(planes(cut(image, move, 112, 112), False, 1, 0, 1)).ravel()[0])

    def covered(self, image: np.ndarray, box: np.ndarray) -> np.ndarray:
        c, size = square(box, 1.2)
        answer = self.occlusion(planes(cut(image, window(c, size, 0, 128, 128), 128, 128), False, 1, 127.5, 64)).reshape(5, 4)
        p = softmax(answer[:, 2:])[:, 1]
        return np.array([p[0], p[1], p[2], (p[3] + p[4]) / 2])

    def people(self, image: np.ndarray) -> np.ndarray:
        h, w = image.shape[:2]
        x = cv2.resize(image, (256, 256), interpolation=cv2.INTER_LINEAR)[..., ::-1].astype(np.float32) / 255
        m = self.person(x[None])[0, ..., 0]
        m = (m - m.min()) / max(float(m.max() - m.min()), 1e-6)
        return cv2.resize(m, (w, h), interpolation=cv2.INTER_AREA)


def mouth_open(p: np.ndarray) -> np.ndarray:
    """The gap between the inner lips over the mouth's width, of landmarks [..., 68, 2] (face.mouthOpen)."""
    gap = np.linalg.norm(p[..., 61:64, :] - p[..., [67, 66, 65], :], axis=-1).mean(-1)
    return gap / (np.linalg.norm(p[..., 48, :] - p[..., 54, :], axis=-1) + 1e-6)


def smile(p: np.ndarray) -> np.ndarray:
    """How much a face smiles, 0..1, of landmarks [..., 68, 2] (face.smile)."""
    length = lambda a, b: np.linalg.norm(p[..., b, :] - p[..., a, :], axis=-1) + 1e-6
    width, along = length(48, 54), p[..., 54, :] - p[..., 48, :]
    down = lambda k: (p[..., k, 1] * along[..., 0] - p[..., k, 0] * along[..., 1]) / width
    wide = (width / length(36, 45) - .65) / .1
    lift = ((down(51) + down(57) - down(48) - down(54)) / 2 / width - .08) / .08
    return (wide.clip(0, 1) + lift.clip(0, 1)) / 2


def glasses_of(image: np.ndarray, p: np.ndarray) -> float:
    """The project's measure of glasses (pkg/engine/face, glasses), 0..1."""
    unit, up, down, side = 48, .6, 1.1, 1.1
    left, right = p[36:42].mean(0), p[42:48].mean(0)
    d = right - left
    apart, a = max(float(np.linalg.norm(d)), 1), float(np.arctan2(d[1], d[0]))
    middle = (down - up) / 2 * apart
    centre = (left + right) / 2 + [-middle * np.sin(a), middle * np.cos(a)]
    w, h = int(2 * side * unit), int((up + down) * unit)
    luma = cv2.cvtColor(cut(image, window(centre, (2 * side * apart, (up + down) * apart), a, w, h), w, h), cv2.COLOR_BGR2GRAY)
    luma = luma.astype(np.float32)

    def part(x0, x1, y0, y1):
        at = lambda v, origin, size: int(np.clip(round(v * unit + origin * unit), 0, size))
        return luma[at(y0, up, h):at(y1, up, h), at(x0, side, w):at(x1, side, w)]

    def lines(x0, x1, y0, y1, columns=False):
        q = part(x0, x1, y0, y1)
        m = q.mean(0 if columns else 1)
        return (m[3:-3] - (m[:-6] + m[6:]) / 2) / (m.mean() + 16)

    strongest = lambda l: float(np.abs(l).max())
    weaker = lambda x0, x1, y0, y1, columns: min(strongest(lines(-x1, -x0, y0, y1, columns)), strongest(lines(x0, x1, y0, y1, columns)))
    thirds = [lines(a, b, -.3, .3) for a, b in ((-.12, -.04), (-.04, .04), (.04, .12))]
    near = lambda l: np.max([np.roll(np.pad(l, 1, mode="edge"), k)[1:-1] for k in (-1, 0, 1)], 0)
    through = max(float(np.min([near(s * l) for l in thirds], 0).max()) for s in (1, -1))
    eyes = max(part(-.75, -.25, -.15, .2).mean(), part(.25, .75, -.15, .2).mean())
    cheeks = (part(-.7, -.3, .5, .8).mean() + part(.3, .7, .5, .8).mean()) / 2
    total = 23.35 + 3.34 * np.log((eyes + 16) / (cheeks + 16))
    for weight, line in ((2.08, strongest(lines(-.12, .12, -.3, .3))), (1.66, max(through, 0)), (.38, weaker(.35, .65, .15, .5, False)),
                         (2.27, weaker(.8, .95, -.3, .3, False)), (2.50, weaker(.12, .4, .02, .3, True))):
        total += weight * np.log(line + 1e-3)
    return float(1 / (1 + np.exp(-total)))
