package worker

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/semaphore"

	"facestream/pkg/schema"
)

// Files bounds the memory of the files that jobs hold.
type Files struct {
	most int64
	free *semaphore.Weighted
}

// NewFiles returns a bound of so many bytes; 0: none.
func NewFiles(bytes int64) *Files {
	if bytes <= 0 {
		return nil
	}
	return &Files{bytes, semaphore.NewWeighted(bytes)}
}

// take waits for room for a file of up to most bytes, and returns how large the file may be.
func (f *Files) take(ctx context.Context, most int64) (int64, error) {
	if f == nil {
		return most, nil
	}
	most = min(most, f.most)
	if err := f.free.Acquire(ctx, most); err != nil {
		return 0, schema.Transient("worker.files", err)
	}
	return most, nil
}

// give returns what take took.
func (f *Files) give(bytes int64) {
	if f != nil && bytes > 0 {
		f.free.Release(bytes)
	}
}

// fetcher fetches the images of a job. It keeps the last one for the next pack: the operations that several packs answer take one
// image.
type fetcher struct {
	service *Service
	job     *schema.Job
	file    []byte
	image   int
	taken   int64 // of Service.Files
}

func (s *Service) fetcher(job *schema.Job) *fetcher {
	return &fetcher{service: s, job: job, image: -1}
}

// get returns the image of that index, and how long fetching it took.
func (f *fetcher) get(ctx context.Context, image int) ([]byte, time.Duration, error) {
	if image == f.image {
		return f.file, 0, nil
	}
	f.close()
	s := f.service
	most, err := s.Files.take(ctx, s.MaxBytes)
	if err != nil {
		return nil, 0, err
	}
	f.taken = most
	start := time.Now()
	data, _, err := s.Objects.Get(ctx, f.job.Images[image], most)
	if err != nil {
		f.close()
		if f.job.Operation.OnVoices() && schema.ReasonOf(err) == schema.ReasonImageTooLarge {
			err = schema.Permanent("worker.files", schema.ReasonAudioTooLong, errors.New(schema.MessageOf(err)))
		}
		return nil, time.Since(start), err
	}
	f.file, f.image = data, image
	if rest := f.taken - int64(len(data)); rest > 0 { // the size was not known before
		s.Files.give(rest)
		f.taken -= rest
	}
	return data, time.Since(start), nil
}

// close gives up the image that it keeps.
func (f *fetcher) close() {
	f.service.Files.give(f.taken)
	f.file, f.image, f.taken = nil, -1, 0
}
