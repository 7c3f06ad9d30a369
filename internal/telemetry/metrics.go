package telemetry

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// stageBuckets, in seconds, range from a cached look-up to an image that waits for a slow store.
var stageBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Metrics are the metrics of one process, in their own registry. They are safe for concurrent use. Their names begin
// with facestream_.
type Metrics struct {
	registry   *prometheus.Registry
	stages     *prometheus.HistogramVec
	inFlight   *prometheus.GaugeVec
	lag        *prometheus.GaugeVec
	outcomes   *prometheus.CounterVec
	retries    *prometheus.CounterVec
	handled    *prometheus.CounterVec
	handling   *prometheus.HistogramVec
	partitions *prometheus.GaugeVec
	outage     *prometheus.GaugeVec
	isolated   *prometheus.CounterVec
	ignored    *prometheus.CounterVec
	reconciled *prometheus.CounterVec
	passes     prometheus.Histogram
	networks   *prometheus.GaugeVec
	calls      *prometheus.CounterVec
	answering  *prometheus.HistogramVec
	streams    prometheus.Gauge
	known      *prometheus.GaugeVec
}

// NewMetrics returns empty metrics, together with those of the Go runtime and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "facestream_stage_seconds",
			Help: "Time that one stage of a service took for one record.", Buckets: stageBuckets}, []string{"service", "stage"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_in_flight_records",
			Help: "Records that were read but are not finished."}, []string{"service"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_queue_lag_records",
			Help: "Records between the last one that a service has fetched and the end of its partition."}, []string{"service", "topic", "partition"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_outcomes_total",
			Help: "Results that were published; the reason is none if the operation did what was asked."}, []string{"operation", "reason"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_retries_total",
			Help: "Failed tries of a record that is retried, by the class of the error."}, []string{"service", "topic", "class"}),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_records_total",
			Help: "Records that a service has finished: done, dead_letter, or abandoned to the next owner of the partition."}, []string{"service", "topic", "outcome"}),
		handling: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "facestream_record_seconds",
			Help: "Time from the first try of a record to its end, including waits.", Buckets: stageBuckets}, []string{"service", "topic"}),
		partitions: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_assigned_partitions",
			Help: "Partitions that are assigned to a service; 0 while it is not in its group."}, []string{"service"}),
		outage: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_waiting",
			Help: "1 while a service waits for an unreachable dependency."}, []string{"service"}),
		isolated: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_isolated_total",
			Help: "Tries of records that were made alone, because processes had died while they worked on the record."}, []string{"service", "topic"}),
		ignored: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_ignored_notifications_total",
			Help: "Notifications that are not requests, by cause."}, []string{"why"}),
		reconciled: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_reconciled_objects_total",
			Help: "Objects that reconciliation listed, fed (their notification was lost), and skipped (the store could not name or return them)."}, []string{"what"}),
		passes: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "facestream_reconcile_seconds",
			Help: "Time of one pass of reconciliation.", Buckets: stageBuckets}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_gateway_requests_total",
			Help: "HTTP requests that the gateway has answered, by path and status."}, []string{"path", "status"}),
		answering: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "facestream_gateway_request_seconds",
			Help: "Time from the header of an HTTP request to the end of its answer, the wait for a result included.", Buckets: stageBuckets}, []string{"path"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "facestream_gateway_streams",
			Help: "Open streams of results."}),
		known: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_gateway_known_ids",
			Help: "Ids of requests and of results that the gateway remembers."}, []string{"of"}),
		networks: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_network_info",
			Help: "1 for each network that a worker has loaded, with the device that runs it."}, []string{"pack", "role", "network", "device"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector(),
		m.stages, m.inFlight, m.lag, m.outcomes, m.retries, m.handled, m.handling, m.partitions, m.outage, m.isolated, m.ignored, m.reconciled, m.passes, m.networks,
		m.calls, m.answering, m.streams, m.known)
	return m
}

// Handler returns an HTTP handler that serves the metrics in the format that the client asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Text returns the metrics in the text format of Prometheus.
func (m *Metrics) Text() []byte {
	out := &page{header: http.Header{}}
	m.Handler().ServeHTTP(out, &http.Request{Method: http.MethodGet, Header: http.Header{}})
	return out.Bytes()
}

