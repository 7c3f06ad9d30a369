package benchmark

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/jpeg" // reads their sizes
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"facestream/internal/drawn"
)

// Picture is an image file in memory.
type Picture struct {
	Name   string
	File   []byte
	Pixels int // width × height
}

// Photographs is where photographs lie beside a checkout; they are not a part of it.
const Photographs = "../shared/data/faces/pairs"

// phone are the sides, in pixels, of the pictures that [Pictures] draws: 3 to 12 million pixels, as phones take them.
var phone = []int{1732, 2000, 2236, 2448, 2828, 3464}

// Pictures returns at most n pictures, each another, and where they come from: the JPEG files of dir, or of [Photographs] if dir is
// empty, or drawn people if that folder does not exist. threads draw.
func Pictures(ctx context.Context, dir string, n, threads int) (pictures []Picture, source string, err error) {
	if dir == "" {
		if _, err := os.Stat(Photographs); err != nil {
			pictures, err = draw(ctx, phone[:min(n, len(phone))], threads)
			return pictures, describe(pictures, "drawn pictures of phone size, because "+Photographs+" is not here"), err
		}
		dir = Photographs
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		if ext := strings.ToLower(filepath.Ext(name)); ext != ".jpg" && ext != ".jpeg" || len(pictures) == n {
			continue
		}
		file, err := os.ReadFile(name)
		if err != nil {
			return nil, "", err
		}
		header, _, err := image.DecodeConfig(bytes.NewReader(file))
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		pictures = append(pictures, Picture{filepath.Base(name), file, header.Width * header.Height})
	}
	if len(pictures) == 0 {
		return nil, "", fmt.Errorf("%s has no JPEG files", dir)
	}
	return pictures, describe(pictures, "photographs of "+dir), nil
}

// draw draws a person for each side, in pixels.
func draw(ctx context.Context, sides []int, threads int) ([]Picture, error) {
	pictures := make([]Picture, len(sides))
	people := drawn.Cast()
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(threads)
	for i, side := range sides {
		g.Go(func() error {
			file, err := drawn.JPEG(people[i], 0, side, 90)
			pictures[i] = Picture{fmt.Sprintf("drawn-%d.jpg", i), file, side * side}
			return err
		})
	}
	return pictures, g.Wait()
}

// describe says what pictures are, by their number and mean size.
func describe(pictures []Picture, what string) string {
	var pixels, bytes float64
	for _, p := range pictures {
		pixels += float64(p.Pixels)
		bytes += float64(len(p.File))
	}
	n := float64(max(len(pictures), 1))
	return fmt.Sprintf("%d %s (mean %.2f million pixels, %.0f KB)", len(pictures), what, pixels/n/1e6, bytes/n/1e3)
}

// Cycle returns n pictures: those of pictures, again and again.
func Cycle(pictures []Picture, n int) []Picture {
	return slices.Concat(slices.Repeat(pictures, n/len(pictures)), pictures[:n%len(pictures)])
}
