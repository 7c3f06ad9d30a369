//go:build cgo && zxing

#include "writer.h"

#include <ZXing/BitMatrix.h>
#include <ZXing/MultiFormatWriter.h>

#include <cstdlib>
#include <string>

extern "C" unsigned char *symbol(int format, const char *text, int correction, int *width, int *height) {
	using ZXing::BarcodeFormat;
	constexpr BarcodeFormat all[] = {BarcodeFormat::PDF417, BarcodeFormat::Code128, BarcodeFormat::DataMatrix, BarcodeFormat::Aztec,
	                                 BarcodeFormat::QRCode};
	try {
		auto m = ZXing::MultiFormatWriter(all[format]).setMargin(0).setEccLevel(correction).encode(std::string(text), 0, 0);
		*width = m.width(), *height = m.height();
		auto out = static_cast<unsigned char *>(malloc(size_t(m.width()) * m.height()));
		if (!out) return nullptr;
		for (int y = 0; y < m.height(); y++)
			for (int x = 0; x < m.width(); x++) out[size_t(y) * m.width() + x] = m.get(x, y);
		return out;
	} catch (...) {
		return nullptr;
	}
}
