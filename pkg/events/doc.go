// Package events is how facestream speaks Kafka: topics, events, publishers, consumers, dead letters and results.
//
// # Delivery contract
//
// Work is done at least once, and outcomes are written so that doing it again changes nothing:
//
//   - [Publisher.Publish] returns nil when every in-sync replica has the events. Until its context ends it retries
//     what failed. A writer that stops in between may leave duplicates; they carry the same event id (invariant 3).
//   - A [Consumer] commits a record's offset when its [Handler] returned nil, which the handler does when everything
//     derived from the record is durable, or when the record lies in the dead letters. The committed offset advances
//     over an unbroken run of such records per partition, never over a gap, never backwards (invariant 1). The one
//     exception: when the broker itself lost the end of a log, it is read again from its first record.
//   - Commits are made through the group's generation, so the broker refuses them once a partition belongs to another
//     member. Two members may still work on one record at the same time for a moment: the old one, cut off, may
//     be finishing it. Both come to the same outcome.
//   - No record is dropped silently (invariant 2). Transient errors are retried, outages are waited for without
//     counting (ConsumerConfig.Ready), and what cannot succeed becomes a dead letter with its original bytes
//     before its offset is committed.
//   - Records of one key in one partition are handled one after another, in order; there is no other order
//     (invariant 4). The key decides the partition as in Java's clients (murmur2), so other producers' keyed records
//     fall in line.
//   - Only committed records are read. What a producer's transaction wrote becomes visible when it is committed; until
//     then readers wait before its first record. What it aborted is skipped, and offsets pass it.
//   - When its context ends, a consumer stops fetching, lets the running handlers finish up to DrainTimeout, commits
//     and leaves. Records that wait for a handler, for their next try or for a dependency are left for the next member.
//     A kill at any instant repeats at most what was not committed yet (every 250 ms) and loses none (invariant 7).
//   - Memory is bounded by MaxInFlight records and one fetch (1 MiB, or one larger record) for each partition.
//
// What it does not promise: exactly-once delivery, order across keys, and records that retention deleted before a
// reader came: a reader that was away for longer goes on with the oldest record and logs how many it missed. The topic
// facestream.analyses is kept for hours only, because it carries face templates ([DefaultSpecs]).
//
// # Events
//
// Values are JSON in CloudEvents 1.0. They are written in binary mode: attributes in ce_* headers, content type
// application/json, W3C traceparent. Binary mode, structured mode (application/cloudevents+json) and bare JSON without
// attributes are read. Headers, keys and log lines carry no personal data of facestream's making (invariant 6);
// nothing here logs a key or a value.
//
// # For users of the system
//
// [Client.Submit] asks for an operation and [Client.Results] reads the outcomes; the package example shows both.
//
// # Crash to next consume
//
// A member that died without leaving holds its partitions until SessionTimeout: 6 s with a broker's default settings,
// 2 s where group.min.session.timeout.ms allows it. A member that stops in order leaves at once.
package events
