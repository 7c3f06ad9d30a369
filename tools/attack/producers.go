package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"facestream/internal/drawn"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

const producer = "producer"

// producers are the attacks of somebody who may write to topics.
func producers() []attack {
	return []attack{
		{name: "record-of-spaces", actor: producer, tried: "9.5 MiB of spaces, gzip-compressed, as a request", running: recordOfSpaces},
		{name: "record-of-a-gigabyte", actor: producer, tried: "1 GiB of spaces in a batch of some kB, to every service", running: recordOfAGigabyte},
		{name: "batch-that-lies", actor: producer, tried: "batches that claim billions of records, keys and headers", running: batchThatLies},
		{name: "wrong-checksum", actor: producer, tried: "a batch with a wrong checksum before an honest request", running: wrongChecksum},
		{name: "malformed-cloudevents", actor: producer, tried: "14 malformed events on every topic that services read", running: malformedEvents},
		{name: "json-bombs", actor: producer, tried: "nesting, doubled keys, numbers out of range, invalid UTF-8 in requests", running: jsonBombs},
		{name: "megabyte-of-unknown-keys", actor: producer, tried: "a configuration of 45,000 unknown keys", running: unknownKeys},
		{name: "used-id", actor: producer, tried: "another request under an id that was used", running: usedID},
		{name: "race-for-an-id", actor: producer, tried: "two requests under one id at once, to two ingests, 60 times", alone: raceForAnID},
		{name: "foreign-digest", actor: producer, tried: "jobs of somebody else under ids that honest requests use afterwards", running: foreignDigest},
		{name: "foreign-bucket", actor: producer, tried: "a request that names a bucket that is not served", running: foreignBucket},
		{name: "hostile-references", actor: producer, tried: "150 requests with ../, NUL and newlines in key, version and etag", running: hostileReferences},
		{name: "many-large-portraits", actor: producer, tried: "portraits of 64 faces, each 4096 wide", running: largePortraits},
		{name: "below-the-floors", actor: producer, tried: "thresholds of -1, a fudge factor of 0.001, liveness off, against floors", running: belowFloors},
		{name: "numbers-out-of-range", actor: producer, tried: "configurations with huge, negative and fractional numbers", running: hostileNumbers},
		{name: "deletion-overtakes", actor: producer, tried: "enrol, then delete at once, 6 times", running: deletionOvertakes},
		{name: "replay-after-deletion", actor: producer, tried: "the analysis of an enrolment, set aside before the person's deletion, replayed after it", running: replayAfterDeletion},
		{name: "forged-analyses", actor: producer, tried: "analyses without images, with vectors of zeros, of another length and of another model", running: forgedAnalyses},
		{name: "forged-jobs", actor: producer, tried: "jobs that no ingest made", running: forgedJobs},
		{name: "forged-results", actor: producer, tried: "results without meaning on the topic that ingest follows", running: forgedResults},
		{name: "forged-challenge", actor: producer, tried: "tokens with another signature, none, other actions, a later expiry", running: forgedChallenge},
		{name: "replayed-challenge", actor: producer, tried: "the token of a challenge under another id, and other frames under its own", running: replayedChallenge},
	}
}

// planted is in names that the attacks use, which no log may hold (invariant 6).
const planted = "planted"

func name(of string) string { return planted + "-" + of + "-" + uuid.NewString()[:8] }

func recordOfSpaces(ctx context.Context, f *facestream) (string, error) {
	key := name("spaces")
	if err := f.write(ctx, events.Requests, kafka.Gzip, kafka.Message{Key: []byte(key), Value: bytes.Repeat([]byte(" "), 19<<19)}); err != nil {
		return "the broker refuses it", nil
	}
	d, err := f.dead(ctx, func(d events.DeadLetter) bool { return string(d.Key) == key })
	if err == nil && d.Cut == nil {
		err = errors.New("the dead letter is no reference")
	}
	return fmt.Sprintf("a dead letter of %d bytes stands for it", len(d.Value)), err
}

