package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"facestream/pkg/schema"
)

// Gateway is the service that answers HTTP.
type Gateway struct {
	Listen      string        `yaml:"listen" default:"127.0.0.1:9480" check:"listen" doc:"Address of the HTTP API; empty runs no gateway in facestream up."`
	TLS         ServerTLS     `yaml:"tls"`
	Auth        Auth          `yaml:"auth"`
	Wait        time.Duration `yaml:"wait" default:"30s" min:"100ms" max:"10m" doc:"How long a caller waits for a result. Then the answer is 202 with the address where the result will be."`
	BodyTimeout time.Duration `yaml:"body_timeout" default:"30s" min:"1s" max:"10m" doc:"How long the body of a request may take to arrive, and how long a caller may take to read an answer."`
	MaxBody     Bytes         `yaml:"max_body" default:"64MB" min:"1KB" max:"1GB" doc:"Size of the largest body of a request."`
	MaxPixels   int           `yaml:"max_pixels" default:"50_000_000" min:"1" max:"1_000_000_000" doc:"Largest number of pixels that the header of an image may announce. The worker has limits of its own (worker.max_pixels)."`
	Memory      Bytes         `yaml:"memory_budget" default:"512MB" min:"1MB" max:"1TB" doc:"How much memory the bodies of all requests may take together. A request that does not get its share within seconds is answered 503."`
	Callers     CallerLimits  `yaml:"callers"`
	Streams     int           `yaml:"streams" default:"64" min:"1" max:"10_000" doc:"Largest number of open streams of results (GET /v1/results), each of which reads the topic by itself."`
	Remember    time.Duration `yaml:"remember" default:"7d" min:"1m" doc:"How long results can be fetched by their id, as far as the topics keep them (kafka.retention). At its start, a gateway reads the topics of requests and results back to here, and is not ready before."`
	Entries     int           `yaml:"index_entries" default:"2_000_000" min:"1_000" max:"1_000_000_000" doc:"How many ids of requests, and as many of results, a gateway remembers at least; twice as many at most. Each takes about 50 bytes of memory. Older ones are forgotten before gateway.remember is over."`
	Prefix      string        `yaml:"prefix" default:"http/" check:"nonempty" doc:"Folder in s3.bucket under which the images of requests are kept, ending with a slash. No route should take keys from there."`
	Console     bool          `yaml:"console" default:"true" doc:"Serve the web console at /console. It holds no data of its own and shows what the token that is entered there may see."`
	Services    []string      `yaml:"services" doc:"Where the other processes serve health and metrics (telemetry.listen), as http://host:port: GET /v1/services reads them for operators, and the console shows them. facestream up needs none, since all its services are in one process."`
}

// CallerLimits bound what one caller may do.
type CallerLimits struct {
	Rate     int   `yaml:"rate" default:"200" min:"1" max:"1_000_000" doc:"Requests per second of one caller at one gateway, over time; a burst may have twice as many."`
	InFlight int   `yaml:"in_flight" default:"256" min:"1" max:"100_000" doc:"Requests of one caller that one gateway works on at once."`
	Bytes    Bytes `yaml:"bytes" default:"256MB" min:"1KB" max:"1TB" doc:"Bytes of all bodies of one caller that one gateway works on at once."`
	Streams  int   `yaml:"streams" default:"8" min:"1" max:"10_000" doc:"Open streams of results of one caller at one gateway."`
}

// ServerTLS is how a listener encrypts.
type ServerTLS struct {
	CertFile string `yaml:"cert_file" doc:"PEM file with the certificate of the server, and those between it and its authority. With it, the API is HTTPS only."`
	KeyFile  string `yaml:"key_file" doc:"PEM file with the key of cert_file."`
	ClientCA string `yaml:"client_ca_file" doc:"PEM file with authorities; a client must then show a certificate of theirs, besides its token."`
}

// Auth says who may call.
type Auth struct {
	JWKS       string   `yaml:"jwks" doc:"Keys that sign the callers' tokens: a file with a JSON Web Key Set, or its https address (of any OpenID Connect provider), which is read again every ten minutes and when a token names an unknown key. RS256 and EdDSA are taken."`
	Issuer     string   `yaml:"issuer" doc:"What a token of those keys must say as its issuer (iss); empty: any."`
	Audience   string   `yaml:"audience" default:"facestream" check:"nonempty" doc:"What a token must say as its audience (aud)."`
	SigningKey string   `yaml:"signing_key" doc:"File with the private key of facestream token, whose tokens are taken, too. It is made where it is missing; several gateways need the same, or gateway.auth.jwks. facestream up makes one, gateway.key in data_dir, if this is empty."`
	APIKeys    []APIKey `yaml:"api_keys" doc:"Callers with a fixed key instead of a token."`
}

