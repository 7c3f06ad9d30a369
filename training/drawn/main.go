// Drawn draws people as further training material: one PNG a picture, named
// <person>-<shot>.png. Their seeds follow one another, so that none of them is
// in the cast that tests and demo use.
//
//	go run ./training/drawn -out DIR
package main

import (
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"facestream/internal/drawn"
)

func main() {
	out := flag.String("out", "", "`folder` for the pictures")
	people := flag.Int("people", 1500, "how many people")
	shots := flag.Int("shots", 2, "pictures of each")
	size := flag.Int("size", 192, "width and height, `pixels`")
	first := flag.Uint64("first", 1_000_000_000, "seed of the first person; the next ones follow")
	flag.Parse()
	if err := run(*out, *people, *shots, *size, *first); err != nil {
		fmt.Fprintln(os.Stderr, "drawn:", err)
		os.Exit(1)
	}
}

func run(out string, people, shots, size int, first uint64) error {
	if out == "" {
		return fmt.Errorf("name a folder with -out")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, runtime.GOMAXPROCS(0))
		errs  = make([]error, people)
	)
	for i := range people {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			p := drawn.New(first + uint64(i))
			for n := 0; n < shots && errs[i] == nil; n++ {
				errs[i] = draw(filepath.Join(out, fmt.Sprintf("%05d-%02d.png", i, n)), p, p.Shot(n), size)
			}
		})
		if (i+1)%100 == 0 {
			fmt.Printf("%d of %d people\n", i+1, people)
		}
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// draw writes one picture.
func draw(file string, p drawn.Person, s drawn.Shot, size int) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	return png.Encode(f, drawn.Render(p, s, size))
}