func recordOfAGigabyte(ctx context.Context, f *facestream) (string, error) {
	payload, err := spaces(1 << 30)
	if err != nil {
		return "", err
	}
	most := 0
	for topic, service := range map[events.Topic]string{events.Requests: "ingest", events.Jobs: "worker", events.Analyses: "indexer"} {
		before := f.part(service).peak()
		offset, err := f.produce(ctx, topic, 0, rawBatch(kafka.Zstd, 1, payload))
		if err != nil {
			return "the broker refuses it", nil
		}
		if _, err := f.dead(ctx, func(d events.DeadLetter) bool {
			return d.Origin == topic && d.Cut != nil && d.OriginID == events.DeadLetterID{Partition: 0, Offset: offset}
		}); err != nil {
			return "", fmt.Errorf("%s: %w", topic, err)
		}
		if grown := f.part(service).peak() - before; grown > 384 {
			return "", fmt.Errorf("%d kB cost %s %d MiB", len(payload)>>10, service, grown)
		} else {
			most = max(most, grown)
		}
	}
	return fmt.Sprintf("dead letters by reference; %d kB cost no service more than %d MiB", len(payload)>>10, most), nil
}

func batchThatLies(ctx context.Context, f *facestream) (string, error) {
	good := rawRecord(0, append(varints(-1, 2), append([]byte("{}"), varints(0)...)...)...)
	const giga = 1 << 30
	lies := [][]byte{
		rawBatch(0, 1<<31-1, good),
		rawBatch(0, 2, append(good, varints(giga)...)),
		rawBatch(0, 2, append(good, rawRecord(1, varints(giga)...)...)),
		rawBatch(0, 2, append(good, rawRecord(1, varints(-1, giga)...)...)),
		rawBatch(0, 2, append(good, rawRecord(1, varints(-1, -1, giga)...)...)),
		rawBatch(0, 2, append(good, rawRecord(1, varints(-1, -2, 0)...)...)),
		rawBatch(0, 2, append(good, good...)),
		rawBatch(kafka.Snappy, 1, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}),
		rawBatch(kafka.Zstd, 1, []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 19 << 3, 1, 0, 0}),
		rawBatch(kafka.Gzip, 1, []byte("no gzip")),
		rawBatch(7, 1, good),
	}
	taken := 0
	for _, topic := range []events.Topic{events.Requests, events.Objects, events.Jobs, events.Analyses, events.Results} {
		for _, lie := range lies {
			if _, err := f.produce(ctx, topic, 1, lie); err == nil {
				taken++
			}
		}
	}
	return fmt.Sprintf("the broker took %d of %d; the services go on", taken, 5*len(lies)), f.passes(ctx, 1)
}

// passes says whether an honest request behind what lies in a partition of the topic of requests is answered.
func (f *facestream) passes(ctx context.Context, partition int) error {
	id := uuid.NewString()
	w := &kafka.Writer{Addr: kafka.TCP(f.cfg.Kafka.Brokers...), Topic: string(events.Requests), MaxAttempts: 3, BatchTimeout: time.Millisecond,
		Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return partition })}
	err := w.WriteMessages(ctx, kafka.Message{Value: fmt.Appendf(nil, `{"id":%q,"operation":"validate"}`, id)})
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	if _, err := f.await(ctx, schema.RequestID(id)); err != nil {
		return fmt.Errorf("what is behind it in the partition waits: %w", err)
	}
	return nil
}

func wrongChecksum(ctx context.Context, f *facestream) (string, error) {
	batch := rawBatch(0, 1, rawRecord(0, append(varints(-1, 2), append([]byte("{}"), varints(0)...)...)...))
	batch[17] ^= 0xff
	if _, err := f.produce(ctx, events.Requests, 2, batch); err != nil {
		return "the broker refuses it", f.passes(ctx, 2)
	}
	return "the broker takes it; ingest sets it aside", f.passes(ctx, 2)
}

