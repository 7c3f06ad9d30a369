package allinone_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// BenchmarkPage sends passports that show a face and a zone through the stream, one after the other, from the upload to the result, with
// and without the other lines of text. It reports the median on the clock and the processor time of a page, both with broker, store and
// services, which are in this process.
func BenchmarkPage(b *testing.B) {
	s := useStream(b)
	paths, err := filepath.Glob(filepath.Join(photographs(s), "documents", "*_pass*.jpg"))
	if err != nil || len(paths) == 0 || !s.has(b, models.RoleDocument) {
		b.Skipf("SKIPPED: no page was measured, because the pack has no network for documents or there are no photographs (%d, %v)", len(paths), err)
	}
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for name, config := range map[string]string{
		"zone": `{"detect_and_recognize_mrz_code":true,"face_validations_off":true,"doc_validations_off":true}`,
		"text": `{"detect_and_recognize_mrz_code":true,"calculate_age_from_ocr_text":true,"check_document_consistency":true,"face_validations_off":true,"doc_validations_off":true}`,
	} {
		b.Run(name, func(b *testing.B) {
			var each []time.Duration
			before := used()
			for i := 0; b.Loop(); i++ {
				path := paths[i%len(paths)]
				data, err := os.ReadFile(path)
				if err != nil {
					b.Fatal(err)
				}
				r := schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: schema.OpDocScanFace, Config: json.RawMessage(config)}
				start := time.Now()
				r.Images = []schema.ObjectRef{s.put(b, unique("page")+"/page.jpg", data, nil)}
				if err := s.client.Submit(b.Context(), s.publisher, r); err != nil {
					b.Fatal(err)
				}
				s.until(b, patience, "an outcome", func() bool { return len(s.results[r.ID]) > 0 })
				each = append(each, time.Since(start))
				s.mu.Lock()
				status := s.results[r.ID][0].result.CallStatus
				s.mu.Unlock()
				if status.Reason != "" {
					b.Fatalf("%s: %+v", path, status)
				}
			}
			b.ReportMetric((used()-before).Seconds()*1000/float64(len(each)), "cpu-ms/op")
			slices.Sort(each)
			b.ReportMetric(each[len(each)/2].Seconds()*1000, "p50-ms")
		})
	}
}
