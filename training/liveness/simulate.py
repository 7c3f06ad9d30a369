"""Simulated attacks: what a camera sees of a face that is printed or shown on a screen. Pictures are BGR uint8 [side, side, 3].

The models are coarse: a print has fewer colours and levels, dots or grain, a border and a gloss; a screen has a grid of
subpixels that meets the camera's own grid (moire), a bluish backlight, a bezel and reflections. Half of all attacks are good
ones: they fill the picture, and all that gives them away is faint.
"""

import cv2
import numpy as np

from ..common.augment import Trouble

ATTACKS = ("print", "screen")


def gamut(rng, image: np.ndarray, darkest: tuple[float, float], brightest: tuple[float, float], colour: float) -> np.ndarray:
    """Fewer levels: what is black and what is white on the medium, each with a cast; less or more saturation."""
    low = rng.uniform(*darkest) + rng.uniform(-6, 6, 3)
    high = rng.uniform(*brightest) + rng.uniform(-14, 14, 3)
    grey = image.astype(np.float32).mean(-1, keepdims=True)
    image = grey + (image - grey) * colour
    image = 255 * (image.clip(0, 255) / 255) ** rng.uniform(.8, 1.35)
    return low + image / 255 * (high - low)


def halftone(rng, image: np.ndarray, strength: float) -> np.ndarray:
    """Dots of a print, in each colour at its own angle, of a size near the picture's pixels."""
    side, period = image.shape[0], rng.uniform(1.6, 4)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    angle = rng.uniform(0, np.pi / 2)
    dots = np.stack([np.cos(2 * np.pi / period * (x * np.cos(a) + y * np.sin(a))) * np.cos(2 * np.pi / period * (y * np.cos(a) - x * np.sin(a)))
                     for a in angle + np.array([0, .26, .52])], -1)
    return image + dots * rng.uniform(4, 26) * strength * (1 - np.abs(image / 128 - 1).clip(0, 1) ** 2)


def moire(rng, image: np.ndarray, strength: float) -> np.ndarray:
    """A screen's subpixel columns and rows, sampled by the camera: waves of few pixels' length whose phase bends with the view."""
    side = image.shape[0]
    l = np.linspace(-1, 1, side, dtype=np.float32)
    bend = rng.normal(0, 1.2, 4)
    phase = bend[0] * l[None] ** 2 + bend[1] * l[:, None] ** 2 + bend[2] * l[None] * l[:, None] + bend[3] * l[None] ** 3
    y, x = np.mgrid[:side, :side].astype(np.float32)
    waves = 0
    for _ in range(int(rng.integers(1, 4))):
        period, a = np.exp(rng.uniform(np.log(2.1), np.log(18))), rng.uniform(0, np.pi)
        wave = 2 * np.pi / period * (x * np.cos(a) + y * np.sin(a)) + phase * rng.uniform(1, 8)
        shift = rng.uniform(0, 2.1) * np.arange(3)  # red, green and blue stripes lie beside each other
        waves = waves + np.cos(wave[..., None] + shift) * rng.uniform(.01, .09)
    return image * (1 + waves * strength)


