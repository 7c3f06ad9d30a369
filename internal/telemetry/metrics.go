package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// stageBuckets, in seconds, span a cached look-up and an image that waits for a slow store.
var stageBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Metrics are the measurements of one process, in a registry of their own. It is safe for concurrent use. Every name
// of its own begins with facestream_.
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
	ignored    *prometheus.CounterVec
	reconciled *prometheus.CounterVec
	passes     prometheus.Histogram
}

// NewMetrics returns metrics that count nothing yet, beside those of the Go runtime and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "facestream_stage_seconds",
			Help: "Time that one stage of a service took for one record.", Buckets: stageBuckets}, []string{"service", "stage"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_in_flight_records",
			Help: "Records that were read and are not finished."}, []string{"service"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_queue_lag_records",
			Help: "Records between what a service has fetched and the end of a partition that it has."}, []string{"service", "topic", "partition"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_outcomes_total",
			Help: "Results that were published; the reason is none where the operation did what was asked."}, []string{"operation", "reason"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_retries_total",
			Help: "Failed tries of a record that is tried again, by the class of the error."}, []string{"service", "topic", "class"}),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_records_total",
			Help: "Records that a service is done with: done, dead_letter, or abandoned to whoever has the partition next."}, []string{"service", "topic", "outcome"}),
		handling: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "facestream_record_seconds",
			Help: "Time from the first try of a record to its end, waits included.", Buckets: stageBuckets}, []string{"service", "topic"}),
		partitions: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_assigned_partitions",
			Help: "Partitions that a service has; 0 while it is not part of its group."}, []string{"service"}),
		outage: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "facestream_waiting",
			Help: "1 while a service waits for something that it needs and that is away."}, []string{"service"}),
		ignored: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_ignored_notifications_total",
			Help: "Notifications that are no request, by why."}, []string{"why"}),
		reconciled: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facestream_reconciled_objects_total",
			Help: "Objects that reconciliation listed, those of them that it fed because their notification was lost, and those that it skipped because the store could not name or answer for them."}, []string{"what"}),
		passes: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "facestream_reconcile_seconds",
			Help: "Time of one pass of reconciliation.", Buckets: stageBuckets}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector(),
		m.stages, m.inFlight, m.lag, m.outcomes, m.retries, m.handled, m.handling, m.partitions, m.outage, m.ignored, m.reconciled, m.passes)
	return m
}

// Handler answers with the metrics in the format that the client asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Stage returns the function with which service measures its stages. A stage is a constant of the code.
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

// Ignored counts a notification that is no request. why is a constant of the code.
func (m *Metrics) Ignored(why string) { m.ignored.WithLabelValues(why).Inc() }

// Reconciled counts the objects of a pass of reconciliation.
func (m *Metrics) Reconciled(listed, fed, skipped int, took time.Duration) {
	m.reconciled.WithLabelValues("listed").Add(float64(listed))
	m.reconciled.WithLabelValues("fed").Add(float64(fed))
	m.reconciled.WithLabelValues("skipped").Add(float64(skipped))
	m.passes.Observe(took.Seconds())
}

// ConsumerHooks returns what the consumer of service reports to. The time of each record is measured, those that are
// abandoned excepted.
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
			// Another process may have the partitions now; what is left would count them twice.
			m.lag.DeletePartialMatch(prometheus.Labels{"service": service})
		},
		Outage: func(down bool) {
			value := 0.0
			if down {
				value = 1
			}
			m.outage.WithLabelValues(service).Set(value)
		},
	}
}

// reasonLabel keeps the label inside the closed set of reasons.
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
