// Command compare says whether two images show the same person. It uses the engine as a library: no broker, no store.
//
//	go run ./compare a.jpg b.jpg
//
// It needs the library of ONNX Runtime (`facestream models runtime` gets it) and uses the starter pack, unless
// FACESTREAM_MODELS names another one (`facestream models pull open`).
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: compare IMAGE IMAGE")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, files []string) (err error) {
	pack, err := models.Locate(cmp.Or(os.Getenv("FACESTREAM_MODELS"), "starter"))
	if err != nil {
		return err
	}
	library, _, err := onnx.FindLibrary(ctx)
	if err != nil {
		return err
	}
	e, err := engine.Open(ctx, engine.Options{Pack: pack, Library: library})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()

	var faces []*schema.Embedding
	for _, file := range files {
		image, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		// One face of each image: the one that the detector is surest of.
		found, err := e.Analyze(ctx, image, engine.Params{Strategy: engine.BestConfidence, Embed: true})
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if len(found.Faces) == 0 {
			return fmt.Errorf("%s shows no face", file)
		}
		face := found.Faces[0]
		fmt.Printf("%s: %d × %d pixels, face %.0f %% sure\n", file, found.Width, found.Height, 100*face.Confidence)
		faces = append(faces, face.Embedding)
	}

	similarity := schema.Cosine(faces[0].Vector, faces[1].Vector)
	threshold := e.Thresholds()["med"]
	fmt.Printf("similarity %.3f, threshold %.3f: ", similarity, threshold.Value)
	if similarity >= threshold.Value {
		fmt.Println("the same person")
	} else {
		fmt.Println("different people")
	}
	return nil
}
