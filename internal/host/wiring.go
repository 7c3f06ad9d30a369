package host

import (
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"facestream/internal/config"
	"facestream/internal/objects"
	"facestream/pkg/events"
)

// The functions of this file translate the operator's settings into the options of the packages that they are for.

// KafkaConfig returns the options of a client of the broker.
func KafkaConfig(k config.Kafka) (events.Config, error) {
	out := events.Config{Brokers: k.Brokers, ClientID: k.ClientID}
	var err error
	if out.TLS, err = k.TLS.Client("kafka.tls"); err != nil {
		return out, err
	}
	out.SASL, err = mechanism(k.SASL)
	return out, err
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

// TopicSpecs are the default topics with the operator's partitions and retention.
func TopicSpecs(k config.Kafka) []events.TopicSpec {
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

// StoreConfig returns the options of a client of the object store.
func StoreConfig(s config.S3) (objects.Config, error) {
	out := objects.Config{Endpoint: s.Endpoint, AccessKey: string(s.AccessKey), SecretKey: s.SecretKey, Region: s.Region, VirtualHost: s.VirtualHost}
	var err error
	out.TLS, err = s.TLS.Client("s3.tls")
	return out, err
}
