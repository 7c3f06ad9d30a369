package drivers

import (
	"context"
	"fmt"

	"facestream/internal/config"
	"facestream/internal/gallery/local"
	"facestream/pkg/schema"
)

// Restore builds the local gallery that the settings name again; see [local.Restore].
func Restore(ctx context.Context, cfg config.Gallery, from string, empty bool, fill func(context.Context, *local.Gallery) error) (local.Salvaged, error) {
	if cfg.Driver != config.DriverLocal {
		return local.Salvaged{}, schema.Fatal("gallery.restore", fmt.Errorf("indexer.gallery.driver is %s: only the local gallery is a file; restore that server with its own tools, and then run this with --send-again", cfg.Driver))
	}
	return local.Restore(ctx, cfg.Dir, from, empty, fill)
}
