package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/services/gateway"
)

// A gateway that is told to stop answers who waits with 202, and another has the result.
func TestGatewayThatLeaves(t *testing.T) {
	bearer := token(t, "*", "*")
	second, stop, err := openGateway(system.cfg)
	if err != nil {
		t.Fatal(err)
	}
	kind, body := form([]string{"config", tolerant}, slow)
	answers := make(chan *answer, 1)
	go func() {
		req, err := http.NewRequest(http.MethodPost, second+"/v1/validate", body)
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+bearer)
			req.Header.Set("Content-Type", kind)
			var a *answer
			if a, err = do(req); err == nil {
				answers <- a
				return
			}
		}
		t.Error(err)
		close(answers)
	}()
	before := ends(t)
	for until := time.Now().Add(20 * time.Second); ends(t) == before && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	a := <-answers
	if a == nil || a.status != 202 {
		t.Fatalf("%+v", a)
	}
	at := a.header.Get("Location")
	if a = ask(t, http.MethodGet, system.first+at, nil, "Authorization", "Bearer "+bearer, "Prefer", "wait=30"); a.status != 200 || len(a.Faces) != 1 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A caller that hangs up, and repeats the request elsewhere under its key, gets the one result.
func TestCallerThatHangsUp(t *testing.T) {
	bearer, key := token(t, "*", "*"), fmt.Sprint("hangs-up-", time.Now().UnixNano())
	fields, before := []string{"config", tolerant, "collection", "hangs-up"}, ends(t)
	kind, body := form(fields, slow)
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, system.first+"/v1/enroll", body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + bearer, "Content-Type": kind, "Idempotency-Key": key} {
		req.Header.Set(name, value)
	}
	go func() {
		for ends(t) == before && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		hangUp()
	}()
	if a, err := do(req); err == nil {
		t.Fatalf("an answer came before: %d %s", a.status, a.body)
	}
	a := post(t, bearer, "enroll", fields, [][]byte{slow}, "Idempotency-Key", key)
	if a.status != 200 || !a.Enroll.EnrollPerformed {
		t.Errorf("%d %s", a.status, a.body)
	}
	if sent := ends(t) - before; sent != 1 {
		t.Errorf("%d requests were sent, want 1", sent)
	}
}

// With TLS and an authority for clients, nobody gets in without a certificate of its own, and nobody without a token either.
func TestMutualTLS(t *testing.T) {
	dir := t.TempDir()
	authority, pair := certificates(t, dir)
	cfg := system.cfg
	cfg.Gateway.TLS = config.ServerTLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), ClientCA: filepath.Join(dir, "ca.pem")}
	listener, err := gateway.Listen(t.Context(), cfg.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- host.Serve(ctx, cfg, zerolog.Nop(), gateway.On(listener)) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	for name, tt := range map[string]struct {
		certificates []tls.Certificate
		bearer       string
		status       int
	}{
		"with a certificate and a token": {[]tls.Certificate{pair}, token(t, "*", "*"), 404},
		"without a certificate":          {nil, token(t, "*", "*"), 0},
		"without a token":                {[]tls.Certificate{pair}, "", 401},
	} {
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority, Certificates: tt.certificates}}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+listener.Addr().String()+"/v1/requests/none", nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.bearer != "" {
			req.Header.Set("Authorization", "Bearer "+tt.bearer)
		}
		status := 0
		res, err := client.Do(req)
		if err == nil {
			status = res.StatusCode
			res.Body.Close()
		} else if !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("%s: %v", name, err)
		}
		if status != tt.status {
			t.Errorf("%s: %d, %v; want %d", name, status, err, tt.status)
		}
		client.CloseIdleConnections()
	}
	res, err := http.Get("http://" + listener.Addr().String() + "/v1/openapi.json")
	if err == nil {
		if res.StatusCode == 200 {
			t.Error("the API is served without encryption, too")
		}
		res.Body.Close()
	}
}

// certificates makes an authority (ca.pem) and a certificate for this machine (cert.pem, key.pem), which serves clients, too.
func certificates(t *testing.T, dir string) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, data := range map[string][]byte{"ca.pem": certificate, "cert.pem": certificate, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return pool, pair
}
