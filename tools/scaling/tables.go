package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// rates are the images a second that are planned for.
var rates = []float64{1000, 10_000, 100_000}

// mostPartitions is the largest number that facestream creates for a topic.
const mostPartitions = 4096

// kind is a worker with a name and a price.
type kind struct {
	worker
	name  string
	price float64 // an hour
}

func kinds(in inputs) []kind {
	cores := worker{cores: int(in.of("worker_cores")), core: in.of("engine_ms") / 1000, variation: in.of("engine_variation")}
	device := cores
	device.core, device.batch = in.of("decode_ms")/1000, int(in.of("batch"))
	device.call, device.row, device.wait = in.of("call_ms")/1000, in.of("row_ms")/1000, in.of("batch_wait_ms")/1000
	price := in.of("worker_cores") * in.of("price_core_hour")
	return []kind{{cores, "cores", price}, {device, "cores and a GPU", price + in.of("price_gpu_hour")}}
}

// plan is how many workers and partitions take a load, and how they do.
type plan struct {
	scenario
	outcome
}

// planFor returns the least workers whose mean load is within the utilisation and whose 99th percentile is within the target.
func planFor(in inputs, k kind, rate float64, seed uint64) (plan, error) {
	target := (in.of("target_ms") - in.of("transit_ms")) / 1000
	workers := count(rate / (k.capacity() * in.of("utilisation")))
	for ; ; workers += count(float64(workers) / 50) {
		s := scenario{k.worker, rate, workers, min(workers*int(in.of("partitions_per_worker")), mostPartitions/workers*workers)}
		if s.partitions == 0 {
			return plan{}, fmt.Errorf("%v images a second on workers with %s: %d workers would need more than %d partitions", rate, k.name, workers, mostPartitions)
		}
		if o := s.simulate(seed); o.busiest < 1 && o.p99 <= target {
			return plan{s, o}, nil
		}
		if o := (scenario{k.worker, 1, workers, workers}).simulate(seed); o.p99 > target { // even without a load
			return plan{}, fmt.Errorf("no number of workers with %s reaches the target of %v ms", k.name, in.of("target_ms"))
		}
	}
}

// count rounds up, to one at least.
func count(v float64) int { return max(1, int(math.Ceil(v))) }

// write writes all tables as Markdown.
func write(to io.Writer, in inputs, seed uint64) error {
	t := &tables{to: to, in: in, transit: in.of("transit_ms") / 1000}
	all := map[string][]plan{}
	for _, k := range kinds(in) {
		for _, rate := range rates {
			p, err := planFor(in, k, rate, seed)
			if err != nil {
				return err
			}
			all[k.name] = append(all[k.name], p)
		}
	}
	t.workers(all)
	t.partitions(all["cores"][1], seed)
	t.batches(seed)
	t.brokers(all)
	t.gallery()
	t.cost(all)
	t.inputs()
	return t.err
}

// tables writes tables; the first error stays.
type tables struct {
	to      io.Writer
	in      inputs
	transit float64
	err     error
}

func (t *tables) line(format string, a ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.to, format+"\n", a...)
	}
}

