package drivers

import (
	"context"
	"errors"

	"facestream/internal/config"
	"facestream/internal/gallery"
	"facestream/internal/gallery/local"
)

func openLocal(ctx context.Context, cfg config.Gallery) (Gallery, error) {
	g, err := local.Open(ctx, cfg.Dir)
	if err != nil {
		return nil, err // a nil g would become a Gallery that is not nil
	}
	return g, nil
}

func readLocal(ctx context.Context, cfg config.Gallery) (Reader, error) {
	r, err := local.OpenReader(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func stageLocal(ctx context.Context, cfg config.Gallery, tie gallery.Tie) (*Stage, error) {
	r, err := local.OpenReader(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	staging := local.NewStaging(cfg.Dir, tie)
	return &Stage{
		Serving: r, Staging: staging, Own: staging.Own,
		Discard: func(context.Context) error { return staging.Discard() },
		Close:   func() error { return errors.Join(staging.Close(), r.Close()) },
	}, nil
}