func malformedEvents(ctx context.Context, f *facestream) (string, error) {
	h := func(pairs ...string) (out []kafka.Header) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, kafka.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
		}
		return out
	}
	const structured = "application/cloudevents+json"
	values := map[string]kafka.Message{
		"no JSON":             {Value: []byte("%s")},
		"an empty value":      {},
		"a list":              {Value: []byte(`["%s"]`)},
		"another version":     {Value: []byte(`{"x":"%s"}`), Headers: h("ce_specversion", "9.9", "ce_id", "1", "ce_source", "a", "ce_type", "b")},
		"no id":               {Value: []byte(`{"x":"%s"}`), Headers: h("ce_specversion", "1.0")},
		"a wrong time":        {Value: []byte(`{"x":"%s"}`), Headers: h("ce_specversion", "1.0", "ce_id", "1", "ce_source", "a", "ce_type", "b", "ce_time", "yesterday")},
		"another type":        {Value: []byte(`{"x":"%s"}`), Headers: h("ce_specversion", "1.0", "ce_id", "1", "ce_source", "a", "ce_type", "\x00\x1b[2J")},
		"headers twice":       {Value: []byte(`{"x":"%s"}`), Headers: h("ce_specversion", "1.0", "ce_specversion", "2.0", "ce_id", "1", "ce_id", "2")},
		"10,000 headers":      {Value: []byte(`{"x":"%s"}`), Headers: slices.Repeat(h("a", "b"), 10_000)},
		"an empty envelope":   {Value: []byte(`{}`), Headers: h("content-type", structured)},
		"a broken envelope":   {Value: []byte(`{"specversion":"1.0",`), Headers: h("content-type", structured)},
		"a batch of events":   {Value: []byte(`[]`), Headers: h("content-type", "application/cloudevents-batch+json")},
		"base64 that is none": {Value: []byte(`{"specversion":"1.0","id":"1","source":"a","type":"b","data_base64":"%%"}`), Headers: h("content-type", structured)},
		"a null":              {Value: []byte(`null`)},
	}
	for _, topic := range []events.Topic{events.Requests, events.Objects, events.Jobs, events.Analyses} {
		want := map[string]bool{}
		var batch []kafka.Message
		for what, m := range values {
			key := name("malformed")
			m.Key, m.Value = []byte(key), bytes.Replace(m.Value, []byte("%s"), []byte(key), 1)
			want[key] = true
			batch = append(batch, m)
			if topic == events.Objects && (what == "a null" || what == "an empty value") {
				delete(want, key) // it has no notification
			}
		}
		if err := f.write(ctx, topic, 0, batch...); err != nil {
			return "", err
		}
		_, err := f.dead(ctx, func(d events.DeadLetter) bool {
			delete(want, string(d.Key))
			return len(want) == 0
		})
		if err != nil {
			return "", fmt.Errorf("%s: %d of %d: %w", topic, len(want), len(values), err)
		}
	}
	return "each is a dead letter", nil
}

