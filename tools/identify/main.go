// Command identify measures open-set identification through the stream on a folder of aligned or unaligned pictures,
// one sub-folder a person (LFW's layout): it enrols one picture of each of the first people by upload, then searches for
// another picture of each of them and for as many people who are not enrolled, at the model pack's default thresholds.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

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
	cfg.Worker.Models = cmp.Or(os.Getenv("FACESTREAM_MODELS"), cfg.Worker.Models)
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

// choose takes people with two pictures as mates, and people with a single one as strangers, in the order of names.
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
	waiting := map[schema.RequestID]string{}
	for _, p := range people {
		image, err := os.ReadFile(p.enrol)
		if err != nil {
			return nil, err
		}
		ref, err := s.Put(ctx, fmt.Sprintf("enroll/%s/%s/a.jpg", collection, p.name), image)
		if err != nil {
			return nil, err
		}
		waiting[schema.ObjectRequestID(ref)] = p.name
	}
	enrolled := map[string]bool{}
	for len(waiting) > 0 {
		r, _, err := s.Results.Next(ctx)
		if err != nil {
			return nil, err
		}
		name, ok := waiting[r.RequestID]
		delete(waiting, r.RequestID)
		if ok && r.Enroll != nil && r.Enroll.EnrollPerformed {
			enrolled[name] = true
		}
	}
	return enrolled, nil
}

// search sends a prediction for each person. right is the person, wrong somebody else, none nobody.
func search(ctx context.Context, s *sandbox.Sandbox, kind string, people []subject, enrolled map[string]bool) (right, wrong, none int, err error) {
	waiting := map[schema.RequestID]string{}
	for _, p := range people {
		image, err := os.ReadFile(p.probe)
		if err != nil {
			return 0, 0, 0, err
		}
		ref, err := s.Put(ctx, fmt.Sprintf("probes/%s/%s.jpg", kind, p.name), image)
		if err != nil {
			return 0, 0, 0, err
		}
		id := schema.RequestID(kind + "-" + p.name)
		waiting[id] = p.name
		if err := s.Submit(ctx, schema.Request{ID: id, Operation: schema.OpPredict, Collection: collection, Images: []schema.ObjectRef{ref}}); err != nil {
			return 0, 0, 0, err
		}
	}
	for len(waiting) > 0 {
		r, _, err := s.Results.Next(ctx)
		if err != nil {
			return 0, 0, 0, err
		}
		name, ok := waiting[r.RequestID]
		delete(waiting, r.RequestID)
		switch {
		case !ok:
		case r.CallStatus.ReturnCode != schema.CodeNoError:
			return 0, 0, 0, errors.New(r.CallStatus.ReturnMessage)
		case r.Predict == nil || r.Predict.Response == nil || r.Predict.Response.PUID == "":
			none++
		case string(r.Predict.Response.List[0].ExternalID) == name && enrolled[name]:
			right++
		default:
			wrong++
		}
	}
	return right, wrong, none, nil
}
