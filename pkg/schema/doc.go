// Package schema holds the nouns of facestream: what travels on the topics, how it is named, and how it fails.
//
// A [Request] asks for one [Operation] on one or more images. Ingest validates it and resolves the images to object
// versions: a [Job]. The worker turns a job into an [Analysis] when the operation needs the gallery, or straight into a
// [Result] when it does not. Every request ends as exactly one [Result] or one dead letter.
//
// The package imports nothing else of the project. Values that identify people ([PUID], [ExternalID], [Embedding],
// object keys) print themselves redacted; only their JSON carries the content (invariant 6).
package schema

//go:generate go run ./internal/gen
