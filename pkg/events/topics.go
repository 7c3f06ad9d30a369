package events

import "time"

// Topic names one Kafka topic.
type Topic string

// The topics of facestream; docs/asyncapi.yaml describes their keys and values.
const (
	Objects     Topic = "facestream.objects"      // object-store notifications, in the store's own words
	Requests    Topic = "facestream.requests"     // schema.Request, from any producer
	Jobs        Topic = "facestream.jobs"         // schema.Job, ingest to worker
	Analyses    Topic = "facestream.analyses"     // schema.Analysis with embeddings, worker to indexer
	Results     Topic = "facestream.results"      // schema.Result: the one outcome of each request
	DeadLetters Topic = "facestream.dead-letters" // original bytes of records that could be neither handled nor answered
)

// Topics lists every topic in the order of the flow.
func Topics() []Topic { return []Topic{Objects, Requests, Jobs, Analyses, Results, DeadLetters} }

// TopicSpec is how a topic is created.
type TopicSpec struct {
	Topic Topic
	// Partitions bounds how many processes of one service share the topic. Within a process, work is parallel by key.
	Partitions int
	// Replicas is how many brokers keep each partition; 0 leaves it to the broker. With 3 or more, at least two brokers
	// acknowledge each record (min.insync.replicas), and records are refused while fewer are in sync.
	Replicas int
	// Retention is how long a record stays at least. Segments are rolled four times in that span (at least daily), so
	// a record is gone at the latest about 1.25 × Retention after it was written, also on a quiet topic.
	Retention time.Duration
	// MaxBytes is the largest record batch that the broker accepts.
	MaxBytes int
}

const (
	day = 24 * time.Hour
	mib = 1 << 20
)

// DefaultSpecs is how `facestream` creates its topics. Retention is also how long a reader may be away before records
// are lost to it, so it is long everywhere but on analyses:
//
//   - objects, requests, jobs: 7 days, a long weekend without operators; 1 MiB holds thousands of S3 records in one
//     notification and any sane request; a job is a request plus what ingest resolved, hence 2 MiB.
//   - analyses: 6 hours. They carry face templates, which `user_delete` cannot reach inside a log: what the topic still
//     holds is erased by retention alone. Raise it only if indexers may be away for longer.
//   - results: 7 days, so that a consumer can be late and read again.
//   - dead letters: 30 days, for people to look into; larger than every other limit, so that each record fits with its
//     headers; one partition, because there are few and they read best in order.
//
// Jobs and analyses have the most partitions: workers and indexers are what is scaled out.
func DefaultSpecs() []TopicSpec {
	return []TopicSpec{
		{Topic: Objects, Partitions: 6, Retention: 7 * day, MaxBytes: mib},
		{Topic: Requests, Partitions: 6, Retention: 7 * day, MaxBytes: mib},
		{Topic: Jobs, Partitions: 12, Retention: 7 * day, MaxBytes: 2 * mib},
		{Topic: Analyses, Partitions: 12, Retention: 6 * time.Hour, MaxBytes: 4 * mib},
		{Topic: Results, Partitions: 6, Retention: 7 * day, MaxBytes: 4 * mib},
		{Topic: DeadLetters, Partitions: 1, Retention: 30 * day, MaxBytes: maxRecordBytes + mib},
	}
}

// segmentAge is how old a log segment gets before the broker starts the next one; only closed segments are deleted.
func (s TopicSpec) segmentAge() time.Duration { return min(s.Retention/4, day) }
