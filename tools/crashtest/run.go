package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"facestream/internal/app"
	"facestream/internal/config"
	"facestream/internal/portraits"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

type options struct {
	requests, kills, serverKills int
	bin                          string
	seed                         uint64
	patience                     time.Duration
}

const (
	knownPeople = 12
	pause       = 1500 * time.Millisecond // between two kills, on average
)

func run(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	dir, err := os.MkdirTemp("", "facestream-crashtest-")
	if err != nil {
		return err
	}
	fmt.Printf("seed %d, logs and data in %s\n", o.seed, dir)
	cfg := config.Default()
	cfg.DataDir = filepath.Join(dir, "data")
	kafkaAddr, err := freeAddr()
	if err != nil {
		return err
	}
	s3Addr, err := freeAddr()
	if err != nil {
		return err
	}
	cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{kafkaAddr}, s3Addr
	cfg.Resolve()
	env := []string{
		"FACESTREAM_DATA_DIR=" + cfg.DataDir, "FACESTREAM_KAFKA=" + kafkaAddr, "FACESTREAM_S3_ENDPOINT=" + s3Addr,
		"FACESTREAM_EMBEDDED_KAFKA_ADDR=" + kafkaAddr, "FACESTREAM_EMBEDDED_S3_ADDR=" + s3Addr, "FACESTREAM_KAFKA_SESSION_TIMEOUT=2s",
		"FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_TELEMETRY_LOG_FORMAT=json", "FACESTREAM_INGEST_RECONCILE_INTERVAL=5s", "FACESTREAM_INGEST_RECONCILE_AGE=2s",
	}
	if os.Getenv("FACESTREAM_MILVUS") != "" { // the same on another gallery, below a prefix of its own
		given, err := config.Load("", os.Environ(), nil)
		if err != nil {
			return err
		}
		cfg.Indexer.Gallery.Driver, cfg.Indexer.Gallery.Milvus = config.DriverMilvus, given.Indexer.Gallery.Milvus
		cfg.Indexer.Gallery.Milvus.Prefix = fmt.Sprintf("crash%x", o.seed)
		env = append(env, "FACESTREAM_INDEXER_GALLERY_DRIVER=milvus", "FACESTREAM_INDEXER_GALLERY_MILVUS_PREFIX="+cfg.Indexer.Gallery.Milvus.Prefix)
	}
	var services []*process
	launch := func(name string, args ...string) (*process, error) {
		p, err := start(dir, filepath.Join(o.bin, name), fmt.Sprintf("%s-%d", name, len(services)), env, args...)
		if err == nil {
			services = append(services, p)
		}
		return p, err
	}
	defer func() {
		for _, p := range services {
			p.stop()
		}
	}()
	servers, err := launch("facestream", "servers")
	if err != nil {
		return err
	}
	victims := make([]*process, 0, 4)
	for _, name := range []string{"ingest", "worker", "indexer", "worker"} {
		p, err := launch(name)
		if err != nil {
			return err
		}
		victims = append(victims, p)
	}

	client, store, err := app.Clients(cfg)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(o.seed, 1))
	l := &load{
		client: client, publisher: client.NewPublisher(events.PublisherConfig{Source: "crashtest"}), objects: store, bucket: cfg.S3.Bucket, collection: "known", random: random, people: portraits.Cast(),
		ledger: map[schema.RequestID]expected{}, deleted: map[schema.ExternalID]bool{}, pictures: map[[2]int][]byte{},
	}
	results := newResults(client)
	follow, stopFollowing := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { results.follow(follow) })
	defer following.Wait()
	defer stopFollowing()

	begin := time.Now()
	if err := l.known(ctx, knownPeople); err != nil {
		return err
	}
	if err := results.settle(ctx, l, "people enrolled before the kills"); err != nil {
		return err
	}

	killing, stopKilling := context.WithCancel(ctx)
	defer stopKilling()
	var killers sync.WaitGroup
	var hit, serverHit int
	killers.Go(func() {
		hit = killer(killing, rand.New(rand.NewPCG(o.seed, 2)), victims, o.kills, pause)
	})
	killers.Go(func() {
		serverHit = killer(killing, rand.New(rand.NewPCG(o.seed, 3)), []*process{servers}, o.serverKills, 10*time.Second)
	})
	if err := l.mixed(ctx, o.requests, knownPeople, time.Duration(o.kills)*pause*3/4); err != nil {
		return err
	}
	if err := results.settle(ctx, l, "requests of every kind, under fire"); err != nil {
		return err
	}
	if err := l.deletions(ctx, results.enrolled("churn", l)); err != nil {
		return err
	}
	if err := results.settle(ctx, l, "deletions, under fire"); err != nil {
		return err
	}
	fmt.Println("waiting until every kill was made")
	killers.Wait()
	if err := results.quiet(ctx); err != nil {
		return err
	}
	took := time.Since(begin)
	stopFollowing()
	following.Wait()
	for _, p := range victims {
		p.stop() // so that the gallery can be opened here
	}
	repeats, err := results.check(l)
	if err != nil {
		return err
	}
	rows, err := checkGallery(ctx, cfg, results, l)
	if err != nil {
		return err
	}
	fmt.Printf("crash test passed in %.0f s: %d requests, each with one outcome; %d SIGKILLs of services, %d of the servers; %d results published again, all equal; %d gallery rows, none lost, none doubled, none left after its deletion\n",
		took.Seconds(), len(l.ledger), hit, serverHit, repeats, rows)
	return os.RemoveAll(dir)
}

