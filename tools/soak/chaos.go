package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"facestream/pkg/events"
	"facestream/pkg/retry"
)

// fault is a fault that is injected repeatedly. do returns when it is over.
type fault struct {
	name  string
	every time.Duration // on average
	after int           // instead of every: how many requests get a result between two, on average
	most  int           // how often; 0: until the end
	do    func(ctx context.Context, r *rand.Rand) bool
}

// chaos injects faults and counts them. A fault is survived when, after it, a request got its first result.
type chaos struct {
	system  *system
	results *results
	recent  *recent
	history *history

	mu                 sync.Mutex
	injected, survived map[string]int
	next               int // the service that the next kill hits
}

// faults are all that this system can suffer.
func (c *chaos) faults(o options) []fault {
	if o.duration == 0 { // the crash test
		return []fault{
			{name: "SIGKILL of a service", after: 9, most: max(o.requests/10, 1), do: c.kill},
			{name: "SIGKILL of the servers", after: 90, most: max(o.requests/100, 1), do: c.killServers},
		}
	}
	if o.power {
		return []fault{
			{name: "SIGKILL of a service", every: 5 * time.Second, do: c.kill},
			{name: "loss of power", every: 8 * time.Second, do: c.losePower},
		}
	}
	all := []fault{
		{name: "SIGKILL of a service", every: 5 * time.Second, do: c.kill},
		{name: "SIGKILL of the servers", every: 45 * time.Second, do: c.killServers},
		{name: "pause of a service beyond its session", every: 15 * time.Second, do: c.pause},
		{name: "cut connections", every: 12 * time.Second, do: c.cut},
		{name: "repeated and reordered events", every: 10 * time.Second, do: c.repeat},
	}
	for _, q := range c.system.quotas {
		all = append(all, fault{name: "full disk of " + q.of, every: 40 * time.Second, do: func(ctx context.Context, r *rand.Rand) bool { return fill(ctx, q, r) }})
	}
	if c.system.broker != nil {
		all = append(all, fault{name: "SIGKILL of the broker", every: 90 * time.Second, do: c.killBroker})
	}
	return all
}

// run injects every fault until ctx ends or each has had its number. Who survived is found out while alive lasts.
func (c *chaos) run(ctx, alive context.Context, seed uint64, faults []fault) {
	var wg sync.WaitGroup
	for i, f := range faults {
		r := rand.New(rand.NewPCG(seed, uint64(i)+2))
		wg.Go(func() {
			for n := 0; f.most == 0 || n < f.most; {
				if f.after > 0 && !c.results.progress(ctx, f.after/2+r.IntN(f.after)) ||
					f.every > 0 && !retry.Sleep(ctx, f.every/2+time.Duration(r.Int64N(int64(f.every)))) {
					return
				}
				from := c.history.since(time.Now())
				done := f.do(ctx, r)
				c.history.note("fault", noteFault{f.name, from, done})
				if !done {
					continue
				}
				n++
				c.count(&c.injected, f.name)
				wg.Go(func() {
					if c.results.progress(alive, 1) {
						c.count(&c.survived, f.name)
					}
				})
			}
		})
	}
	wg.Wait()
}

func (c *chaos) count(counts *map[string]int, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *counts == nil {
		*counts = map[string]int{}
	}
	(*counts)[name]++
}

// counts are the faults so far.
func (c *chaos) counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.injected)
}

func (c *chaos) kill(context.Context, *rand.Rand) bool {
	c.mu.Lock()
	victim := c.system.services[c.next%len(c.system.services)]
	c.mu.Unlock()
	if !victim.signal(syscall.SIGKILL) {
		return false
	}
	c.mu.Lock()
	c.next++
	c.mu.Unlock()
	return true
}

func (c *chaos) killServers(context.Context, *rand.Rand) bool {
	return c.system.servers.signal(syscall.SIGKILL)
}

func (c *chaos) losePower(context.Context, *rand.Rand) bool {
	if err := c.system.losePower(); err != nil {
		fmt.Println("the power did not fail as it should:", err)
		return false
	}
	return true
}

func (c *chaos) killBroker(ctx context.Context, _ *rand.Rand) bool {
	if err := c.system.broker(ctx); err != nil && ctx.Err() == nil {
		fmt.Println("the broker was not restarted:", err)
	}
	return ctx.Err() == nil
}

// pause stops a process for longer than its session, so that another one takes over its work, and then resumes it.
func (c *chaos) pause(ctx context.Context, r *rand.Rand) bool {
	victim := c.system.services[r.IntN(len(c.system.services))]
	if !victim.signal(syscall.SIGSTOP) {
		return false
	}
	whole := retry.Sleep(ctx, sessionTimeout+time.Second+time.Duration(r.IntN(3000))*time.Millisecond)
	victim.signal(syscall.SIGCONT)
	return whole
}

func (c *chaos) cut(ctx context.Context, r *rand.Rand) bool {
	d := time.Duration(r.IntN(5000)) * time.Millisecond
	c.system.proxies[r.IntN(len(c.system.proxies))].cut(d)
	return retry.Sleep(ctx, d)
}

// fill fills a disk, at times for longer than a record that fails is retried.
func fill(ctx context.Context, q quota, r *rand.Rand) bool {
	empty := q.fill()
	defer empty()
	return retry.Sleep(ctx, time.Second+time.Duration(r.IntN(14000))*time.Millisecond)
}

// repeat writes some of the latest events of a topic again, a day older and in another order.
func (c *chaos) repeat(ctx context.Context, r *rand.Rand) bool {
	topics := []events.Topic{events.Objects, events.Requests, events.Jobs, events.Analyses}
	return c.recent.repeat(ctx, topics[r.IntN(len(topics))], r)
}

// recent keeps the latest events of the topics that services read.
type recent struct {
	client    *events.Client
	publisher *events.Publisher

	mu     sync.Mutex
	latest map[events.Topic][]events.Event
}

const recentEvents = 100 // kept of each topic

func (k *recent) keep(r events.Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.latest[r.Topic] = append(k.latest[r.Topic], r.Event)
	if n := len(k.latest[r.Topic]); n > recentEvents {
		k.latest[r.Topic] = slices.Clone(k.latest[r.Topic][n-recentEvents:])
	}
	return nil
}

func (k *recent) repeat(ctx context.Context, topic events.Topic, r *rand.Rand) bool {
	k.mu.Lock()
	again := slices.Clone(k.latest[topic])
	k.mu.Unlock()
	r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
	again = again[:len(again)/5]
	for i := range again {
		e := &again[i]
		e.Time = time.Now().Add(-24 * time.Hour)
		if e.ID == "" { // of an object store
			e.ID, e.Type = uuid.NewString(), "notification"
		}
	}
	return len(again) > 0 && k.publisher.Publish(ctx, topic, again...) == nil
}
