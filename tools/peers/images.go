package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/benchmark"
	"facestream/internal/config"
	"facestream/internal/services/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// seen is what one side found in an image.
type seen struct {
	faces     int
	box       schema.BoxF // of the surest
	embedding []float32
}

// contest is two sides that work on the same images, in turns.
type contest struct {
	Name             string
	Images           int
	Facestream, Peer sideCost
	Ratio            benchmark.Figure // of the images a second, facestream's to the script's
	CPURatio         benchmark.Figure // of the script's processor time to facestream's
	Agreement        agreement
}

// sideCost is what the rounds of one side cost. Servers is the processor time of broker and store during them, in milliseconds an image.
type sideCost struct{ PerSecond, CPUMillis, Servers benchmark.Figure }

func (s *sideCost) add(c benchmark.Cost, servers time.Duration) {
	s.PerSecond.Add(c.PerSecond())
	s.CPUMillis.Add(c.CPUMillis())
	s.Servers.Add(float64(servers.Microseconds()) / 1000 / float64(c.Images))
}

func (c *contest) add(ours, theirs benchmark.Cost, serversOurs, serversTheirs time.Duration) {
	c.Facestream.add(ours, serversOurs)
	c.Peer.add(theirs, serversTheirs)
	c.Ratio.Add(ours.PerSecond() / theirs.PerSecond())
	c.CPURatio.Add(theirs.CPUMillis() / ours.CPUMillis())
}

func (c *contest) print() {
	fmt.Printf("%-22s  %9.1f  %9.1f  %9.1f  %9.1f   %s   %s\n", c.Name, c.Facestream.PerSecond.Median(), c.Peer.PerSecond.Median(),
		c.Facestream.CPUMillis.Median(), c.Peer.CPUMillis.Median(), c.Ratio, c.CPURatio)
}

// agreement says how far two sides found the same. Two decoders of pixels and two ways to make a picture smaller never agree to the bit.
type agreement struct {
	Faces     int     // images in which both found the same number of faces
	Images    int     // all
	WorstBox  float64 // least intersection over union of the surest faces
	WorstFace float64 // least cosine of their embeddings
}

// The tolerance: what less would be other work. A face at the edge of the detector's threshold may be found by one side alone.
const (
	leastFaces  = 0.9 // of the images
	leastBox    = 0.75
	leastCosine = 0.85
)

// agree compares what both sides found in the same images. It fails outside of the tolerance.
func agree(ours, theirs []seen) (agreement, error) {
	a := agreement{Images: len(ours), WorstBox: 1, WorstFace: 1}
	for i := range ours {
		if ours[i].faces == theirs[i].faces {
			a.Faces++
		}
		if ours[i].embedding == nil || theirs[i].embedding == nil {
			continue
		}
		a.WorstBox = min(a.WorstBox, overlap(ours[i].box, theirs[i].box))
		a.WorstFace = min(a.WorstFace, cosine(ours[i].embedding, theirs[i].embedding))
	}
	if float64(a.Faces) < leastFaces*float64(a.Images) || a.WorstBox < leastBox || a.WorstFace < leastCosine {
		return a, fmt.Errorf("both sides should do the same work: %+v", a)
	}
	return a, nil
}

func overlap(a, b schema.BoxF) float64 {
	area := func(b schema.BoxF) float64 {
		return math.Max(0, float64(b.BottomRight.X-b.TopLeft.X)) * math.Max(0, float64(b.BottomRight.Y-b.TopLeft.Y))
	}
	both := area(schema.BoxF{
		TopLeft:     schema.PointF{X: max(a.TopLeft.X, b.TopLeft.X), Y: max(a.TopLeft.Y, b.TopLeft.Y)},
		BottomRight: schema.PointF{X: min(a.BottomRight.X, b.BottomRight.X), Y: min(a.BottomRight.Y, b.BottomRight.Y)},
	})
	return both / (area(a) + area(b) - both)
}