func jsonBombs(ctx context.Context, f *facestream) (string, error) {
	ids := map[schema.RequestID]bool{}
	for what, body := range map[string]string{
		"nesting":            `{"id":%q,"operation":"validate","config":` + strings.Repeat(`{"a":`, 9_000) + `1` + strings.Repeat("}", 9_000) + `}`,
		"lists":              `{"id":%q,"operation":"validate","images":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}`,
		"a number":           `{"id":%q,"operation":"validate","config":{"neighbors":1e999999}}`,
		"a doubled key":      `{"id":%q,"operation":"validate","operation":"dance"}`,
		"a half surrogate":   `{"id":%q,"operation":"validate","operation_tag":"\ud800"}`,
		"bytes of no text":   "{\"id\":%q,\"operation\":\"validate\",\"operation_tag\":\"\xff\xfe\"}",
		"a zero in a name":   `{"id":%q,"operation":"predict","external_id":"a\u0000b"}`,
		"a deadline in 9999": `{"id":%q,"operation":"validate","deadline":"9999-12-31T23:59:59Z"}`,
		"a deadline of no":   `{"id":%q,"operation":"validate","deadline":"-1"}`,
	} {
		id := uuid.NewString()
		ids[schema.RequestID(id)] = true
		if err := f.raw(ctx, events.Requests, id, fmt.Sprintf(body, id)); err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := f.eachEnds(ctx, ids); err != nil {
		return "", err
	}
	contents, _, err := f.outcomes(ctx, ids)
	if err != nil {
		return "", err
	}
	for _, said := range contents {
		if said[""] {
			return "", errors.New("one is accepted")
		}
	}
	id := name("deep") // too deep to be read at all
	if err := f.raw(ctx, events.Requests, id, strings.Repeat("[", 200_000)); err != nil {
		return "", err
	}
	_, err = f.dead(ctx, func(d events.DeadLetter) bool { return string(d.Key) == id })
	return "each is refused", err
}

func unknownKeys(ctx context.Context, f *facestream) (string, error) {
	id := uuid.NewString()
	var config strings.Builder
	for i := range 45_000 {
		fmt.Fprintf(&config, `,"unknown_%d":1`, i)
	}
	body := fmt.Sprintf(`{"id":%q,"operation":"validate","config":{%s}}`, id, config.String()[1:])
	before := f.part("ingest").cpu()
	if err := f.write(ctx, events.Requests, kafka.Gzip, kafka.Message{Key: []byte(id), Value: []byte(body)}); err != nil {
		return "", err
	}
	waiting, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	answer, err := f.caller.Await(waiting, schema.RequestID(id))
	took := f.part("ingest").cpu() - before
	if err != nil {
		return "", fmt.Errorf("%w (for %v of processor time)", err, took)
	}
	switch said := len(answer.Result.CallStatus.ReturnMessage); {
	case said > 16<<10:
		err = fmt.Errorf("the answer has %d bytes", said)
	case took > 3*time.Second:
		err = fmt.Errorf("it costs ingest %v of processor time", took)
	default:
		return fmt.Sprintf("refused in %d bytes, for %v of processor time", said, took), nil
	}
	return "", err
}

// outcomes are the different contents of the results about an id, and how many dead letters name it.
func (f *facestream) outcomes(ctx context.Context, ids map[schema.RequestID]bool) (contents map[schema.RequestID]map[string]bool, dead map[schema.RequestID]int, err error) {
	contents, dead = map[schema.RequestID]map[string]bool{}, map[schema.RequestID]int{}
	results, err := f.records(ctx, events.Results)
	if err != nil {
		return nil, nil, err
	}
	for _, rec := range results {
		var r schema.Result
		if json.Unmarshal(rec.Event.Data, &r) != nil || !ids[r.RequestID] {
			continue
		}
		if contents[r.RequestID] == nil {
			contents[r.RequestID] = map[string]bool{}
		}
		contents[r.RequestID][string(r.CallStatus.Reason)+r.CallStatus.ReturnMessage] = true
	}
	for d, err := range f.client.DeadLetters(ctx, events.DeadLetterFilter{}) {
		var r struct{ ID schema.RequestID }
		if err == nil && json.Unmarshal(d.Value, &r) == nil && ids[r.ID] {
			dead[r.ID]++
		}
	}
	return contents, dead, nil
}

// eachEnds fails unless every request has a result or a dead letter.
func (f *facestream) eachEnds(ctx context.Context, ids map[schema.RequestID]bool) error {
	for end := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		contents, dead, err := f.outcomes(ctx, ids)
		if err != nil {
			return err
		}
		missing := 0
		for id := range ids {
			if len(contents[id])+dead[id] == 0 {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d have neither a result nor a dead letter", missing, len(ids))
		}
	}
}

func usedID(ctx context.Context, f *facestream) (string, error) {
	id, collection := uuid.NewString(), name("used")
	image, err := f.face(ctx, 0, 0)
	if err != nil {
		return "", err
	}
	first := schema.Request{ID: schema.RequestID(id), Operation: schema.OpEnroll, Collection: schema.Collection(collection), ExternalID: "alice", Images: image}
	if r, err := f.call(ctx, first); err != nil || r.Enroll == nil {
		return "", fmt.Errorf("the first request: %v, %s", err, r.CallStatus.Reason)
	}
	other := fmt.Sprintf(`{"id":%q,"operation":"enroll","collection":%q,"external_id":"mallory","images":[{"bucket":%q,"key":%q}],"config":%s}`,
		id, collection, image[0].Bucket, image[0].Key, drawn.Config)
	if err := f.raw(ctx, events.Requests, id, other); err != nil {
		return "", err
	}
	d, err := f.dead(ctx, func(d events.DeadLetter) bool { return string(d.Value) == other })
	if err == nil && d.Reason != schema.ReasonRequestIDReused {
		err = fmt.Errorf("the dead letter's reason is %s", d.Reason)
	}
	if err == nil {
		if r, verr := f.about(ctx, schema.OpVerify, collection, "mallory", 0, 0); verr != nil || r.CallStatus.Reason == "" {
			err = fmt.Errorf("mallory is in the gallery (%v)", verr)
		}
	}
	return "a dead letter; the first request keeps its outcome", err
}

func raceForAnID(ctx context.Context, l *lab) (string, error) {
	f, err := l.start(ctx, setup{})
	if err != nil {
		return "", err
	}
	second, err := l.folder()
	if err != nil {
		return "", err
	}
	f.env = append(f.env, "FACESTREAM_DATA_DIR="+second)
	if err := f.run(ctx, "ingest"); err != nil {
		return "", err
	}
	if err := f.ready(ctx); err != nil {
		return "", err
	}
	time.Sleep(5 * time.Second) // until both have partitions
	ids := map[schema.RequestID]bool{}
	w := &kafka.Writer{Addr: kafka.TCP(f.cfg.Kafka.Brokers...), Topic: string(events.Requests), MaxAttempts: 3, BatchTimeout: time.Millisecond, BatchSize: 2}
	defer w.Close()
	for range 60 {
		id := uuid.NewString()
		ids[schema.RequestID(id)] = true
		// The balancer takes turns, so the two lie in different partitions.
		if err := w.WriteMessages(ctx, kafka.Message{Value: fmt.Appendf(nil, `{"id":%q,"operation":"validate","config":{"one":1}}`, id)},
			kafka.Message{Value: fmt.Appendf(nil, `{"id":%q,"operation":"validate","config":{"another":1}}`, id)}); err != nil {
			return "", err
		}
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		contents, dead, err := f.outcomes(ctx, ids)
		if err != nil {
			return "", err
		}
		two, missing := 0, 0
		for id := range ids {
			if len(contents[id]) > 1 {
				two++
			}
			if len(contents[id])+dead[id] < 2 {
				missing++
			}
		}
		if missing > 0 && time.Now().Before(end) {
			continue
		}
		if two+missing > 0 {
			return "", fmt.Errorf("of 60 ids %d have two outcomes, and %d requests have none", two, missing)
		}
		return "one outcome each; the other request is a dead letter", nil
	}
}

func foreignDigest(ctx context.Context, f *facestream) (string, error) {
	ids := map[schema.RequestID]bool{}
	for range 5 {
		id := schema.RequestID(uuid.NewString())
		ids[id] = true
		job, err := json.Marshal(schema.Job{Request: schema.Request{ID: id, Operation: schema.OpValidate}, Digest: strings.Repeat("0", 64), AcceptedAt: time.Now()})
		if err != nil {
			return "", err
		}
		if err := f.raw(ctx, events.Jobs, string(id), string(job)); err != nil {
			return "", err
		}
	}
	time.Sleep(3 * time.Second) // in which ingest may read them
	for id := range ids {
		if err := f.raw(ctx, events.Requests, string(id), fmt.Sprintf(`{"id":%q,"operation":"validate","operation_tag":"honest"}`, id)); err != nil {
			return "", err
		}
	}
	return "each has a result or a dead letter", f.eachEnds(ctx, ids)
}

func foreignBucket(ctx context.Context, f *facestream) (string, error) {
	r, err := f.call(ctx, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{{Bucket: "elsewhere", Key: "a.jpg"}}, ResultObject: true})
	if err == nil && r.CallStatus.Reason != schema.ReasonBucketNotAllowed {
		err = fmt.Errorf("answered %q", r.CallStatus.Reason)
	}
	return "refused", err
}

