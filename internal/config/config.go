package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"facestream/internal/routes"
	"facestream/pkg/schema"
)

// Config is everything that an operator can set. The zero value is not usable: start from [Default] or [Load].
type Config struct {
	DataDir   string    `yaml:"data_dir" default:"data" check:"nonempty" doc:"Folder of everything that this process keeps: the embedded servers' logs and objects, the ledger of ingest, the local gallery."`
	Kafka     Kafka     `yaml:"kafka" doc:"The broker. Any server of the Kafka protocol will do."`
	S3        S3        `yaml:"s3" doc:"The object store. Any server of the S3 protocol will do."`
	Consumer  Consumer  `yaml:"consumer" doc:"How every service reads its topic."`
	Ingest    Ingest    `yaml:"ingest" doc:"Notifications and requests become jobs."`
	Worker    Worker    `yaml:"worker" doc:"Jobs become analyses and results."`
	Indexer   Indexer   `yaml:"indexer" doc:"Analyses meet the gallery and become results."`
	Embedded  Embedded  `yaml:"embedded" doc:"The servers that facestream up and facestream servers run. The other commands do not read this section."`
	Telemetry Telemetry `yaml:"telemetry" doc:"Logs, metrics and health."`
}

// Kafka says how to reach the broker and how topics are created.
type Kafka struct {
	Brokers           []string      `yaml:"brokers" env:"KAFKA" default:"127.0.0.1:9092" check:"nonempty,addr" doc:"Addresses to begin with, host:port."`
	ClientID          string        `yaml:"client_id" default:"facestream" doc:"Name of this client in the broker's logs and quotas."`
	TLS               TLS           `yaml:"tls"`
	SASL              SASL          `yaml:"sasl"`
	SessionTimeout    time.Duration `yaml:"session_timeout" default:"6s" min:"1s" max:"30m" doc:"A consumer that is silent for this long loses its partitions: the longest wait after a crash before another takes over."`
	ReplicationFactor int           `yaml:"replication_factor" default:"1" min:"1" max:"9" doc:"Copies of each topic that facestream creates; 3 is usual on a cluster."`
	Partitions        Partitions    `yaml:"partitions"`
	Retention         Retention     `yaml:"retention"`
}

// TLS secures the connections to a server.
type TLS struct {
	Enabled            bool   `yaml:"enabled" default:"false" doc:"Speak TLS to the server."`
	CAFile             string `yaml:"ca_file" doc:"PEM file with the authorities to trust; empty trusts those of the system."`
	CertFile           string `yaml:"cert_file" doc:"PEM file with the client's certificate, for mutual TLS."`
	KeyFile            string `yaml:"key_file" doc:"PEM file with the key of cert_file."`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify" default:"false" doc:"Accept any certificate. For tests only: whoever stands between can read and change everything."`
}

// The values of SASL.Mechanism.
const (
	SASLNone        = "none"
	SASLPlain       = "plain"
	SASLScramSHA256 = "scram-sha-256"
	SASLScramSHA512 = "scram-sha-512"
)

// SASL authenticates at the broker.
type SASL struct {
	Mechanism string        `yaml:"mechanism" default:"none" oneof:"none|plain|scram-sha-256|scram-sha-512" doc:"How to authenticate at the broker."`
	Username  string        `yaml:"username" doc:"User name at the broker."`
	Password  schema.Secret `yaml:"password" doc:"Password at the broker."`
}

// Partitions is the number of partitions of each topic when facestream creates it. An existing topic is left as it is.
type Partitions struct {
	Objects     int `yaml:"objects" default:"6" min:"1" max:"4096" doc:"Partitions of facestream.objects, when it is created."`
	Requests    int `yaml:"requests" default:"6" min:"1" max:"4096" doc:"Partitions of facestream.requests, when it is created."`
	Jobs        int `yaml:"jobs" default:"12" min:"1" max:"4096" doc:"Partitions of facestream.jobs, when it is created: the most workers that can share the load."`
	Analyses    int `yaml:"analyses" default:"12" min:"1" max:"4096" doc:"Partitions of facestream.analyses, when it is created: the most indexers that can share the load."`
	Results     int `yaml:"results" default:"6" min:"1" max:"4096" doc:"Partitions of facestream.results, when it is created."`
	DeadLetters int `yaml:"dead_letters" default:"1" min:"1" max:"4096" doc:"Partitions of facestream.dead-letters, when it is created."`
}