// cosine is that of two vectors of length 1.
func cosine(a, b []float32) (sum float64) {
	for i := range min(len(a), len(b)) {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// round lets the script work on n images, and returns what that cost and what it found in each image.
func (s *script) round(n int) (benchmark.Cost, []seen, error) {
	var answer struct {
		Wall, CPU float64
		Found     []struct {
			Faces     int
			Box       []float32 // x, y, width, height
			Embedding []float32
		}
	}
	if err := s.ask(fmt.Sprintf("ROUND %d", n), &answer); err != nil {
		return benchmark.Cost{}, nil, err
	}
	found := make([]seen, len(answer.Found))
	for i, f := range answer.Found {
		found[i] = seen{faces: f.Faces, embedding: f.Embedding}
		if len(f.Box) == 4 {
			found[i].box = schema.BoxF{TopLeft: schema.PointF{X: f.Box[0], Y: f.Box[1]}, BottomRight: schema.PointF{X: f.Box[0] + f.Box[2], Y: f.Box[1] + f.Box[3]}}
		}
	}
	return benchmark.Cost{Wall: seconds(answer.Wall), CPU: seconds(answer.CPU), Images: n}, found, nil
}

// surest is what both sides do: every face is found, and the surest one is aligned and embedded.
var surest = engine.Params{Strategy: engine.BestConfidence, Embed: true}

// bare compares the engine with the script, both on files in memory.
func bare(ctx context.Context, o options, r *report) error {
	pack, err := models.Locate("open")
	if err != nil {
		return err
	}
	names, err := writeNames(o, func(i int) string { return filepath.Join(o.dir, fmt.Sprintf("%d.jpg", i)) })
	if err != nil {
		return err
	}
	for i, p := range o.pictures {
		if err := os.WriteFile(filepath.Join(o.dir, fmt.Sprintf("%d.jpg", i)), p.File, 0o600); err != nil {
			return err
		}
	}
	for _, side := range []int{640, 320} {
		cfg := config.Default().Worker
		cfg.Concurrency, cfg.LongSide = o.threads, side
		e, err := worker.OpenEngine(ctx, cfg, pack, nil)
		if err != nil {
			return err
		}
		defer e.Close()
		python, err := startScript(o, filepath.Join(o.dir, fmt.Sprintf("bare-%d.log", side)), "images.py", "--pack", pack.Dir, "--images", names,
			"--long-side", fmt.Sprint(side), "--processes", fmt.Sprint(o.threads))
		if err != nil {
			return err
		}
		defer python.stop()
		c := &contest{Name: fmt.Sprintf("bare, long side %d", side), Images: o.n}
		ours := make([]seen, len(o.pictures))
		for i, p := range o.pictures { // warms up, too
			a, err := e.Analyze(ctx, p.File, surest)
			if err != nil {
				return err
			}
			img, err := e.Decode(ctx, p.File)
			if err != nil {
				return err
			}
			faces, err := e.Detect(ctx, img, 0)
			if err != nil {
				return err
			}
			if ours[i].faces = len(faces); len(a.Faces) > 0 {
				ours[i].box, ours[i].embedding = a.Faces[0].Box, a.Faces[0].Embedding.Vector
			}
		}
		analyse := func() error {
			g, ctx := errgroup.WithContext(ctx)
			g.SetLimit(o.threads)
			for i := range o.n {
				g.Go(func() error {
					_, err := e.Analyze(ctx, o.pictures[i%len(o.pictures)].File, surest)
					return err
				})
			}
			return g.Wait()
		}
		for range o.rounds {
			mine, err := benchmark.Measure(o.n, analyse)
			if err != nil {
				return err
			}
			their, theirs, err := python.round(o.n)
			if err != nil {
				return err
			}
			c.add(mine, their, 0, 0)
			if c.Agreement, err = agree(ours, theirs); err != nil {
				return err
			}
		}
		r.Images = append(r.Images, c)
		c.print()
	}
	return nil
}

// writeNames writes the name of each picture as JSON, and returns the path of that file.
func writeNames(o options, name func(int) string) (string, error) {
	var names []string
	for i := range o.pictures {
		names = append(names, name(i))
	}
	path := filepath.Join(o.dir, "images.json")
	return path, benchmark.WriteJSON(path, names)
}
