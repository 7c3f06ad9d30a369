#!/usr/bin/env python3
"""Writes pictures in every format that pkg/engine/imaging reads or refuses, with the pixels that it has to return.

    corpus.py FOLDER           the whole corpus, for `make test-imaging`
    corpus.py --small FOLDER   the part that is kept in testdata/corpus, for `make test`

All pictures are drawn here. The expected pixels are those that were drawn, where the format keeps them, and otherwise what
Pillow (libjpeg-turbo, libwebp, libavif) and pillow-heif (libheif) decode. cases.json says what is expected of each file:

    file       the file
    expected   the file with the expected pixels, a PNG; absent where the file has to be refused
    mean, max  how far a channel may be from the expected value, of 255, in the mean and at most
    refused    a part of the message of the file that has to be refused
    damaged    whether the file has to be reported as damaged
"""
import argparse, io, json, os, struct, sys, zlib
import numpy as np
import imagecodecs, pillow_heif, tifffile
from PIL import Image

pillow_heif.register_heif_opener()
parser = argparse.ArgumentParser()
parser.add_argument("--small", action="store_true")
parser.add_argument("folder")
args = parser.parse_args()
W, H = (45, 35) if args.small else (203, 151)
cases, kept = [], {}


def draw(w, h):
    """A colourful picture with edges, gradients and texture."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    p = np.zeros((h, w, 3))
    p[..., 0] = 255 * x / (w - 1)
    p[..., 1] = 255 * y / (h - 1)
    p[..., 2] = 128 + 100 * np.sin(x / w * 9) * np.cos(y / h * 7)
    disc = (x - 0.45 * w) ** 2 + (y - 0.5 * h) ** 2 < (0.3 * h) ** 2
    p[disc] = p[disc] * 0.3 + np.array([222, 170, 140]) * 0.7
    p[: h // 8, : w // 4] = 250
    p[-(h // 8) :, -(w // 4) :] = 8
    return p.clip(0, 255).astype(np.uint8)


RGB = draw(W, H)
GREY = np.asarray(Image.fromarray(RGB).convert("L"))
ALPHA = np.clip(np.mgrid[0:H, 0:W][1] * 400 // W - 60, 0, 255).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
PALETTED = Image.fromarray(RGB).quantize(200)
PALETTE16 = Image.fromarray(RGB).quantize(14)
BILEVEL = GREY > 128


def over_white(rgba):
    a = rgba[..., 3:].astype(float) / 255
    return np.rint(rgba[..., :3] * a + 255 * (1 - a)).astype(np.uint8)


def grey3(g):
    return np.dstack([g] * 3)


def rgb_of(image):
    """The pixels of a Pillow image over white."""
    if image.mode in ("P", "PA", "LA", "RGBA", "La", "RGBa"):
        return over_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def decoded(data):
    image = Image.open(io.BytesIO(data))
    image.seek(0)
    return rgb_of(image)


def add(name, data, expected=None, mean=0.0, max=0, small=False, refused="", damaged=False):
    if args.small and not small:
        return
    case = {"file": name}
    with open(os.path.join(args.folder, name), "wb") as f:
        f.write(data)
    if refused:
        case["refused"] = refused
    else:
        if expected is None:
            expected = decoded(data)
        key = expected.tobytes() + str(expected.shape).encode()
        if key not in kept:
            kept[key] = "expected-%s.png" % name.rsplit(".", 1)[0]
            Image.fromarray(expected).save(os.path.join(args.folder, kept[key]), optimize=True)
        case.update(expected=kept[key], mean=mean, max=max)
    if damaged:
        case["damaged"] = True
    cases.append(case)


def save(array, format, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


# --- JPEG. Go's chroma is not smoothed between samples, and its inverse transform rounds otherwise.
SUB, FULL = dict(mean=4 if args.small else 2.5, max=120), dict(mean=0.7, max=4)


def segments(data):
    i = 2
    while data[i + 1] != 0xDA:
        n = 2 + struct.unpack(">H", data[i + 2 : i + 4])[0]
        yield data[i + 1], data[i : i + n]
        i += n
    yield 0xDA, data[i:]


def without(data, marker):
    return b"\xff\xd8" + b"".join(s for m, s in segments(data) if m != marker)


def write_jpeg(array, factors, restart=0, quality=4):
    """A baseline JPEG of any sampling factors with one quantiser, the standard luminance tables, and no application segment."""
    h, w = array.shape[:2]
    r, g, b = (array[..., i].astype(float) for i in range(3))
    planes = [0.299 * r + 0.587 * g + 0.114 * b, 128 - 0.168736 * r - 0.331264 * g + 0.5 * b, 128 + 0.5 * r - 0.418688 * g - 0.081312 * b]
    hmax, vmax = max(f[0] for f in factors), max(f[1] for f in factors)
    across, down = -(-w // (8 * hmax)), -(-h // (8 * vmax))
    basis = np.array([[np.cos((2 * x + 1) * u * np.pi / 16) * (np.sqrt(0.125) if u == 0 else 0.5) for x in range(8)] for u in range(8)])
    order = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
    blocks = []
    for plane, (fh, fv) in zip(planes, factors):
        ys = np.minimum((np.arange(down * 8 * fv) * vmax) // fv, h - 1)
        xs = np.minimum((np.arange(across * 8 * fh) * hmax) // fh, w - 1)
        p = plane[ys][:, xs] - 128
        q = np.empty((down * fv, across * fh, 64), int)
        for by in range(down * fv):
            for bx in range(across * fh):
                c = basis @ p[8 * by : 8 * by + 8, 8 * bx : 8 * bx + 8] @ basis.T
                q[by, bx] = np.rint(c.flatten()[order] / quality)
        blocks.append(q)
    tables = [s for m, s in segments(save(array, "JPEG")) if m == 0xC4][:2]
    codes = []
    for t in tables:
        lengths, values, code, book, k = t[5:21], t[21:], 0, {}, 0
        for length in range(1, 17):
            for _ in range(lengths[length - 1]):
                book[values[k]] = (code, length)
                code, k = code + 1, k + 1
            code <<= 1
        codes.append(book)
    out, bits, previous, mcus = bytearray(), [], [0] * len(factors), 0

    def put(value, n):
        bits.append(format(value, "0%db" % n) if n else "")

    def flush():
        text = "".join(bits)
        text += "1" * (-len(text) % 8)
        for i in range(0, len(text), 8):
            out.append(int(text[i : i + 8], 2))
            if out[-1] == 255:
                out.append(0)
        bits.clear()

    def number(v):
        n = abs(v).bit_length()
        return (v if v >= 0 else v + (1 << n) - 1), n

    for my in range(down):
        for mx in range(across):
            if restart and mcus and mcus % restart == 0:
                flush()
                out.extend([255, 0xD0 + (mcus // restart - 1) % 8])
                previous = [0] * len(factors)
            mcus += 1
            for c, (fh, fv) in enumerate(factors):
                for j in range(fh * fv):
                    q = [int(v) for v in blocks[c][my * fv + j // fh, mx * fh + j % fh]]
                    v, n = number(q[0] - previous[c])
                    previous[c] = q[0]
                    put(*codes[0][n])
                    put(v, n)
                    run = 0
                    last = max([i for i in range(1, 64) if q[i]], default=0)
                    for i in range(1, last + 1):
                        if q[i] == 0:
                            run += 1
                            continue
                        while run > 15:
                            put(*codes[1][0xF0])
                            run -= 16
                        v, n = number(q[i])
                        put(*codes[1][16 * run + n])
                        put(v, n)
                        run = 0
                    if last < 63:
                        put(*codes[1][0])
    flush()
    segment = lambda m, body: bytes([255, m]) + struct.pack(">H", len(body) + 2) + body
    frame = struct.pack(">BHHB", 8, h, w, len(factors)) + b"".join(bytes([i + 1, 16 * f[0] + f[1], 0]) for i, f in enumerate(factors))
    scan = bytes([len(factors)]) + b"".join(bytes([i + 1, 0]) for i in range(len(factors))) + b"\x00\x3f\x00"
    head = segment(0xDB, b"\0" + bytes([quality] * 64)) + segment(0xC0, frame) + b"".join(tables)
    return b"\xff\xd8" + head + (segment(0xDD, struct.pack(">H", restart)) if restart else b"") + segment(0xDA, scan) + bytes(out) + b"\xff\xd9"


for name, sub in (("444", 0), ("422", 1), ("420", 2)):
    for kind in ("baseline", "progressive"):
        data = save(RGB, "JPEG", quality=90, subsampling=sub, progressive=kind == "progressive")
        add("jpeg-%s-%s.jpg" % (kind, name), data, **(SUB if sub else FULL))
for name in ("440", "411"):
    add("jpeg-%s.jpg" % name, imagecodecs.jpeg_encode(RGB, level=90, subsampling=name), **SUB)
add("jpeg-grey.jpg", save(GREY, "JPEG", quality=90), **FULL)
add("jpeg-grey-progressive.jpg", save(GREY, "JPEG", quality=90, progressive=True), **FULL)
add("jpeg-optimised.jpg", save(RGB, "JPEG", quality=90, optimize=True, subsampling=0), **FULL)
add("jpeg-restart.jpg", save(RGB, "JPEG", quality=90, subsampling=2, restart_marker_blocks=3), **SUB)
add("jpeg-restart-progressive.jpg", save(RGB, "JPEG", quality=90, subsampling=2, restart_marker_blocks=3, progressive=True), **SUB)
add("jpeg-rgb.jpg", imagecodecs.jpeg_encode(RGB, level=90, colorspace="RGB", outcolorspace="RGB", subsampling="444"), **FULL)
CMYK = np.asarray(Image.fromarray(RGB).convert("CMYK")).copy()
CMYK[..., 3] = 40
adobe_cmyk = save(Image.fromarray(CMYK, "CMYK"), "JPEG", quality=95)
add("jpeg-cmyk.jpg", adobe_cmyk, **FULL)
cmyk_truth = rgb_of(Image.open(io.BytesIO(adobe_cmyk)))
add("jpeg-ycck.jpg", imagecodecs.jpeg_encode(CMYK, level=95, colorspace="CMYK", outcolorspace="YCCK", subsampling="444"), mean=0.7, max=8)
# Without Adobe's segment, CMYK is not inverted.
straight = without(save(Image.fromarray(255 - CMYK, "CMYK"), "JPEG", quality=95), 0xEE)
add("jpeg-cmyk-without-adobe.jpg", straight, cmyk_truth, mean=1.5, max=16, small=True)
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(RGB, "JPEG", quality=90, subsampling=0, exif=exif)
    turns = {2: [Image.FLIP_LEFT_RIGHT], 3: [Image.ROTATE_180], 4: [Image.FLIP_TOP_BOTTOM], 5: [Image.TRANSPOSE], 6: [Image.ROTATE_270], 7: [Image.TRANSVERSE], 8: [Image.ROTATE_90]}
    m = Image.open(io.BytesIO(data)).convert("RGB")
    for t in turns.get(orientation, []):
        m = m.transpose(t)
    add("jpeg-orientation-%d.jpg" % orientation, data, np.asarray(m), **FULL)

plain = write_jpeg(RGB, [(2, 2), (1, 1), (1, 1)])
add("jpeg-plain.jpg", plain, small=True, **SUB)
truth = decoded(plain)
add("jpeg-without-huffman-tables.jpg", without(plain, 0xC4), truth, small=True, **SUB)
colour = save(RGB, "JPEG", quality=90, subsampling=1)
add("jpeg-without-either-huffman-table.jpg", without(colour, 0xC4), decoded(colour), **SUB)
high = b"\xff\xd8"
for m, s in segments(plain):
    s = bytearray(s)
    if m == 0xC4:
        s[4] |= 2
    if m == 0xDA:
        s[6], s[8], s[10] = 0x22, 0x22, 0x22
    high += bytes(s)
add("jpeg-huffman-table-2.jpg", high, truth, small=True, **SUB)
add("jpeg-without-end.jpg", plain[:-2], truth, small=True, damaged=True, **SUB)
add("jpeg-half-an-end.jpg", plain[:-1], truth, damaged=True, **SUB)
progressive = save(RGB, "JPEG", quality=90, progressive=True, subsampling=0)
add("jpeg-progressive-without-end.jpg", progressive[:-2], decoded(progressive), small=True, damaged=True, **FULL)
scans = [i for i in range(len(progressive) - 1) if progressive[i : i + 2] == b"\xff\xda"]
add("jpeg-progressive-cut-between-scans.jpg", progressive[: scans[-1]], refused="cut short", small=True)
add("jpeg-progressive-without-its-last-scan.jpg", progressive[: scans[-1]] + b"\xff\xd9", refused="cut short", small=True)
add("jpeg-cut.jpg", plain[: len(plain) * 2 // 3], refused="is missing", small=True)
add("jpeg-progressive-end-cut.jpg", progressive[:-14], decoded(progressive), mean=3, max=60, damaged=True)
marked = write_jpeg(RGB, [(2, 2), (1, 1), (1, 1)], restart=3)
marks = [i for i in range(len(marked) - 1) if marked[i] == 255 and 0xD0 <= marked[i + 1] <= 0xD7]
add("jpeg-restart-marker-lost.jpg", marked[: marks[1]] + marked[marks[1] + 2 :], truth, small=True, damaged=True, **SUB)
if not args.small:
    # A whole interval of three units is lost: less than three of a hundred.
    lost = decoded(marked).copy()
    across = -(-W // 16)
    for k in range(6, 9):
        lost[16 * (k // across) : 16 * (k // across) + 16, 16 * (k % across) : 16 * (k % across) + 16] = 128
    add("jpeg-interval-lost.jpg", marked[: marks[1]] + marked[marks[2] :], lost, damaged=True, **SUB)
    broken = bytearray(marked)
    broken[marks[1] + 2 : marks[1] + 8] = b"\xff\x00" * 3
    add("jpeg-interval-broken.jpg", bytes(broken), lost, damaged=True, mean=4, max=255)
for name, factors in {
    "2x2-1x1-1x2": [(2, 2), (1, 1), (1, 2)],
    "1x1-2x2-1x1": [(1, 1), (2, 2), (1, 1)],
    "3x1-1x1-1x1": [(3, 1), (1, 1), (1, 1)],
    "2x1-1x2-1x1": [(2, 1), (1, 2), (1, 1)],
}.items():
    add("jpeg-sampling-%s.jpg" % name, write_jpeg(RGB, factors, quality=2), RGB, mean=4 if args.small else 2.5, max=255, small=name == "2x2-1x1-1x2")
add("jpeg-arithmetic.jpg", plain.replace(b"\xff\xc0", b"\xff\xc9", 1), refused="arithmetic", small=True)
add("jpeg-lossless.jpg", plain.replace(b"\xff\xc0", b"\xff\xc3", 1), refused="lossless JPEG")
add("jpeg-two-components.jpg", plain.replace(b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", H, W) + b"\x03", b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", H, W) + b"\x02", 1), refused="2 colour components")

# --- PNG, exact.
def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png(samples, depth, colour, interlace=False, palette=None, trns=None, extra=b""):
    """samples: height × width × channels."""
    samples = samples.reshape(samples.shape[0], samples.shape[1], -1)
    h, w, n = samples.shape

    def rows(part):
        out = b""
        for row in part.reshape(part.shape[0], -1):
            if depth == 16:
                line = row.astype(">u2").tobytes()
            elif depth == 8:
                line = row.astype(np.uint8).tobytes()
            else:
                bits = ((row[:, None].astype(np.uint8) >> np.arange(depth - 1, -1, -1)) & 1).flatten()
                line = np.packbits(bits).tobytes()
            out += b"\0" + line
        return out

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] if interlace else [(0, 0, 1, 1)]
    raw = b"".join(rows(samples[y::dy, x::dx]) for x, y, dx, dy in passes if samples[y::dy, x::dx].size)
    out = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlace))) + extra
    if palette is not None:
        out += png_chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if trns is not None:
        out += png_chunk(b"tRNS", trns)
    return out + png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND", b"")


palette = np.array(PALETTED.getpalette()[: 3 * 256] + [0] * 768)[:768].reshape(256, 3)
index = np.asarray(PALETTED)
index16, palette16 = np.asarray(PALETTE16), np.array(PALETTE16.getpalette()[:42]).reshape(14, 3)
for lace in (False, True):
    tail = "-interlaced" if lace else ""
    for depth in (1, 2, 4, 8):
        g = GREY >> (8 - depth)
        add("png-grey-%d%s.png" % (depth, tail), write_png(g, depth, 0, lace), grey3((g.astype(int) * 255 // (2**depth - 1)).astype(np.uint8)))
        p = index % min(2**depth, 200)
        add("png-palette-%d%s.png" % (depth, tail), write_png(p, depth, 3, lace, palette[: 2**depth]), palette[p].astype(np.uint8))
    deep = RGB.astype(np.uint16) * 257 + 3
    add("png-grey-16%s.png" % tail, write_png(GREY.astype(int) * 256 + 77, 16, 0, lace), grey3(GREY))
    add("png-rgb-8%s.png" % tail, write_png(RGB, 8, 2, lace), RGB, small=lace)
    add("png-rgb-16%s.png" % tail, write_png(RGB.astype(int) * 256 + 99, 16, 2, lace), RGB, small=not lace)
    add("png-grey-alpha-8%s.png" % tail, write_png(np.dstack([GREY, ALPHA]), 8, 4, lace), over_white(np.dstack([GREY] * 3 + [ALPHA])), max=1, mean=0.5)
    add("png-grey-alpha-16%s.png" % tail, write_png(np.dstack([GREY, ALPHA]).astype(int) * 257, 16, 4, lace), over_white(np.dstack([GREY] * 3 + [ALPHA])), max=1, mean=0.5)
    add("png-rgba-8%s.png" % tail, write_png(RGBA, 8, 6, lace), over_white(RGBA), max=1, mean=0.5, small=not lace)
    add("png-rgba-16%s.png" % tail, write_png(RGBA.astype(int) * 257, 16, 6, lace), over_white(RGBA), max=1, mean=0.5)
see_through = np.where(GREY[..., None] == GREY[3, 3], 255, grey3(GREY)).astype(np.uint8)
add("png-grey-transparent.png", write_png(GREY, 8, 0, trns=struct.pack(">H", GREY[3, 3])), see_through)
key = RGB[H // 2, W // 2]
add("png-rgb-transparent.png", write_png(RGB, 8, 2, trns=struct.pack(">HHH", *map(int, key))), np.where((RGB == key).all(-1)[..., None], 255, RGB).astype(np.uint8))
alphas = np.arange(256).astype(np.uint8)
add("png-palette-transparent.png", write_png(index, 8, 3, palette=palette, trns=alphas.tobytes()), over_white(np.dstack([palette[index], alphas[index]]).astype(np.uint8)), max=1, mean=0.5, small=True)
add("png-gamma.png", write_png(RGB, 8, 2, extra=png_chunk(b"gAMA", struct.pack(">I", 45455))), RGB)

# --- GIF, exact.
add("gif.gif", save(PALETTED, "GIF"), rgb_of(PALETTED), small=True)
add("gif-plain-order.gif", save(PALETTED, "GIF", interlace=0), rgb_of(PALETTED))
gif = save(PALETTED, "GIF", transparency=int(index[H // 2, W // 2]))
add("gif-transparent.gif", gif)
frames = [Image.fromarray(np.roll(RGB, k * 5, 1)).quantize(60) for k in range(4)]
add("gif-animated.gif", save(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=40, loop=0), rgb_of(frames[0]), small=True)

# --- BMP, exact.
def write_bmp(rows, bits, header=40, compression=0, masks=None, palette=b"", used=0, top_down=False, gap=b""):
    """rows: the coded rows, top row first, or the compressed data."""
    if isinstance(rows, list):
        rows = [r + b"\0" * (-len(r) % 4) for r in rows]
        body = b"".join(rows if top_down else rows[::-1])
    else:
        body = rows
    if header == 12:
        info = struct.pack("<IHHHH", 12, W, H, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, W, -H if top_down else H, 1, bits, compression, len(body), 2835, 2835, used, 0)
        m = struct.pack("<%dI" % len(masks), *masks) if masks else b""
        if header > 40:
            info += m.ljust(16, b"\0")[: header - 40]
            info = info.ljust(header, b"\0")
        else:
            info += m
    offset = 14 + len(info) + len(palette) + len(gap)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + info + palette + gap + body


bgr = RGB[..., ::-1]
rows24 = [r.tobytes() for r in bgr]
add("bmp-24.bmp", write_bmp(rows24, 24), RGB, small=True)
add("bmp-24-top-down.bmp", write_bmp(rows24, 24, top_down=True), RGB)
add("bmp-24-gap.bmp", write_bmp(rows24, 24, gap=b"\1\2\3\4\5\6\7\10"), RGB, small=True)
add("bmp-24-core.bmp", write_bmp(rows24, 24, header=12), RGB)
x0 = np.dstack([bgr, np.zeros_like(ALPHA)])
x255 = np.dstack([bgr, np.full_like(ALPHA, 255)])
for header in (40, 52, 56, 108, 124):
    add("bmp-24-header-%d.bmp" % header, write_bmp(rows24, 24, header), RGB)
    add("bmp-32-header-%d-zero.bmp" % header, write_bmp([r.tobytes() for r in x0], 32, header), RGB, small=header == 124)
    add("bmp-32-header-%d-ff.bmp" % header, write_bmp([r.tobytes() for r in x255], 32, header), RGB)
masks = [0xFF0000, 0xFF00, 0xFF, 0xFF000000]
add("bmp-32-alpha-announced-but-zero.bmp", write_bmp([r.tobytes() for r in x0], 32, 124, 3, masks), RGB, small=True)
add("bmp-32-alpha.bmp", write_bmp([r.tobytes() for r in np.dstack([bgr, ALPHA])], 32, 124, 3, masks), over_white(RGBA), max=1, mean=0.5, small=True)
add("bmp-32-bitfields-info.bmp", write_bmp([r.tobytes() for r in x0], 32, 40, 3, masks[:3]), RGB)
add("bmp-32-bitfields-rgb-order.bmp", write_bmp([r.tobytes() for r in np.dstack([RGB, np.zeros_like(ALPHA)])], 32, 108, 3, [0xFF, 0xFF00, 0xFF0000, 0]), RGB)
for name, (widths, m) in {"555": ((5, 5, 5), [0x7C00, 0x3E0, 0x1F]), "565": ((5, 6, 5), [0xF800, 0x7E0, 0x1F])}.items():
    q = [RGB[..., i] >> (8 - n) for i, n in enumerate(widths)]
    word = (q[0].astype(int) << (widths[1] + widths[2])) | (q[1].astype(int) << widths[2]) | q[2]
    truth16 = np.dstack([np.rint(q[i].astype(float) * 255 / (2 ** widths[i] - 1)) for i in range(3)]).astype(np.uint8)
    lines = [r.astype("<u2").tobytes() for r in word]
    add("bmp-16-bitfields-%s.bmp" % name, write_bmp(lines, 16, 40, 3, m), truth16, max=1, mean=0.5)
    add("bmp-16-v5-%s.bmp" % name, write_bmp(lines, 16, 124, 3, m + [0]), truth16, max=1, mean=0.5)
    if name == "555":
        add("bmp-16.bmp", write_bmp(lines, 16), truth16, max=1, mean=0.5, small=True)
quads = lambda p: b"".join(bytes([int(c[2]), int(c[1]), int(c[0]), 0]) for c in p)
triples = lambda p: b"".join(bytes([int(c[2]), int(c[1]), int(c[0])]) for c in p)
add("bmp-8.bmp", write_bmp([r.tobytes() for r in index], 8, palette=quads(palette)), palette[index].astype(np.uint8), small=True)
add("bmp-8-200-colours.bmp", write_bmp([r.tobytes() for r in index], 8, palette=quads(palette[:200]), used=200), palette[index].astype(np.uint8))
add("bmp-8-core.bmp", write_bmp([r.tobytes() for r in index], 8, 12, palette=triples(palette)), palette[index].astype(np.uint8))
nibbles = lambda r: bytes((int(r[i]) << 4) | (int(r[i + 1]) if i + 1 < len(r) else 0) for i in range(0, len(r), 2))
full16 = np.vstack([palette16, np.zeros((2, 3))])
add("bmp-4.bmp", write_bmp([nibbles(r) for r in index16], 4, palette=quads(full16)), palette16[index16].astype(np.uint8))
add("bmp-1.bmp", write_bmp([np.packbits(r).tobytes() for r in BILEVEL], 1, palette=quads([(10, 20, 30), (240, 230, 220)])), np.array([(10, 20, 30), (240, 230, 220)], np.uint8)[BILEVEL.astype(int)])


def rle8(rows):
    out = b""
    for r in rows[::-1]:
        i = 0
        while i < len(r):
            n = 1
            while i + n < len(r) and r[i + n] == r[i] and n < 255:
                n += 1
            if n == 1 and len(r) - i >= 5:
                out += bytes([0, 5]) + bytes(r[i : i + 5]) + b"\0"
                i += 5
                continue
            out += bytes([n, r[i]])
            i += n
        out += b"\0\0"
    return out + b"\0\1"


def rle4(rows):
    out = b""
    for r in rows[::-1]:
        i = 0
        while i < len(r):
            n = 1
            while i + n < len(r) and r[i + n] == r[i] and n < 255:
                n += 1
            out += bytes([n, int(r[i]) * 17])
            i += n
        out += b"\0\0"
    return out + b"\0\1"


add("bmp-rle8.bmp", write_bmp(rle8([r.tobytes() for r in index]), 8, compression=1, palette=quads(palette)), palette[index].astype(np.uint8), small=True)
add("bmp-rle4.bmp", write_bmp(rle4([r.tobytes() for r in index16]), 4, compression=2, palette=quads(full16)), palette16[index16].astype(np.uint8))
add("bmp-jpeg-inside.bmp", write_bmp(plain, 0, 108, 4), refused="holds a JPEG", small=True)
add("bmp-cut.bmp", write_bmp(rows24, 24)[:-500], refused="cut short", small=True)

# --- TIFF, exact.
def tiff(array, **options):
    out = io.BytesIO()
    options.setdefault("metadata", None)
    byteorder = options.pop("byteorder", "<")
    with tifffile.TiffWriter(out, bigtiff=options.pop("bigtiff", False), byteorder=byteorder) as t:
        t.write(array, **options)
    return out.getvalue()


deep = RGB.astype(np.uint16) * 256 + 99
for order in "<>":
    end = "le" if order == "<" else "be"
    for name, compression, predictor in (("none", None, None), ("lzw", "lzw", None), ("lzw-predictor", "lzw", 2), ("deflate", "zlib", None), ("deflate-predictor", "zlib", 2), ("packbits", "packbits", None)):
        for layout, options in (("strips", dict(rowsperstrip=8)), ("tiles", dict(tile=(16, 32))), ("big-tile", dict(tile=(256, 256)))):
            common = dict(photometric="rgb", compression=compression, predictor=predictor, byteorder=order, **options)
            add("tiff-rgb8-%s-%s-%s.tif" % (name, layout, end), tiff(RGB, **common), RGB, small=name == "lzw-predictor" and layout == "strips" and order == "<")
            add("tiff-rgb16-%s-%s-%s.tif" % (name, layout, end), tiff(deep, **common), RGB)
    add("tiff-grey8-%s.tif" % end, tiff(GREY, photometric="minisblack", byteorder=order), grey3(GREY))
    add("tiff-grey16-%s.tif" % end, tiff(GREY.astype(np.uint16) * 256 + 5, photometric="minisblack", byteorder=order), grey3(GREY))
    add("tiff-white-is-zero-8-%s.tif" % end, tiff(255 - GREY, photometric="miniswhite", byteorder=order), grey3(GREY), small=order == "<")
    add("tiff-white-is-zero-16-%s.tif" % end, tiff(65535 - GREY.astype(np.uint16) * 257, photometric="miniswhite", byteorder=order), grey3(GREY))
    colormap = (palette.T * 257).astype(np.uint16)
    add("tiff-palette-%s.tif" % end, tiff(index, photometric="palette", colormap=colormap, byteorder=order), palette[index].astype(np.uint8))
    add("tiff-palette-of-8-bit-%s.tif" % end, tiff(index, photometric="palette", colormap=palette.T.astype(np.uint16), byteorder=order), palette[index].astype(np.uint8), small=order == "<")
add("tiff-rgba.tif", tiff(RGBA, photometric="rgb", extrasamples=["unassalpha"]), over_white(RGBA), max=1, mean=0.5)
add("tiff-rgba16.tif", tiff(RGBA.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"]), over_white(RGBA), max=1, mean=0.5)
associated = np.dstack([np.rint(RGB * (ALPHA[..., None] / 255.0)).astype(np.uint8), ALPHA])
add("tiff-rgba-associated.tif", tiff(associated, photometric="rgb", extrasamples=["assocalpha"]), over_white(RGBA), max=1, mean=0.6)
for compression in ("raw", "group4", "group3", "tiff_lzw", "packbits", "tiff_adobe_deflate"):
    add("tiff-bilevel-%s.tif" % compression, save(Image.fromarray(BILEVEL), "TIFF", compression=compression), grey3(np.where(BILEVEL, 255, 0).astype(np.uint8)), small=compression == "group4")
for compression in ("group4", "group3"):
    add("tiff-bilevel-white-is-zero-%s.tif" % compression, save(Image.fromarray(BILEVEL), "TIFF", compression=compression, tiffinfo={262: 0}))
for orientation in (1, 3, 6, 8):
    truth_t = np.asarray({1: lambda m: m, 3: lambda m: m.transpose(Image.ROTATE_180), 6: lambda m: m.transpose(Image.ROTATE_270), 8: lambda m: m.transpose(Image.ROTATE_90)}[orientation](Image.fromarray(RGB)))
    add("tiff-orientation-%d.tif" % orientation, tiff(RGB, photometric="rgb", extratags=[(274, "H", 1, orientation, True)]), truth_t)
add("tiff-pages.tif", save(RGB, "TIFF", save_all=True, append_images=[Image.fromarray(255 - RGB)]), RGB)
planar = np.ascontiguousarray(RGB.transpose(2, 0, 1))
for order in "<>":
    for name, options in (("", {}), ("-strips", dict(rowsperstrip=8)), ("-tiles", dict(tile=(64, 64))), ("-big-tile", dict(tile=(256, 256))), ("-lzw", dict(rowsperstrip=7, compression="lzw", predictor=2))):
        end = name + ("-le" if order == "<" else "-be")
        planes_of = dict(photometric="rgb", planarconfig="separate", byteorder=order, **options)
        add("tiff-planar%s.tif" % end, tiff(planar, **planes_of), RGB, small=end == "-lzw-be")
        add("tiff-planar-16%s.tif" % end, tiff(planar.astype(np.uint16) * 256 + 7, **planes_of), RGB)
add("tiff-planar-alpha.tif", tiff(np.ascontiguousarray(RGBA.transpose(2, 0, 1)), photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"]), refused="planar configuration 2", small=True)
add("tiff-cmyk.tif", tiff(CMYK, photometric="separated"), refused="CMYK", small=True)
add("tiff-jpeg.tif", tiff(RGB, photometric="rgb", compression="jpeg"), refused="YCbCr", small=True)
add("tiff-ycbcr.tif", save(GREY, "TIFF", compression="jpeg"), refused="compressed as JPEG")
add("tiff-float.tif", tiff(RGB[:9, :9].astype(np.float32) / 255, photometric="rgb"), refused="floating-point", small=True)
add("tiff-signed.tif", tiff(GREY.astype(np.int8), photometric="minisblack"), refused="signed", small=False)
add("tiff-32.tif", tiff(GREY.astype(np.uint32), photometric="minisblack"), refused="32 bits")
add("tiff-4.tif", tiff(GREY >> 4, photometric="minisblack", bitspersample=4), refused="4 bits")
add("tiff-grey-alpha.tif", tiff(np.dstack([GREY, ALPHA]), photometric="minisblack", extrasamples=["unassalpha"]), refused="samples a pixel")
add("tiff-five.tif", tiff(np.dstack([RGBA, ALPHA]), photometric="rgb", extrasamples=["unassalpha", "unspecified"]), refused="samples a pixel")
add("tiff-lab.tif", tiff(RGB, photometric="cielab"), refused="L*a*b*")
add("tiff-zstd.tif", tiff(RGB, photometric="rgb", compression="zstd"), refused="compression 50000")
add("tiff-big.tif", tiff(RGB, photometric="rgb", bigtiff=True), refused="BigTIFF", small=True)
image_description = struct.pack("<H", 270)  # a field that nobody needs becomes FillOrder
plain_tiff = tiff(RGB, photometric="rgb", description="abc")
at = plain_tiff.index(image_description + b"\x02\0\x04\0\0\0abc")
add("tiff-fill-order.tif", plain_tiff[:at] + struct.pack("<HHIHH", 266, 3, 1, 2, 0) + plain_tiff[at + 12 :], refused="reversed bits")
add("tiff-raw.dng", tiff(RGB, photometric="rgb", extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]), refused="raw photograph", small=True)
add("tiff-cut.tif", tiff(RGB, photometric="rgb")[: W * H], refused="cut short")

# --- WebP: lossless exact; lossy without smoothed chroma.
VP8 = dict(mean=4 if args.small else 2, max=120)
add("webp-lossy.webp", save(RGB, "WEBP", quality=85), small=True, **VP8)
add("webp-lossy-30.webp", save(RGB, "WEBP", quality=30), **VP8)
add("webp-lossless.webp", save(RGB, "WEBP", lossless=True), RGB, small=True)
add("webp-lossless-alpha.webp", save(RGBA, "WEBP", lossless=True, exact=True), over_white(RGBA), max=1, mean=0.5)
add("webp-lossy-alpha.webp", save(RGBA, "WEBP", quality=85), small=True, **VP8)
add("webp-lossy-alpha-plain.webp", save(RGBA, "WEBP", quality=85, alpha_quality=50), **VP8)
moves = [Image.fromarray(np.roll(RGB, k * 7, 0)) for k in range(3)]
add("webp-animated-lossy.webp", save(moves[0], "WEBP", save_all=True, append_images=moves[1:], duration=50, quality=85), small=True, **VP8)
add("webp-animated-lossless.webp", save(moves[0], "WEBP", save_all=True, append_images=moves[1:], duration=50, lossless=True), RGB)
small_first = np.zeros((H, W, 4), np.uint8)
small_first[8 : H - 8, 10 : W - 11] = RGBA[8 : H - 8, 10 : W - 11]
add("webp-animated-offset.webp", save(Image.fromarray(small_first), "WEBP", save_all=True, append_images=[Image.fromarray(RGBA)], duration=50, lossless=True, exact=True), over_white(small_first), max=1, mean=0.5)
exif = Image.Exif()
exif[0x0112] = 6
add("webp-orientation.webp", save(RGB, "WEBP", lossless=True, exif=exif), np.asarray(Image.fromarray(RGB).transpose(Image.ROTATE_270)))
add("webp-cut.webp", save(RGB, "WEBP", quality=85)[:-40], refused="cut short", small=True)

# --- HEIC and AVIF, against newer versions of the same libraries. The older libheif blends the outermost chroma samples of a
# 4:2:0 picture without tiles wrongly: two pixels at each edge have the wrong hue, which weighs in a small picture.
HEIF = dict(mean=4 if args.small else 2, max=120)
AV1 = dict(mean=4 if args.small else 1, max=60)


def heic(array, mode=None, quality=90, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    out = io.BytesIO()
    heif_file = pillow_heif.from_pillow(image)
    heif_file.save(out, format="HEIF", quality=quality, **options)
    return out.getvalue()


for chroma in (420, 422, 444):
    add("heic-%d.heic" % chroma, heic(RGB, chroma=chroma), small=chroma == 420, **HEIF)
for n, matrix in (("601", 6), ("709", 1), ("2020", 9)):
    for full in (0, 1):
        data = heic(RGB, chroma=444, matrix_coefficients=matrix, full_range_flag=full)
        add("heic-%s-%s.heic" % (n, "full" if full else "limited"), data, small=n == "709" and not full, **HEIF)
        # Without the container's description, that of the coded stream holds.
        add("heic-%s-%s-in-stream.heic" % (n, "full" if full else "limited"), data.replace(b"colr", b"free"), small=n == "709" and full, **HEIF)
add("heic-grey.heic", heic(GREY), **HEIF)
deep16 = pillow_heif.from_bytes(mode="RGB;16", size=(W, H), data=(RGB.astype("<u2") * 257).tobytes())
out = io.BytesIO()
deep16.save(out, quality=90)
add("heic-10-bit.heic", out.getvalue(), mean=2.5, max=120)
add("heic-alpha.heic", heic(RGBA), refused="HEIC with transparency", small=True)
brand = bytearray(heic(RGB, chroma=420))
brand[8:12] = b"mif1"
add("heic-mif1.heic", bytes(brand), decoded(heic(RGB, chroma=420)), **HEIF)
for w, h in ((1, 1), (3, 5), (17, 90), (64, 64), (65, 33), (130, 7), (200, 20)):
    part = np.ascontiguousarray(RGB[-h:, :w])
    add("heic-444-%dx%d.heic" % (w, h), heic(part, chroma=444), mean=0.7, max=4)
    if w > 1:
        add("heic-422-%dx%d.heic" % (w, h), heic(part, chroma=422), mean=6, max=150)
    add("heic-420-%dx%d.heic" % (w, h), heic(part, chroma=420), mean=6, max=120)
    add("avif-%dx%d.avif" % (w, h), save(part, "AVIF", quality=85), mean=2, max=60)
add("heic-cut.heic", heic(RGB)[:-300], refused="damaged", small=True)
turns = {2: [Image.FLIP_LEFT_RIGHT], 3: [Image.ROTATE_180], 4: [Image.FLIP_TOP_BOTTOM], 5: [Image.TRANSPOSE], 6: [Image.ROTATE_270], 7: [Image.TRANSVERSE], 8: [Image.ROTATE_90]}
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    truth = Image.fromarray(RGB)
    for t in turns.get(orientation, []):
        truth = truth.transpose(t)
    add("heic-orientation-%d.heic" % orientation, save(RGB, "HEIF", quality=95, chroma=444, exif=exif.tobytes()), np.asarray(truth), mean=2.5, max=120, small=orientation == 6)
    add("avif-orientation-%d.avif" % orientation, save(RGB, "AVIF", quality=95, subsampling="4:4:4", exif=exif.tobytes()), np.asarray(truth), mean=2.5, max=120, small=orientation == 6)
for sub in ("4:2:0", "4:2:2", "4:4:4", "4:0:0"):
    for range_ in ("full", "limited"):
        data = save(RGB, "AVIF", quality=85, subsampling=sub, range=range_)
        add("avif-%s-%s.avif" % (sub.replace(":", ""), range_), data, small=sub == "4:2:0" and range_ == "limited", **AV1)
add("avif-alpha.avif", save(RGBA, "AVIF", quality=85), mean=1.5, max=60)
add("avif-lossless.avif", save(RGB, "AVIF", quality=100, subsampling="4:4:4"), mean=1, max=10)
add("avif-animated.avif", save(moves[0], "AVIF", save_all=True, append_images=moves[1:], duration=50, quality=85), mean=1, max=60)
add("avif-10-bit.avif", imagecodecs.avif_encode(RGB.astype(np.uint16) * 4 + 1, level=90, bitspersample=10), RGB, mean=3, max=120)
add("avif-cut.avif", save(RGB, "AVIF", quality=85)[:-300], refused="damaged", small=True)

# --- what is named and refused.
for name, data, refused in (
    ("other.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    ("other.svg", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    ("other.jxl", b"\xff\x0a\x00\x00", "JPEG XL"),
    ("other.jp2", imagecodecs.jpeg2k_encode(RGB, codecformat="jp2"), "JPEG 2000"),
    ("other.ppm", save(RGB, "PPM"), "PNM"),
    ("other.ico", save(RGB, "ICO"), "icon"),
    ("other.mp4", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "video"),
    ("other.html", b"<!DOCTYPE html><title>404</title>", "web page"),
    ("other.psd", b"8BPS\0\1" + b"\0" * 20, "Photoshop"),
):
    add(name, data, refused=refused)

json.dump(cases, open(os.path.join(args.folder, "cases.json"), "w"), indent=1)
print("%d files in %s" % (len(cases), args.folder))