// page keeps an answer.
type page struct {
	bytes.Buffer
	header http.Header
}

func (p *page) Header() http.Header { return p.header }
func (p *page) WriteHeader(int)     {}

// Stage returns the function with which service records the times of its stages. A stage must be a constant in the
// code.
func (m *Metrics) Stage(service string) func(stage string, took time.Duration) {
	return func(stage string, took time.Duration) {
		m.stages.WithLabelValues(service, stage).Observe(took.Seconds())
	}
}

// Outcome counts a published result.
func (m *Metrics) Outcome(op schema.Operation, reason schema.Reason) {
	name := string(op)
	if !op.Known() {
		name = "unknown"
	}
	m.outcomes.WithLabelValues(name, reasonLabel(reason)).Inc()
}

// Network says which device runs a network of a pack.
func (m *Metrics) Network(pack, role string, network schema.ModelID, device string) {
	m.networks.WithLabelValues(pack, role, string(network), device).Set(1)
}

// Ignored counts a notification that is not a request. why must be a constant in the code.
func (m *Metrics) Ignored(why string) { m.ignored.WithLabelValues(why).Inc() }

// Reconciled counts the objects of a pass of reconciliation.
func (m *Metrics) Reconciled(listed, fed, skipped int, took time.Duration) {
	m.reconciled.WithLabelValues("listed").Add(float64(listed))
	m.reconciled.WithLabelValues("fed").Add(float64(fed))
	m.reconciled.WithLabelValues("skipped").Add(float64(skipped))
	m.passes.Observe(took.Seconds())
}

// Answered counts an HTTP request to the gateway. path must be one of its API, not what a caller wrote.
func (m *Metrics) Answered(path string, status int, took time.Duration) {
	m.calls.WithLabelValues(path, strconv.Itoa(status)).Inc()
	m.answering.WithLabelValues(path).Observe(took.Seconds())
}

// Streams says how many streams of results are open.
func (m *Metrics) Streams(n int) { m.streams.Set(float64(n)) }

// Known says how many ids of requests and of results the gateway remembers.
func (m *Metrics) Known(requests, results int) {
	m.known.WithLabelValues("requests").Set(float64(requests))
	m.known.WithLabelValues("results").Set(float64(results))
}

// ConsumerHooks returns the hooks of the consumer of service. They record the time of each record, except of abandoned
// ones.
func (m *Metrics) ConsumerHooks(service string) events.Hooks {
	return events.Hooks{
		Handled: func(topic events.Topic, outcome events.Outcome, _ int, took time.Duration) {
			m.handled.WithLabelValues(service, string(topic), string(outcome)).Inc()
			if outcome != events.OutcomeAbandoned {
				m.handling.WithLabelValues(service, string(topic)).Observe(took.Seconds())
			}
		},
		Retried: func(topic events.Topic, class schema.Class) {
			m.retries.WithLabelValues(service, string(topic), class.String()).Inc()
		},
		InFlight: func(n int) { m.inFlight.WithLabelValues(service).Set(float64(n)) },
		Lag: func(topic events.Topic, partition int, lag int64) {
			m.lag.WithLabelValues(service, string(topic), strconv.Itoa(partition)).Set(float64(lag))
		},
		Assigned: func(partitions int) {
			m.partitions.WithLabelValues(service).Set(float64(partitions))
			// Another process may own the partitions now, and remaining values would count them twice.
			m.lag.DeletePartialMatch(prometheus.Labels{"service": service})
		},
		Isolated: func(topic events.Topic) { m.isolated.WithLabelValues(service, string(topic)).Inc() },
		Outage: func(down bool) {
			value := 0.0
			if down {
				value = 1
			}
			m.outage.WithLabelValues(service).Set(value)
		},
	}
}

// reasonLabel returns the reason, or "unknown" for one outside the closed set.
func reasonLabel(reason schema.Reason) string {
	if reason == "" {
		return "none"
	}
	for _, known := range schema.Reasons() {
		if known.Reason == reason {
			return string(reason)
		}
	}
	return "unknown"
}
