package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"facestream/internal/routes"
	"facestream/pkg/schema"
)

// Config holds all settings. The zero value is not usable: start from [Default] or [Load].
type Config struct {
	DataDir   string    `yaml:"data_dir" default:"data" check:"nonempty" doc:"Folder for all data of this process: the embedded servers' logs and objects, the ledger of ingest, the local gallery."`
	Kafka     Kafka     `yaml:"kafka" doc:"The broker: any server that speaks the Kafka protocol."`
	S3        S3        `yaml:"s3" doc:"The object store: any server that speaks the S3 protocol."`
	Consumer  Consumer  `yaml:"consumer" doc:"How every service reads its topic."`
	Ingest    Ingest    `yaml:"ingest" doc:"The service that turns notifications and requests into jobs."`
	Worker    Worker    `yaml:"worker" doc:"The service that turns jobs into analyses and results."`
	Indexer   Indexer   `yaml:"indexer" doc:"The service that holds the gallery and turns analyses into results."`
	Gateway   Gateway   `yaml:"gateway" doc:"The service that answers HTTP: it sends requests and waits for their results."`
	Embedded  Embedded  `yaml:"embedded" doc:"The servers that facestream up and facestream servers run. The other commands do not read this section."`
	Telemetry Telemetry `yaml:"telemetry" doc:"Logs, metrics and health."`
}

// Kafka holds the connection to the broker and the properties of new topics.
type Kafka struct {
	Brokers           []string      `yaml:"brokers" env:"KAFKA" default:"127.0.0.1:9092" check:"nonempty,addr" doc:"Addresses of brokers to connect to first, host:port."`
	ClientID          string        `yaml:"client_id" default:"facestream" doc:"Name of this client in the broker's logs and quotas."`
	TLS               TLS           `yaml:"tls"`
	SASL              SASL          `yaml:"sasl"`
	SessionTimeout    time.Duration `yaml:"session_timeout" default:"6s" min:"1s" max:"30m" doc:"A consumer that is silent for this long loses its partitions. After a crash, another consumer takes over within this time."`
	ReplicationFactor int           `yaml:"replication_factor" default:"1" min:"1" max:"9" doc:"Number of copies of each topic that facestream creates; 3 is usual on a cluster."`
	Partitions        Partitions    `yaml:"partitions"`
	Retention         Retention     `yaml:"retention"`
}

// TLS secures the connections to a server.
type TLS struct {
	Enabled            bool   `yaml:"enabled" default:"false" doc:"Use TLS for the connection to the server."`
	CAFile             string `yaml:"ca_file" doc:"PEM file with the certificate authorities to trust; empty means those of the system."`
	CertFile           string `yaml:"cert_file" doc:"PEM file with the client's certificate, for mutual TLS."`
	KeyFile            string `yaml:"key_file" doc:"PEM file with the key of cert_file."`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify" default:"false" doc:"Accept any certificate. For tests only: a man in the middle can read and change everything."`
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

	AllowUnencrypted bool `yaml:"allow_unencrypted" default:"false" doc:"Send the password of plain to a broker on another machine without TLS. Everybody on the way can read it."`
}

// Partitions is the number of partitions that each topic gets when facestream creates it. Existing topics do not
// change.
type Partitions struct {
	Objects     int `yaml:"objects" default:"6" min:"1" max:"4096" doc:"Partitions of facestream.objects, when it is created."`
	Requests    int `yaml:"requests" default:"6" min:"1" max:"4096" doc:"Partitions of facestream.requests, when it is created."`
	Jobs        int `yaml:"jobs" default:"12" min:"1" max:"4096" doc:"Partitions of facestream.jobs, when it is created: the most workers that can share the load."`
	Analyses    int `yaml:"analyses" default:"12" min:"1" max:"4096" doc:"Partitions of facestream.analyses, when it is created: the most indexers that can share the load."`
	Results     int `yaml:"results" default:"6" min:"1" max:"4096" doc:"Partitions of facestream.results, when it is created."`
	DeadLetters int `yaml:"dead_letters" default:"1" min:"1" max:"4096" doc:"Partitions of facestream.dead-letters, when it is created."`
}

