// Package telemetry is what a process tells about itself: its log, its metrics and its health.
//
// None of the three speaks of people (invariant 6). Labels of metrics come from closed sets, never from what a caller
// sent: an operation or a reason that facestream does not know is counted as "unknown".
package telemetry
