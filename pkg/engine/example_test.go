package engine

import (
	"context"
	"fmt"
	"log"
	"os"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// From image files to faces and embeddings, and whether two of them show one person. The pack's files are those that
// `facestream models pull open` fetches.
func Example() {
	ctx := context.Background()
	pack, err := models.Open("packs/open")
	if err != nil {
		log.Fatal(err)
	}
	e, err := Open(ctx, Options{Pack: pack})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	var embeddings []schema.Embedding
	for _, name := range []string{"portrait.jpg", "another-portrait.jpg"} {
		file, err := os.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		a, err := e.Analyze(ctx, file, Params{Strategy: BestConfidence, Embed: true})
		if err != nil {
			log.Fatal(err) // schema.ReasonOf(err) says which kind: image_unreadable, image_too_large, …
		}
		for _, f := range a.Faces {
			fmt.Printf("%s: 1 face, %d components\n", name, len(f.Embedding.Vector))
			embeddings = append(embeddings, *f.Embedding)
		}
	}
	same := schema.Cosine(embeddings[0].Vector, embeddings[1].Vector) >= e.Thresholds()["med"].Value
	fmt.Println("the same person:", same)
}