// Retention is the retention that each topic gets when facestream creates it. A reader that is stopped for longer loses
// records.
type Retention struct {
	Objects     time.Duration `yaml:"objects" default:"7d" min:"1m" doc:"How long facestream.objects keeps notifications."`
	Requests    time.Duration `yaml:"requests" default:"7d" min:"1m" doc:"How long facestream.requests keeps requests."`
	Jobs        time.Duration `yaml:"jobs" default:"7d" min:"1m" doc:"How long facestream.jobs keeps jobs."`
	Analyses    time.Duration `yaml:"analyses" default:"6h" min:"1m" doc:"How long facestream.analyses keeps analyses. They carry embeddings, which user_delete cannot remove from a topic. Keep this short, but longer than the longest stop of the indexers."`
	Results     time.Duration `yaml:"results" default:"7d" min:"1m" doc:"How long facestream.results keeps results."`
	DeadLetters time.Duration `yaml:"dead_letters" default:"30d" min:"1m" doc:"How long facestream.dead-letters keeps dead letters."`
}

// S3 holds the connection to the object store and the buckets that are served.
type S3 struct {
	Endpoint    string        `yaml:"endpoint" default:"127.0.0.1:9000" check:"nonempty,addr" doc:"Address of the store, host:port without a scheme."`
	AccessKey   schema.Secret `yaml:"access_key" default:"facestream" doc:"Access key id. Empty, together with secret_key, takes the credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the IAM role of the pod or the machine."`
	SecretKey   schema.Secret `yaml:"secret_key" default:"facestream-local" doc:"Secret access key. The default works for the embedded store only, and only while that listens on this machine alone."`
	TLS         TLS           `yaml:"tls"`
	Region      string        `yaml:"region" default:"us-east-1" check:"nonempty" doc:"Region for the signatures of requests."`
	VirtualHost bool          `yaml:"virtual_host" default:"false" doc:"Address a bucket as bucket.endpoint, for stores that require it, instead of endpoint/bucket, which every store understands."`
	Bucket      string        `yaml:"bucket" default:"images" check:"nonempty,bucket" doc:"Bucket that facestream up creates and that facestream upload and submit write to."`
	Buckets     []string      `yaml:"buckets" check:"bucket" doc:"Buckets that are served; a request for any other is answered bucket_not_allowed. Empty means only the bucket above."`
}

