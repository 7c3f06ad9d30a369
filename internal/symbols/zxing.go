//go:build cgo && zxing

package symbols

/*
#cgo CXXFLAGS: -std=c++17 -O2
#cgo LDFLAGS: -lZXing
#include <stdlib.h>
#include "writer.h"
*/
import "C"

import (
	"fmt"
	"slices"
	"unsafe"

	"facestream/pkg/engine/barcode"
)

func draw(format barcode.Format, text string, correction int) (*Symbol, error) {
	place := slices.Index(barcode.Formats(), format)
	if place < 0 {
		return nil, fmt.Errorf("the format %q is not drawn", format)
	}
	content := C.CString(text)
	defer C.free(unsafe.Pointer(content))
	var width, height C.int
	modules := C.symbol(C.int(place), content, C.int(correction), &width, &height)
	if modules == nil {
		return nil, fmt.Errorf("a %s does not hold the text", format)
	}
	defer C.free(unsafe.Pointer(modules))
	return &Symbol{Width: int(width), Height: int(height), Dark: C.GoBytes(unsafe.Pointer(modules), width*height)}, nil
}
