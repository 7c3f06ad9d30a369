// Package notify parses the notifications of object stores, in the dialects that the stores really use, into plain
// object references.
//
// Most dialects share the shape of AWS, a JSON object with Records. They differ in the encoding of an object's key,
// which decides whether the object can be found. Each dialect has a feature by which it is recognised:
//
//   - AWS S3 names itself "aws:s3" and form-encodes keys: a space is "+", other bytes are %XX.
//     https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
//   - AWS EventBridge wraps one event in its own envelope, without Records, and does not encode keys.
//     https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
//   - MinIO names itself "minio:s3", form-encodes keys with their slashes, and adds the user metadata.
//   - Ceph names itself "ceph:s3" and does not encode keys.
//     https://docs.ceph.com/en/latest/radosgw/notifications/#events
//   - Versity S3 Gateway calls itself "aws:s3" and does not encode keys. Its bucket ARN is the path of the request. ETags keep their quotes. Notifications of plain uploads name no version, even if the bucket keeps versions.
//
// Other stores also call themselves "aws:s3", or use their own name, and may or may not encode keys. If the dialect
// does not decide it, a [Notification] has both readings of the key, and the caller asks the store which object exists.
//
// Only the event's name, the bucket and the key are needed. Every other field may be missing or of another type. Ceph's
// documentation, for instance, writes sizes as strings.
package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"facestream/pkg/schema"
)

// Dialect is the form in which a store writes notifications.
type Dialect string

// The dialects.
const (
	DialectAWS         Dialect = "aws"
	DialectEventBridge Dialect = "eventbridge"
	DialectMinIO       Dialect = "minio"
	DialectCeph        Dialect = "ceph"
	DialectVersity     Dialect = "versity"
	DialectUnknown     Dialect = "unknown"
)

// Notification reports an event of one object.
type Notification struct {
	// Ref names the object by its raw key. Version is empty where the notification names none (or "null"), ETag has no
	// quotes and is empty for removals.
	Ref schema.ObjectRef
	// OtherKey is the other reading of a key that the dialect may or may not have encoded. It names the object if there
	// is none under Ref.Key. It is "" if the key is certain.
	OtherKey string
	// Created reports that new content was stored: s3:ObjectCreated:*, except for tags, a retention or a legal hold,
	// which MinIO also reports as creations. It is false for folder markers, the objects that stand for an empty
	// folder.
	Created bool
	// Event is the event's name with the prefix "s3:", for instance "s3:ObjectCreated:Put".
	Event string
	// Size is the size of the object in bytes if the store reports it. It is 0 for removals, and with Versity S3
	// Gateway also for copies and multipart uploads.
	Size int64
	// Metadata is the user metadata (x-amz-meta-*), keys in lower case without that prefix. Only MinIO sends it.
	Metadata map[string]string
	Dialect  Dialect
}

// Parse reads the value of one record of the notification topic. For a store's test event it returns no notifications
// and no error. If an entry is not understood, the error is Permanent (ReasonUnparsable), and Parse still returns the
// notifications of the other entries.
func Parse(value []byte) ([]Notification, error) {
	const op = "notify.parse"
	unparsable := func(err error) error { return schema.Permanent(op, schema.ReasonUnparsable, err) }
	if !utf8.Valid(value) { // else encoding/json would read other names
		return nil, unparsable(errors.New("it is not UTF-8"))
	}
	var e envelope
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, unparsable(describe(err))
	}
	switch {
	case text(e.Event) == "s3:TestEvent":
		return nil, nil
	case text(e.Source) == "aws.s3" && e.Detail != nil:
		n, err := e.bridged()
		if err != nil {
			return nil, unparsable(err)
		}
		return []Notification{n}, nil
	case len(e.Records) == 0:
		return nil, unparsable(errors.New("it has no Records, so it is not a notification of an object store in the form of S3"))
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
		return notifications, unparsable(errors.Join(problems...))
	}
	return notifications, nil
}

type envelope struct {
	Event      json.RawMessage // of a test event
	Records    []json.RawMessage
	Source     json.RawMessage `json:"source"` // of EventBridge, like what follows
	DetailType json.RawMessage `json:"detail-type"`
	Detail     *detail         `json:"detail"`
}

// detail is the part of an EventBridge event about the object.
type detail struct {
	Bucket bucket          `json:"bucket"`
	Object object          `json:"object"`
	Reason json.RawMessage `json:"reason"`
}

// record is one event in the form of S3.
type record struct {
	EventSource json.RawMessage `json:"eventSource"`
	EventName   json.RawMessage `json:"eventName"`
	S3          struct {
		Bucket bucket `json:"bucket"`
		Object object `json:"object"`
	} `json:"s3"`
}

type bucket struct {
	Name json.RawMessage `json:"name"`
	ARN  json.RawMessage `json:"arn"`
}

// object has every name of a field that any dialect uses; encoding/json ignores the case.
type object struct {
	Key          json.RawMessage `json:"key"`
	Size         json.RawMessage `json:"size"`
	ETag         json.RawMessage `json:"eTag"`
	VersionID    json.RawMessage `json:"versionId"`
	DashVersion  json.RawMessage `json:"version-id"`
	ContentType  json.RawMessage `json:"contentType"`
	UserMetadata json.RawMessage `json:"userMetadata"`
}