// Consumer limits how every service processes the records that it reads.
type Consumer struct {
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"20s" min:"1s" max:"10m" doc:"How long a stopping service may take to finish the records that it has begun. The next consumer processes the rest again."`
	MaxAttempts  int           `yaml:"max_attempts" default:"8" min:"1" max:"100" doc:"Number of tries of a record before it goes to the dead letters."`
	MaxInFlight  int           `yaml:"max_in_flight" default:"64" min:"1" max:"100000" doc:"Largest number of records that are read but not yet committed. It limits memory."`
}

// Ingest is the service that turns notifications and requests into jobs.
type Ingest struct {
	Concurrency       int           `yaml:"concurrency" default:"16" min:"1" max:"1024" doc:"Number of records that are processed at once. They wait for the object store rather than for the processor."`
	Routes            []Route       `yaml:"routes" doc:"Which uploads become which requests, without a separate request. The first route that matches applies. Empty means one route for every served bucket with the default pattern."`
	Consent           Consent       `yaml:"consent"`
	Defaults          []Defaults    `yaml:"defaults" doc:"Defaults of the configuration of requests, per collection. A request that sets a key keeps its own value."`
	Floors            []Floor       `yaml:"floors" doc:"Limits on the configuration of requests, per collection. A request that is laxer is refused (below_floor), whichever way it came."`
	ReconcileInterval time.Duration `yaml:"reconcile_interval" default:"60s" min:"1s" max:"1d" doc:"How often the watched prefixes are listed to find uploads whose notification was lost."`
	ReconcileAge      time.Duration `yaml:"reconcile_age" default:"10s" min:"0s" max:"1d" doc:"Listing ignores uploads that are younger than this and leaves them to their notification."`
	LedgerRetention   time.Duration `yaml:"ledger_retention" default:"8d" min:"1h" doc:"How long ingest remembers the requests that it has accepted. It must exceed the retention of requests and objects, because ingest would take a redelivered record for a new one."`
}

// Consent says in which collections people must have agreed to be enrolled.
type Consent struct {
	Required []string `yaml:"required" check:"collections" doc:"Collections in which an enrolment needs a declaration of consent in the request; * means every collection. A request that says that consent was not given is refused in every collection."`
}

// Requires reports whether an enrolment in the collection needs a declaration that the person agreed.
func (c Consent) Requires(collection schema.Collection) bool {
	return slices.Contains(c.Required, string(collection)) || slices.Contains(c.Required, "*")
}

// Defaults are the keys that requests about some collections have where they set none.
type Defaults struct {
	Collections []string       `yaml:"collections" check:"collections" doc:"Collections whose requests have these defaults; empty means every request, also one about no collection. Of two entries about a collection, the later one wins."`
	Config      map[string]any `yaml:"config" doc:"Keys of the operation configuration, for instance capture, which names a preset (docs/operation-config.md#presets). Keys that are listed here stand above those of a preset."`
}

// JSON returns the keys as a configuration, and an error if they are not one.
func (d Defaults) JSON() (json.RawMessage, error) {
	raw, err := json.Marshal(d.Config)
	if err != nil {
		return nil, err
	}
	if _, named := d.Config["collection_name"]; named {
		return nil, errors.New("collection_name is chosen by the request alone")
	}
	if _, problems := schema.ResolveConfig(schema.OpValidate, raw); len(problems) > 0 {
		return nil, problems
	}
	return raw, nil
}

// Floor limits the configuration of the requests about some collections.
type Floor struct {
	Collections []string       `yaml:"collections" check:"collections" doc:"Collections that the floor protects; empty means every request, also one about no collection."`
	Config      map[string]any `yaml:"config" doc:"Keys of the operation configuration with the laxest value that a request may set (docs/operation-config.md#floors). A request that does not set a key takes at least this value."`
}

// Floors returns the limits of f.
func (f Floor) Floors() (schema.Floors, error) { return parseFloors(f.Config) }

func parseFloors(keys map[string]any) (schema.Floors, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	floors, problems := schema.ParseFloors(raw)
	if len(problems) > 0 {
		return nil, problems
	}
	return floors, nil
}

// Route turns uploads into requests. Fields that the pattern does not name come from the route.
type Route struct {
	Bucket       string            `yaml:"bucket" check:"bucket" doc:"Bucket of the uploads; empty means every served bucket."`
	Prefix       string            `yaml:"prefix" doc:"Folder of the uploads, ending with a slash. The pattern applies to the rest of the key."`
	Pattern      string            `yaml:"pattern" default:"<operation>/<collection>/<external_id>/<file>" doc:"Form of the key: between slashes either fixed text or one of <operation>, <collection>, <external_id>, <file>. It must end with <file>, which matches the rest of the key, including slashes."`
	Operation    schema.Operation  `yaml:"operation" doc:"Operation of the requests, if the pattern has no <operation>."`
	Collection   schema.Collection `yaml:"collection" doc:"Collection of the requests, if the pattern has no <collection>."`
	ResultObject bool              `yaml:"result_object" default:"false" doc:"Also write each result as JSON beside its image."`
	Config       map[string]any    `yaml:"config" doc:"Operation configuration of the requests. The metadata of an upload cannot change its keys."`
	Metadata     []string          `yaml:"metadata" default:"operation-tag,consent,deadline,result-object" doc:"Fields that the metadata of an upload may set (x-amz-meta-facestream-*): collection, external-id, operation-tag, consent, config, deadline, result-object. An upload with any other field is refused. List collection or external-id only if neither the pattern nor the route says them, and config only if the uploader may decide how strictly a face is judged, within ingest.floors. An empty list takes none."`
	Floors       map[string]any    `yaml:"floors" doc:"Limits on the configuration of uploads by this route, beside those of ingest.floors; written like the config of a floor."`
}

// Table returns the routing table of uploads.
func (i Ingest) Table() (routes.Table, error) {
	var out routes.Table
	for n, r := range i.Routes {
		rule, err := r.rule()
		if err != nil {
			return nil, fmt.Errorf("ingest.routes[%d]: %w", n, err)
		}
		out = append(out, rule)
	}
	return out, nil
}

func (r Route) rule() (routes.Route, error) {
	out := routes.Route{Bucket: r.Bucket, Prefix: r.Prefix, Pattern: r.Pattern, Metadata: r.Metadata,
		Fixed: schema.Request{Operation: r.Operation, Collection: r.Collection, ResultObject: r.ResultObject}}
	var err error
	if len(r.Config) > 0 {
		if out.Fixed.Config, err = json.Marshal(r.Config); err != nil {
			return out, fmt.Errorf("config: %w", err)
		}
	}
	if out.Floors, err = parseFloors(r.Floors); err != nil {
		return out, fmt.Errorf("floors: %w", err)
	}
	return out, nil
}

// Worker is the service that runs the networks.
type Worker struct {
	Concurrency int                `yaml:"concurrency" default:"0" min:"0" max:"1024" doc:"Number of images that the networks process at once, with one thread each; 0 means one per processor that the process may use, and on a GPU 96, for which consumer.max_in_flight must be raised, too. Three times as many jobs are in progress, so that fetching and publishing overlap with the networks."`
	Calls       int                `yaml:"calls" default:"0" min:"0" max:"64" doc:"Largest number of concurrent calls of a network. Further images wait and share the next call, up to 32 of them. 0 leaves it to worker.device: on a processor each image makes its own calls, on a GPU there is one."`
	Models      []string           `yaml:"models" env:"MODELS" default:"starter" check:"nonempty" doc:"Model packs, of which the first serves every collection that worker.collections does not assign, and requests without a collection. Each is starter (part of the program), open (more accurate; facestream models pull open), best (open where it was pulled, else starter), one of them in a version (open@2), or the folder of a pack.yaml. Networks that packs share are loaded once."`
	Collections []CollectionModels `yaml:"collections" doc:"Which collections are served by which of the packs of worker.models. The first entry that matches a collection applies."`
	ORTLib      string             `yaml:"ort_lib" env:"ORT_LIB" doc:"Path of the ONNX Runtime library; empty searches one that has the device in the usual places of the system, then in the cache folder."`
	Device      string             `yaml:"device" default:"auto" check:"nonempty,device" doc:"What runs the networks: cpu; cuda or tensorrt, a GPU of NVIDIA, the first one, or cuda:1 and so on; openvino; coreml; auto, which takes the GPU that CUDA offers where its library (facestream models runtime --device cuda) and the driver are there, else the processor. Networks whose pack says device: cpu stay there. Any other device that cannot be used stops the worker with what is missing."`
	MaxBytes    Bytes              `yaml:"max_bytes" default:"20MB" min:"1KB" max:"1GB" doc:"Size of the largest image file that is accepted."`
	MaxPixels   int                `yaml:"max_pixels" default:"50_000_000" min:"1" max:"1_000_000_000" doc:"Largest number of pixels (width × height) of an image."`
	MaxSide     int                `yaml:"max_side" default:"16384" min:"1" max:"65535" doc:"Longest side of an image, in pixels."`
	Memory      Bytes              `yaml:"memory_budget" default:"0" min:"0" max:"1TB" doc:"How much memory the images in work may take together: their files (an eighth), decoders, pixels and portraits, but not the networks. An image waits for its share before it is decoded. One that can never have it is answered image_too_large. 0 means half of what the process may use: of GOMEMLIMIT, of the limit of its cgroup, or of the memory of the machine, whichever is least."`
	DecodeTime  time.Duration      `yaml:"decode_time" default:"30s" min:"100ms" max:"10m" doc:"How long it may take to decode an image. One that takes longer is answered image_unreadable."`
	WorkTime    time.Duration      `yaml:"analysis_time" default:"2m" min:"1s" max:"1h" doc:"How long the networks may take for an image and everything that it shows, its decoding included and its waiting excluded. One that takes longer is answered image_too_large."`
	LongSide    int                `yaml:"long_side" default:"0" min:"0" max:"8192" doc:"Longer side, in pixels, to which images are scaled for the detector; 0 means the value of the pack. A larger value finds smaller faces and costs more time."`
	Challenge   Challenge          `yaml:"challenge"`
}

// CollectionModels assigns model packs to collections.
type CollectionModels struct {
	Pattern string   `yaml:"pattern" check:"nonempty,pattern" doc:"Name of a collection, in which * stands for any characters."`
	Models  []string `yaml:"models" check:"nonempty" doc:"Packs of worker.models. The first enrols into a new collection. Where there are more, each analyses every image, and the analysis counts whose model is the collection's: so the collection is served before and after facestream reindex takes it to another model."`
}

// imagesOnGPU are in work at once: three times the rows of a call, with which the calls of two networks in turn are full
// (TestDeviceIsKeptBusy of pkg/engine/onnx).
const imagesOnGPU = 96

// Images is the number of images that the networks process at once: Concurrency, or if that is 0 what the processors do, or
// what a GPU needs if one runs the networks.
func (w Worker) Images(onGPU bool) int {
	processors := runtime.GOMAXPROCS(0) // unlike NumCPU, it knows the limit of a container
	if onGPU {
		return cmp.Or(w.Concurrency, max(imagesOnGPU, processors))
	}
	return cmp.Or(w.Concurrency, processors)
}

// ModelsOf returns the packs of w that serve collection c, "" for none: at least one, and the first counts where the
// collection does not decide.
func (w Worker) ModelsOf(c schema.Collection) []string {
	if packs := w.Assigned(c); packs != nil {
		return packs
	}
	return w.Models[:1]
}

// Assigned returns the packs that w.Collections assigns to c; nil if it does not.
func (w Worker) Assigned(c schema.Collection) []string {
	for _, entry := range w.Collections {
		if ok, _ := path.Match(entry.Pattern, string(c)); ok && c != "" { // check:"pattern" leaves no bad pattern
			return entry.Models
		}
	}
	return nil
}

// Challenge says how challenges of active liveness are signed.
type Challenge struct {
	Keys     schema.Secret `yaml:"keys" doc:"Keys that sign challenges: random texts of at least 32 characters, separated by commas. The first signs; put a new one in front and keep the old one until its challenges have expired. All workers need the same keys. Without any, challenge is answered operation_unavailable. facestream up makes a key of its own."`
	ValidFor time.Duration `yaml:"valid_for" default:"2m" min:"5s" max:"1h" doc:"How long a challenge can be answered."`
}

// Indexer is the service that owns the gallery.
type Indexer struct {
	Concurrency int       `yaml:"concurrency" default:"8" min:"1" max:"1024" doc:"Number of analyses that are processed at once. With Milvus, concurrent analyses share calls of the server."`
	Gallery     Gallery   `yaml:"gallery"`
	Directory   Directory `yaml:"directory"`
}

// The values of Directory.Driver.
const (
	DirectoryAuto     = "auto"
	DirectoryOff      = "off"
	DirectorySQLite   = "sqlite"   // a file of its own: one indexer
	DirectoryPostgres = "postgres" // a server: any number of indexers
)

// Directory says where it is stored who is enrolled: names, metadata, groups, and which images a person has.
type Directory struct {
	Driver string        `yaml:"driver" default:"auto" oneof:"auto|off|sqlite|postgres" doc:"Where it is stored who is enrolled: names, metadata, groups, images. sqlite: in a file, for one indexer. postgres: in a PostgreSQL database, for any number of indexers. off: nowhere; enrolling, searching and deleting work without it, and the operations on persons and groups are answered operation_unavailable. auto: sqlite with the local gallery, off with another."`
	Dir    string        `yaml:"dir" doc:"Folder of the directory's file; empty means directory in data_dir."`
	DSN    schema.Secret `yaml:"dsn" doc:"Address of the PostgreSQL database, such as postgres://user:password@host:5432/facestream?sslmode=verify-full. The first schema of search_path must be one in which the user may create tables. pool_max_conns sets how many connections there are at most."`

	Sweep time.Duration `yaml:"sweep_interval" default:"1m" min:"1s" max:"1h" doc:"How often the indexer looks for people whose ttl_seconds are over, and asks for their deletion."`

	AllowUnencrypted bool `yaml:"allow_unencrypted" default:"false" doc:"Use a database on another machine without TLS (sslmode of the dsn). Everybody on the way can read the password and who is enrolled."`
}

// Kind is the driver of the directory beside the gallery g: one of those that are not auto.
func (d Directory) Kind(g Gallery) string {
	switch {
	case d.Driver != DirectoryAuto:
		return d.Driver
	case g.Driver == DriverLocal:
		return DirectorySQLite
	}
	return DirectoryOff
}

// The values of Gallery.Driver.
const (
	DriverLocal  = "local"  // a file of its own: one indexer, no server
	DriverMilvus = "milvus" // a server: any number of indexers
)

// Gallery says where enrolled embeddings are stored.
type Gallery struct {
	Driver string `yaml:"driver" default:"local" oneof:"local|milvus" doc:"Where the enrolled embeddings are stored. local: in a SQLite file, with exact search in memory, for one indexer. milvus: in a Milvus server, for any number of indexers and for large collections."`
	Dir    string `yaml:"dir" doc:"Folder of the local gallery; empty means gallery in data_dir."`
	Milvus Milvus `yaml:"milvus"`
}

// Milvus holds the connection to the Milvus server.
type Milvus struct {
	Address  string        `yaml:"address" env:"MILVUS" default:"127.0.0.1:19530" check:"nonempty,addr" doc:"Address of the server, host:port."`
	User     string        `yaml:"user" doc:"User name at the server; empty if it requires none."`
	Password schema.Secret `yaml:"password" doc:"Password of the user."`
	Token    schema.Secret `yaml:"token" doc:"API key, used instead of user and password."`
	TLS      TLS           `yaml:"tls"`

	AllowUnencrypted bool `yaml:"allow_unencrypted" default:"false" doc:"Send the password or the token to a server on another machine without TLS. Everybody on the way can read it, and the embeddings."`

	Prefix      string        `yaml:"prefix" default:"facestream" check:"nonempty,prefix" doc:"Prefix of every name in the server, 1-32 letters and digits. Installations with different prefixes can share a server."`
	Index       string        `yaml:"index" default:"HNSW" oneof:"HNSW|FLAT|IVF_FLAT" doc:"Index of new collections. HNSW: fast, approximate, needs the most memory. FLAT: exact, slower with every row. IVF_FLAT: approximate, needs less memory than HNSW."`
	Timeout     time.Duration `yaml:"timeout" default:"10s" min:"1s" max:"10m" doc:"How long one call to the server may take before it is retried."`
	LoadTimeout time.Duration `yaml:"load_timeout" default:"5m" min:"1s" max:"1d" doc:"How long the server may take to load a collection into its memory."`
}

// Embedded says where the servers of facestream up and facestream servers listen.
type Embedded struct {
	KafkaAddr string `yaml:"kafka_addr" default:"127.0.0.1:9092" check:"nonempty,listen" doc:"Address on which the embedded broker listens. It requires no password."`
	S3Addr    string `yaml:"s3_addr" default:"127.0.0.1:9000" check:"nonempty,listen" doc:"Address on which the embedded object store listens."`
	Expose    bool   `yaml:"expose" default:"false" doc:"Let the embedded servers listen on addresses that other machines reach. Whoever reaches the broker can read every embedding and write every request: it knows no users. The store asks for its keys, but nothing is encrypted on the way."`
}

// Telemetry holds the settings of logs, metrics and health.
type Telemetry struct {
	LogLevel  string `yaml:"log_level" default:"info" oneof:"trace|debug|info|warn|error" doc:"Lowest level that is logged."`
	LogFormat string `yaml:"log_format" default:"console" oneof:"console|json" doc:"console for people, json for machines."`
	Listen    string `yaml:"listen" default:"127.0.0.1:9464" check:"listen" doc:"Address of /healthz, /readyz and /metrics; empty switches them off. With an orchestrator, use 0.0.0.0:9464."`
	Pprof     bool   `yaml:"pprof" default:"false" doc:"Also serve /debug/pprof. Heap dumps contain images and embeddings, so use this only on a protected address."`
}

// Resolve fills in the settings that follow from others: the served buckets, the routes, the folders of the gallery and of the directory. [Load] and the services call it. Code that changes a [Default] must call it after the changes.
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
	c.resolveDirs()
}

func (c *Config) resolveDirs() {
	if c.Indexer.Gallery.Dir == "" {
		c.Indexer.Gallery.Dir = filepath.Join(c.DataDir, "gallery")
	}
	if c.Indexer.Directory.Dir == "" {
		c.Indexer.Directory.Dir = filepath.Join(c.DataDir, "directory")
	}
}

// SetDataDir takes all data of the process to dir, whatever the folders of gallery and directory were.
func (c *Config) SetDataDir(dir string) {
	c.DataDir, c.Indexer.Gallery.Dir, c.Indexer.Directory.Dir = dir, "", ""
	c.resolveDirs()
}
