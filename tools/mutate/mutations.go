package main

import (
	"path/filepath"
	"strings"
	"time"
)

// The checks that are no single test.
const (
	soak  = "soak"  // the soak with a simulated engine: requests in calm, then faults, then calm again
	many  = "many"  // the same with more requests and hardly a fault
	power = "power" // the same, and the power fails several times
)

// checkOf is the check of that name. What it builds goes to dir.
func checkOf(name, dir string) check {
	bin := filepath.Join(dir, "bin") + string(filepath.Separator)
	soaking := []string{bin + "soak", "-check", bin + "check", "-simulated", "-think", "10ms", "-deadline", "60s", "-patience", "60s", "-still", "7s", "-seed", "1"}
	building := []string{"go", "build", "-o", bin, "./tools/soak", "./tools/soak/check"}
	switch name {
	case soak:
		return check{building, append(soaking, "-calm", "6", "-duration", "12s"), 4 * time.Minute}
	case many:
		return check{building, append(soaking, "-calm", "30", "-duration", "3s"), 5 * time.Minute}
	case power:
		return check{building, append(soaking, "-calm", "2", "-duration", "30s", "-power"), 4 * time.Minute}
	}
	test, in, _ := strings.Cut(name, " ")
	return check{[]string{"go", "test", "-c", "-o", "/dev/null", in}, []string{"go", "test", "-count=1", "-run", "^" + test + "$", in}, 3 * time.Minute}
}