// APIKey is a caller with a fixed key.
type APIKey struct {
	Name        string   `yaml:"name" json:"name" check:"nonempty" doc:"Name of the caller; limits and repeats are counted by it."`
	SHA256      string   `yaml:"sha256" json:"sha256" check:"nonempty" doc:"sha256 of the key, in hex. facestream token key makes both. The key itself is in no setting."`
	Operations  []string `yaml:"operations" json:"operations" check:"nonempty" doc:"Operations that the caller may ask for, in which * stands for any characters."`
	Collections []string `yaml:"collections" json:"collections" doc:"Collections that the caller may use, in which * stands for any characters."`
	Objects     []string `yaml:"objects" json:"objects,omitempty" doc:"Objects that the caller may name as images, as bucket/key, in which * stands for any characters. Empty: none; the caller sends the images themselves."`
	Operator    bool     `yaml:"operator" json:"operator,omitempty" default:"false" doc:"Let the caller see and replay dead letters, and see the health and metrics of the services."`
}

// Configured reports whether there is any way for a caller to say who it is.
func (a Auth) Configured() bool { return a.JWKS != "" || a.SigningKey != "" || len(a.APIKeys) > 0 }

// Server reads the files of t and returns what a listener needs; nil where TLS is not set.
func (t ServerTLS) Server(key string) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s.cert_file: %w", key, err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if t.ClientCA != "" {
		pem, err := os.ReadFile(t.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("%s.client_ca_file: %w", key, err)
		}
		out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !out.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s.client_ca_file: %s holds no PEM certificate", key, t.ClientCA)
		}
	}
	return out, nil
}

func (c *Config) validateGateway(add func(key, format string, args ...any)) {
	g := c.Gateway
	if (g.TLS.CertFile == "") != (g.TLS.KeyFile == "") {
		add("gateway.tls.cert_file", "needs key_file beside it, and the other way round")
	}
	if g.TLS.ClientCA != "" && g.TLS.CertFile == "" {
		add("gateway.tls.client_ca_file", "needs gateway.tls.cert_file: without TLS no client shows a certificate")
	}
	if g.Prefix != "" && (g.Prefix[len(g.Prefix)-1] != '/' || g.Prefix[0] == '/' || path.Clean(g.Prefix)+"/" != g.Prefix) {
		add("gateway.prefix", "must be folders that end with a slash")
	}
	if g.MaxBody > g.Callers.Bytes {
		add("gateway.callers.bytes", "is less than gateway.max_body, so that no caller could send such a body")
	}
	if 2*g.MaxBody > g.Memory {
		add("gateway.memory_budget", "is less than twice gateway.max_body, which such a body takes while it is read")
	}
	if g.Listen != "" && !loopback(g.Listen) && !g.Auth.Configured() {
		add("gateway.listen", "is open to other machines, but nothing says who may call; set gateway.auth.jwks, gateway.auth.signing_key or gateway.auth.api_keys")
	}
	for i, address := range g.Services {
		if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" || u.User != nil {
			add(fmt.Sprintf("gateway.services[%d]", i), "%.80q is not http://host:port", address)
		}
	}
	var names []string
	for i, k := range g.Auth.APIKeys {
		key := fmt.Sprintf("gateway.auth.api_keys[%d].", i)
		validateFields(reflect.ValueOf(k), key, add)
		if sum, err := hex.DecodeString(k.SHA256); k.SHA256 != "" && (err != nil || len(sum) != 32) {
			add(key+"sha256", "is not 64 hexadecimal digits")
		}
		if slices.Contains(names, k.Name) {
			add(key+"name", "%q is the name of another key, too", k.Name)
		}
		names = append(names, k.Name)
		for _, op := range k.Operations {
			if !slices.ContainsFunc(schema.Operations(), func(o schema.Operation) bool { ok, _ := path.Match(op, string(o)); return ok }) {
				add(key+"operations", "%.80q is no operation", op)
			}
		}
	}
}