func (t *tables) head(title string, columns ...string) {
	t.line("\n## %s\n\n| %s |\n|%s", title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func (t *tables) workers(all map[string][]plan) {
	t.line("## Workers and partitions\n")
	t.line("The fewest workers of %.0f cores that take %.0f %% of their capacity on average and answer 99 %% of the images within %.0f ms, the records in transit included.\n",
		t.in.of("worker_cores"), 100*t.in.of("utilisation"), t.in.of("target_ms"))
	t.line("| images/s | workers with | workers | partitions of jobs | busiest worker | p50 | p99 |\n|---|---|---|---|---|---|---|")
	for _, k := range kinds(t.in) {
		for _, p := range all[k.name] {
			t.line("| %s | %s | %d | %d | %.0f %% | %s | %s |", number(p.rate), k.name, p.workers, p.scenario.partitions, 100*p.busiest, t.millis(p.p50), t.millis(p.p99))
		}
	}
}

// millis is a time from event to result.
func (t *tables) millis(seconds float64) string {
	return fmt.Sprintf("%.0f ms", 1000*(seconds+t.transit))
}

// partitions shows what the number of partitions does to the workers of a plan.
func (t *tables) partitions(p plan, seed uint64) {
	t.head(fmt.Sprintf("Partitions for each worker, at %s images/s on %d workers", number(p.rate), p.workers),
		"partitions", "busiest worker", "p99", "busiest, one worker less", "p99, one worker less")
	for _, each := range []float64{1, 1.5, 2, 4, 8, 16, 32} {
		s := p.scenario
		s.partitions = int(each * float64(p.workers))
		if s.partitions > mostPartitions {
			break
		}
		row := fmt.Sprintf("| %d |", s.partitions)
		for _, workers := range []int{p.workers, p.workers - 1} {
			s.workers = workers
			o := s.simulate(seed)
			p99 := t.millis(o.p99)
			if o.busiest >= 1 {
				p99 = "falls behind"
			}
			row += fmt.Sprintf(" %.0f %% | %s |", 100*o.busiest, p99)
		}
		t.line("%s", row)
	}
}

// batches shows what the size of a batch does to a worker with a GPU.
func (t *tables) batches(seed uint64) {
	device := kinds(t.in)[1]
	t.head(fmt.Sprintf("Batches on a GPU, one worker at %.0f %% of its capacity", 100*t.in.of("utilisation")), "most images of a batch", "capacity, images/s", "p50", "p99", "limited by")
	for _, n := range []int{1, 4, 8, 16, 32, 64} {
		w := device.worker
		w.batch = n
		s := scenario{w, w.capacity() * t.in.of("utilisation"), 1, 1}
		limit := "the GPU"
		if float64(w.cores)/w.core <= w.capacity() {
			limit = "the cores, which decode"
		}
		o := s.simulate(seed)
		t.line("| %d | %.0f | %s | %s | %s |", n, w.capacity(), t.millis(o.p50), t.millis(o.p99), limit)
	}
}

// traffic is what an image writes to the broker and reads from it, in bytes, and how many records it is.
func (t *tables) traffic() (written, read, records float64) {
	in := t.in
	written = in.of("objects_bytes") + in.of("jobs_bytes") + in.of("analyses_bytes") + in.of("results_bytes")
	// Jobs and results are read by ingest's ledger, too.
	read = in.of("objects_bytes") + 2*in.of("jobs_bytes") + in.of("analyses_bytes") + 2*in.of("results_bytes")
	return written, read, 4
}

// topicsLikeJobs is how many topics have as many partitions as facestream.jobs: those of objects, jobs, analyses and results.
const topicsLikeJobs = 4

// brokersFor is the brokers for a plan, and what they are limited by.
func (t *tables) brokersFor(p plan) (brokers int, limit string) {
	written, read, records := t.traffic()
	copies := t.in.of("replication")
	brokers, limit = int(copies), "the copies"
	for _, need := range []struct {
		name   string
		number float64
	}{
		{"bytes written", p.rate * written * copies / 1e6 / t.in.of("broker_write_mb")},
		{"bytes read", p.rate * read / 1e6 / t.in.of("broker_read_mb")},
		{"records", p.rate * records * copies / t.in.of("broker_records")},
		{"partitions", float64(p.scenario.partitions*topicsLikeJobs) * copies / t.in.of("broker_partitions")},
	} {
		if n := count(need.number); n > brokers {
			brokers, limit = n, need.name
		}
	}
	return brokers, limit
}

func (t *tables) brokers(all map[string][]plan) {
	written, read, records := t.traffic()
	t.head("Brokers and bytes", "images/s", "records/s", "written by clients", "written with copies", "read", "from the store", "brokers", "limited by")
	for _, p := range all["cores"] {
		brokers, limit := t.brokersFor(p)
		t.line("| %s | %s | %s | %s | %s | %s | %d | %s |", number(p.rate), number(p.rate*records), perSecond(p.rate*written), perSecond(p.rate*written*t.in.of("replication")),
			perSecond(p.rate*read), perSecond(p.rate*t.in.of("image_kb")*1000), brokers, limit)
	}
}

// nodes is the query nodes for a rate, by memory and by searches in a graph.
func (t *tables) nodes(rate float64) (byMemory, bySearches int) {
	in := t.in
	byMemory = count(in.of("people_million") * 1e6 * in.of("row_bytes") * in.of("gallery_replicas") / (in.of("node_gb") * 1e9))
	searches := rate * (1 - in.of("enrol_share")) * in.of("graph_ms") / 1000 / (in.of("node_cores") * in.of("utilisation"))
	return max(byMemory, int(in.of("gallery_replicas"))), count(searches)
}

func (t *tables) gallery() {
	in := t.in
	t.line("\n## The gallery: %s million people, %.0f %% of the images enrol\n", number(in.of("people_million")), 100*in.of("enrol_share"))
	t.line("| images/s | upserts/s | Milvus shards | searches/s | cores for exact search | query nodes (HNSW) | limited by |\n|---|---|---|---|---|---|---|")
	for _, rate := range rates {
		enrols, searches := rate*in.of("enrol_share"), rate*(1-in.of("enrol_share"))
		byMemory, bySearches := t.nodes(rate)
		limit := "searches"
		if byMemory >= bySearches {
			limit = "memory and copies"
		}
		exact := searches * in.of("people_million") * in.of("scan_ms") / 1000 / in.of("utilisation")
		t.line("| %s | %s | %d | %s | %d | %d | %s |", number(rate), number(enrols), count(enrols/in.of("upserts")), number(searches), count(exact), max(byMemory, bySearches), limit)
	}
}

func (t *tables) cost(all map[string][]plan) {
	in := t.in
	t.head("Cost of a million images, in the currency of the prices", "images/s", "workers with", "workers", "other services", "brokers", "query nodes", "the store", "together")
	for _, k := range kinds(in) {
		for _, p := range all[k.name] {
			perMillion := 1e6 / (p.rate * 3600) // hours
			brokers, _ := t.brokersFor(p)
			byMemory, bySearches := t.nodes(p.rate)
			others := count(p.rate * in.of("services_ms") / 1000 / in.of("utilisation"))
			stored := 1e6 * in.of("image_kb") / 1e6 * in.of("price_gb_month") * in.of("kept_days") / 30
			parts := []float64{
				float64(p.workers) * k.price * perMillion,
				float64(others) * in.of("price_core_hour") * perMillion,
				float64(brokers) * in.of("price_broker_hour") * perMillion,
				float64(max(byMemory, bySearches)) * in.of("price_node_hour") * perMillion,
				in.of("price_million_puts") + in.of("price_million_gets") + stored,
			}
			row, sum := fmt.Sprintf("| %s | %s |", number(p.rate), k.name), 0.0
			for _, part := range parts {
				row, sum = row+fmt.Sprintf(" %.2f |", part), sum+part
			}
			t.line("%s %.2f |", row, sum)
		}
	}
}

func (t *tables) inputs() {
	t.head("Inputs", "name", "value", "what it is, and where it comes from")
	for _, i := range t.in.list {
		t.line("| `%s` | %s | %s |", i.Name, strings.TrimSpace(fmt.Sprintf("%v %s", i.Value, i.Unit)), i.Source)
	}
}

// number writes a number with commas.
func number(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// perSecond writes bytes a second.
func perSecond(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.1f GB/s", v/1e9)
	case v >= 1e7:
		return fmt.Sprintf("%.0f MB/s", v/1e6)
	}
	return fmt.Sprintf("%.1f MB/s", v/1e6)
}
