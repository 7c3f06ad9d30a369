"""Makes the numbers that the Go engine is held to, with OpenCV and Python's ONNX Runtime.

An implementation of its own of the same chain: decode with OpenCV (EXIF orientation applied), scale down to the long side,
detect with YuNet, align to ArcFace's five points, embed with SFace. It reads the models of the open pack and the
evaluation images, and writes file names, boxes, points and embeddings; no pixel leaves the images.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install -r tools/reference/requirements.txt
    /tmp/reference/bin/python tools/reference/reference.py --models DIR --data DIR
"""

import argparse
import base64
import json
import pathlib

import cv2
import numpy as np
import onnxruntime

LONG_SIDE = 640
MIN_CONFIDENCE = 0.5
MAX_OVERLAP = 0.45

# InsightFace, python-package/insightface/utils/face_align.py, arcface_dst.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def read(path):
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{path}: OpenCV cannot read it")
    return image


def detect(net, image, long_side=LONG_SIDE, min_confidence=MIN_CONFIDENCE):
    """Returns rows of x1, y1, x2, y2, five points (x, y), score, best first, in pixels of the image."""
    height, width = image.shape[:2]
    scale = min(long_side / max(height, width), 1)
    w, h = int(width * scale + 0.5), int(height * scale + 0.5)
    scaled = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA) if (w, h) != (width, height) else image
    padded = cv2.copyMakeBorder(scaled, 0, -h % 32, 0, -w % 32, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    names = [o.name for o in net.get_outputs()]
    blob = padded.astype(np.float32).transpose(2, 0, 1)[None]
    out = dict(zip(names, net.run(None, {net.get_inputs()[0].name: blob})))
    rows = []
    for stride in (8, 16, 32):
        columns, lines = padded.shape[1] // stride, padded.shape[0] // stride
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(lines)), -1).reshape(-1, 2)
        score = np.sqrt(
            np.clip(out[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(out[f"obj_{stride}"][0, :, 0], 0, 1)
        )
        box, points = out[f"bbox_{stride}"][0], out[f"kps_{stride}"][0]
        centre, size = (grid + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride
        points = ((points.reshape(-1, 5, 2) + grid[:, None]) * stride).reshape(-1, 10)
        found = np.concatenate([centre - size / 2, centre + size / 2, points, score[:, None]], 1)
        rows.append(found[score >= min_confidence])
    rows = np.concatenate(rows)
    kept = cv2.dnn.NMSBoxes(
        np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], 1).tolist(), rows[:, 14].tolist(), min_confidence, MAX_OVERLAP
    )
    rows = rows[np.array(kept, int).reshape(-1)]
    rows[:, :14] *= np.tile([width / w, height / h], 7)
    return rows


def align(image, points):
    """Umeyama's least squares by singular value decomposition, then warpAffine."""
    source, target = points - points.mean(0), TEMPLATE - TEMPLATE.mean(0)
    u, s, vt = np.linalg.svd(target.T @ source / len(points))
    sign = np.array([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = (s * sign).sum() / source.var(0).sum()
    shift = TEMPLATE.mean(0) - scale * rotation @ points.mean(0)
    matrix = np.concatenate([scale * rotation, shift[:, None]], 1)
    return cv2.warpAffine(image, matrix, (112, 112), flags=cv2.INTER_LINEAR, borderValue=0)


def embed(net, aligned):
    blob = cv2.cvtColor(aligned, cv2.COLOR_BGR2RGB).astype(np.float32).transpose(2, 0, 1)[None]
    vector = net.run(None, {net.get_inputs()[0].name: blob})[0][0]
    return vector / np.linalg.norm(vector)


def packed(vector):
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def lfw_files(data, count):
    """Every n-th person's first image, by name."""
    people = sorted(p for p in (data / "lfw" / "data").iterdir() if p.is_dir())
    return [sorted(p.glob("*.jpg"))[0] for p in people[:: len(people) // count][:count]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=pathlib.Path, required=True, help="folder of the pulled open pack")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with lfw/ and faces/pairs/")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("pkg/engine/testdata/reference.json"))
    args = parser.parse_args()
    detector = session(args.models / "detector" / "yunet_n_dynamic.onnx")
    embedding = session(args.models / "sface.onnx")

    aligned = [
        {"file": f.relative_to(args.data).as_posix(), "embedding": packed(embed(embedding, read(f)))}
        for f in lfw_files(args.data, 100)
    ]
    photos = []
    for f in sorted((args.data / "faces" / "pairs").glob("*.jpg")):
        image = read(f)
        rows = detect(detector, image)
        if len(rows) == 0:
            raise SystemExit(f"{f}: no face")
        best = rows[0]
        photos.append(
            {
                "file": f.relative_to(args.data).as_posix(),
                "width": image.shape[1],
                "height": image.shape[0],
                "faces": len(rows),
                "box": [round(float(v), 2) for v in best[:4]],
                "points": [round(float(v), 2) for v in best[4:14]],
                "confidence": round(float(best[14]), 4),
                "embedding": packed(embed(embedding, align(image, best[4:14].reshape(5, 2).astype(np.float64)))),
            }
        )
    reference = {
        "made_with": {"opencv": cv2.__version__, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__},
        "long_side": LONG_SIDE,
        "min_confidence": MIN_CONFIDENCE,
        "aligned": aligned,
        "photos": photos,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(reference, indent=1) + "\n")
    print(f"{len(aligned)} aligned faces and {len(photos)} photos -> {args.out}")


if __name__ == "__main__":
    main()
