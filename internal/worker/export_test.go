package worker

import (
	"context"

	"facestream/pkg/schema"
)

// Fetch fetches the first image of a job and gives it up.
func Fetch(s *Service, ctx context.Context, job *schema.Job) ([]byte, error) {
	f := s.fetcher(job)
	defer f.close()
	data, _, err := f.get(ctx, 0)
	return data, err
}
