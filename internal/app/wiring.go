package app

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"facestream/internal/config"
	"facestream/internal/gallery/milvus"
	"facestream/internal/ingest"
	"facestream/internal/objects"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// What follows translates the operator's settings into the options of the packages that they are for.

func kafkaConfig(k config.Kafka) (events.Config, error) {
	out := events.Config{Brokers: k.Brokers, ClientID: k.ClientID}
	var err error
	if k.TLS.Enabled {
		if out.TLS, err = tlsConfig("kafka.tls", k.TLS); err != nil {
			return out, err
		}
	}
	out.SASL, err = mechanism(k.SASL)
	return out, err
}

// tlsConfig reads the files of t, whose settings are below key.
func tlsConfig(key string, t config.TLS) (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%s.ca_file: %w", key, err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s.ca_file: %s holds no PEM certificate", key, t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%s.cert_file: %w", key, err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

func mechanism(s config.SASL) (sasl.Mechanism, error) {
	switch s.Mechanism {
	case config.SASLPlain:
		return plain.Mechanism{Username: s.Username, Password: string(s.Password)}, nil
	case config.SASLScramSHA256:
		return scram.Mechanism(scram.SHA256, s.Username, string(s.Password))
	case config.SASLScramSHA512:
		return scram.Mechanism(scram.SHA512, s.Username, string(s.Password))
	}
	return nil, nil
}

// topicSpecs are the default topics with the operator's partitions and retention.
func topicSpecs(k config.Kafka) []events.TopicSpec {
	partitions := map[events.Topic]int{
		events.Objects: k.Partitions.Objects, events.Requests: k.Partitions.Requests, events.Jobs: k.Partitions.Jobs,
		events.Analyses: k.Partitions.Analyses, events.Results: k.Partitions.Results, events.DeadLetters: k.Partitions.DeadLetters,
	}
	retention := map[events.Topic]time.Duration{
		events.Objects: k.Retention.Objects, events.Requests: k.Retention.Requests, events.Jobs: k.Retention.Jobs,
		events.Analyses: k.Retention.Analyses, events.Results: k.Retention.Results, events.DeadLetters: k.Retention.DeadLetters,
	}
	specs := events.DefaultSpecs()
	for i := range specs {
		specs[i].Partitions, specs[i].Retention = partitions[specs[i].Topic], retention[specs[i].Topic]
		specs[i].Replicas = k.ReplicationFactor
	}
	return specs
}

// StoreConfig is s as the client of the store takes it.
func StoreConfig(s config.S3) (objects.Config, error) {
	out := objects.Config{Endpoint: s.Endpoint, AccessKey: string(s.AccessKey), SecretKey: objects.Secret(s.SecretKey), Region: s.Region, VirtualHost: s.VirtualHost}
	var err error
	if s.TLS.Enabled {
		out.TLS, err = tlsConfig("s3.tls", s.TLS)
	}
	return out, err
}

func milvusConfig(m config.Milvus) (milvus.Config, error) {
	out := milvus.Config{
		Address: m.Address, User: m.User, Password: string(m.Password), Token: string(m.Token), Prefix: m.Prefix,
		Index: milvus.Index(m.Index), Timeout: m.Timeout, LoadTimeout: m.LoadTimeout,
	}
	var err error
	if m.TLS.Enabled {
		out.TLS, err = tlsConfig("indexer.gallery.milvus.tls", m.TLS)
	}
	return out, err
}

// routes builds the routing table of unattended uploads.
func routes(in config.Ingest) (ingest.Routes, error) {
	var out ingest.Routes
	var problems []error
	for _, r := range in.Routes {
		route := ingest.Route{
			Bucket: r.Bucket, Pattern: r.Prefix + cmp.Or(r.Pattern, config.DefaultPattern),
			Fixed: schema.Request{Operation: r.Operation, Collection: r.Collection, ResultObject: r.ResultObject},
		}
		if len(r.Config) > 0 {
			var err error
			if route.Fixed.Config, err = json.Marshal(r.Config); err != nil {
				problems = append(problems, fmt.Errorf("route %q: config: %w", route.Pattern, err))
			}
		}
		if err := route.Validate(); err != nil {
			problems = append(problems, err)
		}
		if route.Fixed.Operation == "" && !strings.Contains(route.Pattern, "<operation>") {
			problems = append(problems, fmt.Errorf("route %q: neither the pattern nor the route names an operation", route.Pattern))
		}
		out = append(out, route)
	}
	return out, errors.Join(problems...)
}

// reconcileWindow is how old an upload may be to be taken for one without an outcome: beyond it, ingest may have
// forgotten the outcome, and so may the topic that the ledger is rebuilt from.
func reconcileWindow(cfg config.Config) time.Duration {
	return min(cfg.Ingest.LedgerRetention, cfg.Kafka.Retention.Results) * 9 / 10
}
