//go:build !cgo || !zxing

package symbols

import "facestream/pkg/engine/barcode"

func draw(barcode.Format, string, int) (*Symbol, error) { return nil, barcode.ErrAbsent }
