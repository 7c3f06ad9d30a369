#!/usr/bin/env bash
# tools/goflags.sh: prints the flags that all of facestream is built with here. The packages that carry libheif and libavif would load
# the machine's own libraries at the start, which nothing uses (nodynamic). Where libjpeg-turbo can be linked, JPEG is decoded by it,
# three times as fast as in Go (jpegturbo).
set -euo pipefail
tags=nodynamic
if printf '%s\n' '#include <stdio.h>' '#include <jpeglib.h>' '#ifndef LIBJPEG_TURBO_VERSION' '#error' '#endif' \
	'int main(void) { struct jpeg_error_mgr e; return !jpeg_std_error(&e); }' |
	${CC:-cc} -x c -o /dev/null - -ljpeg 2>/dev/null; then
	tags=$tags,jpegturbo
fi
echo "-tags=$tags"
