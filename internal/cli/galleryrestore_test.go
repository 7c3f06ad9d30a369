package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/gallery/drivers"
	"facestream/internal/gallery/local"
	"facestream/internal/gallery/verify"
	"facestream/packs"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// restored runs `facestream gallery restore --json` and returns what it prints.
func (f *flow) restored(args ...string) (out struct {
	restored
	resent
}) {
	f.t.Helper()
	text, err := f.run(f.t.Context(), append([]string{"gallery", "restore", "--json"}, args...)...)
	if err != nil {
		f.t.Fatalf("%v: %s", err, text)
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		f.t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// forget removes every record of topics, as retention does.
func (f *flow) forget(topics ...events.Topic) {
	f.t.Helper()
	admin, err := kgo.NewClient(kgo.SeedBrokers(f.cfg.Kafka.Brokers...))
	if err != nil {
		f.t.Fatal(err)
	}
	defer admin.Close()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 5000
	status, err := f.client.Describe(f.t.Context(), topics...)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range status {
		t := kmsg.NewDeleteRecordsRequestTopic()
		t.Topic = string(s.Topic)
		for _, p := range s.Partitions {
			part := kmsg.NewDeleteRecordsRequestTopicPartition()
			part.Partition, part.Offset = int32(p.ID), p.Last
			t.Partitions = append(t.Partitions, part)
		}
		req.Topics = append(req.Topics, t)
	}
	res, err := req.RequestWith(f.t.Context(), admin)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				f.t.Fatalf("delete records of %s: error code %d", t.Topic, p.ErrorCode)
			}
		}
	}
}

// TestGalleryRestore brings the gallery back after its file was damaged or lost: from the file, the topics, a copy and the
// images. Who was deleted stays deleted each time.
func TestGalleryRestore(t *testing.T) {
	f := startFlow(t)
	if f.cfg.Indexer.Gallery.Driver != config.DriverLocal {
		t.Skip("SKIPPED: only the local gallery is a file")
	}
	dir := f.cfg.Indexer.Gallery.Dir
	file := filepath.Join(dir, "gallery.db")
	f.start("ingest")
	f.start("worker", packs.Starter)
	f.start("indexer")
	f.enroll("alice", 0)
	f.enroll("bob", 1)
	data, err := drawn.JPEG(drawn.Cast()[2], 0, 400, 92)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Put(t.Context(), schema.ObjectRef{Bucket: f.cfg.S3.Bucket, Key: "enroll/staff/cid/a.jpg"}, data, "image/jpeg", nil); err != nil {
		t.Fatal(err)
	}
	for len(f.rows()) < 3 {
		f.idle("indexer", events.Analyses)
	}
	if r := f.send(schema.Request{Operation: schema.OpUserDelete, Collection: "staff", ExternalID: "bob"}); r.CallStatus.Reason != "" {
		t.Fatalf("delete: %+v", r.CallStatus)
	}
	rows := f.rows()
	settled := func() {
		t.Helper()
		f.idle("ingest", events.Requests)
		f.idle("worker", events.Jobs)
		f.idle("indexer", events.Analyses)
	}
	same := func(what string) {
		t.Helper()
		settled()
		got := f.rows()
		slices.Sort(got)
		slices.Sort(rows)
		if !slices.Equal(got, rows) {
			t.Fatalf("%s: %d rows, want the %d from before", what, len(got), len(rows))
		}
		g, err := drivers.OpenReader(t.Context(), f.cfg.Indexer.Gallery)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		report, err := verify.Run(t.Context(), f.client, g, "staff")
		if err != nil || len(report.Differences) > 0 {
			t.Errorf("%s: %+v, %v", what, report.Differences, err)
		}
	}
	settled()
	f.stop("indexer")
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}

	// One vector changes.
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("alice")) {
		t.Fatal("the name is not in the file")
	}
	if err := os.WriteFile(file, bytes.ReplaceAll(b, []byte("alice"), []byte("alicf")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(t.Context(), dir); !local.Damaged(err) {
		t.Fatalf("the indexer opens a damaged gallery: %v", err)
	}
	if out := f.restored(); out.Faces["staff"] != 1 || out.Lost["staff"] != 1 || out.Analyses != 4 || out.Missing != 0 {
		t.Errorf("from the damaged file: %+v", out)
	}
	f.start("indexer")
	same("from the damaged file and the analyses")
	f.stop("indexer")

	// The file is gone, and so are the analyses; a copy is there.
	f.forget(events.Analyses)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.restored("--copy", copied)
	f.start("indexer")
	same("from a copy")
	f.stop("indexer")

	// No copy either.
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := f.restored("--empty"); out.Missing != len(rows) {
		t.Errorf("from nothing: %+v", out)
	}
	f.start("indexer")
	if out := f.restored("--send-again"); out.Sent.Sent != len(rows) || len(out.Left) != 0 {
		t.Errorf("sent again: %+v", out)
	}
	same("from the results, the jobs and the images")
	f.stop("indexer")

	// Only the images are left. Who was enrolled by a request alone cannot be found among them.
	f.forget(events.Analyses, events.Results, events.Jobs)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.restored("--empty")
	f.start("indexer")
	if out := f.restored("--send-again", "--uploads"); out.Uploads == nil || out.Uploads.Missing != 1 {
		t.Errorf("uploads sent again: %+v", out.Uploads)
	}
	settled()
	if got := f.rows(); len(got) != 1 || !slices.Contains(rows, got[0]) {
		t.Errorf("from the images: %v, want one of %v", got, rows)
	}
}
