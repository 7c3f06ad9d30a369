"""What PassportEye makes of pictures of documents, for `facestream eval mrz --beside`: file, seconds, and the lines of the zone as CSV.

    python -m venv .cache/passporteye && .cache/passporteye/bin/pip install PassportEye==2.2.2 && apt-get install tesseract-ocr
    .cache/passporteye/bin/python tools/reference/zones.py ../shared/data/documents > passporteye.csv
"""

import csv
import os
import sys
import time

os.environ.setdefault("OMP_THREAD_LIMIT", "1")

from passporteye import read_mrz  # noqa: E402

out = csv.writer(sys.stdout)
folder = sys.argv[1]
for name in sorted(os.listdir(folder)):
    began = time.time()
    zone = read_mrz(os.path.join(folder, name), save_roi=False)
    took = time.time() - began
    lines = zone.aux["text"].splitlines() if zone is not None and "text" in zone.aux else []
    out.writerow([name, f"{took:.3f}"] + [line.replace(" ", "") for line in lines if line.strip()])
    sys.stdout.flush()
