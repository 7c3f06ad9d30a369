package allinone

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"facestream/internal/config"
	"facestream/internal/gallery/drivers"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// packFile is the file of the data folder that says which pack made its collections: NAME@VERSION, or a folder.
const packFile = "pack"

// keepPack sets the pack of cfg to the one that made the collections of the local gallery, also after an upgrade of the
// program or where the settings name another: its vectors and those of another network do not compare. A pack that is named
// with its version, or by its folder, is taken if it has the same embedding network. A folder without collections takes the
// pack of the settings and notes it. Where the settings assign several packs, nothing changes.
func keepPack(ctx context.Context, cfg *config.Config, log zerolog.Logger) error {
	if len(cfg.Worker.Models) != 1 || len(cfg.Worker.Collections) > 0 || cfg.Indexer.Gallery.Driver != config.DriverLocal {
		return nil
	}
	configured := cfg.Worker.Models[0]
	path := filepath.Join(cfg.DataDir, packFile)
	noted, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	recorded := strings.TrimSpace(string(noted))
	made := madeBy(ctx, cfg.Indexer.Gallery)

	candidates := []string{recorded, configured}
	if strings.ContainsAny(filepath.ToSlash(configured), "@/") {
		candidates = []string{configured, recorded}
	}
	for _, name := range append(candidates, models.Pulled()...) {
		if name == "" || len(made) == 0 && name != configured {
			continue
		}
		pack, err := models.Locate(name)
		if err != nil {
			continue // a missing pack of the settings is the worker's error
		}
		if m, _ := pack.Model(models.RoleEmbedding); len(made) > 0 && !made[m.ID()] {
			continue
		}
		if !models.IsFolder(name) {
			name = pack.Ref()
			if err := models.Keep(ctx, pack); err != nil {
				log.Warn().Err(err).Msgf("%s is not kept for a later version of this program", name)
			}
		}
		if wanted, err := models.Locate(configured); err == nil && wanted.Ref() != pack.Ref() {
			log.Info().Str("pack", name).Str("instead_of", wanted.Ref()).
				Msgf("%s made the collections of this data folder and stays in use; `facestream reindex --model %s` takes them to %s", name, wanted.Ref(), wanted.Ref())
		}
		cfg.Worker.Models = []string{name}
		if name == recorded {
			return nil
		}
		return os.WriteFile(path, []byte(name+"\n"), 0o600)
	}
	return nil
}

// madeBy are the embedding models of the collections of a local gallery. A gallery that does not exist or cannot be read
// has none; the indexer says why.
func madeBy(ctx context.Context, cfg config.Gallery) map[schema.ModelID]bool {
	r, err := drivers.OpenReader(ctx, cfg)
	if err != nil {
		return nil
	}
	defer r.Close()
	collections, err := r.Collections(ctx)
	if err != nil {
		return nil
	}
	made := map[schema.ModelID]bool{}
	for _, c := range collections {
		made[c.Tie.Model] = true
	}
	return made
}
