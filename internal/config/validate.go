package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"facestream/pkg/schema"
)

// validate reports every problem of c. name returns what the operator typed for a key.
func (c *Config) validate(name func(key string) string) Problems {
	var ps Problems
	add := func(key, format string, args ...any) {
		ps = append(ps, Problem{name(key), fmt.Sprintf(format, args...)})
	}
	for _, s := range settings() {
		for _, m := range checkTags(s.value(c), s.field.Tag) {
			add(s.key, "%s", m)
		}
	}
	c.validateKafka(add)
	c.validateS3(add)
	c.validateMilvus(add)
	c.validateDirectory(add)
	c.validateListeners(add)
	c.validateGateway(add)
	for i := range c.Ingest.Routes {
		c.validateRoute(i, add)
	}
	for i := range c.Ingest.Defaults {
		c.validateDefaults(i, add)
	}
	for i, f := range c.Ingest.Floors {
		key := fmt.Sprintf("ingest.floors[%d].", i)
		validateFields(reflect.ValueOf(f), key, add)
		if len(f.Config) == 0 {
			add(key+"config", "is missing, so the floor limits nothing")
		} else if _, err := f.Floors(); err != nil {
			add(key+"config", "%v", err)
		}
	}
	c.validateModels(add)
	for _, topic := range []struct {
		key  string
		kept time.Duration
	}{{"kafka.retention.objects", c.Kafka.Retention.Objects}, {"kafka.retention.requests", c.Kafka.Retention.Requests}} {
		if c.Ingest.LedgerRetention <= topic.kept {
			add("ingest.ledger_retention", "must be longer than %s", name(topic.key))
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return strings.Compare(a.Name, b.Name) })
	return ps
}

func (c *Config) validateKafka(add func(key, format string, args ...any)) {
	validateTLS("kafka.tls", c.Kafka.TLS, add)
	sasl := c.Kafka.SASL
	switch {
	case sasl.Mechanism == SASLNone && (sasl.Username != "" || sasl.Password != ""):
		add("kafka.sasl.mechanism", "is none, but a username or a password is set; choose a mechanism or remove them")
	case sasl.Mechanism != SASLNone && sasl.Username == "":
		add("kafka.sasl.username", "is missing; %s needs one", sasl.Mechanism)
	case sasl.Mechanism != SASLNone && sasl.Password == "":
		add("kafka.sasl.password", "is missing; %s needs one", sasl.Mechanism)
	case sasl.Mechanism == SASLPlain && !c.Kafka.TLS.Enabled && !sasl.AllowUnencrypted && !allLoopback(c.Kafka.Brokers):
		add("kafka.sasl.mechanism", "is plain without TLS, so everybody on the way to the broker can read the password; set kafka.tls.enabled, use scram-sha-512, or accept it with kafka.sasl.allow_unencrypted")
	}
}

// validateModels finds packs that are named twice, are not loaded, or would serve nothing.
func (c *Config) validateModels(add func(key, format string, args ...any)) {
	used := slices.Clone(c.Worker.Models[:min(1, len(c.Worker.Models))])
	for i, entry := range c.Worker.Collections {
		key := fmt.Sprintf("worker.collections[%d].", i)
		validateFields(reflect.ValueOf(entry), key, add)
		for n, pack := range entry.Models {
			switch {
			case slices.Contains(entry.Models[:n], pack):
				add(key+"models", "names %q twice", pack)
			case !slices.Contains(c.Worker.Models, pack):
				add(key+"models", "%q is not one of worker.models, %s", pack, strings.Join(c.Worker.Models, ", "))
			}
		}
		used = append(used, entry.Models...)
	}
	for n, pack := range c.Worker.Models {
		if slices.Contains(c.Worker.Models[:n], pack) {
			add("worker.models", "names %q twice", pack)
		} else if !slices.Contains(used, pack) {
			add("worker.models", "%q serves no collection; assign some to it in worker.collections", pack)
		}
	}
}

func validateTLS(key string, t TLS, add func(key, format string, args ...any)) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		add(key+".cert_file", "needs key_file beside it, and the other way round")
	}
	if !t.Enabled && (t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.InsecureSkipVerify) {
		add(key+".enabled", "is false, but other settings of %s are given; set it to true or remove them", key)
	}
}

