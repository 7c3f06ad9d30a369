// Package drivers lists the drivers of the directory and opens the one that the settings name.
package drivers

import (
	"context"
	"fmt"

	"facestream/internal/config"
	"facestream/internal/directory"
	"facestream/internal/directory/postgres"
	"facestream/internal/directory/sqlite"
	"facestream/pkg/schema"
)

// driver opens a directory: to write it, or to read it beside whoever does.
type driver struct {
	open, read func(context.Context, config.Directory) (Directory, error)
}

// all are the drivers, by their names in indexer.directory.driver.
func all() map[string]driver {
	return map[string]driver{
		config.DirectorySQLite:   {openSQLite, readSQLite},
		config.DirectoryPostgres: {openPostgres, readPostgres},
	}
}

// Directory is a directory that is open.
type Directory interface {
	directory.Directory
	Ping(context.Context) error
	Close() error
}

// Open opens the directory that the settings of an indexer name; nil where they want none.
func Open(ctx context.Context, cfg config.Indexer) (Directory, error) {
	d, err := named(cfg)
	if d == nil || err != nil {
		return nil, err
	}
	return d.open(ctx, cfg.Directory)
}

// OpenReader opens it for reading, whoever writes it; nil where the settings want none.
func OpenReader(ctx context.Context, cfg config.Indexer) (Directory, error) {
	d, err := named(cfg)
	if d == nil || err != nil {
		return nil, err
	}
	return d.read(ctx, cfg.Directory)
}

// named returns the driver that cfg wants, nil for none.
func named(cfg config.Indexer) (*driver, error) {
	kind := cfg.Directory.Kind(cfg.Gallery)
	if kind == config.DirectoryOff {
		return nil, nil
	}
	d, ok := all()[kind]
	if !ok {
		return nil, schema.Fatal("directory.open", fmt.Errorf("there is no directory driver %q", kind))
	}
	return &d, nil
}

func openSQLite(ctx context.Context, cfg config.Directory) (Directory, error) {
	d, err := sqlite.Open(ctx, cfg.Dir)
	if err != nil {
		return nil, err // a nil d would become a Directory that is not nil
	}
	return d, nil
}

func readSQLite(ctx context.Context, cfg config.Directory) (Directory, error) {
	d, err := sqlite.OpenReader(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func openPostgres(ctx context.Context, cfg config.Directory) (Directory, error) {
	d, err := postgres.Open(ctx, cfg.DSN)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func readPostgres(ctx context.Context, cfg config.Directory) (Directory, error) {
	d, err := postgres.OpenReader(ctx, cfg.DSN)
	if err != nil {
		return nil, err
	}
	return d, nil
}
