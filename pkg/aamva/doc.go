// Package aamva parses and generates what the PDF417 barcode on the back of a North American driving licence or identity card says, as the
// card design standards of AAMVA define it: version 1 (2000) to version 10 (2020) and later ones, which have the same form. It works on
// bytes; finding and reading the barcode is somebody else's part. It depends on the standard library only and keeps no state: all
// functions may be called by several goroutines at once.
//
// [Parse] is tolerant, because the cards in people's pockets are: it needs neither the compliance indicator (@) nor the right separators,
// offsets and lengths, and takes dates in either order. Whatever it passes over is in [Card].Problems, and every element is in
// [Card].Elements as the card has it.
//
// Cards hold personal data and print them with %v. The errors and problems of this package do not: they name elements only.
package aamva
