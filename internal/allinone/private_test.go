package allinone_test

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"facestream/internal/drawn"
	"facestream/internal/symbols"
	"facestream/pkg/aamva"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/mrz"
	"facestream/pkg/schema"
)

// holder is whom the documents of these tests name. Each value is found nowhere else.
var holder = mrz.Document{
	Format: mrz.TD3, Code: "P", Issuer: "UTO", Nationality: "UTO", Number: "QX7Z41K9W", Name: mrz.Name{Primary: "PLANTEDNAME", Secondary: "ZERLINDE"},
	Birth: mrz.Date{Year: 1987, Month: 11, Day: 23}, Expiry: mrz.Date{Year: 2036, Month: 2, Day: 9}, Sex: mrz.SexFemale,
}

// passport is a photograph of the specimen passport of member i of the cast that says what d says.
func passport(t *testing.T, i int, d mrz.Document) *image.RGBA {
	t.Helper()
	zone, err := mrz.Generate(d)
	if err != nil {
		t.Fatal(err)
	}
	return photographed(t, i, drawn.Specimen{Passport: true, Title: "PASSPORT", Lines: []string{d.Name.Primary, d.Name.Secondary, d.Number}, Zone: zone})
}

// photographed is a photograph of a specimen of member i of the cast.
func photographed(t *testing.T, i int, s drawn.Specimen) *image.RGBA {
	t.Helper()
	p := drawn.Cast()[i]
	page, err := p.Page(p.Shot(2), s)
	if err != nil {
		t.Fatal(err)
	}
	return drawn.Photograph(page, 3, 1000).Picture
}

// TestInvariant6DocumentsStayInPayloads: what is read on a document is in the result, and in no log line, no metric, no key and no
// header of a record, also of a dead letter whose cause is in the record itself.
func TestInvariant6DocumentsStayInPayloads(t *testing.T) {
	s := useStream(t)
	began := time.Now()
	private := []string{holder.Number, holder.Name.Primary, holder.Name.Secondary, "1987-11-23"}
	if s.has(t, models.RoleDocument) && s.has(t, models.RoleText) {
		r := s.ask(t, schema.OpDocScanFace, `{"detect_and_recognize_mrz_code":true,"calculate_age_from_ocr_text":true,"face_validations_off":true,"doc_validations_off":true}`, imagingtest.PNG(passport(t, 14, holder)))
		if r.Document.Found == nil || len(r.Document.Found.Detected.MRZ) != 2 || !strings.Contains(string(r.Document.Found.Detected.MRZ[1]), holder.Number) {
			t.Fatalf("the passport was not read, so nothing is checked: %+v", r.CallStatus)
		}
	}
	payload, err := aamva.Generate(aamva.Card{Issuer: "636000", Version: 10, Kind: aamva.Licence, Name: aamva.Name{Family: holder.Name.Primary, First: holder.Name.Secondary}, Number: holder.Number})
	if err != nil {
		t.Fatal(err)
	}
	symbol, err := symbols.Draw(barcode.PDF417, string(payload), 4)
	if err == nil {
		r := s.ask(t, schema.OpDocScanFace, `{"document_scan_barcode_only":true}`, imagingtest.PNG(painted(symbol)))
		if len(r.Barcodes) != 1 || r.Barcodes[0].Data == nil || !strings.Contains(string(r.Barcodes[0].Data.Text), holder.Name.Primary) {
			t.Fatalf("the barcode was not read: %+v, %d barcodes", r.CallStatus, len(r.Barcodes))
		}
	}
	// Records whose values cannot be read, at which decoders like to quote.
	for _, c := range []struct {
		topic events.Topic
		value string
	}{
		{events.Analyses, `{"id":"a","operation":"enroll","accepted_at":"PLANTEDNAME"}`},
		{events.Analyses, `{"id":"a","operation":"enroll","faces":[{"image":8711230000000000000000000000}]}`},
		{events.Analyses, `{"id":"a","answer":{"document":{"detected_document":{"mrz_data":["QX7Z41K9W"],"ocr_age_data":"ZERLINDE"}}}}`},
		{events.Jobs, `{"id":"a","accepted_at":"1987-11-23 PLANTEDNAME"}`},
		{events.Requests, `{"id":"a-private","operation":"doc_scan_face","config":"PLANTEDNAME" QX7Z41K9W`},
	} {
		value := strings.Replace(c.value, `"id":"a`, `"id":"`+uuid.NewString(), 1)
		e := events.Event{ID: uuid.NewString(), Source: "test", Type: "test", Time: time.Now(), Key: uuid.NewString(), Data: []byte(value)}
		if err := s.publisher.Publish(t.Context(), c.topic, e); err != nil {
			t.Fatal(err)
		}
		s.deadLetter(t, value)
	}
	logs, headers := s.log.String(), 0
	if logs == "" {
		t.Fatal("the services logged nothing")
	}
	s.mu.Lock()
	dead := s.dead
	s.mu.Unlock()
	for _, topic := range []events.Topic{events.Results, events.Analyses, events.Jobs, events.DeadLetters} {
		records := dead
		if topic != events.DeadLetters {
			records = s.values(t, topic)
		}
		for _, r := range records {
			if r.Time.Before(began) {
				continue
			}
			headers++
			said := string(r.Key)
			for _, h := range r.Headers {
				said += fmt.Sprintf(" %s=%s", h.Key, h.Value)
			}
			for _, p := range private {
				if strings.Contains(said, p) {
					t.Errorf("%s: a key or a header shows %q: %s", topic, p, said)
				}
			}
		}
	}
	if headers < 5 {
		t.Errorf("the headers of %d records were looked at", headers)
	}
	metrics := s.metrics(t)
	for _, p := range private {
		if strings.Contains(logs, p) {
			t.Errorf("the log shows %q", p)
		}
		if strings.Contains(metrics, p) {
			t.Errorf("the metrics show %q", p)
		}
	}
}