func (c *Config) validateMilvus(add func(key, format string, args ...any)) {
	const key = "indexer.gallery.milvus"
	m := c.Indexer.Gallery.Milvus
	validateTLS(key+".tls", m.TLS, add)
	if (m.User == "") != (m.Password == "") {
		add(key+".user", "needs password beside it, and the other way round")
	}
	if (m.User != "" || m.Token != "") && !m.TLS.Enabled && !m.AllowUnencrypted && !loopback(m.Address) {
		add(key+".tls.enabled", "is false, so everybody on the way to the server can read the password or the token; set it, or accept it with %s.allow_unencrypted", key)
	}
	if m.Token != "" && m.User != "" {
		add(key+".token", "is given beside user; give one of them")
	}
}

func (c *Config) validateDirectory(add func(key, format string, args ...any)) {
	const key = "indexer.directory."
	d := c.Indexer.Directory
	if d.Driver != DirectoryPostgres {
		if d.DSN != "" {
			add(key+"dsn", "is given, but the driver is %s; set %sdriver to postgres or remove it", d.Driver, key)
		}
		return
	}
	switch host, encrypted, ok := d.server(); {
	case d.DSN == "":
		add(key+"dsn", "is missing; the driver postgres needs it")
	case !ok:
		add(key+"dsn", "is no address of a database; write postgres://user:password@host:5432/database")
	case !encrypted && !d.AllowUnencrypted && !loopback(host):
		add(key+"dsn", "does not ask for TLS, so everybody on the way can read the password and who is enrolled; add sslmode=verify-full, or accept it with %sallow_unencrypted", key)
	}
}

// server returns the address of the database, host:port, and whether the connection is encrypted for certain. ok is false if
// the address cannot be read. It does not repeat the password.
func (d Directory) server() (address string, encrypted, ok bool) {
	u, err := url.Parse(string(d.DSN))
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Hostname() == "" {
		return "", false, false
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "5432")), slices.Contains([]string{"require", "verify-ca", "verify-full"}, u.Query().Get("sslmode")), true
}

func (c *Config) validateS3(add func(key, format string, args ...any)) {
	s := c.S3
	validateTLS("s3.tls", s.TLS, add)
	if (s.AccessKey == "") != (s.SecretKey == "") {
		add("s3.access_key", "needs secret_key beside it, and the other way round")
	}
	if len(s.Buckets) > 0 && !slices.Contains(s.Buckets, s.Bucket) {
		add("s3.buckets", "do not contain %q, which is s3.bucket; add it or change s3.bucket", s.Bucket)
	}
	for key, addr := range map[string]string{"embedded.kafka_addr": c.Embedded.KafkaAddr, "embedded.s3_addr": c.Embedded.S3Addr} {
		if !c.Embedded.Expose && !loopback(addr) {
			add(key, "is open to other machines; use a loopback address such as 127.0.0.1, or accept it with embedded.expose")
		}
	}
	if s.SecretKey == Default().S3.SecretKey && !loopback(c.Embedded.S3Addr) {
		add("embedded.s3_addr", "is open to other machines, so s3.secret_key must not be the publicly known default")
	}
}

// validateListeners finds two listeners of one process on one address.
func (c *Config) validateListeners(add func(key, format string, args ...any)) {
	seen := map[string]string{}
	for _, l := range []struct{ key, addr string }{
		{"embedded.kafka_addr", c.Embedded.KafkaAddr}, {"embedded.s3_addr", c.Embedded.S3Addr}, {"telemetry.listen", c.Telemetry.Listen}, {"gateway.listen", c.Gateway.Listen},
	} {
		if _, port, err := net.SplitHostPort(l.addr); err != nil || port == "0" {
			continue
		}
		if other, taken := seen[l.addr]; taken {
			add(l.key, "is the address of %s too", other)
		}
		seen[l.addr] = l.key
	}
}

