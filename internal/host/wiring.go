package host

import (
	"time"

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
	if k.SASL.Mechanism != config.SASLNone {
		out.SASL = events.SASL{Mechanism: events.Mechanism(k.SASL.Mechanism), Username: k.SASL.Username, Password: k.SASL.Password}
	}
	return out, out.SASL.Validate()
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
	out := objects.Config{Endpoint: s.Endpoint, AccessKey: string(s.AccessKey), SecretKey: s.SecretKey, Region: s.Region, VirtualHost: s.VirtualHost, Home: s.Bucket}
	var err error
	out.TLS, err = s.TLS.Client("s3.tls")
	return out, err
}