func hostileReferences(ctx context.Context, f *facestream) (string, error) {
	bucket := f.cfg.S3.Bucket
	refs := []schema.ObjectRef{
		{Key: "../../../etc/passwd"}, {Key: "a/../../b"}, {Key: "/etc/passwd"}, {Key: "a\x00b"}, {Key: "a//b"}, {Key: "."}, {Key: "%2e%2e%2fetc"},
		{Key: "a.jpg", ETag: "x\ny"}, {Key: "a.jpg", Version: "x\r\nHost: elsewhere"}, {Key: "a.jpg", Version: "../x"}, {Key: strings.Repeat("k", 1024)},
	}
	var ids []schema.RequestID
	began := time.Now()
	for i := range 150 {
		ref := refs[i%len(refs)]
		ref.Bucket = bucket
		id := schema.RequestID(uuid.NewString())
		ids = append(ids, id)
		data, err := json.Marshal(schema.Request{ID: id, Operation: schema.OpValidate, Images: []schema.ObjectRef{ref}})
		if err != nil {
			return "", err
		}
		if err := f.write(ctx, events.Requests, 0, kafka.Message{Value: data}); err != nil {
			return "", err
		}
	}
	if err := f.passes(ctx, 0); err != nil {
		return "", err
	}
	waited := time.Since(began)
	for i, id := range ids {
		r, err := f.await(ctx, id)
		if err == nil && r.CallStatus.Reason == "" {
			err = errors.New("it is accepted")
		}
		if err != nil {
			return "", fmt.Errorf("reference %d: %w", i%len(refs), err)
		}
	}
	return fmt.Sprintf("each is answered; an innocent request behind them after %.1f s", waited.Seconds()), nil
}

