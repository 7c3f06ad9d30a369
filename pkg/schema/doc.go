// Package schema defines the data types of facestream: the events on the topics, their names and identifiers, and the
// errors.
//
// A [Request] asks for one [Operation] on one or more images. The service ingest validates it and resolves its images to
// object versions, which makes it a [Job]. The worker turns a job into an [Analysis] where the operation needs the gallery,
// and into a [Result] where it does not. Every request ends as exactly one [Result] or one dead letter.
//
// [ResolveConfig] reads the configuration of a request, an [OperationConfig]; [ConfigKeys] describes each of its keys.
// [Schemas] has the JSON Schemas of all values. Numbered invariants are those of docs/architecture.md.
//
// # Errors
//
// An error says what happens next ([ClassOf]): a transient one is tried again, a permanent one ends the request with a
// [Reason] ([ReasonOf]), and a fatal one stops the service.
//
// # Private values
//
// Values that identify a person ([PUID], [ExternalID], [Embedding], [Personal], the key of an [ObjectRef]), and everything that
// contains one, print as [redacted] with every verb of fmt (invariant 6). Their JSON is complete. A logger that writes values as JSON
// would show them: print them with fmt first. A [Secret] prints as *** everywhere, in JSON too.
//
// The package imports nothing else of the project.
package schema

//go:generate go run ./internal/gen
