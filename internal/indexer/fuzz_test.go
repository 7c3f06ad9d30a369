package indexer

import (
	"testing"

	"facestream/internal/gallery/local"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// FuzzAnalysis: whatever a record of the analyses says, it ends with a result, or with an error that is not tried again for ever.
func FuzzAnalysis(f *testing.F) {
	f.Add([]byte(`{"id":"0","operation":"enroll","faces":[{}],"probes":[{}],"thresholds":{}}`)) // without an image
	for _, op := range schema.Operations() {
		f.Add([]byte(`{"id":"r","operation":"` + string(op) + `","collection":"c","images":[{"bucket":"b","key":"k"}],"faces":[{}],"probes":[{"model":"net@1","vector":"AACAPwAAAAA="}],"thresholds":{"min":0.1}}`))
		f.Add([]byte(`{"id":"r","operation":"` + string(op) + `"}`))
		f.Add([]byte(`{"id":"r","operation":"` + string(op) + `","collection":"c","puid":"p","others":[{},{"answer":{}}],"probes":[{}]}`))
	}
	g, err := local.Open(f.Context(), f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { g.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		b := &bench{t: t, Service: Service{Gallery: g}}
		b.Results = &outcome.Sink{Service: "indexer", Publisher: b}
		err := b.Handle(t.Context(), events.Record{Event: events.Event{Data: data}})
		if err == nil && len(b.published) != 1 {
			t.Errorf("%d results", len(b.published))
		}
		if err != nil && schema.ClassOf(err) != schema.ClassPermanent {
			t.Errorf("%v can be tried again for ever", err)
		}
	})
}
