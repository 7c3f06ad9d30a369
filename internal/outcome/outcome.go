// Package outcome publishes the result of a request (invariant 2). All services use it.
package outcome

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"facestream/internal/routes"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Suffix ends the key of a result object: the key of the image + Suffix.
const Suffix = ".result.json"

// portraitMark precedes the extension in the key of a portrait.
const portraitMark = ".portrait."

// PortraitKey returns the key of the portrait that face_iso makes. It lies beside the image. A repeat of the job has
// the same key (invariant 3), another job has another one. ending is the extension of the file's format, for instance
// "png".
func PortraitKey(job *schema.Job, ending string) string {
	return portraitKey(job, 0, "portrait", ending)
}

// CropKey returns the key of the portrait of one face. image and face are the indices of the image and of the face in
// the result, which is by the model pack of that name; "" is the first of the collection.
func CropKey(job *schema.Job, image, face int, by, ending string) string {
	what := fmt.Sprintf("portrait of face %d", face)
	if by != "" {
		what += " by " + by
	}
	return portraitKey(job, image, what, ending)
}

// DocumentKey returns the key of the picture of the straightened document of an image, by the model pack of that name as in [CropKey].
func DocumentKey(job *schema.Job, image int, by, ending string) string {
	what := "document"
	if by != "" {
		what += " by " + by
	}
	return portraitKey(job, image, what, ending)
}

// BarcodeKey returns the key of the picture of the barcode of that index, as [DocumentKey].
func BarcodeKey(job *schema.Job, image, code int, by, ending string) string {
	what := fmt.Sprintf("barcode %d", code)
	if by != "" {
		what += " by " + by
	}
	return portraitKey(job, image, what, ending)
}

func portraitKey(job *schema.Job, image int, what, ending string) string {
	return job.Images[image].Key + "." + schema.EventID(what, job.ID) + portraitMark + ending
}

// Mark returns the user metadata of an object that facestream writes under key. It is valid for this key only, so a
// copy under another key is an ordinary upload.
func Mark(key string) map[string]string {
	return map[string]string{routes.OutputMark: schema.EventID("output", schema.RequestID(key))}
}

// Marked reports whether metadata, as the store returns it, is the mark of key.
func Marked(key string, metadata map[string]string) bool {
	return metadata[routes.OutputMark] == Mark(key)[routes.OutputMark]
}

// ImageOf returns the key of the image beside which an output named key lies, and false where no output has such a
// name. It looks only at the name, which anybody can choose. [Marked] says whether facestream wrote the object.
func ImageOf(key string) (string, bool) {
	if image, ok := strings.CutSuffix(key, Suffix); ok {
		return image, image != ""
	}
	for _, ending := range []string{"png", "jpeg"} {
		const length = len("." + "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
		before, ok := strings.CutSuffix(key, portraitMark+ending)
		if !ok || len(before) <= length {
			continue
		}
		image, event := before[:len(before)-length], before[len(before)-length:]
		id, err := uuid.Parse(event[1:])
		return image, event[0] == '.' && err == nil && id.Version() == 5
	}
	return "", false
}

// Publisher writes events durably.
type Publisher interface {
	Publish(ctx context.Context, topic events.Topic, events ...events.Event) error
}

// Objects writes result objects.
type Objects interface {
	Put(ctx context.Context, ref schema.ObjectRef, data []byte, contentType string, metadata map[string]string) (schema.ObjectRef, error)
}

// Sink publishes results for one service.
type Sink struct {
	Service   string // "worker": becomes the CloudEvents source "facestream/worker"
	Publisher Publisher
	Objects   Objects
	Log       zerolog.Logger
	Count     func(op schema.Operation, reason schema.Reason) // counts outcomes; may be nil
}

// Publish writes r, the outcome of job, to the topic of results. If the job asks for a result object, it first writes
// that beside the first image, so that a reader of the event finds the object. nil means durable. trace is the W3C
// traceparent to pass on.
func (s *Sink) Publish(ctx context.Context, job *schema.Job, r *schema.Result, trace string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return schema.Fatal("outcome.publish", err)
	}
	if job.ResultObject && len(job.Images) > 0 {
		image := job.Images[0]
		_, err := s.Objects.Put(ctx, schema.ObjectRef{Bucket: image.Bucket, Key: image.Key + Suffix}, data, "application/json", Mark(image.Key+Suffix))
		if schema.ClassOf(err) == schema.ClassPermanent {
			s.Log.Warn().Err(err).Msg("the result object cannot be written; the result is published anyway")
		} else if err != nil {
			return err
		}
	}
	e := s.Event(events.TypeResult, job, data, trace)
	if err := s.Publisher.Publish(ctx, events.Results, e); err != nil {
		return err
	}
	if s.Count != nil {
		s.Count(r.Operation, r.CallStatus.Reason)
	}
	return nil
}

// Counting is a Publisher that counts the results among the events: those of another process, whose [Sink] counts nothing here.
type Counting struct {
	Publisher Publisher
	Count     func(op schema.Operation, reason schema.Reason)
}

// Publish implements Publisher.
func (c Counting) Publish(ctx context.Context, topic events.Topic, list ...events.Event) error {
	if err := c.Publisher.Publish(ctx, topic, list...); err != nil || topic != events.Results {
		return err
	}
	for _, e := range list {
		var r schema.Result
		if err := json.Unmarshal(e.Data, &r); err != nil {
			return schema.Fatal("outcome.count", err) // only results are published there
		}
		c.Count(r.Operation, r.CallStatus.Reason)
	}
	return nil
}

// Event wraps data, which follows from job, as an event with a deterministic id (invariant 3). Its key is that of the
// subject, or of the request without a subject.
func (s *Sink) Event(kind string, job *schema.Job, data []byte, trace string) events.Event {
	return events.Event{
		ID: schema.EventID(kind, job.ID), Source: "facestream/" + s.Service, Type: kind,
		Time: time.Now().UTC(), TraceParent: trace, Key: job.RecordKey(), Digest: job.Digest, Data: data,
	}
}