func belowFloors(ctx context.Context, f *facestream) (string, error) {
	if err := f.enrolled(ctx, "bank", name("alice"), 0, 0); err != nil {
		return "", err
	}
	stranger, err := f.face(ctx, 9, 0)
	if err != nil {
		return "", err
	}
	for _, c := range []struct{ collection, config string }{
		{"bank", `"face_thresholds_min":-1,"face_thresholds_med":-1`}, {"bank", `"face_thresholds_min":0.19`}, {"bank", `"fudge_factor":0.001`},
		{"bank", `"FACE_THRESHOLDS_MIN":-1`}, {"bank", `"face_thresholds_min":0.3,"face_thresholds_min":-1`}, {"vault", `"anti_spoofing_mode":0`},
	} {
		for _, op := range []schema.Operation{schema.OpPredict, schema.OpEnroll} {
			r, err := f.call(ctx, schema.Request{Operation: op, Collection: schema.Collection(c.collection), ExternalID: map[bool]schema.ExternalID{true: "mallory"}[op == schema.OpEnroll],
				Images: stranger, Config: json.RawMessage(`{"face_validations_off":true,` + c.config + `}`)})
			refused := []schema.Reason{schema.ReasonBelowFloor, schema.ReasonInvalidConfiguration, schema.ReasonInvalidRequest}
			if err == nil && !slices.Contains(refused, r.CallStatus.Reason) {
				err = fmt.Errorf("answered %q", r.CallStatus.Reason)
			}
			if err != nil {
				return "", fmt.Errorf("%s in %s with %s: %w", op, c.collection, c.config, err)
			}
		}
	}
	return "each is refused", nil
}

func hostileNumbers(ctx context.Context, f *facestream) (string, error) {
	image, err := f.face(ctx, 0, 0)
	if err != nil {
		return "", err
	}
	for _, config := range []string{`{"neighbors":1000000000}`, `{"neighbors":-1}`, `{"neighbors":1.5}`, `{"face_thresholds_med":1e308}`, `{"face_thresholds_med":"NaN"}`,
		`{"portrait_width":100000}`, `{"portrait_width":-1}`, `{"challenge_count":99}`, `{"fudge_factor":-1}`, `{"anti_spoofing_mode":7}`, `{"background_color_rgb":16777216}`} {
		r, err := f.call(ctx, schema.Request{Operation: schema.OpPredict, Images: image, Config: json.RawMessage(config)})
		if err == nil && r.CallStatus.Reason != schema.ReasonInvalidConfiguration {
			err = fmt.Errorf("answered %q", r.CallStatus.Reason)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", config, err)
		}
	}
	return "each is refused by name", nil
}

func deletionOvertakes(ctx context.Context, f *facestream) (string, error) {
	collection := name("overtaken")
	if err := f.enrolled(ctx, collection, "somebody", 20, 0); err != nil { // so that the collection exists
		return "", err
	}
	for round := range 6 {
		person := name("alice")
		image, err := f.face(ctx, round, 0)
		if err != nil {
			return "", err
		}
		enrol := schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: schema.OpEnroll, Collection: schema.Collection(collection), ExternalID: schema.ExternalID(person), Images: image, Config: json.RawMessage(drawn.Config)}
		remove := schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: schema.OpUserDelete, Collection: schema.Collection(collection), ExternalID: schema.ExternalID(person)}
		var batch []kafka.Message
		for _, r := range []schema.Request{enrol, remove} {
			data, err := json.Marshal(r)
			if err != nil {
				return "", err
			}
			batch = append(batch, kafka.Message{Key: []byte(person), Value: data}) // one key, so one partition, in order
		}
		if err := f.write(ctx, events.Requests, 0, batch...); err != nil {
			return "", err
		}
		for _, id := range []schema.RequestID{enrol.ID, remove.ID} {
			if _, err := f.await(ctx, id); err != nil {
				return "", err
			}
		}
		if back, err := f.matches(ctx, collection, person, round, 0); err != nil || back {
			return "", fmt.Errorf("round %d: the person verifies after enrolment and deletion were answered (%v)", round+1, err)
		}
	}
	return "nobody is there afterwards", nil
}

