// Package objectstest lets tests use a real object store instead of the embedded one (tools/s3/up.sh starts one), and
// uploads in ways that only tests need.
//
// FACESTREAM_S3_ENDPOINT and the settings around it (_ACCESS_KEY, _SECRET_KEY, _TLS_CA_FILE, which also means HTTPS) name
// the store, and S3_KIND says which kind it is. S3_DIR is the folder of tools/s3/up.sh as an absolute path; it allows tests
// to stop and start the store.
package objectstest

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"facestream/internal/objects"
	"facestream/pkg/schema"
)

// Domain is the virtual domain of a store that tools/s3/up.sh started.
const Domain = "s3.test"

// Store is a store of another process.
type Store struct {
	Config objects.Config
	Kind   string // versitygw or minio
	// Ours says that tests may stop and start it.
	Ours bool
	up   string // folder of up.sh and down.sh
}

// Given is the store that the environment names, or nil if it names none. Call it in the folder of a package of internal.
func Given() (*Store, error) {
	endpoint := os.Getenv("FACESTREAM_S3_ENDPOINT")
	if endpoint == "" {
		return nil, nil
	}
	s := &Store{Kind: cmp.Or(os.Getenv("S3_KIND"), "versitygw"), Ours: os.Getenv("S3_DIR") != ""}
	s.Config = objects.Config{
		Endpoint:  endpoint,
		AccessKey: cmp.Or(os.Getenv("FACESTREAM_S3_ACCESS_KEY"), "facestream"),
		SecretKey: schema.Secret(cmp.Or(os.Getenv("FACESTREAM_S3_SECRET_KEY"), "facestream-local")),
	}
	if file := os.Getenv("FACESTREAM_S3_TLS_CA_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s.Config.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		if !s.Config.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", file)
		}
	}
	var err error
	s.up, err = filepath.Abs("../../tools/s3")
	return s, err
}

// Stop ends the store as a crash would. An orderly end takes long with versitygw, which waits for idle connections.
func (s *Store) Stop(ctx context.Context) error { return s.script(ctx, "down.sh", "--kill") }

// Start brings it back, with its data.
func (s *Store) Start(ctx context.Context) error { return s.script(ctx, "up.sh") }

func (s *Store) script(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, filepath.Join(s.up, name), append(args, s.Kind)...)
	if s.Config.TLS != nil {
		command.Env = append(os.Environ(), "S3_TLS=yes")
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("tools/s3/%s: %w: %s", name, err, out)
	}
	return nil
}
