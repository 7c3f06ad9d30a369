// Command identify measures open-set identification through the stream on a folder of aligned or unaligned pictures
// with one sub-folder per person (LFW's layout). It enrols one picture of each of the first people by upload. Then it
// searches for another picture of each of them, and for as many people who are not enrolled, at the model pack's
// default thresholds.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/eval"
	"facestream/internal/sandbox"
	"facestream/pkg/schema"
)

const collection = "identify"

func main() {
	data := flag.String("data", filepath.Join(eval.DefaultData(), "lfw", "data"), "folder with one sub-folder a person")
	people := flag.Int("people", 200, "people to enrol; as many others are searched for as strangers")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := run(ctx, *data, *people); err != nil {
		fmt.Fprintln(os.Stderr, "identify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, data string, people int) error {
	data, err := filepath.Abs(data) // the embedded store changes the working directory
	if err != nil {
		return err
	}
	mates, strangers, err := choose(data, people)
	if err != nil {
		return err
	}
	cfg := config.Default()
	cfg.Worker.Models = []string{cmp.Or(os.Getenv("FACESTREAM_MODELS"), cfg.Worker.Models[0])}
	return sandbox.Run(ctx, cfg, func(ctx context.Context, s *sandbox.Sandbox) error {
		start := time.Now()
		enrolled, err := enroll(ctx, s, mates)
		if err != nil {
			return err
		}
		fmt.Printf("%d people enrolled by upload, one picture each, %.1f s; %d pictures without a face\n", len(enrolled), time.Since(start).Seconds(), people-len(enrolled))
		right, wrong, missed, err := search(ctx, s, "mate", mates, enrolled)
		if err != nil {
			return err
		}
		fmt.Printf("%d pictures of enrolled people: %d found at rank 1, %d taken for somebody else, %d not recognised\n", len(mates), right, wrong, missed)
		_, alarms, rejected, err := search(ctx, s, "stranger", strangers, enrolled)
		if err != nil {
			return err
		}
		fmt.Printf("%d pictures of people who are not enrolled: %d rejected, %d false alarms\n", len(strangers), rejected, alarms)
		return nil
	})
}

// subject is a person with the picture to enrol (empty for strangers) and the one to search with.
type subject struct{ name, enrol, probe string }

// choose returns people with two pictures as mates and people with one picture as strangers, sorted by name.
func choose(data string, n int) (mates, strangers []subject, err error) {
	folders, err := os.ReadDir(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (set %s or --data to a folder in LFW's layout)", err, eval.EnvData)
	}
	for _, f := range folders {
		pictures, err := filepath.Glob(filepath.Join(data, f.Name(), "*.jpg"))
		if err != nil {
			return nil, nil, err
		}
		switch {
		case len(pictures) > 1 && len(mates) < n:
			mates = append(mates, subject{f.Name(), pictures[0], pictures[1]})
		case len(pictures) == 1 && len(strangers) < n:
			strangers = append(strangers, subject{name: f.Name(), probe: pictures[0]})
		}
	}
	if len(mates) < n || len(strangers) < n {
		return nil, nil, fmt.Errorf("%s has %d people with two pictures and %d with one; %d of each are needed", data, len(mates), len(strangers), n)
	}
	return mates, strangers, nil
}

// enroll uploads a picture of each person and returns who was enrolled.
func enroll(ctx context.Context, s *sandbox.Sandbox, people []subject) (map[string]bool, error) {
	var mu sync.Mutex
	enrolled := map[string]bool{}
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range people {
		ref, err := upload(ctx, s, fmt.Sprintf("enroll/%s/%s/a.jpg", collection, p.name), p.enrol)
		if err != nil {
			return nil, errors.Join(err, g.Wait())
		}
		g.Go(func() error {
			r, err := s.Results.Await(ctx, schema.ObjectRequestID(ref))
			if err == nil && r.Enroll != nil && r.Enroll.EnrollPerformed {
				mu.Lock()
				defer mu.Unlock()
				enrolled[p.name] = true
			}
			return err
		})
	}
	return enrolled, g.Wait()
}

// search sends a prediction for each person. right counts those who were found, wrong those taken for somebody else,
// none those not recognised.
func search(ctx context.Context, s *sandbox.Sandbox, kind string, people []subject, enrolled map[string]bool) (right, wrong, none int, err error) {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range people {
		ref, err := upload(ctx, s, fmt.Sprintf("probes/%s/%s.jpg", kind, p.name), p.probe)
		if err != nil {
			return 0, 0, 0, errors.Join(err, g.Wait())
		}
		g.Go(func() error {
			r, err := s.Call(ctx, schema.Request{Operation: schema.OpPredict, Collection: collection, Images: []schema.ObjectRef{ref}})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case r.CallStatus.ReturnCode != schema.CodeNoError:
				return errors.New(r.CallStatus.ReturnMessage)
			case r.Predict == nil || r.Predict.Response == nil || r.Predict.Response.PUID == "":
				none++
			case string(r.Predict.Response.List[0].ExternalID) == p.name && enrolled[p.name]:
				right++
			default:
				wrong++
			}
			return nil
		})
	}
	err = g.Wait()
	return right, wrong, none, err
}

func upload(ctx context.Context, s *sandbox.Sandbox, key, file string) (schema.ObjectRef, error) {
	image, err := os.ReadFile(file)
	if err != nil {
		return schema.ObjectRef{}, err
	}
	return s.Put(ctx, key, image)
}
