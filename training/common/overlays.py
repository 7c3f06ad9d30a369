"""Things drawn over photographs of faces, of which the truth is known exactly: glasses, masks, closed lids, and what hides a
part of a face. Images are BGR uint8 [SIDE, SIDE, 3], landmarks [68, 2] in their pixels."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from .augment import Trouble
from .people import SIDE

FINE = 4  # drawn at this many times the size, for soft edges


@dataclass
class Covered:
    """A picture with something in front of the face, and its effect on the labels; None where a label is unknown."""

    image: np.ndarray
    truth: dict[str, float | None] = field(default_factory=dict)


def _fill(outline: np.ndarray, soft: float = 0.) -> np.ndarray:
    """The mask 0..1 [SIDE, SIDE, 1] of a polygon in pixels."""
    m = np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)
    cv2.fillPoly(m, [np.round(outline * FINE).astype(np.int32)], 255)
    m = cv2.resize(m, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if soft:
        m = cv2.GaussianBlur(m, (0, 0), soft)
    return (m.astype(np.float32) / 255)[..., None]


def _stroke(lines: list[np.ndarray], width: float) -> np.ndarray:
    m = np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)
    cv2.polylines(m, [np.round(l * FINE).astype(np.int32) for l in lines], False, 255, max(1, round(width * FINE)), cv2.LINE_AA)
    return (cv2.resize(m, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255)[..., None]


def _smooth(points: np.ndarray, n: int = 12) -> np.ndarray:
    """A curve through points (Catmull-Rom)."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, n, endpoint=False)[:, None]
    parts = [.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t ** 2 + (3 * b - a - 3 * c + d) * t ** 3)
             for a, b, c, d in zip(p, p[1:], p[2:], p[3:])]
    return np.concatenate([*parts, points[-1:]])