// TestInvariant6VoicesStayInPayloads: whose voice was enrolled, searched for or refused stands in no log line and in no metric.
func TestInvariant6VoicesStayInPayloads(t *testing.T) {
	s := useStream(t)
	collection := schema.Collection(unique("voices"))
	const external, file = "planted-speaker", "planted-recording"
	private := []string{external, file}
	send := func(op schema.Operation, name string, sound []byte) schema.Result {
		return s.outcome(t, schema.ObjectRequestID(s.put(t, fmt.Sprintf("%s/%s/%s/%s-%s.wav", op, collection, external, file, name), sound, nil)))
	}
	send(schema.OpVoiceEnroll, "quiet", silence(4))
	send(schema.OpVoiceEnroll, "broken", []byte("no recording"))
	send(schema.OpVoiceVerify, "unknown", silence(4))
	s.send(t, schema.Request{Operation: schema.OpVoiceEnroll, Collection: collection, ExternalID: external, Images: []schema.ObjectRef{{Bucket: s.cfg.S3.Bucket, Key: file + "-missing.wav"}}})
	if s.has(t, models.RoleVoice) {
		speaks := speakers(t, s)
		enrolled := send(schema.OpVoiceEnroll, "enrolled", speaks(0, "enroll"))
		if enrolled.Enroll == nil || !enrolled.Enroll.EnrollPerformed {
			t.Fatalf("nobody was enrolled, so nothing is checked: %+v", enrolled.CallStatus)
		}
		private = append(private, string(enrolled.Enroll.Response.PUID))
		if found := send(schema.OpVoicePredict, "found", speaks(0, "test")); found.Predict == nil || found.Predict.Response.PUID != enrolled.Enroll.Response.PUID {
			t.Fatalf("nobody was found, so nothing is checked: %+v", found.CallStatus)
		}
	}
	logs, metrics := s.log.String(), s.metrics(t)
	for _, p := range private {
		if p == "" || strings.Contains(logs, p) {
			t.Errorf("the log shows %q", p)
		}
		if strings.Contains(metrics, p) {
			t.Errorf("the metrics show %q", p)
		}
	}
}

// served is the log line of a service that says where its metrics are.
var served = regexp.MustCompile(`(?m)^.*"address":"([^"]+)".*"health and metrics are served".*$`)

// metrics is what the services that run say at /metrics and at /readyz.
func (s *stream) metrics(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, m := range served.FindAllStringSubmatch(s.log.String(), -1) {
		for _, path := range []string{"/metrics", "/readyz"} {
			res, err := http.Get("http://" + m[1] + path)
			if err != nil {
				continue // a service of another test, which ended with it
			}
			_, err = io.Copy(&all, res.Body)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if said := all.String(); !strings.Contains(said, "facestream_outcomes_total{") || !strings.Contains(said, `"ready"`) {
		t.Fatalf("no service showed its metrics:\n%s", said)
	}
	return all.String()
}

// painted is a picture of a symbol, three pixels a module, in a quiet zone.
func painted(s *symbols.Symbol) *image.RGBA {
	const size, margin = 3, 40
	m := image.NewRGBA(image.Rect(0, 0, s.Width*size+2*margin, s.Height*size+2*margin))
	fill(m, m.Bounds(), color.RGBA{255, 255, 255, 255})
	luma := make([]byte, m.Rect.Dx()*m.Rect.Dy())
	for i := range luma {
		luma[i] = 255
	}
	s.Paint(luma, m.Rect.Dx(), margin, margin, size)
	for i, v := range luma {
		m.SetRGBA(i%m.Rect.Dx(), i/m.Rect.Dx(), color.RGBA{v, v, v, 255})
	}
	return m
}
