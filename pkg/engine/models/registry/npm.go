package registry

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"strings"

	"facestream/pkg/schema"
)

// findNPM finds the package's tarball.
func (c *Client) findNPM(ctx context.Context, p Package) (location, error) {
	registry := c.Settings.registry(p.Name)
	if registry == "" {
		return location{}, schema.Transient(op, errors.New("no npm registry is known: npm is not here; install it, or set npm_config_registry"))
	}
	u, err := url.Parse(strings.TrimSuffix(registry, "/") + "/" + strings.Replace(p.Name, "/", "%2f", 1))
	if err != nil {
		return location{}, fatal("npm's registry: %w", err)
	}
	text, _, at, err := c.index(ctx, u, "application/vnd.npm.install-v1+json, application/json;q=0.8")
	if err != nil {
		return location{}, err
	}
	if at.Host == u.Host && at.User == nil {
		at.User = u.User
	}
	var answer struct {
		Versions map[string]struct {
			Dist struct {
				Tarball   string `json:"tarball"`
				Integrity string `json:"integrity"`
				SHASum    string `json:"shasum"`
			} `json:"dist"`
		} `json:"versions"`
	}
	if err := unmarshal(u, text, &answer); err != nil {
		return location{}, err
	}
	version, ok := answer.Versions[p.Version]
	if !ok {
		return location{}, fatal("%s does not have this version", u.Redacted())
	}
	tarball, err := resolve(at, version.Dist.Tarball)
	if err != nil {
		return location{}, err
	}
	promised := integrity(version.Dist.Integrity)
	if promised.sum == nil {
		promised = hexDigest("sha1", version.Dist.SHASum)
	}
	return location{url: tarball, name: p.String(), digest: promised}, nil
}

// tarball is a package of npm, which was fetched whole because no part of it can be read alone.
type tarball struct{ file *os.File }

func (c *Client) openTarball(ctx context.Context, l location) (archive, error) {
	response, err := c.get(ctx, l.url, map[string]string{"Accept-Encoding": "identity"})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	file, err := c.save(l, response.Body, response.ContentLength)
	if err != nil {
		return nil, err
	}
	return &tarball{file}, nil
}

func (t *tarball) open(_ context.Context, path string, size int64) (io.ReadCloser, error) {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	unzipped, err := gzip.NewReader(t.file)
	if err != nil {
		return nil, notWhole(err)
	}
	members := tar.NewReader(unzipped)
	for {
		m, err := members.Next()
		if errors.Is(err, io.EOF) {
			return nil, fatal("there is no file %s in it", path)
		}
		if err != nil {
			return nil, notWhole(err)
		}
		// The first folder of the path is "package", or whatever the packer called it.
		if _, inside, _ := strings.Cut(m.Name, "/"); inside != path || m.Typeflag != tar.TypeReg {
			continue
		}
		if m.Size != size {
			return nil, fatal("refused: %s has %d bytes in it, %d are expected", path, m.Size, size)
		}
		return io.NopCloser(members), nil
	}
}

func (t *tarball) close() error { return drop(t.file) }
