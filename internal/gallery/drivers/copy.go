package drivers

import (
	"context"
	"errors"
	"fmt"

	"facestream/internal/config"
	"facestream/internal/gallery/local"
	"facestream/internal/gallery/transfer"
	"facestream/pkg/schema"
)

// refuseUnmoved returns a fatal error if the folder of the local gallery holds people whom another driver would not
// know.
func refuseUnmoved(ctx context.Context, cfg config.Gallery) error {
	n, err := local.Unmoved(ctx, cfg.Dir)
	if err != nil || n == 0 {
		return err
	}
	return schema.Fatal("gallery.open", fmt.Errorf("indexer.gallery.driver is %s, and indexer.gallery.dir, %q, holds a local gallery with %d enrolled images that was not copied there: "+
		"run `facestream gallery copy` with these settings, or set indexer.gallery.driver to %s", cfg.Driver, cfg.Dir, n, config.DriverLocal))
}

// Copy copies the local gallery to the Milvus server that the settings name. After that, Milvus serves. If the report
// has differences, the local gallery remains in use.
func Copy(ctx context.Context, cfg config.Gallery, progress func(c schema.Collection, done, total int)) (report transfer.Report, err error) {
	const op = "gallery.copy"
	if cfg.Driver != config.DriverMilvus {
		return report, schema.Fatal(op, fmt.Errorf("indexer.gallery.driver is %s; set it to %s, and the copy goes from indexer.gallery.dir there", cfg.Driver, config.DriverMilvus))
	}
	switch n, err := local.Unmoved(ctx, cfg.Dir); {
	case err != nil:
		return report, err
	case n == 0:
		return report, schema.Fatal(op, fmt.Errorf("indexer.gallery.dir, %q, holds no local gallery with enrolled people that was not copied before", cfg.Dir))
	}
	from, err := local.Open(ctx, cfg.Dir)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := connectMilvus(ctx, cfg.Milvus)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	report, err = transfer.Run(ctx, from, to, progress)
	if err != nil || report.Different() > 0 {
		return report, err
	}
	return report, from.MarkMoved(fmt.Sprintf("to Milvus at %s (prefix %s)", cfg.Milvus.Address, cfg.Milvus.Prefix))
}
