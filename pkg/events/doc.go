// Package events is the Kafka side of facestream: topics, events, publishers, consumers, dead letters and results.
//
// # Ask for something and get the result
//
// A program that uses facestream opens a [Caller]. [Caller.Call] submits a request and waits for its result, and
// [Caller.Await] waits for the result of an upload. [Client.Result] finds the result of an earlier request, and
// [Client.Results] follows the results of everybody. The package example shows a call.
//
// The rest of the package is what the services of facestream are built from: [Publisher], [Consumer], [Client.ReadAll],
// dead letters and the care of topics.
//
// # Delivery contract
//
// Numbered invariants are those of docs/architecture.md. Work is done at least once, and its outcome is written in a way
// that doing it again changes nothing.
//
//   - [Publisher.Publish] returns nil when every in-sync replica has the events. It tries again until its context ends.
//     A process that dies in between may leave duplicates; they carry the same event id (invariant 3).
//   - A [Consumer] commits a record's offset when its [Handler] returned nil, or when the record is stored as a dead
//     letter. A handler returns nil when everything derived from the record is durable. The committed offset moves over
//     an unbroken run of such records, never over a gap and never backwards (invariant 1). There is one exception: when
//     the broker has lost the end of a log, the log is read again from its first record.
//   - The broker refuses a commit from a member that no longer owns the partition. For a moment two members may work on
//     one record, because the former owner is still finishing it. Both come to the same outcome.
//   - No record is dropped silently (invariant 2). Transient errors are tried again, outages are waited for without
//     counting tries (ConsumerConfig.Ready), and what cannot succeed becomes a dead letter with its original bytes before
//     its offset is committed.
//   - Records with the same key in one partition are handled one after the other, in order. There is no other order
//     (invariant 4). Keys are assigned to partitions as Java's clients do it (murmur2), so the records of other producers
//     land in the same partitions.
//   - Only committed records are read. What a producer writes in a transaction becomes visible when the transaction is
//     committed; until then readers wait before its first record. Aborted records are skipped, and offsets pass them.
//   - When its context ends, a consumer stops fetching, gives the running handlers up to DrainTimeout to finish, commits,
//     and leaves the group. Records that wait for a handler, a try or a dependency are left to the next member. A kill at
//     any moment repeats the work of the last 250 ms at most and loses none (invariant 7).
//   - Memory is bounded: MaxInFlight records, and for each partition one fetch of 1 MiB, or of one larger record.
//
// The package does not promise exactly-once delivery or order across keys. A reader that was away for longer than a
// topic's retention goes on with the oldest record that is left and logs how many it missed. The topic
// facestream.analyses is kept for hours only, because it carries face templates ([DefaultSpecs]).
//
// # Events
//
// Values are JSON in CloudEvents 1.0. They are written in binary mode: attributes in ce_* headers, content type
// application/json, W3C traceparent. Readers accept binary mode, structured mode (application/cloudevents+json) and bare
// JSON without attributes. Headers and keys that facestream writes carry no personal data, and no key or value is logged
// (invariant 6).
//
// # After a crash
//
// A member that dies without leaving its group keeps its partitions until SessionTimeout: 6 s with a broker's default
// settings, 2 s where group.min.session.timeout.ms allows it. A member that stops in order leaves at once.
package events