func replayAfterDeletion(ctx context.Context, f *facestream) (string, error) {
	collection, person := name("replayed"), name("alice")
	if err := f.enrolled(ctx, collection, "somebody", 20, 0); err != nil {
		return "", err
	}
	if err := f.enrolled(ctx, collection, person, 0, 0); err != nil {
		return "", err
	}
	all, err := f.records(ctx, events.Analyses)
	if err != nil {
		return "", err
	}
	// The enrolment as it would lie among the dead letters, had the gallery failed: accepted before the deletion, and without a row.
	var aside map[string]any
	var key string
	for _, r := range all {
		var a schema.Analysis
		if json.Unmarshal(r.Event.Data, &a) == nil && string(a.ExternalID) == person {
			if err := json.Unmarshal(r.Event.Data, &aside); err != nil {
				return "", err
			}
			key = r.Event.Key
		}
	}
	if aside == nil {
		return "", errors.New("the analysis of the enrolment is not on its topic")
	}
	if r, err := f.about(ctx, schema.OpUserDelete, collection, person, 0, 0); err != nil || r.UserDelete == nil || r.UserDelete.Count != 1 {
		return "", fmt.Errorf("the deletion: %v, %s", err, r.CallStatus.Reason)
	}
	id := uuid.NewString()
	aside["id"] = id
	data, err := json.Marshal(aside)
	if err != nil {
		return "", err
	}
	replay := kafka.Message{Key: []byte(key), Value: data, Headers: []kafka.Header{{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte(id)},
		{Key: "ce_source", Value: []byte("facestream/worker")}, {Key: "ce_type", Value: []byte(events.TypeAnalysis)}}}
	if err := f.write(ctx, events.Analyses, 0, replay); err != nil {
		return "", err
	}
	r, err := f.await(ctx, schema.RequestID(id))
	if err != nil {
		return "", err
	}
	if back, err := f.matches(ctx, collection, person, 0, 0); err != nil || back {
		return "", fmt.Errorf("the replay is answered %q, and the person is back (%v)", r.CallStatus.Reason, err)
	}
	return fmt.Sprintf("answered %q; the person stays deleted", r.CallStatus.Reason), nil
}

