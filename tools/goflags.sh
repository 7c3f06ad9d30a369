#!/usr/bin/env bash
# tools/goflags.sh: prints the flags that all of facestream is built with here. The packages that carry libheif and libavif would load
# the machine's own libraries at the start, which nothing uses (nodynamic). Where libjpeg-turbo can be linked, JPEG is decoded by it,
# three times as fast as in Go (jpegturbo). Where zxing-cpp can be linked, barcodes are read (zxing).
set -euo pipefail
tags=nodynamic
if printf '%s\n' '#include <stdio.h>' '#include <jpeglib.h>' '#ifndef LIBJPEG_TURBO_VERSION' '#error' '#endif' \
	'int main(void) { struct jpeg_error_mgr e; return !jpeg_std_error(&e); }' |
	${CC:-cc} -x c -o /dev/null - -ljpeg 2>/dev/null; then
	tags=$tags,jpegturbo
fi
if printf '%s\n' '#define ZX_USE_UTF8 1' '#include <ZXing/ReadBarcode.h>' '#include <ZXing/MultiFormatWriter.h>' \
	'int main() { return ZXing::ReadBarcodes(ZXing::ImageView(nullptr, 0, 0, ZXing::ImageFormat::Lum)).size(); }' |
	${CXX:-g++} -std=c++17 -x c++ -o /dev/null - -lZXing 2>/dev/null; then
	tags=$tags,zxing
fi
echo "-tags=$tags"