// all are the mutations.
func all() []mutation {
	return []mutation{
		{
			name: "one-result-in-500", breaks: "every request has an outcome", check: many,
			edits: []edit{
				{"internal/outcome/outcome.go", `	e := s.Event(events.TypeResult, job, data, trace)
`, `	e := s.Event(events.TypeResult, job, data, trace)
	if rand.IntN(500) == 0 {
		return nil
	}
`},
				{"internal/outcome/outcome.go", "\t\"fmt\"\n", "\t\"fmt\"\n\t\"math/rand/v2\"\n"},
			},
		},
		{
			name: "results-twice", breaks: "a result is published once unless something failed", check: soak,
			edits: []edit{{"internal/outcome/outcome.go", "s.Publisher.Publish(ctx, events.Results, e)", "s.Publisher.Publish(ctx, events.Results, e, e)"}},
		},
		{
			name: "result-ids-at-random", breaks: "a repeat has the same ce_id", check: soak,
			edits: []edit{{"internal/outcome/outcome.go", "ID: schema.EventID(kind, job.ID)", "ID: uuid.NewString()"}},
		},
		{
			name: "result-object-empty", breaks: "a result object is the result", check: soak,
			edits: []edit{{"internal/outcome/outcome.go", `image.Key + Suffix}, data, "application/json"`, `image.Key + Suffix}, data[:0], "application/json"`}},
		},
		{
			name: "consent-not-stored", breaks: "an enrolment is stored with its consent", check: soak, sample: true,
			edits: []edit{{"internal/indexer/indexer.go", "Consent: a.Consent", "Consent: nil"}},
		},
		{
			name: "source-not-stored", breaks: "an enrolment is stored with its image", check: soak,
			edits: []edit{{"internal/indexer/indexer.go", "Source: source", "Source: nil"}},
		},
		{
			name: "made-not-erased", breaks: "what was made of an image is erased with the person", check: "TestErasesWhatWasMade ./internal/indexer",
			edits: []edit{{"internal/indexer/made.go", "if r.Source != nil && !r.Order.Younger(a.Order) {", "if r.Source != nil && r.Order.Younger(a.Order) {"}},
		},
		{
			name: "date-not-stored", breaks: "an enrolment is stored with its date", check: soak,
			edits: []edit{{"internal/indexer/indexer.go", "Created: a.AcceptedAt", "Created: a.AcceptedAt.Add(-24 * 365 * 3600 * 1e9)"}},
		},
		{
			name: "name-not-stored", breaks: "an enrolment is stored under its name", check: soak,
			edits: []edit{{"internal/indexer/indexer.go", "ExternalID: a.ExternalID.Normal()", `ExternalID: ""`}},
		},
		{
			name: "ledger-never-consulted", breaks: "one request id, one outcome", check: soak,
			edits: []edit{{"internal/ingest/ingest.go", "	case err != nil || !ok:\n		return false, err", "	case err != nil || !ok || err == nil:\n		return false, err"}},
		},
		{
			name: "digest-not-compared", breaks: "another request under a used id is a dead letter", check: soak,
			edits: []edit{{"pkg/schema/request.go", "sha256.Sum256(data)", "sha256.Sum256(data[:0])"}},
		},
		{
			name: "deadline-not-looked-at", breaks: "an expired request is answered so", check: soak,
			edits: []edit{{"pkg/schema/request.go", "r.Deadline != nil && now.After(*r.Deadline)", "r.Deadline != nil && now.Before(*r.Deadline) && now.After(*r.Deadline)"}},
		},
		{
			name: "consent-not-asked-for", breaks: "nobody is enrolled without consent", check: soak,
			edits: []edit{{"pkg/schema/request.go", "r.Consent != nil && !r.Consent.Given", "r.Consent != nil && r.Consent == nil"}},
		},
		{
			name: "no-reconciliation", breaks: "an upload without a notification is processed", check: soak,
			edits: []edit{{"internal/ingest/reconcile.go", "age > r.Window {", "age > 0 {"}},
		},
		{
			name: "puid-per-enrolment", breaks: "a person has one puid", check: soak,
			edits: []edit{{"pkg/schema/ids.go", "if external != \"\" {\n		return derivePUID", "if external != \"\" && request == \"\" {\n		return derivePUID"}},
		},
		{
			name: "everybody-is-a-person", breaks: "verify compares with the person whom the request names", check: soak,
			edits: []edit{{"internal/indexer/indexer.go", "s.Gallery.Search(ctx, a.Collection, a.Probes, 1, puid)[0]", "s.Gallery.Search(ctx, a.Collection, a.Probes, 1, puid[:0])[0]"}},
		},
		{
			name: "identified-too-early", breaks: "nobody is identified below the upper threshold", check: soak,
			edits: []edit{{"internal/indexer/indexer.go", "!t.Identifies(response.List[0].Score)", "response.List[0].Score < t.Min"}},
		},
		{
			name: "one-candidate-less", breaks: "a search lists everybody who is similar enough", check: soak,
			edits: []edit{{"internal/indexer/indexer.go", "m.Score >= own.Min {", "m.Score >= own.Min && (len(response.List) == 0 || m.Score > 0.45) {"}},
		},
		{
			name: "deletion-counts-one", breaks: "a deletion says how many images it removed", check: soak,
			edits: []edit{{"internal/indexer/indexer.go", "count += deleted.Value", "count += min(deleted.Value, 1)"}},
		},
		{
			name: "score-a-thousandth-off", breaks: "a score is the cosine", check: soak,
			edits: []edit{{"internal/gallery/local/memory.go", "Score: min(max(x.score, -1), 1)", "Score: min(max(x.score-0.001, -1), 1)"}},
		},
		{
			name: "deleted-stay-in-memory", breaks: "who is deleted is not found", check: soak, sample: true,
			edits: []edit{{"internal/gallery/local/memory.go", "			c.remove(x.id)\n", ""}},
		},
		{
			name: "upsert-not-awaited", breaks: "a result comes after the change of the gallery", check: "TestFaults ./internal/indexer",
			edits: []edit{{"internal/indexer/indexer.go", "if err := s.Gallery.Upsert(ctx, a.Collection, []gallery.Row{row})[0]; err != nil {", "if err := s.Gallery.Upsert(ctx, a.Collection, []gallery.Row{row})[0]; err != nil && schema.ReasonOf(err) != \"\" {"}},
		},
		{
			name: "deleted-rows-forgotten", breaks: "a late repeat of an enrolment brings nobody back", check: "TestConformance ./internal/gallery/local",
			edits: []edit{{"internal/gallery/local/writer.go", "key := gallery.RowKey(c.key, x.id)", "key := gallery.RowKey(-1, x.id)"}},
		},
		{
			name: "deletions-outlive-nobody", breaks: "an enrolment that a deletion overtook does not land", check: "TestDeletedIsDeleted ./internal/indexer",
			edits: []edit{{"pkg/schema/order.go", "if o.Outlived(&t[i]) {", "if o.Outlived(&t[i]) && i < 0 {"}},
		},
		{
			name: "models-mixed", breaks: "vectors of different models are never compared", check: "TestConformance ./internal/gallery/local", sample: true,
			edits: []edit{{"internal/gallery/check.go", "case other.Model != t.Model:", "case other.Model != t.Model && other.Dimension != t.Dimension:"}},
		},
		{
			name: "erasure-later", breaks: "what is deleted is overwritten", check: "TestErasure ./internal/gallery/local",
			edits: []edit{{"internal/gallery/local/local.go", `"secure_delete(ON)"`, `"secure_delete(OFF)"`}},
		},
		{
			name: "commit-first", breaks: "commit last", check: "TestInvariant1CommitLast ./pkg/events",
			edits: []edit{{"pkg/events/session.go", "		t.deliver(m.Offset)\n", "		t.deliver(m.Offset)\n		t.finish(m.Offset)\n"}},
		},
		{
			name: "abandoned-counts-as-done", breaks: "SIGTERM loses nothing", check: "TestInterruptedRecordComesAgain ./pkg/events",
			edits: []edit{{"pkg/events/session.go", "if outcome != OutcomeAbandoned {", `if outcome != "" {`}},
		},
		{
			name: "gap-committed", breaks: "no commit passes an unfinished record", check: "TestTracker ./pkg/events", sample: true,
			edits: []edit{{"pkg/events/tracker.go", "for n < len(t.queue) && t.queue[n].finished {", "for n < len(t.queue) && (t.queue[n].finished || n+1 < len(t.queue) && t.queue[n+1].finished) {"}},
		},
		{
			name: "offset-skipped", breaks: "no record is passed over", check: "TestTracker ./pkg/events",
			edits: []edit{{"pkg/events/tracker.go", "t.queue[n].offset+1)", "t.queue[n].offset+2)"}},
		},
		{
			name: "no-order-per-key", breaks: "records of one key are handled in order", check: "TestInvariant4Order ./pkg/events",
			edits: []edit{{"pkg/events/session.go", "if len(m.Key) == 0 {", "if len(m.Key) >= 0 {"}},
		},
		{
			name: "dead-letter-dropped", breaks: "what cannot be answered is a dead letter", check: soak,
			edits: []edit{{"pkg/events/session.go", "	err := write()\n	if schema.ClassOf(err)", "	var err error\n	if schema.ClassOf(err)"}},
		},
		{
			name: "newest-instead-of-named", breaks: "the version that was named is the one that is read", check: "TestOverwrittenMeansThatContentOrNone ./internal/objects",
			edits: []edit{{"internal/objects/store.go", "opts.VersionID = ref.Version", `opts.VersionID = ""`}},
		},
		{
			name: "pixels-not-limited", breaks: "limits before cost", check: "TestDecodeLimits ./pkg/engine/imaging",
			edits: []edit{{"pkg/engine/imaging/decode.go", "case size.X > limits.Pixels/size.Y:", "case size.X < 0:"}},
		},
		{
			name: "store-not-synced", breaks: "an upload that was answered survives a loss of power", check: "TestStoreAfterALossOfPower ./internal/embedded",
			edits: []edit{{"internal/embedded/durable.go", "return storable(f.Sync())", "return nil"}},
		},
		{
			name: "damaged-object-given-out", breaks: "an object is read only as it was uploaded", check: "TestDamagedObject ./internal/embedded",
			edits: []edit{{"internal/embedded/durable.go", "return got == want, nil", "return got != \"\", nil"}},
		},
		{
			name: "damaged-batch-passed-over", breaks: "no record is passed over silently", check: "TestBatchDamagedAtTheBroker ./pkg/events",
			edits: []edit{{"pkg/events/reader.go", "if err := r.deliver(m); err != nil {\n		return true, err\n	}\n	r.next = last + 1", "r.next = last + 1"}},
		},
		{
			name: "no-fsync", breaks: "what was answered survives a loss of power", check: power,
			edits: []edit{
				{"internal/embedded/kafka.go", "		kfake.SyncWrites(),", "		//"},
				{"internal/gallery/local/local.go", `"synchronous(FULL)"`, `"synchronous(OFF)"`},
				{"internal/ledger/ledger.go", `"synchronous(NORMAL)"`, `"synchronous(OFF)"`},
			},
		},
	}
}
