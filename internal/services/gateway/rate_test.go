package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"facestream/internal/gateway/auth"
	"facestream/internal/host"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// What HTTP costs beside Kafka: 50 callers at once send the same requests in turns both ways, through the same services, with an engine
// that computes nothing. FACESTREAM_RATE says how many each way and turn; without it, a few show that the measurement works.
func TestRateBesideKafka(t *testing.T) {
	n, turns := 200, 1
	if text := os.Getenv("FACESTREAM_RATE"); text != "" {
		turns = 5
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatal(err)
		}
	}
	const callers = 50
	cfg := system.cfg
	cfg.Gateway.Callers.Rate = 1_000_000
	address, stop, err := openGateway(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	bearer := token(t, "*", "*", func(g *auth.Grant) { g.TTL = time.Hour })
	client, store, err := host.Clients(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	caller, err := client.OpenCaller(t.Context(), events.PublisherConfig{Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	byHTTP := func(int) error {
		kind, body := form([]string{"config", tolerant}, red)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/v1/validate", body)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("Content-Type", kind)
		a, err := do(req)
		if err == nil && (a.status != 200 || len(a.Faces) != 1) {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	}
	byKafka := func(int) error {
		id := uuid.NewString()
		ref, err := store.Put(t.Context(), schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: "submitted/" + id + "/0"}, red, "image/png", nil)
		if err != nil {
			return err
		}
		a, err := caller.Call(t.Context(), schema.Request{ID: schema.RequestID(id), Operation: schema.OpValidate, Images: []schema.ObjectRef{ref}, Config: json.RawMessage(tolerant)})
		if err == nil && len(a.Faces) != 1 {
			err = fmt.Errorf("%+v", a.CallStatus)
		}
		return err
	}
	var all [2]struct {
		took  []time.Duration
		rates []float64
		cpu   time.Duration
	}
	for range turns {
		for way, send := range []func(int) error{byKafka, byHTTP} {
			took := make([]time.Duration, n)
			var next atomic.Int32
			var wg sync.WaitGroup
			began, cpu := time.Now(), processor(t)
			for range callers {
				wg.Go(func() {
					for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
						at := time.Now()
						if err := send(i); err != nil {
							t.Error(err)
							return
						}
						took[i] = time.Since(at)
					}
				})
			}
			wg.Wait()
			x := &all[way]
			x.rates = append(x.rates, float64(n)/time.Since(began).Seconds())
			x.cpu += processor(t) - cpu
			x.took = append(x.took, took...)
		}
	}
	for way, name := range []string{"Kafka", "HTTP"} {
		x := &all[way]
		slices.Sort(x.took)
		slices.Sort(x.rates)
		t.Logf("%-5s %d requests by %d callers: median rate %.0f/s (%.0f to %.0f), p50 %v, p99 %v, processor time of everything %v a request", name, len(x.took), callers,
			x.rates[len(x.rates)/2], x.rates[0], x.rates[len(x.rates)-1], x.took[len(x.took)/2], x.took[len(x.took)*99/100], x.cpu/time.Duration(len(x.took)))
	}
	if each := func(way int) time.Duration { return all[way].cpu / time.Duration(len(all[way].took)) }; each(1) > 2*each(0) {
		t.Errorf("a request by HTTP costs %v of processor time, one by Kafka %v", each(1), each(0))
	}
}

// processor is the processor time of this process.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
