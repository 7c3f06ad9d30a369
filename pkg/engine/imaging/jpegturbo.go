//go:build cgo && jpegturbo

package imaging

/*
#cgo LDFLAGS: -ljpeg
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>

// One call of decode. The error manager comes first: libjpeg hands out a pointer to it.
typedef struct {
	struct jpeg_error_mgr manager;
	struct jpeg_progress_mgr progress;
	jmp_buf out;
	atomic_int cancelled;
	char message[JMSG_LENGTH_MAX];
} call;

static void leave(j_common_ptr c) {
	call *k = (call *)c->err;
	(*c->err->format_message)(c, k->message);
	longjmp(k->out, 1);
}

// What libjpeg would go on after, with made-up pixels, is an error, too.
static void warned(j_common_ptr c, int level) {
	if (level < 0) leave(c);
}

static void silent(j_common_ptr c) {}

static void watch(j_common_ptr c) {
	call *k = (call *)c->err;
	if (atomic_load_explicit(&k->cancelled, memory_order_relaxed)) {
		strcpy(k->message, "cancelled");
		longjmp(k->out, 1);
	}
}

static void cancel(call *k) { atomic_store_explicit(&k->cancelled, 1, memory_order_relaxed); }

// decode writes width x height pixels of RGB to out, and returns 0. On an error it returns 1 and leaves what was wrong in k->message.
static int decode(call *k, const unsigned char *data, unsigned long size, unsigned char *out, unsigned width, unsigned height) {
	struct jpeg_decompress_struct c;
	c.err = jpeg_std_error(&k->manager);
	k->manager.error_exit = leave;
	k->manager.emit_message = warned;
	k->manager.output_message = silent;
	k->progress.progress_monitor = watch;
	jpeg_create_decompress(&c);
	if (setjmp(k->out)) {
		jpeg_destroy_decompress(&c);
		return 1;
	}
	c.progress = &k->progress;
	jpeg_mem_src(&c, data, size);
	jpeg_read_header(&c, TRUE);
	c.out_color_space = JCS_RGB;
	c.do_fancy_upsampling = FALSE;
	c.dct_method = JDCT_ISLOW;
	jpeg_start_decompress(&c);
	if (c.output_width != width || c.output_height != height || c.output_components != 3) {
		strcpy(k->message, "another size than the header's");
		longjmp(k->out, 1);
	}
	while (c.output_scanline < height) {
		JSAMPROW rows[16];
		unsigned n = height - c.output_scanline;
		if (n > 16) n = 16;
		for (unsigned i = 0; i < n; i++) rows[i] = out + (size_t)(c.output_scanline + i) * width * 3;
		jpeg_read_scanlines(&c, rows, n);
	}
	jpeg_finish_decompress(&c);
	jpeg_destroy_decompress(&c);
	return 0;
}
*/
import "C"

import (
	"context"
	"errors"
	"image"
	"unsafe"
)

// JPEGDecoder names the decoder of sound JPEG files.
const JPEGDecoder = "libjpeg-turbo"

// jpegDecoders are tried in this order.
var jpegDecoders = []jpegDecoder{decodeTurbo, decodeStrict, decodeLenient}

// decodeTurbo is libjpeg-turbo's decoder, which takes sound grey and colour files alone. A chroma sample covers a whole block of pixels,
// as with the other decoders.
func decodeTurbo(ctx context.Context, f *jpegFile, data []byte) (image.Image, string, error) {
	if f.components == 4 {
		return nil, "", errors.New("CMYK")
	}
	k := (*C.call)(C.calloc(1, C.sizeof_call))
	if k == nil {
		return nil, "", errors.New("out of memory")
	}
	defer C.free(unsafe.Pointer(k))
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { C.cancel(k); close(told) })
	out := unset(f.width, f.height)
	failed := C.decode(k, (*C.uchar)(&data[0]), C.ulong(len(data)), (*C.uchar)(&out.Pix[0]), C.uint(f.width), C.uint(f.height)) != 0
	if !stop() {
		<-told // k is in use until then
	}
	if failed {
		return nil, "", errors.New(C.GoString(&k.message[0]))
	}
	return packed{out}, "", nil
}
