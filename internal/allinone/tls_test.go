package allinone_test

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facestream/internal/config"
	"facestream/internal/host"
)

// TestStoreOfAPrivateAuthority: the settings of an operator reach a store over HTTPS whose certificate a private authority signed.
func TestStoreOfAPrivateAuthority(t *testing.T) {
	s := useStream(t)
	if s.cfg.S3.TLS.Enabled {
		t.Skip("SKIPPED: the store speaks HTTPS itself")
	}
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: s.cfg.S3.Endpoint})
		r.Out.Host = r.In.Host // the signature covers it
	}})
	defer proxy.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := s.cfg
	cfg.S3.Endpoint, cfg.S3.TLS = proxy.Listener.Addr().String(), config.TLS{Enabled: true, CAFile: authority}
	client, store, err := host.Clients(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := store.Ping(t.Context(), cfg.S3.Bucket); err != nil {
		t.Error(err)
	}
	cfg.S3.TLS.CAFile = authority + ".absent"
	if _, _, err := host.Clients(cfg); err == nil || !strings.Contains(err.Error(), "s3.tls.ca_file") {
		t.Errorf("%v does not name the setting", err)
	}
}