// text returns the string raw, or "" if raw is not a string.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// name returns a string that must be present and must be decoded without loss.
func name(field string, raw json.RawMessage) (string, error) {
	switch s := text(raw); {
	case s != "" && schema.HalfCharacter(raw):
		return "", fmt.Errorf("%s contains half of a character", field)
	case s != "":
		return s, nil
	case len(raw) > 0 && raw[0] != '"' && string(raw) != "null":
		return "", fmt.Errorf("%s is not a string", field)
	}
	return "", fmt.Errorf("%s is missing", field)
}

// size returns the number of bytes in raw, which is a number or a string of digits, or 0 if raw is neither.
func size(raw json.RawMessage) int64 {
	digits := string(raw)
	if s := text(raw); s != "" {
		digits = s
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// version returns the version that the object names. "null", which means that the bucket keeps no versions, becomes "".
func (o object) version() string {
	for _, raw := range []json.RawMessage{o.VersionID, o.DashVersion} {
		if v := text(raw); v != "" && v != "null" {
			return v
		}
	}
	return ""
}

// dialect returns the dialect of r.
func (r *record) dialect() Dialect {
	switch text(r.EventSource) {
	case "minio:s3":
		return DialectMinIO
	case "ceph:s3":
		return DialectCeph
	case "aws:s3":
		// Versity writes the path of the request where others write the bucket's name.
		if strings.HasPrefix(text(r.S3.Bucket.ARN), "arn:aws:s3:::/") {
			return DialectVersity
		}
		return DialectAWS
	}
	return DialectUnknown
}

// readings returns the key that written most likely stands for, and the other one that it may stand for, or "".
func (d Dialect) readings(written string) (key, other string) {
	decoded, err := url.QueryUnescape(written)
	if err != nil || decoded == "" || !utf8.ValidString(decoded) || decoded == written {
		return written, "" // nothing that was encoded
	}
	switch d {
	case DialectMinIO:
		return decoded, ""
	case DialectVersity, DialectEventBridge:
		return written, ""
	case DialectAWS: // or a store that calls itself so
		return decoded, written
	}
	return written, decoded // as Ceph writes it
}

// notACreation holds the events that MinIO reports as creations although the content does not change.
var notACreation = []string{"PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold"}

func (r *record) notification() (Notification, error) {
	event, err := name("eventName", r.EventName)
	if err != nil {
		return Notification{}, err
	}
	if !strings.HasPrefix(event, "s3:") {
		event = "s3:" + event
	}
	n, err := newNotification(r.dialect(), event, "s3.", r.S3.Bucket, r.S3.Object)
	if err != nil {
		return Notification{}, err
	}
	var metadata map[string]json.RawMessage
	if json.Unmarshal(r.S3.Object.UserMetadata, &metadata) != nil {
		return n, nil
	}
	for k, v := range metadata {
		if name, ok := strings.CutPrefix(strings.ToLower(k), "x-amz-meta-"); ok {
			if n.Metadata == nil {
				n.Metadata = map[string]string{}
			}
			n.Metadata[name] = text(v)
		}
	}
	return n, nil
}

// bridged returns the notification in an envelope of EventBridge. Its detail-type corresponds to the event's name of
// S3.
func (e *envelope) bridged() (Notification, error) {
	kind, err := name("detail-type", e.DetailType)
	if err != nil {
		return Notification{}, err
	}
	event := "s3:" + strings.ReplaceAll(kind, " ", "")
	if kind == "Object Created" {
		event = "s3:ObjectCreated:" + strings.TrimSuffix(text(e.Detail.Reason), "Object")
	}
	return newNotification(DialectEventBridge, event, "detail.", e.Detail.Bucket, e.Detail.Object)
}

// newNotification reads the fields that every dialect has. path is the prefix of the fields' names in errors.
func newNotification(d Dialect, event, path string, b bucket, o object) (Notification, error) {
	bucket, err := name(path+"bucket.name", b.Name)
	if err != nil {
		return Notification{}, err
	}
	written, err := name(path+"object.key", o.Key)
	if err != nil {
		return Notification{}, err
	}
	n := Notification{Event: event, Size: size(o.Size), Dialect: d}
	n.Ref = schema.ObjectRef{Bucket: bucket, Version: o.version(), ETag: schema.BareETag(text(o.ETag))}
	n.Ref.Key, n.OtherKey = d.readings(written)
	what, created := strings.CutPrefix(event, "s3:ObjectCreated:")
	folder := n.Size == 0 && (strings.HasSuffix(n.Ref.Key, "/") || strings.HasPrefix(text(o.ContentType), "application/x-directory"))
	n.Created = created && !folder && !slices.Contains(notACreation, what)
	return n, nil
}

// describe says where JSON is wrong without quoting it, because the values may be keys (invariant 6).
func describe(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON (at byte %d)", syntax.Offset)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("it is a JSON %s; a notification is an object", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("%s is a JSON %s, which no notification has there", kind.Field, kind.Value)
	}
	return errors.New("it is not JSON")
}
