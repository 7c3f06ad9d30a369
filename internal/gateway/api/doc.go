// Package api is the gateway's own HTTP API, /v1: it puts images into the store, sends requests, waits for their results, and answers.
//
// It runs no network and opens no gallery: every act enters through the topic of requests and leaves through the topic of results, as if
// its callers had used Kafka themselves. What it acknowledged is durable there, so nothing is lost when it dies, and any replica knows
// every result: each follows both topics and remembers where a record lies ([book]).
//
// docs/http-api.md describes the API for its callers; openapi.json, which `make generate` makes from the types of this package and of
// pkg/schema, for their programs.
package api

//go:generate go run ./gen
