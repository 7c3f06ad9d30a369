// Package telemetry provides the log, the metrics and the health of a process.
//
// None of them contains data about people (invariant 6). Labels of metrics come from closed sets, never from what a
// caller sent. An unknown operation or reason is counted as "unknown".
package telemetry