// Retention is how long each topic keeps its records when facestream creates it; also how long a reader may be away
// before it loses records.
type Retention struct {
	Objects     time.Duration `yaml:"objects" default:"7d" min:"1m" doc:"How long facestream.objects keeps notifications."`
	Requests    time.Duration `yaml:"requests" default:"7d" min:"1m" doc:"How long facestream.requests keeps requests."`
	Jobs        time.Duration `yaml:"jobs" default:"7d" min:"1m" doc:"How long facestream.jobs keeps jobs."`
	Analyses    time.Duration `yaml:"analyses" default:"6h" min:"1m" doc:"How long facestream.analyses keeps analyses. They carry embeddings, which user_delete cannot remove from a topic: keep this short, but longer than the longest stop of the indexers."`
	Results     time.Duration `yaml:"results" default:"7d" min:"1m" doc:"How long facestream.results keeps results."`
	DeadLetters time.Duration `yaml:"dead_letters" default:"30d" min:"1m" doc:"How long facestream.dead-letters keeps what could not be answered."`
}

// S3 says how to reach the object store and which buckets are served.
type S3 struct {
	Endpoint    string        `yaml:"endpoint" default:"127.0.0.1:9000" check:"nonempty,addr" doc:"Address of the store, host:port without a scheme."`
	AccessKey   schema.Secret `yaml:"access_key" default:"facestream" doc:"Access key id. Empty, together with secret_key, takes the credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the IAM role of the pod or the machine."`
	SecretKey   schema.Secret `yaml:"secret_key" default:"facestream-local" doc:"Secret access key. The default opens the embedded store only, and that only while it listens on this machine alone."`
	TLS         TLS           `yaml:"tls"`
	Region      string        `yaml:"region" default:"us-east-1" check:"nonempty" doc:"Region that requests are signed for."`
	VirtualHost bool          `yaml:"virtual_host" default:"false" doc:"Address a bucket as bucket.endpoint, for stores that want that; otherwise as endpoint/bucket, which every store understands."`
	Bucket      string        `yaml:"bucket" default:"images" check:"nonempty,bucket" doc:"Bucket that facestream up creates and that facestream upload and submit write to."`
	Buckets     []string      `yaml:"buckets" check:"bucket" doc:"Buckets that are served; a request for any other is answered bucket_not_allowed. Empty means bucket alone."`
}

