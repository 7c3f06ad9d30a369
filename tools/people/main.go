// Command people writes photographs of people who do not exist: person-P-S.jpg is shot S of person P, card.jpg an identity document. It is for
// tests of what is not written in Go, and for trying things out.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"

	"facestream/internal/drawn"
)

const side, quality = 480, 90

func main() {
	people := flag.Int("people", 4, "how many people")
	shots := flag.Int("shots", 2, "how many photographs of each")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: people [-people N] [-shots N] FOLDER")
		os.Exit(2)
	}
	if err := draw(flag.Arg(0), *people, *shots); err != nil {
		fmt.Fprintln(os.Stderr, "people:", err)
		os.Exit(1)
	}
}

func draw(folder string, people, shots int) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	cast := drawn.Cast()
	for p := range min(people, len(cast)) {
		for s := range shots {
			file, err := drawn.JPEG(cast[p], s, side, quality)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("person-%d-%d.jpg", p, s)), file, 0o644); err != nil {
				return err
			}
		}
	}
	var card bytes.Buffer
	if err := jpeg.Encode(&card, drawn.NewScene(1, drawn.Spread{Documents: 1}).Picture, &jpeg.Options{Quality: quality}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "card.jpg"), card.Bytes(), 0o644)
}