def _over(image: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return (image + (colour - image.astype(np.float32)) * alpha).clip(0, 255).astype(np.uint8)


class Overlays:
    """Draws with the textures of natural images."""

    def __init__(self, trouble: Trouble):
        self.trouble = trouble

    def some(self, rng, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The person's picture, in nearly half of all cases with something over the face, and the landmarks."""
        image, points = person["image"], person["landmarks"]
        if (k := rng.random()) < .12:
            image = self.glasses(rng, image, points).image
        elif k < .24:
            image = self.mask(rng, image, points).image
        elif k < .36:
            image = self.thing(rng, image, points).image
        elif k < .44:
            # Lids that close move the points of the lids; the lower ones stay.
            points = points.copy()
            for e in (36, 42):
                image = close_eye(image, points[e:e + 6], 1)
                points[e + 1], points[e + 2] = points[e + 5], points[e + 4]
        return image, points

    def colour(self, rng) -> np.ndarray:
        """Of a thing: dark, grey, or any."""
        k = rng.random()
        if k < .4:
            return rng.uniform(5, 60) + rng.uniform(-8, 8, 3)
        if k < .6:
            return rng.uniform(60, 230) + rng.uniform(-15, 15, 3)
        return rng.uniform(0, 240, 3)

    def glasses(self, rng, image: np.ndarray, p: np.ndarray) -> Covered:
        """Eyeglasses or sunglasses."""
        left, right = p[36:42].mean(0), p[42:48].mean(0)
        along = right - left
        apart = float(np.linalg.norm(along)) + 1e-6
        along /= apart
        down = np.array([-along[1], along[0]])
        widths = [np.linalg.norm(p[39] - p[36]), np.linalg.norm(p[45] - p[42])]
        # A head that turns shows one side narrower; eyes are about 0.42 of their distance wide.
        shares = [float(np.clip(w / (np.mean(widths) + 1e-6), .6, 1.3)) for w in widths]
        half_w, half_h = apart * rng.uniform(.30, .46), apart * rng.uniform(.19, .42)
        corner = rng.uniform(2, 5)
        sink = apart * rng.uniform(-.02, .1)
        shade = rng.random() < .4
        t = np.linspace(0, 2 * np.pi, 60)
        rims = []
        for centre, share, outer in ((left, shares[0], -1), (right, shares[1], 1)):
            x, y = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / corner), np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / corner)
            x = x * (1 - .12 * (y > 0) * y)  # narrower below
            c = centre + down * sink + along * outer * apart * .02
            rims.append(c + x[:, None] * along * half_w * share + y[:, None] * down * half_h)
        colour = self.colour(rng)
        image = image.copy()
        lens = np.maximum(_fill(rims[0]), _fill(rims[1]))
        opacity = 0.
        if shade:
            opacity = rng.uniform(.55, 1)
            top, bottom = rng.uniform(0, 50, 3), rng.uniform(0, 110, 3)
            ramp = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None] * 2 - .3
            tint = top + (bottom - top) * ramp.clip(0, 1)
            image = _over(image, tint, lens * opacity)
        if rng.random() < .5:  # a reflection on the lenses
            image = _over(image, self.trouble.natural(rng, SIDE).astype(np.float32), lens * rng.uniform(.03, .35 if shade else .2))
        frameless = rng.random() < .1
        width = apart * rng.uniform(.012, .07) if not frameless else apart * .01
        nose = [r[np.argmin(np.linalg.norm(r - other.mean(0), axis=1))] for r, other in ((rims[0], rims[1]), (rims[1], rims[0]))]
        lift = -down * apart * rng.uniform(.0, .1)
        bridge = _smooth(np.stack([nose[0] + lift * .5, (nose[0] + nose[1]) / 2 + lift, nose[1] + lift * .5]))
        arms = [np.stack([r[np.argmax((r - m) @ a)] - down * half_h * .3, j - down * apart * rng.uniform(-.05, .15)])
                for r, m, a, j in ((rims[0], left, -along, p[0]), (rims[1], right, along, p[16]))]
        strokes = _stroke([*([] if frameless else rims), bridge, *arms], max(width, .6))
        if not frameless and rng.random() < .3:  # a stronger upper rim
            strokes = np.maximum(strokes, _stroke([r[30:] for r in rims], width * 1.8))
        light = 1 + rng.uniform(-.4, .8) * np.linspace(-1, 1, SIDE, dtype=np.float32)[None, :, None]
        image = _over(image, colour * light, strokes * rng.uniform(.6, 1))
        truth: dict[str, float | None] = {"glasses": 1}
        if shade:
            hidden = None if opacity < .8 else 1.
            truth |= {"covered_left_eye": hidden, "covered_right_eye": hidden, "left_eye": None, "right_eye": None}
        return Covered(image, truth)

    def mask(self, rng, image: np.ndarray, p: np.ndarray) -> Covered:
        """A mask over mouth and nose, sometimes worn below the nose."""
        low = rng.random() < .15
        down = p[8] - p[27]
        down = down / (np.linalg.norm(down) + 1e-6)
        apart = float(np.linalg.norm(p[45] - p[36]))
        first = int(rng.integers(1, 5)) if not low else int(rng.integers(3, 6))
        nose = p[33] + down * apart * rng.uniform(.05, .12) if low else p[28] + (p[29] - p[28]) * rng.uniform(-.9, 1.2)
        jaw = p[first:17 - first] + (p[first:17 - first] - p[30]) * rng.uniform(-.03, .1)
        cheeks = [a + (nose - a) * .55 + down * apart * rng.uniform(.0, .12) for a in (jaw[-1], jaw[0])]
        top = _smooth(np.stack([jaw[-1], cheeks[0], nose, cheeks[1], jaw[0]]))
        outline = np.concatenate([_smooth(jaw), top])
        k = rng.random()
        base = (np.array([235, 215, 170.]) + rng.uniform(-25, 20, 3) if k < .3 else np.full(3, rng.uniform(200, 250)) if k < .5
                else np.full(3, rng.uniform(10, 50)) if k < .7 else rng.uniform(20, 235, 3))
        cloth = np.broadcast_to(base, (SIDE, SIDE, 3)).astype(np.float32)
        if rng.random() < .25:
            cloth = cloth * .4 + self.trouble.natural(rng, SIDE) * .6
        luma = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), 6).astype(np.float32)[..., None]
        area = _fill(outline, soft=rng.uniform(.2, .8))
        mean = float((luma * area).sum() / (area.sum() + 1e-6)) + 1
        cloth = cloth * (luma / mean) ** rng.uniform(.5, 1.2)  # the light that falls on the face
        out = _over(image, cloth, area)
        if rng.random() < .6:  # pleats
            n = int(rng.integers(2, 5))
            middle = [top[len(top) // 2] + (p[8] - top[len(top) // 2]) * f for f in np.linspace(.3, .8, n)]
            lines = [_smooth(np.stack([jaw[0] + (m - nose) * .8, m + down * apart * .05, jaw[-1] + (m - nose) * .8])) for m in middle]
            out = _over(out, out * .6 if rng.random() < .7 else out * 1.25, _stroke(lines, rng.uniform(.5, 1.5)) * area * rng.uniform(.3, .9))
        if rng.random() < .7:  # the bands to the ears
            out = _over(out, base * .9, _stroke([np.stack([jaw[0], p[0] - down * apart * .1]), np.stack([jaw[-1], p[16] - down * apart * .1])],
                                                rng.uniform(.6, 2)) * .9)
        return Covered(out, {"mask": None if low else 1, "covered_nose": 0 if low else 1, "covered_mouth": None if low else 1, "mouth": None})

    PARTS = {"covered_left_eye": range(36, 42), "covered_right_eye": range(42, 48), "covered_nose": range(29, 36), "covered_mouth": range(48, 60)}

    def thing(self, rng, image: np.ndarray, p: np.ndarray) -> Covered:
        """A hand, a cup, a telephone, a scarf, hair: a blob with a natural texture, or with the skin's colour."""
        at = p[list(self.PARTS.values())[rng.integers(4)]].mean(0) + rng.normal(0, 8, 2)
        n = int(rng.integers(4, 10))
        radius = rng.uniform(.12, .4) * np.linalg.norm(p[16] - p[0]) * rng.uniform(.6, 1.3, n)
        t = np.sort(rng.uniform(0, 2 * np.pi, n)) if rng.random() < .5 else np.linspace(0, 2 * np.pi, n, endpoint=False)
        stretch = np.array([rng.uniform(.6, 2.2), rng.uniform(.6, 1.4)])
        outline = at + np.stack([np.cos(t), np.sin(t)], 1) * radius[:, None] * stretch
        outline = _smooth(np.concatenate([outline, outline[:1]]))
        if rng.random() < .35:  # a hand
            y, x = np.clip(p[30].astype(int) + [0, 0], 0, SIDE - 1)[::-1]
            skin = image[max(y - 6, 0):y + 6, max(x - 6, 0):x + 6].reshape(-1, 3).mean(0)
            texture = np.broadcast_to(skin * rng.uniform(.6, 1.15), (SIDE, SIDE, 3)) * (1 + .15 * np.sin(
                np.arange(SIDE) / rng.uniform(3, 9))[None, :, None])
        else:
            texture = self.trouble.natural(rng, SIDE).astype(np.float32) * rng.uniform(.3, 1.1)
        area = _fill(outline, soft=rng.uniform(.3, 1.2))
        truth: dict[str, float | None] = {"mask": None}
        for name, part in self.PARTS.items():
            q = np.clip(np.round(p[list(part)]).astype(int), 0, SIDE - 1)
            share = float((area[q[:, 1], q[:, 0], 0] > .5).mean())
            if share > .05:
                truth[name] = 1. if share > .6 else None
                truth |= {"covered_mouth": {"mouth": None}, "covered_left_eye": {"left_eye": None, "glasses": None},
                          "covered_right_eye": {"right_eye": None, "glasses": None}}.get(name, {})
        return Covered(_over(image, texture, area), truth)


def close_eye(image: np.ndarray, eye: np.ndarray, amount: float) -> np.ndarray:
    """Draws the upper lid down by amount, 0..1, of its way to the lower one: the skin above is stretched over the eye. eye are
    its six landmarks."""
    line = eye[3] - eye[0]
    width = float(np.linalg.norm(line)) + 1e-6
    a = line / width
    d = np.array([-a[1], a[0]])
    centre = (eye[0] + eye[3]) / 2
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    s = ((x + .5 - centre[0]) * a[0] + (y + .5 - centre[1]) * a[1]) / width  # along the eye, corners at -.5 and .5
    t = ((x + .5 - centre[0]) * d[0] + (y + .5 - centre[1]) * d[1]) / width  # below the line through the corners
    upper = float(min(((eye[1:3] - centre) @ d).mean() / width, -.03))
    lower = float(max(((eye[4:6] - centre) @ d).mean() / width, .03))
    arch = np.clip(1 - (s / .56) ** 2, 0, None)
    # The landmarks lie inside the lashes; the lids' edges a little beyond them.
    u, l = (1.15 * upper - .03) * arch, (1.1 * lower + .02) * arch
    edge = u + (l - u) * amount
    above, below = -.62, .5
    moved = np.where(t < edge, above + (t - above) * (u - above) / (edge - above),
                     t)
    if amount > .85:  # no eye is left; what was below the lower lid follows at once
        moved = np.where(t >= edge, np.minimum(l + (t - edge) * (below - l) / (below - edge), below), moved)
        moved = np.where(t >= below, t, moved)
    inside = (np.abs(s) < .56) & (t > above) & (t < below)
    shift = np.where(inside, moved - t, 0).astype(np.float32) * width
    out = cv2.remap(image, x + shift * d[0], y + shift * d[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if amount > .85:  # the lashes
        lash = np.exp(-((t - edge) / .035) ** 2) * (arch > .15)
        out = _over(out, np.full(3, 30.), (.55 * lash)[..., None].astype(np.float32))
    return out


def open_mouth(rng, image: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Pulls lower lip and chin down and shows a mouth's inside between the lips: the picture, its landmarks, and the gap between the
    inner lips over the mouth's width."""
    left, right = p[48], p[54]
    width = float(np.linalg.norm(right - left)) + 1e-6
    a = (right - left) / width
    d = np.array([-a[1], a[0]])
    across = lambda q: (q - (left + right) / 2) @ a / width
    below = lambda q: (q - (left + right) / 2) @ d / width
    upper, lower = float(below(p[61:64]).mean()), float(below(p[65:68]).mean())
    pull = rng.uniform(.1, .75)  # mouth widths at the middle
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    at = np.stack([x + .5, y + .5], -1)
    s, t = across(at), below(at)
    arch = np.sqrt(np.clip(1 - (s / .5) ** 2, 0, None))
    top, bottom = upper * arch, max(lower, upper + .01) * arch
    # The skin moves with the jaw as far as two mouth widths to the sides, and less and less below the chin.
    side = np.clip(1.25 - np.abs(s) / 1.2, 0, 1) ** 2
    chin, end = float(below(p[8])), float(below(p[8])) + 1.2
    move = pull * np.where(np.abs(s) < .5, arch * .75 + .25 * side, .25 * side)
    stretched = bottom + move
    source = np.where(t < stretched, np.minimum(t, bottom), np.where(t < chin + move, t - move, chin + (t - chin - move) * (end - chin) / (end - chin - move)))
    source = np.where((t > end) | (t < bottom), t, source)
    shift = (source - t).astype(np.float32) * width
    out = cv2.remap(image, x + shift * d[0], y + shift * d[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    gap = ((t > top) & (t < stretched) & (np.abs(s) < .47)).astype(np.float32)
    gap = cv2.GaussianBlur(gap, (0, 0), .8)[..., None]
    depth = np.clip((t - top) / (stretched - top + 1e-3), 0, 1)[..., None]
    light = float(image.mean()) / 128
    inside = (np.array([25, 20, 45.]) * (1 - depth) + np.array([70, 65, 130.]) * depth * rng.uniform(.2, 1.1)) * light
    if rng.random() < .6:  # upper teeth
        teeth = ((t - top) < rng.uniform(.05, .16))[..., None] & (gap > .5)
        inside = np.where(teeth, np.array([205, 215, 220.]) * light * rng.uniform(.6, 1), inside)
    p = p.copy()
    p[65:68] += d * pull * width
    p[55:60] += d * pull * width * .8
    p[6:11] += d * pull * width * .7
    opening = np.linalg.norm(p[61:64] - p[[67, 66, 65]], axis=1).mean() / width
    return _over(out, inside, gap), p, float(opening)