def flat_view(rng, image: np.ndarray, behind: np.ndarray, border: np.ndarray | None, share: float) -> np.ndarray:
    """The picture as a flat thing before another scene, seen aslant, share times as wide as what is seen; border is the colour
    of its rim, None for none."""
    side = image.shape[0]
    if border is not None:
        rim = int(side * rng.uniform(.02, .12))
        image = cv2.copyMakeBorder(image, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=border.tolist())
    h = image.shape[0]
    corners = np.array([[0, 0], [h, 0], [h, h], [0, h]], np.float32)
    target = (corners / h - .5) * share * side * rng.uniform(.95, 1.05, 2) + side / 2 + rng.normal(0, side * .04, 2)
    target = (target + rng.normal(0, side * .035, (4, 2))).astype(np.float32)
    move = cv2.getPerspectiveTransform(corners, target)
    shown = cv2.warpPerspective(image, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    area = cv2.warpPerspective(np.ones((h, h), np.float32), move, (side, side))[..., None]
    return behind + (shown.astype(np.float32) - behind) * area


def reflection(rng, image: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """A room mirrored in glass or gloss, or one soft bright spot."""
    side = image.shape[0]
    if rng.random() < .5:
        return image + cv2.GaussianBlur(scene, (0, 0), rng.uniform(1, 6)) * rng.uniform(.04, .25)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    a = rng.uniform(0, np.pi)
    u, v = (x - rng.random()) * np.cos(a) + (y - rng.random()) * np.sin(a), (y - rng.random()) * np.cos(a) - (x - rng.random()) * np.sin(a)
    spot = np.exp(-(u / rng.uniform(.05, .4)) ** 2 - (v / rng.uniform(.1, 1)) ** 2)
    return image + spot[..., None] * rng.uniform(20, 150)


def attack(rng, trouble: Trouble, image: np.ndarray, kind: str) -> np.ndarray:
    """The picture after it was printed or shown and photographed again."""
    side, good = image.shape[0], rng.random() < .5
    strength = rng.uniform(.1, .5) if good else 1.
    scene = trouble.natural(rng, side).astype(np.float32)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(.3, 1.2)).astype(np.float32)
    share = rng.uniform(1.1, 1.5) if good else rng.uniform(1, 1.4) if rng.random() < .5 else rng.uniform(.72, .98)
    if kind == "print":
        if good:
            image = gamut(rng, image, (5, 40), (190, 255), rng.uniform(.6, 1.05))
        else:
            image = gamut(rng, image, (15, 70), (150, 245), 1. if rng.random() < .15 else rng.uniform(.35, 1))
        if rng.random() < .15:
            image = np.repeat(image.mean(-1, keepdims=True), 3, -1)
        if rng.random() < .6:
            image = halftone(rng, image, strength)
        if rng.random() < .6:  # the grain of paper
            grain = cv2.resize(rng.standard_normal((side // 2, side // 2)).astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
            image = image + grain[..., None] * rng.uniform(1, 7) * strength
        if rng.random() < .3:  # a fold, a bent sheet
            l = np.linspace(-1, 1, side, dtype=np.float32)
            a = rng.uniform(0, np.pi)
            edge = np.tanh((np.cos(a) * l[None] + np.sin(a) * l[:, None] - rng.uniform(-.5, .5)) * rng.uniform(1, 12))
            image = image * (1 + rng.uniform(-.35, .35) * strength * edge)[..., None]
        border = np.full(3, rng.uniform(160, 250)) + rng.uniform(-10, 10, 3) if rng.random() < .7 else None
        behind, gloss = scene, .35
    else:
        image = gamut(rng, image, (0, 40), (190, 275), rng.uniform(.8, 1.3)) * (1 + rng.uniform(-.05, .12) * np.array([1, .3, -.5]))
        border = np.full(3, rng.uniform(0, 40)) if rng.random() < .8 else None
        if rng.random() < .85:
            image = moire(rng, image, strength)
        behind, gloss = scene * rng.uniform(.2, .9), .5
    image = flat_view(rng, image.clip(0, 255).astype(np.uint8), behind, border, share)
    if kind == "screen" and rng.random() < .3:  # the lines of a screen that is redrawn while the shutter is open
        l = np.arange(side, dtype=np.float32)
        image = image * (1 + strength * rng.uniform(.02, .12) * np.sin(2 * np.pi * l / rng.uniform(side / 8, side) + rng.uniform(0, 6)))[:, None, None]
    if rng.random() < gloss:
        image = image + (reflection(rng, image, trouble.natural(rng, side).astype(np.float32)) - image) * max(strength, .3)
    return image.clip(0, 255).astype(np.uint8)
