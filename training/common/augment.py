"""What happens to a picture between a face and a file: light, colours, a camera. Images are BGR uint8."""

import cv2
import numpy as np


def half_plane(rng, side: int) -> np.ndarray:
    """A soft half plane, [side, side, 1], 0..1."""
    l = np.linspace(-1, 1, side, dtype=np.float32)
    a = rng.uniform(0, 2 * np.pi)
    m = np.cos(a) * l[None] + np.sin(a) * l[:, None] - rng.uniform(-.4, .4)
    return (1 / (1 + np.exp(-m * rng.uniform(6, 20)))).astype(np.float32)[..., None]


class Trouble:
    """Changes square pictures of one side. All randomness comes from the generator given to each call."""

    def __init__(self, backgrounds: list[np.ndarray], side: int, margin: int = 0):
        self.backgrounds, self.side, self.margin = backgrounds, side, margin
        bank = np.random.default_rng(0)  # noise and masks are drawn once and cut from at random
        self.noise = bank.standard_normal((400, 400, 3), np.float32)
        self.halves = [half_plane(bank, side + 2 * margin) for _ in range(128)]
        self.bank = bank

    def natural(self, rng, size: int | None = None) -> np.ndarray:
        """A random square of a random background."""
        size = size or self.side
        b = self.backgrounds[rng.integers(len(self.backgrounds))]
        h, w = b.shape[:2]
        s = int(rng.integers(48, min(h, w)))
        y, x = rng.integers(h - s + 1), rng.integers(w - s + 1)
        return cv2.resize(b[y:y + s, x:x + s], (size, size), interpolation=cv2.INTER_LINEAR)

    def light(self, rng, image: np.ndarray) -> np.ndarray:
        """Lamps and colours: a smooth light field or a shadow's edge, then one curve for each channel."""
        if rng.random() < .35:
            field = np.exp(rng.normal(0, rng.uniform(.1, .45), (3, 3, 1)) + rng.normal(0, .06, (3, 3, 3))).astype(np.float32)
            image = (image * cv2.resize(field, (self.side, self.side), interpolation=cv2.INTER_CUBIC)).clip(0, 255).astype(np.uint8)
        if rng.random() < .12:
            m = self.halves[rng.integers(128)][self.margin:self.margin + self.side, self.margin:self.margin + self.side]
            image = (image * (1 - m * rng.uniform(.2, .7))).astype(np.uint8)
        if (k := rng.random()) < .35:  # less colour, or none; sometimes more
            grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            w = 1.0 if k < .12 else rng.uniform(-.4, .8)
            image = cv2.addWeighted(image, 1 - w, grey, w, 0)
        if rng.random() < .2:  # the mean and deviation of some natural image
            n = self.natural(rng, 32)
            (m0, s0), (m1, s1) = cv2.meanStdDev(image), cv2.meanStdDev(n)
            gain = np.maximum(s1, 20) / (s0 + 1)
            offset = m1 - m0 * gain
        else:
            gain = np.exp(rng.uniform(-.5, .6) * (rng.random() < .5)) * (1 + rng.uniform(-.15, .15, (3, 1)))
            offset = (1 - gain) * image.mean() + rng.uniform(-22, 22)
        v = np.arange(256, dtype=np.float32) / 255
        table = 255 * v[None] ** np.exp(rng.uniform(-.45, .45)) * gain + offset
        return cv2.LUT(image, table.clip(0, 255).astype(np.uint8).T.reshape(256, 1, 3))

    def camera(self, rng, image: np.ndarray) -> np.ndarray:
        """Blur, few pixels, noise, sharpening, JPEG; their sizes are those of a picture of 112 pixels."""
        of112 = self.side / 112
        if (k := rng.random()) < .2:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(.4, 1.6) * of112)
        elif k < .28:
            stroke = np.zeros((9, 9), np.float32)
            a, l = rng.uniform(0, np.pi), rng.uniform(1, 4)
            d = np.array([np.cos(a), np.sin(a)]) * l
            cv2.line(stroke, tuple(int(round(v)) for v in 4 - d), tuple(int(round(v)) for v in 4 + d), 1.0)
            image = cv2.filter2D(image, -1, stroke / stroke.sum())
        if rng.random() < .5:
            q = int(rng.integers(26, 96) * of112)
            way = [cv2.INTER_LINEAR, cv2.INTER_CUBIC][rng.integers(2)]
            image = cv2.resize(cv2.resize(image, (q, q), interpolation=cv2.INTER_AREA), (self.side, self.side), interpolation=way)
        if rng.random() < .4:
            y, x = rng.integers(0, 400 - self.side, 2)
            image = (image + self.noise[y:y + self.side, x:x + self.side] * rng.uniform(1, 10)).clip(0, 255).astype(np.uint8)
        if rng.random() < .35:
            w = rng.uniform(.2, 2.2)
            image = cv2.addWeighted(image, 1 + w, cv2.GaussianBlur(image, (0, 0), rng.uniform(.8, 2) * of112), -w, 0)
        if rng.random() < .4:
            image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 92))])[1], 1)
        return image

    def webcam(self, rng, image: np.ndarray) -> np.ndarray:
        """A poor camera in a poor light: few pixels, coarse coloured noise or a filter that smoothes it away, strong compression."""
        q = int(self.side * rng.uniform(.35, .95))
        image = cv2.resize(image, (q, q), interpolation=cv2.INTER_AREA)
        if rng.random() < .6:
            coarse = max(2, int(q / rng.uniform(1, 2.5)))
            y, x = rng.integers(0, 400 - coarse, 2)
            noise = cv2.resize(self.noise[y:y + coarse, x:x + coarse], (q, q), interpolation=cv2.INTER_LINEAR)
            noise = noise + (noise.mean(-1, keepdims=True) - noise) * rng.uniform(0, 1)
            image = (image + noise * rng.uniform(2, 12)).clip(0, 255).astype(np.uint8)
        if rng.random() < .35:
            image = cv2.bilateralFilter(image, 5, rng.uniform(10, 45), 3)
        image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 85))])[1], 1)
        return cv2.resize(image, (self.side, self.side), interpolation=[cv2.INTER_LINEAR, cv2.INTER_CUBIC][rng.integers(2)])