// forge changes a copy of the analysis of an honest enrolment and sends it under an id of its own.
func forgedAnalyses(ctx context.Context, f *facestream) (string, error) {
	collection := name("forged")
	if err := f.enrolled(ctx, collection, "alice", 0, 0); err != nil {
		return "", err
	}
	all, err := f.records(ctx, events.Analyses)
	if err != nil {
		return "", err
	}
	var honest schema.Analysis
	for _, r := range all {
		var a schema.Analysis
		if json.Unmarshal(r.Event.Data, &a) == nil && string(a.Collection) == collection {
			honest = a
		}
	}
	if len(honest.Probes) == 0 {
		return "", errors.New("the analysis of the enrolment is not on its topic")
	}
	like := func(v float32, n int) []schema.Embedding {
		p := honest.Probes[0]
		p.Vector = slices.Repeat([]float32{v}, n)
		return []schema.Embedding{p}
	}
	n := len(honest.Probes[0].Vector)
	forgeries := map[string]func(*schema.Analysis){
		"no images":           func(a *schema.Analysis) { a.Images = nil },
		"no faces":            func(a *schema.Analysis) { a.Faces = nil },
		"no probes":           func(a *schema.Analysis) { a.Probes = nil },
		"probes without face": func(a *schema.Analysis) { a.Faces, a.Probes = nil, slices.Repeat(a.Probes, 64) },
		"zeros":               func(a *schema.Analysis) { a.Probes = like(0, n) },
		"tiny":                func(a *schema.Analysis) { a.Probes = like(1e-45, n) },
		"huge":                func(a *schema.Analysis) { a.Probes = like(3e38, n) },
		"no numbers":          func(a *schema.Analysis) { a.Probes = like(0, 0) },
		"a million numbers":   func(a *schema.Analysis) { a.Probes = like(1, 1_000_000) },
		"another length":      func(a *schema.Analysis) { a.Probes = like(1, n-1) },
		"another model":       func(a *schema.Analysis) { a.Probes = like(1, n); a.Probes[0].Model = "other@00000000" },
		"no configuration":    func(a *schema.Analysis) { a.ResolvedConfig, a.Config = json.RawMessage("null"), nil },
		"another image":       func(a *schema.Analysis) { a.Faces = slices.Clone(a.Faces); a.Faces[0].Image = 1 << 30 },
		"an empty operation":  func(a *schema.Analysis) { a.Operation = "" },
		"no thresholds":       func(a *schema.Analysis) { a.Thresholds = nil },
	}
	for _, op := range []schema.Operation{schema.OpEnroll, schema.OpPredict, schema.OpVerify, schema.OpUserDelete} {
		for _, what := range slices.Sorted(maps.Keys(forgeries)) {
			a := honest
			a.ID, a.Operation, a.ExternalID = schema.RequestID(uuid.NewString()), op, schema.ExternalID(name("mallory"))
			forgeries[what](&a)
			data, err := json.Marshal(a)
			if err != nil {
				return "", err
			}
			if err := f.write(ctx, events.Analyses, kafka.Gzip, kafka.Message{Key: []byte(a.ID), Value: data, Headers: []kafka.Header{{Key: "ce_specversion", Value: []byte("1.0")},
				{Key: "ce_id", Value: []byte(a.ID)}, {Key: "ce_source", Value: []byte("mallory")}, {Key: "ce_type", Value: []byte(events.TypeAnalysis)}}}); err != nil && !strings.Contains(err.Error(), "Large") {
				return "", fmt.Errorf("%s: %w", what, err)
			}
		}
		if err := f.part("indexer").ended(); err != nil {
			return "", err
		}
	}
	// The gallery must go on, and still find alice.
	if found, err := f.matches(ctx, collection, "alice", 0, 1); err != nil || !found {
		return "", fmt.Errorf("alice is not found any more (%v)", err)
	}
	return "the indexer goes on, and the gallery finds whom it should", nil
}

func forgedJobs(ctx context.Context, f *facestream) (string, error) {
	ids := map[schema.RequestID]bool{}
	for _, body := range []string{
		`{"id":%q}`, `{"id":%q,"operation":"dance"}`, `{"id":%q,"operation":"enroll","images":[{}]}`, `{"id":%q,"operation":"compare","images":[{"bucket":"images","key":"a"}]}`,
		`{"id":%q,"operation":"validate","resolved_config":null}`, `{"id":%q,"operation":"validate","resolved_config":[1]}`,
		`{"id":%q,"operation":"validate","resolved_config":{"portrait_width":2000000000},"images":[{"bucket":"images","key":"a"}]}`,
		`{"id":%q,"operation":"anti_spoofing","challenge":"x.y","images":[]}`, `{"id":%q,"operation":"validate","images":[{"bucket":"elsewhere","key":"a"}]}`,
		`{"id":%q,"operation":"validate","accepted_at":"9999-12-31T23:59:59Z","floors":{"min":1e30}}`, `{"id":%q,"operation":"user_delete"}`, `{"id":%q,"operation":"challenge","resolved_config":{}}`,
	} {
		id := schema.RequestID(uuid.NewString())
		ids[id] = true
		if err := f.raw(ctx, events.Jobs, string(id), fmt.Sprintf(body, id)); err != nil {
			return "", err
		}
	}
	return "each has a result or a dead letter", f.eachEnds(ctx, ids)
}

func forgedResults(ctx context.Context, f *facestream) (string, error) {
	id := uuid.NewString()
	for _, value := range []string{"", "null", "[]", `{"request_id":""}`, `{"request_id":7}`, `{"request_id":"` + strings.Repeat("x", 1<<20) + `"}`, "\xff", `{"request_id":"a","digest":"\u0000"}`} {
		if err := f.raw(ctx, events.Results, name("result"), value); err != nil {
			return "", err
		}
	}
	if err := f.raw(ctx, events.Requests, id, fmt.Sprintf(`{"id":%q,"operation":"validate"}`, id)); err != nil {
		return "", err
	}
	_, err := f.await(ctx, schema.RequestID(id))
	return "ingest goes on", err
}
