// Package notify reads the notifications that object stores publish, in the dialects that they really speak, and
// answers with plain object references.
//
// All dialects share the shape of AWS (a JSON object with Records); they differ in how they write an object's key, which
// decides whether the object can be found:
//
//   - AWS S3 (and stores that follow it) form-encodes keys: a space is "+", other bytes are %XX.
//     https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
//   - MinIO does the same, wraps the records in an envelope {EventName, Key, Records} and adds the user metadata.
//   - Versity S3 Gateway writes keys as they are, so that decoding would damage those with "+" or "%"; its ETags keep
//     their quotes, and its notifications of plain uploads name no version even where the bucket keeps versions.
package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"facestream/pkg/schema"
)

// Dialect is whose way of writing a notification follows.
type Dialect string

// The dialects.
const (
	DialectAWS     Dialect = "aws"
	DialectMinIO   Dialect = "minio"
	DialectVersity Dialect = "versity"
)

// Notification says that something happened to one object.
type Notification struct {
	// Ref names the object by its raw key. Version is empty where the notification names none (or "null"), ETag has no
	// quotes and is empty for removals.
	Ref schema.ObjectRef
	// Created reports that new content was stored: s3:ObjectCreated:*, except where only tags, a retention or a legal hold
	// were put, which MinIO counts among the creations. It is false for folder markers: objects that stand for an empty folder.
	Created bool
	// Event is the event's name with the prefix "s3:", for instance "s3:ObjectCreated:Put".
	Event string
	// Size is the object's in bytes, as far as the store says it: 0 for removals; for copies and objects in parts, too, at Versity S3 Gateway.
	Size int64
	// Metadata is the user metadata (x-amz-meta-*), keys in lower case without that prefix. Only MinIO sends it.
	Metadata map[string]string
	Dialect  Dialect
}

// Parse reads the value of one record of the notification topic. A store's test event answers with no notifications and
// no error. If a record is not understood the error is Permanent (ReasonUnparsable) and the notifications hold those
// that were: one bad record never takes its neighbours away.
func Parse(value []byte) ([]Notification, error) {
	const op = "notify.parse"
	var e envelope
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, schema.Permanent(op, schema.ReasonUnparsable, describe(err))
	}
	if e.Event == "s3:TestEvent" {
		return nil, nil
	}
	if len(e.Records) == 0 {
		return nil, schema.Permanent(op, schema.ReasonUnparsable, errors.New("it has no Records, so that it is no notification of an object store"))
	}
	var notifications []Notification
	var problems []error
	for i, raw := range e.Records {
		var r record
		err := json.Unmarshal(raw, &r)
		if err != nil {
			err = describe(err)
		} else {
			var n Notification
			if n, err = r.notification(); err == nil {
				notifications = append(notifications, n)
			}
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("in Records[%d]: %w", i, err))
		}
	}
	if len(problems) > 0 {
		return notifications, schema.Permanent(op, schema.ReasonUnparsable, errors.Join(problems...))
	}
	return notifications, nil
}

type envelope struct {
	Event   string // of a test event
	Records []json.RawMessage
}

type record struct {
	EventSource string `json:"eventSource"`
	EventName   string `json:"eventName"`
	S3          struct {
		Bucket struct {
			Name string `json:"name"`
			ARN  string `json:"arn"`
		} `json:"bucket"`
		Object struct {
			Key          string            `json:"key"`
			Size         int64             `json:"size"`
			ETag         string            `json:"eTag"`
			VersionID    string            `json:"versionId"`
			ContentType  string            `json:"contentType"`
			UserMetadata map[string]string `json:"userMetadata"`
		} `json:"object"`
	} `json:"s3"`
}

// dialect tells the dialects apart by what no other of them can have: MinIO names itself, and Versity's bucket ARN is
// the path of the request, so that a "/" stands where the bucket's name begins elsewhere.
func (r *record) dialect() Dialect {
	switch {
	case r.EventSource == "minio:s3":
		return DialectMinIO
	case strings.HasPrefix(r.S3.Bucket.ARN, "arn:aws:s3:::/"):
		return DialectVersity
	}
	return DialectAWS
}

// notACreation are the events that MinIO counts among the creations although the content stays as it was.
var notACreation = []string{"PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold"}

func (r *record) notification() (Notification, error) {
	bucket, object := r.S3.Bucket, r.S3.Object
	n := Notification{
		Ref:     schema.ObjectRef{Bucket: bucket.Name, Key: object.Key, Version: object.VersionID, ETag: strings.Trim(object.ETag, `"`)},
		Event:   r.EventName,
		Size:    object.Size,
		Dialect: r.dialect(),
	}
	if n.Dialect != DialectVersity {
		key, err := url.QueryUnescape(object.Key)
		if err != nil {
			return Notification{}, errors.New("s3.object.key is not URL-encoded, as this dialect's keys are")
		}
		n.Ref.Key = key
	}
	switch {
	case n.Event == "":
		return Notification{}, errors.New("eventName is missing")
	case n.Ref.Bucket == "":
		return Notification{}, errors.New("s3.bucket.name is missing")
	case n.Ref.Key == "":
		return Notification{}, errors.New("s3.object.key is missing")
	case n.Size < 0:
		return Notification{}, errors.New("s3.object.size is negative")
	}
	if n.Ref.Version == "null" { // the protocol's word for "keeps no versions"
		n.Ref.Version = ""
	}
	if !strings.HasPrefix(n.Event, "s3:") {
		n.Event = "s3:" + n.Event
	}
	what, created := strings.CutPrefix(n.Event, "s3:ObjectCreated:")
	folder := n.Size == 0 && (strings.HasSuffix(n.Ref.Key, "/") || strings.HasPrefix(object.ContentType, "application/x-directory"))
	n.Created = created && !folder && !slices.Contains(notACreation, what)
	for k, v := range object.UserMetadata {
		if name, ok := strings.CutPrefix(strings.ToLower(k), "x-amz-meta-"); ok {
			if n.Metadata == nil {
				n.Metadata = map[string]string{}
			}
			n.Metadata[name] = v
		}
	}
	return n, nil
}

// describe says where JSON is wrong without quoting it: the values may be keys (invariant 6).
func describe(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON (at byte %d)", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("%q must be of another type than it is", kind.Field)
	}
	return errors.New("it is not JSON")
}
