// Pictures with what was found on them. A blob is decoded once, at the size at which it is shown, and drawn on a canvas; boxes and points
// are drawn over it in the pixels of the upright image, as results give them.

import { h, svg, icon, put } from './dom.js';

/** A blob as a bitmap whose longer side has at most most pixels, with the size of the whole; null where the browser cannot decode it. */
async function decode(blob, most) {
  if (!blob) return null;
  try {
    const whole = await createImageBitmap(blob);
    const { width, height } = whole;
    const scale = Math.min(1, most / Math.max(width, height));
    if (scale === 1) return { bitmap: whole, width, height };
    const bitmap = await createImageBitmap(whole, { resizeWidth: Math.max(1, Math.round(width * scale)), resizeHeight: Math.max(1, Math.round(height * scale)), resizeQuality: 'high' });
    whole.close();
    return { bitmap, width, height };
  } catch {
    return null;
  }
}

function canvasOf(bitmap) {
  const canvas = h('canvas', { width: bitmap.width, height: bitmap.height, 'aria-hidden': 'true' });
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}

/** A place without a picture. */
export const noPicture = (why) => h('div', { class: 'no-picture' }, icon('picture', 28), why && h('span', {}, why));

/**
 * A picture of a result with its faces, documents and barcodes. blob is a promise of it. most bounds the pixels of its longer side.
 */
export function marked(blob, { result, image = 0, alt, most = 1400, absent = 'not kept' }) {
  const place = h('div', { class: 'picture loading', role: 'img', 'aria-label': alt });
  Promise.resolve(blob).then((b) => decode(b, most).then((found) => [b, found])).then(([b, found]) => {
    place.classList.remove('loading');
    if (!found) {
      put(place, noPicture(b ? 'this browser cannot show the format' : absent));
      return;
    }
    place.style.setProperty('--ratio', String(found.width / found.height));
    place.style.setProperty('aspect-ratio', `${found.width} / ${found.height}`);
    put(place, canvasOf(found.bitmap), result && overlay(result, image, found.width, found.height));
  }).catch(() => {
    place.classList.remove('loading');
    put(place, noPicture('could not be loaded'));
  });
  return place;
}

const corners = (t) => [t.top_left, t.top_right, t.bottom_right, t.bottom_left];
const path = (points) => points.map((p) => `${p.x},${p.y}`).join(' ');

/** How a face is judged: by its colour. */
export function toneOf(face) {
  if (face.spoof_status === 4) return 'bad';
  if ((face.face_traits || []).length > 0 || face.spoof_status === 3) return 'warn';
  return 'ok';
}

function overlay(result, image, width, height) {
  const unit = Math.max(width, height) / 100;
  const faces = (result.faces || []).map((face, i) => ({ face, i })).filter(({ face }) => (face.image || 0) === image);
  const several = faces.length > 1;
  return svg('svg', { class: 'marks', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'xMidYMid meet', 'aria-hidden': 'true' },
    (result.documents || []).filter((d) => d.image === image).map((d) => svg('polygon', { class: 'outline', points: path(d.corners) })),
    (result.barcodes || []).filter((b) => b.image === image).map((b) => svg('polygon', { class: 'outline code', points: path(corners(b.non_cropped_barcode_box)) })),
    faces.map(({ face, i }) => mark(face, i, unit, several)));
}

/** A face: the corners of its box, and its points where they are in the pixels of the picture. */
function mark(face, i, unit, several) {
  const g = face.geometry;
  const box = g.original_bounding_box || g.bounding_box;
  const x = box.top_left.x, y = box.top_left.y, w = box.bottom_right.x - x, t = box.bottom_right.y - y;
  const c = Math.min(w, t) * 0.22, r = Math.min(w, t) * 0.08;
  const corner = (px, py, sx, sy) => `M${px} ${py + sy * c}V${py + sy * r}Q${px} ${py} ${px + sx * r} ${py}H${px + sx * c}`;
  const points = g.original_bounding_box ? [] : g.face_landmarks || g.landmarks || [];
  const size = Math.max(w, t) * (points.length > 5 ? 0.008 : 0.016);
  return svg('g', { class: `mark ${toneOf(face)}` },
    svg('rect', { class: 'frame', x, y, width: w, height: t, rx: r }),
    svg('path', { class: 'corners', d: corner(x, y, 1, 1) + corner(x + w, y, -1, 1) + corner(x + w, y + t, -1, -1) + corner(x, y + t, 1, -1) }),
    points.map((p) => svg('circle', { cx: p.x, cy: p.y, r: size })),
    several && svg('text', { x: x + w / 2, y: y - unit, 'font-size': 3.4 * unit, 'text-anchor': 'middle' }, String(i + 1)));
}

/**
 * The face of a picture alone, square. blob and result are promises; without a result, or without a face in it, it is the middle of the
 * picture.
 */
export function portrait(blob, result, alt, image = 0) {
  const place = h('div', { class: 'portrait loading', role: 'img', 'aria-label': alt });
  Promise.all([blob, Promise.resolve(result).catch(() => null)]).then(async ([b, r]) => {
    place.classList.remove('loading');
    const whole = b && await createImageBitmap(b).catch(() => null);
    if (!whole) {
      put(place, noPicture());
      return;
    }
    const face = r && (r.faces || []).filter((f) => (f.image || 0) === image).sort((a, z) => z.geometry.face_confidence_score - a.geometry.face_confidence_score)[0];
    let side = Math.min(whole.width, whole.height), x = (whole.width - side) / 2, y = (whole.height - side) / 2;
    if (face) {
      const box = face.geometry.original_bounding_box || face.geometry.bounding_box;
      const w = box.bottom_right.x - box.top_left.x, t = box.bottom_right.y - box.top_left.y;
      side = Math.min(side, Math.max(w, t) * 1.5);
      x = Math.min(Math.max(0, box.top_left.x + w / 2 - side / 2), whole.width - side);
      y = Math.min(Math.max(0, box.top_left.y + t * 0.46 - side / 2), whole.height - side);
    }
    const canvas = h('canvas', { width: 320, height: 320, 'aria-hidden': 'true' });
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(whole, x, y, side, side, 0, 0, 320, 320);
    whole.close();
    put(place, canvas);
  }).catch(() => {
    place.classList.remove('loading');
    put(place, noPicture());
  });
  return place;
}

/** A person without a picture: a colour and the first letters of a name. */
export function initials(name) {
  const hue = Array.from(name).reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 360, 7);
  const letters = name.split(/[\s._-]+/).filter(Boolean).slice(0, 2).map((w) => Array.from(w)[0].toUpperCase()).join('');
  return h('span', { class: 'initials', 'aria-hidden': 'true', style: { '--hue': String(hue) } }, letters || '·');
}
