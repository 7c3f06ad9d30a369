package drivers

import (
	"context"

	"facestream/internal/config"
	"facestream/internal/gallery"
	"facestream/internal/gallery/milvus"
	"facestream/pkg/schema"
)

func openMilvus(ctx context.Context, cfg config.Gallery) (Gallery, error) {
	if err := refuseUnmoved(ctx, cfg); err != nil {
		return nil, err
	}
	g, err := connectMilvus(ctx, cfg.Milvus)
	if err != nil {
		return nil, err
	}
	return batched{gallery.Batch(g), g}, nil
}

func readMilvus(ctx context.Context, cfg config.Gallery) (Reader, error) {
	g, err := connectMilvus(ctx, cfg.Milvus)
	if err != nil {
		return nil, err // a nil g would become a Reader that is not nil
	}
	return g, nil
}

func stageMilvus(ctx context.Context, cfg config.Gallery, tie gallery.Tie) (*Stage, error) {
	g, err := connectMilvus(ctx, cfg.Milvus)
	if err != nil {
		return nil, err
	}
	staging := g.Staging(tie)
	return &Stage{Serving: g, Staging: staging, Own: func() error { return nil }, Discard: staging.Discard, Close: g.Close}, nil
}

func connectMilvus(ctx context.Context, m config.Milvus) (*milvus.Gallery, error) {
	tls, err := m.TLS.Client("indexer.gallery.milvus.tls")
	if err != nil {
		return nil, schema.Fatal("gallery.open", err)
	}
	return milvus.Open(ctx, milvus.Config{
		Address: m.Address, User: m.User, Password: m.Password, Token: m.Token, TLS: tls, Prefix: m.Prefix,
		Index: milvus.Index(m.Index), Timeout: m.Timeout, LoadTimeout: m.LoadTimeout,
	})
}

// batched shares calls of the server between callers. The local gallery shares its transactions by itself.
type batched struct {
	*gallery.Batched
	driver Gallery
}

func (b batched) Ping(ctx context.Context) error { return b.driver.Ping(ctx) }
func (b batched) Close() error                   { return b.driver.Close() }