var (
	globPattern   = regexp.MustCompile(`^[A-Za-z0-9*][A-Za-z0-9_.*-]{0,63}$`)
	prefixPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,31}$`)
	devicePattern = regexp.MustCompile(`^(auto|cpu|openvino|coreml|(cuda|tensorrt)(:(0|[1-9][0-9]?))?)$`)
	bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

func (c *Config) validateRoute(i int, add func(key, format string, args ...any)) {
	r := c.Ingest.Routes[i]
	key := func(field string) string { return fmt.Sprintf("ingest.routes[%d].%s", i, field) }
	validateFields(reflect.ValueOf(r), key(""), add)
	if r.Bucket != "" && len(c.S3.Buckets) > 0 && !slices.Contains(c.S3.Buckets, r.Bucket) {
		add(key("bucket"), "is not a served bucket; add it to s3.buckets")
	}
	rule, err := r.rule()
	if err != nil {
		field, problem, _ := strings.Cut(err.Error(), ": ")
		add(key(field), "%s", problem)
		return
	}
	problems := rule.Problems()
	for _, p := range problems {
		add(key(p.Field), "%s", p.Message)
	}
	if len(problems) > 0 {
		return
	}
	// The floors that hold for every upload by the route. Those of a collection are applied when its uploads arrive.
	floors := slices.Concat(rule.Floors, c.floors(string(r.Collection)))
	job := schema.Job{Request: schema.Request{Operation: cmp.Or(r.Operation, schema.OpValidate), Config: rule.Fixed.Config}}
	for _, p := range job.Hold(floors) {
		add(key("config"), "%s", strings.TrimPrefix(p.Field+" "+p.Message, "config."))
	}
}

// floors returns the good ones of ingest.floors that hold for every request about one of collections.
func (c *Config) floors(collections ...string) (out schema.Floors) {
	for _, f := range c.Ingest.Floors {
		limits, err := f.Floors()
		if err != nil {
			continue
		}
		if len(f.Collections) == 0 || slices.ContainsFunc(collections, func(name string) bool { return slices.Contains(f.Collections, name) }) {
			out = append(out, limits...)
		}
	}
	return out
}

func (c *Config) validateDefaults(i int, add func(key, format string, args ...any)) {
	d := c.Ingest.Defaults[i]
	key := fmt.Sprintf("ingest.defaults[%d].", i)
	validateFields(reflect.ValueOf(d), key, add)
	if len(d.Config) == 0 {
		add(key+"config", "is missing, so the entry sets no default")
		return
	}
	raw, err := d.JSON()
	if err != nil {
		add(key+"config", "%s", strings.TrimPrefix(err.Error(), "config."))
		return
	}
	job := schema.Job{Request: schema.Request{Operation: schema.OpValidate, Config: raw}}
	for _, p := range job.Hold(c.floors(d.Collections...)) {
		add(key+"config", "%s", strings.TrimPrefix(p.Field+" "+p.Message, "config."))
	}
}

// validateFields reports the problems of the fields of v, an entry of a list, under their tags. key begins their names.
func validateFields(v reflect.Value, key string, add func(key, format string, args ...any)) {
	for f := range fieldsOf(v.Type()) {
		for _, m := range checkTags(v.FieldByIndex(f.Index), f.Tag) {
			add(key+f.Tag.Get("yaml"), "%s", m)
		}
	}
}

// checkTags reports the problems of v under the tags min, max, oneof and check.
func checkTags(v reflect.Value, tag reflect.StructTag) []string {
	var out []string
	for _, limit := range []struct {
		tag, word string
		broken    func(n, limit int64) bool
	}{
		{"min", "least", func(n, limit int64) bool { return n < limit }},
		{"max", "most", func(n, limit int64) bool { return n > limit }},
	} {
		if text, ok := tag.Lookup(limit.tag); ok {
			bound := reflect.New(v.Type()).Elem()
			if err := setText(bound, text); err != nil {
				panic(fmt.Sprintf("config: the tag %s: %v", limit.tag, err)) // a mistake in this package; its tests parse every tag
			}
			if limit.broken(v.Int(), bound.Int()) {
				out = append(out, fmt.Sprintf("is %v; at %s %s is allowed", v.Interface(), limit.word, text))
			}
		}
	}
	if oneof, ok := tag.Lookup("oneof"); ok {
		if values := strings.Split(oneof, "|"); !slices.Contains(values, v.String()) {
			out = append(out, fmt.Sprintf("%.40q is not one of %s", v.String(), strings.Join(values, ", ")))
		}
	}
	texts, isList := v.Interface().([]string)
	if !isList && v.Kind() == reflect.String {
		if texts = nil; v.String() != "" {
			texts = []string{v.String()}
		}
	}
	for check := range strings.SplitSeq(tag.Get("check"), ",") {
		if check == "nonempty" && len(texts) == 0 {
			out = append(out, "must not be empty")
		}
		for _, text := range texts {
			if m := checkText(check, text); m != "" {
				out = append(out, m)
			}
		}
	}
	return out
}

// checkText reports what is wrong with one text, or "".
func checkText(check, text string) string {
	switch check {
	case "addr", "listen":
		if strings.Contains(text, "://") {
			return fmt.Sprintf("%q has a scheme; write host:port alone", text)
		}
		host, port, err := net.SplitHostPort(text)
		n, convErr := strconv.ParseUint(port, 10, 16)
		if err != nil || convErr != nil || check == "addr" && (n == 0 || host == "") {
			return fmt.Sprintf("%q is not an address; write host:port, for instance 127.0.0.1:9000", text)
		}
	case "prefix":
		if !prefixPattern.MatchString(text) {
			return fmt.Sprintf("%q is not 1-32 letters and digits, beginning with a letter", text)
		}
	case "collections":
		if err := schema.Collection(text).Validate(); err != nil && text != "*" {
			return fmt.Sprintf("%.80q %v; * stands for every collection", text, err)
		}
	case "pattern":
		if !globPattern.MatchString(text) {
			return fmt.Sprintf("%.80q cannot match a collection: 1-64 letters, digits, '_', '.', '-' or *", text)
		}
	case "device":
		if !devicePattern.MatchString(text) {
			return fmt.Sprintf("%.40q is no device; write auto, cpu, cuda, tensorrt, openvino or coreml, and for the GPU of that number cuda:1 or tensorrt:1", text)
		}
	case "bucket":
		if !bucketPattern.MatchString(text) {
			return fmt.Sprintf("%q is not a bucket name: 3-63 lower-case letters, digits, '.' or '-'", text)
		}
	}
	return ""
}

// allLoopback reports whether every one of addrs is reachable only from this machine.
func allLoopback(addrs []string) bool {
	return !slices.ContainsFunc(addrs, func(addr string) bool { return !loopback(addr) })
}

// Exposed is something that other machines can reach, or that travels where others can read it. Setting is its key.
type Exposed struct{ Setting, Address, What string }

// Exposed lists what these settings open to other machines, and what they send unencrypted to them.
func (c *Config) Exposed() (out []Exposed) {
	add := func(is bool, setting, addr, what string) {
		if is && addr != "" && !loopback(addr) {
			out = append(out, Exposed{setting, addr, what})
		}
	}
	add(true, "embedded.kafka_addr", c.Embedded.KafkaAddr, "the embedded broker listens without passwords and unencrypted")
	add(true, "embedded.s3_addr", c.Embedded.S3Addr, "the embedded store listens unencrypted")
	add(true, "telemetry.listen", c.Telemetry.Listen, "metrics and health are open to everybody")
	add(c.Gateway.TLS.CertFile == "", "gateway.tls.cert_file", c.Gateway.Listen, "images, results and tokens travel unencrypted, unless a proxy on the way encrypts them")
	add(c.Telemetry.Pprof, "telemetry.pprof", c.Telemetry.Listen, "heap dumps with images and embeddings are open to everybody")
	for _, broker := range c.Kafka.Brokers {
		add(!c.Kafka.TLS.Enabled, "kafka.tls.enabled", broker, "events with embeddings travel unencrypted")
	}
	add(!c.S3.TLS.Enabled, "s3.tls.enabled", c.S3.Endpoint, "images travel unencrypted")
	if m := c.Indexer.Gallery.Milvus; c.Indexer.Gallery.Driver == DriverMilvus {
		add(!m.TLS.Enabled, "indexer.gallery.milvus.tls.enabled", m.Address, "embeddings travel unencrypted")
	}
	if d := c.Indexer.Directory; d.Driver == DirectoryPostgres {
		address, encrypted, _ := d.server()
		add(!encrypted, "indexer.directory.dsn", address, "who is enrolled travels unencrypted")
	}
	return out
}

// loopback reports whether addr, host:port, is reachable only from this machine.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return true // reported as no address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
