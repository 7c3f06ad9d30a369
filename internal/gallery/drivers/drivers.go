// Package drivers lists the drivers of the gallery and opens the one that the settings name. A new driver needs one
// line in [all] and a file beside this one.
package drivers

import (
	"context"
	"fmt"

	"facestream/internal/config"
	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// driver opens a gallery: to serve it, to read it beside whoever serves it, or to build another one next to it.
type driver struct {
	open  func(context.Context, config.Gallery) (Gallery, error)
	read  func(context.Context, config.Gallery) (Reader, error)
	stage func(context.Context, config.Gallery, gallery.Tie) (*Stage, error)
}

// all are the drivers, by their names in indexer.gallery.driver.
func all() map[string]driver {
	return map[string]driver{
		config.DriverLocal:  {openLocal, readLocal, stageLocal},
		config.DriverMilvus: {openMilvus, readMilvus, stageMilvus},
	}
}

func named(cfg config.Gallery) (driver, error) {
	d, ok := all()[cfg.Driver]
	if !ok {
		return d, schema.Fatal("gallery.open", fmt.Errorf("there is no gallery driver %q", cfg.Driver))
	}
	return d, nil
}

// Gallery is a gallery that is open.
type Gallery interface {
	gallery.Gallery
	Ping(context.Context) error
	Close() error
}

// Open opens the gallery that the settings name. After a transient error another try can succeed: its server is away.
func Open(ctx context.Context, cfg config.Gallery) (Gallery, error) {
	d, err := named(cfg)
	if err != nil {
		return nil, err
	}
	return d.open(ctx, cfg)
}

// Reader reads a gallery while indexers serve it.
type Reader interface {
	gallery.Reader
	Close() error
}

// OpenReader opens the gallery that the settings name for reading, whoever serves it.
func OpenReader(ctx context.Context, cfg config.Gallery) (Reader, error) {
	d, err := named(cfg)
	if err != nil {
		return nil, err
	}
	return d.read(ctx, cfg)
}

// Stage is a gallery and the one that is built beside it under another embedding model.
type Stage struct {
	Serving gallery.Reader
	Staging gallery.Staging
	Own     func() error // keeps indexers away, where the driver can
	Discard func(context.Context) error
	Close   func() error
}

// OpenStage opens the gallery that the settings name, to build another one beside it.
func OpenStage(ctx context.Context, cfg config.Gallery, tie gallery.Tie) (*Stage, error) {
	d, err := named(cfg)
	if err != nil {
		return nil, err
	}
	return d.stage(ctx, cfg, tie)
}