// results is everything that was ever published to the topic of results.
type results struct {
	client *events.Client
	mu     sync.Mutex
	byID   map[schema.RequestID]map[string][]schema.Result // request id, CloudEvents id
	last   time.Time
}

func newResults(c *events.Client) *results {
	return &results{client: c, byID: map[schema.RequestID]map[string][]schema.Result{}}
}

func (r *results) follow(ctx context.Context) {
	from := map[int]int64{}
	for ctx.Err() == nil {
		err := r.client.ReadAll(ctx, events.Results, from, func(rec events.Record) error {
			from[rec.Partition] = rec.Offset + 1
			var v schema.Result
			if err := json.Unmarshal(rec.Event.Data, &v); err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.byID[v.RequestID] == nil {
				r.byID[v.RequestID] = map[string][]schema.Result{}
			}
			r.byID[v.RequestID][rec.Event.ID] = append(r.byID[v.RequestID][rec.Event.ID], v)
			r.last = time.Now()
			return nil
		}, func() {})
		if err != nil && ctx.Err() == nil {
			time.Sleep(300 * time.Millisecond) // the broker was killed: go on where reading stopped
		}
	}
}

// settle waits until every request of the ledger has an outcome.
func (r *results) settle(ctx context.Context, l *load, what string) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	said := time.Now()
	for {
		missing := 0
		var one schema.RequestID
		r.mu.Lock()
		for id := range l.ledger {
			if len(r.byID[id]) == 0 {
				missing++
				one = id
			}
		}
		r.mu.Unlock()
		if missing == 0 {
			fmt.Printf("%s: all %d answered\n", what, len(l.ledger))
			return nil
		}
		if time.Since(said) > 10*time.Second {
			fmt.Printf("%s: %d of %d not answered yet\n", what, missing, len(l.ledger))
			said = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %d of %d requests have no outcome, one is %s", what, missing, len(l.ledger), one)
		case <-tick.C:
		}
	}
}

// quiet waits until nothing has been published for a while: what the last kill left undone is done again by then.
func (r *results) quiet(ctx context.Context) error {
	const still = 10 * time.Second
	begin := time.Now()
	for {
		r.mu.Lock()
		last := r.last
		r.mu.Unlock()
		if time.Since(last) > still && time.Since(begin) > still {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("results still arrive: %w", ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// enrolled are the people whose enrolment in c has an outcome, in the order of their names.
func (r *results) enrolled(c schema.Collection, l *load) []schema.ExternalID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []schema.ExternalID
	for id, e := range l.ledger {
		if e.operation == schema.OpEnroll && r.first(id).Collection == c {
			out = append(out, e.person)
		}
	}
	slices.Sort(out)
	return out
}

func (r *results) first(id schema.RequestID) schema.Result {
	for _, v := range r.byID[id] {
		return v[0]
	}
	return schema.Result{}
}

// check holds every outcome against the ledger and answers how many results were published again.
func (r *results) check(l *load) (repeats int, err error) {
	for id, published := range r.byID {
		e, ok := l.ledger[id]
		if !ok {
			return 0, fmt.Errorf("request %s was never sent, but has an outcome", id)
		}
		if len(published) != 1 {
			return 0, fmt.Errorf("request %s has %d outcomes", id, len(published))
		}
		for _, copies := range published {
			for i := range copies {
				copies[i].Timings = nil // measurements, not content
				if !reflect.DeepEqual(copies[i], copies[0]) {
					return 0, fmt.Errorf("request %s (%s) was answered twice, and differently", id, e.operation)
				}
			}
			repeats += len(copies) - 1
			got := copies[0]
			if got.Operation != e.operation || got.CallStatus.Reason != e.reason {
				return 0, fmt.Errorf("request %s (%s): reason %q, expected %q: %s", id, e.operation, got.CallStatus.Reason, e.reason, got.CallStatus.ReturnMessage)
			}
			if e.operation == schema.OpPredict && (got.Predict == nil || got.Predict.Response.List[0].ExternalID != e.person) {
				return 0, fmt.Errorf("request %s: another person was found than the one in the picture", id)
			}
		}
	}
	return repeats, nil
}

// checkGallery holds the rows of every collection against the enrolments.
func checkGallery(ctx context.Context, cfg config.Config, r *results, l *load) (int, error) {
	g, err := app.OpenGallery(ctx, cfg.Indexer.Gallery)
	if err != nil {
		return 0, err
	}
	defer g.Close()
	want := map[schema.Collection]map[string]bool{}
	for id, e := range l.ledger {
		if e.operation != schema.OpEnroll || l.deleted[e.person] {
			continue
		}
		result := r.first(id)
		if want[result.Collection] == nil {
			want[result.Collection] = map[string]bool{}
		}
		want[result.Collection][result.Enroll.Response.GUID] = true
	}
	total := 0
	for c, ids := range want {
		have := map[string]bool{}
		for after, first := "", true; first || after != ""; first = false {
			page, err := g.List(ctx, c, after, 1000)
			if err != nil {
				return 0, err
			}
			after = page.Next
			for _, row := range page.Rows {
				if have[row.ID] {
					return 0, fmt.Errorf("collection %s: a row is there twice", c)
				}
				have[row.ID] = true
				if !ids[row.ID] {
					return 0, fmt.Errorf("collection %s: a row is there that no result speaks of, or that was deleted", c)
				}
			}
		}
		if len(have) != len(ids) {
			return 0, fmt.Errorf("collection %s: %d rows, expected %d", c, len(have), len(ids))
		}
		total += len(have)
	}
	return total, nil
}