// Consumer bounds what every service does with the records that it reads.
type Consumer struct {
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"20s" min:"1s" max:"10m" doc:"How long a service that is told to stop finishes what it has begun. What remains is done again by the next consumer."`
	MaxAttempts  int           `yaml:"max_attempts" default:"8" min:"1" max:"100" doc:"Tries of one record before it goes to the dead letters."`
	MaxInFlight  int           `yaml:"max_in_flight" default:"64" min:"1" max:"100000" doc:"Records that are read and not yet committed, at most; bounds memory."`
}

// Ingest is the service that turns notifications and requests into jobs.
type Ingest struct {
	Concurrency       int           `yaml:"concurrency" default:"16" min:"1" max:"1024" doc:"Records in work at once. They wait for the object store rather than for the processor."`
	Routes            []Route       `yaml:"routes" doc:"Which uploads become which requests, without an event of their own; the first route that fits wins. Empty means one route for every served bucket with the default pattern."`
	Consent           Consent       `yaml:"consent"`
	ReconcileInterval time.Duration `yaml:"reconcile_interval" default:"60s" min:"1s" max:"1d" doc:"How often the watched prefixes are listed for uploads whose notification was lost."`
	ReconcileAge      time.Duration `yaml:"reconcile_age" default:"10s" min:"0s" max:"1d" doc:"An upload younger than this is left to its notification."`
	LedgerRetention   time.Duration `yaml:"ledger_retention" default:"8d" min:"1h" doc:"How long ingest remembers which requests it has accepted; must exceed the retention of requests and objects, or a redelivered record would be taken for a new one."`
}

// Consent says where people must have agreed to be enrolled.
type Consent struct {
	Required []string `yaml:"required" check:"collections" doc:"Collections that enrol nobody without a declaration of consent in the request; * means every collection. A request which says that consent was not given enrols nobody anywhere."`
}

// Route makes requests of uploads. A field that the pattern does not name is taken from the route.
type Route struct {
	Bucket       string            `yaml:"bucket" check:"bucket" doc:"Bucket that the route is for; empty means every served bucket."`
	Prefix       string            `yaml:"prefix" doc:"Folder of the keys that the route is for, ending with a slash; the pattern is what follows it."`
	Pattern      string            `yaml:"pattern" default:"<operation>/<collection>/<external_id>/<file>" doc:"Form of the key: between slashes either fixed text or one of <operation>, <collection>, <external_id>, <file>. It ends with <file>, which takes in what is left, slashes too."`
	Operation    schema.Operation  `yaml:"operation" doc:"Operation of the requests, where the pattern has no <operation>."`
	Collection   schema.Collection `yaml:"collection" doc:"Collection of the requests, where the pattern has no <collection>."`
	ResultObject bool              `yaml:"result_object" default:"false" doc:"Also write each result as JSON beside its image."`
	Config       map[string]any    `yaml:"config" doc:"Operation configuration of the requests."`
}

// Table is the routing table of uploads.
func (i Ingest) Table() (routes.Table, error) {
	var out routes.Table
	for n, r := range i.Routes {
		rule, err := r.rule()
		if err != nil {
			return nil, fmt.Errorf("ingest.routes[%d].config: %w", n, err)
		}
		out = append(out, rule)
	}
	return out, nil
}

func (r Route) rule() (routes.Route, error) {
	out := routes.Route{Bucket: r.Bucket, Prefix: r.Prefix, Pattern: r.Pattern,
		Fixed: schema.Request{Operation: r.Operation, Collection: r.Collection, ResultObject: r.ResultObject}}
	var err error
	if len(r.Config) > 0 {
		out.Fixed.Config, err = json.Marshal(r.Config)
	}
	return out, err
}

// Worker is the service that runs the networks.
type Worker struct {
	Concurrency int    `yaml:"concurrency" default:"0" min:"0" max:"1024" doc:"Images that the networks work on at once, one thread each; 0 means one per processor that the process may use. Three times as many jobs are open, so that fetching and publishing go on meanwhile."`
	Calls       int    `yaml:"calls" default:"0" min:"0" max:"64" doc:"Calls of a network under way at once; the rows of further images share the next, up to 64 of them. 0: each image makes calls of its own, which is fastest on a processor; for a device that likes many rows, say 2, with more concurrency."`
	Models      string `yaml:"models" env:"MODELS" default:"starter" check:"nonempty" doc:"Model pack: starter (part of the program), open (more accurate; facestream models pull open), or the folder of a pack.yaml."`
	ORTLib      string `yaml:"ort_lib" env:"ORT_LIB" doc:"ONNX Runtime library; empty looks at the usual places of the system, then in the cache folder."`
	MaxBytes    Bytes  `yaml:"max_bytes" default:"20MB" min:"1KB" max:"1GB" doc:"Largest image file that is fetched."`
	MaxPixels   int    `yaml:"max_pixels" default:"50_000_000" min:"1" max:"1_000_000_000" doc:"Most pixels (width × height) that are decoded."`
	MaxSide     int    `yaml:"max_side" default:"16384" min:"1" max:"65535" doc:"Longest side, in pixels, that is decoded."`
	LongSide    int    `yaml:"long_side" default:"0" min:"0" max:"8192" doc:"Longer side, in pixels, that images are scaled to for the detector; 0 means what the pack says. Larger finds smaller faces and costs more."`
}

// Indexer is the service that owns the gallery.
type Indexer struct {
	Concurrency int     `yaml:"concurrency" default:"8" min:"1" max:"1024" doc:"Analyses in work at once. With Milvus, more of them share a call of the server."`
	Gallery     Gallery `yaml:"gallery"`
}

// The values of Gallery.Driver.
const (
	DriverLocal  = "local"  // a file of its own: one indexer, no server
	DriverMilvus = "milvus" // a server: any number of indexers
)

// Gallery says where enrolled embeddings live.
type Gallery struct {
	Driver string `yaml:"driver" default:"local" oneof:"local|milvus" doc:"What keeps the enrolled embeddings. local: a SQLite file, searched exactly in memory; for one indexer. milvus: a Milvus server; for any number of indexers and for large collections."`
	Dir    string `yaml:"dir" doc:"Folder of the local gallery; empty means gallery in data_dir."`
	Milvus Milvus `yaml:"milvus"`
}

// Milvus says how to reach the server of the gallery.
type Milvus struct {
	Address     string        `yaml:"address" env:"MILVUS" default:"127.0.0.1:19530" check:"nonempty,addr" doc:"Address of the server, host:port."`
	User        string        `yaml:"user" doc:"User name at the server; empty where it asks nobody."`
	Password    schema.Secret `yaml:"password" doc:"Password of the user."`
	Token       schema.Secret `yaml:"token" doc:"API key, instead of a user and a password."`
	TLS         TLS           `yaml:"tls"`
	Prefix      string        `yaml:"prefix" default:"facestream" check:"nonempty,prefix" doc:"Beginning of every name in the server, 1-32 letters and digits. Installations with different prefixes share a server without meeting."`
	Index       string        `yaml:"index" default:"HNSW" oneof:"HNSW|FLAT|IVF_FLAT" doc:"Index of collections that are created from now on. HNSW: fast, approximate, the most memory. FLAT: exact, time grows with the collection. IVF_FLAT: approximate, less memory than HNSW."`
	Timeout     time.Duration `yaml:"timeout" default:"10s" min:"1s" max:"10m" doc:"How long one call to the server may take; after that it is tried again."`
	LoadTimeout time.Duration `yaml:"load_timeout" default:"5m" min:"1s" max:"1d" doc:"How long the server may take to load a collection into its memory."`
}

// Embedded says where the servers of facestream up and facestream servers listen.
type Embedded struct {
	KafkaAddr string `yaml:"kafka_addr" default:"127.0.0.1:9092" check:"nonempty,listen" doc:"Address that the embedded broker listens on. It asks nobody for a password."`
	S3Addr    string `yaml:"s3_addr" default:"127.0.0.1:9000" check:"nonempty,listen" doc:"Address that the embedded object store listens on."`
}

// Telemetry says what a process tells about itself.
type Telemetry struct {
	LogLevel  string `yaml:"log_level" default:"info" oneof:"trace|debug|info|warn|error" doc:"Least important level that is logged."`
	LogFormat string `yaml:"log_format" default:"console" oneof:"console|json" doc:"console for people, json for machines."`
	Listen    string `yaml:"listen" default:"127.0.0.1:9464" check:"listen" doc:"Address of /healthz, /readyz and /metrics; empty switches them off. An orchestrator needs 0.0.0.0:9464."`
	Pprof     bool   `yaml:"pprof" default:"false" doc:"Also serve /debug/pprof. Heap dumps hold images and embeddings: only where the address is protected."`
}

// Resolve fills what follows from other settings: the served buckets, the routes, the gallery's folder, the worker's
// concurrency. [Load] and the services call it; others who change a [Default] do so after the changes.
func (c *Config) Resolve() {
	if len(c.S3.Buckets) == 0 {
		c.S3.Buckets = []string{c.S3.Bucket}
	}
	if len(c.Ingest.Routes) == 0 {
		c.Ingest.Routes = []Route{{}}
	}
	c.Ingest.Routes = slices.Clone(c.Ingest.Routes)
	for i := range c.Ingest.Routes {
		c.Ingest.Routes[i].Pattern = cmp.Or(c.Ingest.Routes[i].Pattern, routes.DefaultPattern)
	}
	if c.Indexer.Gallery.Dir == "" {
		c.Indexer.Gallery.Dir = filepath.Join(c.DataDir, "gallery")
	}
	if c.Worker.Concurrency == 0 {
		c.Worker.Concurrency = runtime.GOMAXPROCS(0) // unlike NumCPU, it knows the limit of a container
	}
}
