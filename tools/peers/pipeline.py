"""What somebody would write with onnxruntime and OpenCV: decode, detect, align, embed, with the networks of the open pack."""

import os

import cv2
import numpy as np
import onnxruntime

cv2.setNumThreads(1)

STRIDES = (8, 16, 32)
CONFIDENCE, OVERLAP = 0.5, 0.45  # the thresholds "confidence" and "nms" of packs/open/pack.yaml

# The places of eyes, nose and corners of the mouth in an aligned face (ArcFace).
TEMPLATE = np.float32([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Pipeline:
    """Analyses one image at a time on one thread. long_side is that to which pictures are scaled for the detector."""

    def __init__(self, pack, long_side):
        self.long_side = long_side
        self.detector = session(os.path.join(pack, "detector/yunet_n_dynamic.onnx"))
        self.embedder = session(os.path.join(pack, "sface.onnx"))
        self.outputs = [f"{head}_{stride}" for stride in STRIDES for head in ("cls", "obj", "bbox", "kps")]
        self.inputs = self.detector.get_inputs()[0].name, self.embedder.get_inputs()[0].name

    def analyse(self, file):
        """Returns how many faces there are, and the box (x, y, width, height), points and embedding of the surest; None without one."""
        picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
        boxes, points, scores = self.detect(picture)
        if len(boxes) == 0:
            return 0, None
        best = int(np.argmax(scores))
        return len(boxes), (boxes[best], points[best], self.embed(picture, points[best]))

    def detect(self, picture):
        height, width = picture.shape[:2]
        scale = min(self.long_side / max(height, width), 1.0)
        w, h = max(round(width * scale), 1), max(round(height * scale), 1)
        small = picture if (w, h) == (width, height) else cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
        padded = cv2.copyMakeBorder(small, 0, -h % 32, 0, -w % 32, cv2.BORDER_CONSTANT)
        blob = cv2.dnn.blobFromImage(padded)
        answers = self.detector.run(self.outputs, {self.inputs[0]: blob})
        boxes, points, scores = [], [], []
        for i, stride in enumerate(STRIDES):
            cls, obj, bbox, kps = (a.reshape(-1, a.shape[-1]) for a in answers[4 * i:4 * i + 4])
            score = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
            cells = np.flatnonzero(score >= CONFIDENCE)
            columns = padded.shape[1] // stride
            place = np.stack([cells % columns, cells // columns], axis=1)
            centre, size = (place + bbox[cells, :2]) * stride, np.exp(bbox[cells, 2:]) * stride
            boxes.append(np.concatenate([centre - size / 2, size], axis=1))
            points.append((np.tile(place, 5) + kps[cells]).reshape(-1, 5, 2) * stride)
            scores.append(score[cells])
        boxes, points, scores = np.concatenate(boxes), np.concatenate(points), np.concatenate(scores)
        kept = np.array(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), CONFIDENCE, OVERLAP), dtype=int).reshape(-1)
        back = np.float64([width / w, height / h])
        return boxes[kept] * np.tile(back, 2), points[kept] * back, scores[kept]

    def embed(self, picture, points):
        aligned = cv2.warpAffine(picture, similarity(points), (112, 112), flags=cv2.INTER_LINEAR)
        blob = cv2.dnn.blobFromImage(aligned, swapRB=True)
        vector = self.embedder.run(None, {self.inputs[1]: blob})[0][0]
        return vector / np.linalg.norm(vector)


def similarity(points):
    """The turn, scale and shift that moves points closest to TEMPLATE by least squares, as a 2 x 3 matrix."""
    p, q = points - points.mean(axis=0), TEMPLATE - TEMPLATE.mean(axis=0)
    square = (p * p).sum()
    a, b = (p * q).sum() / square, (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / square
    matrix = np.array([[a, -b], [b, a]])
    return np.hstack([matrix, (TEMPLATE.mean(axis=0) - matrix @ points.mean(axis=0)).reshape(2, 1)])
